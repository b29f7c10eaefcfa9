"""Draw valid definitions, small and of every kind.

Events have ids of a few kinds that teach attributes, so that sets may roll up; values are
declared only where something asks for them; every event and set is used by some metric.
"""

import io
import re
from typing import Any

from hypothesis.strategies import DrawFn
from ruamel.yaml import YAML

from tests.oracle.draft import USER_OR_ANONYMOUS, Draft, Scale, draw_event
from tests.oracle.told import Tracker

ATTRIBUTES = (("item", "owner", "user"), ("user", "home", "org"), ("item", "place", "org"))


def _attributes(draft: Draft) -> None:
    for entity, name, kind in ATTRIBUTES:
        teachers = draft.with_id(entity, kind)
        if teachers and draft.chance(80):
            source = f"{draft.pick(*teachers)}.{kind}"
            draft.entities.setdefault(entity, {})[name] = {"is": kind, "from": source}


def _roll_ups(draft: Draft, entity: str) -> list[str]:
    """Name the attributes of members of sets so far that are of this kind."""
    return [
        f"{name}.{attribute}"
        for name, about in draft.sets.items()
        for attribute, of in draft.entities.get(about["of"], {}).items()
        if of["is"] == entity
    ]


def _set_aggregate(draft: Draft, entity: str) -> tuple[str, bool, bool]:
    """Draw an aggregate; tell whether it is a sum, and whether it needs the set's window."""
    below = _roll_ups(draft, entity)
    events = draft.with_id(entity)
    if below and (not events or draft.chance(60)):
        return f"count({draft.pick(*below)})", False, False
    event = draft.pick(*events)
    others = [kind for kind in draft.events[event]["ids"] if kind != entity]
    function = draft.pick("count", "distinct", "sum") if others else draft.pick("count", "sum")
    subject = event
    if function == "sum":
        subject = f"{event}.{draft.need(event, 'n')}"
    elif function == "distinct":
        other = draft.pick(*others)
        subject = f"{event}.{other}"
        owns = [a for a, of in draft.entities.get(entity, {}).items() if of["is"] == other]
        if owns and draft.chance(60):
            subject += f", other_than={draft.pick(*owns)}"
    options, needs_window = draft.options(event)
    return f"{function}({subject}{options})", function == "sum", needs_window


def _comparison(draft: Draft, entity: str, *, positive: bool) -> tuple[str, bool]:
    """Draw a comparison; a positive one does not hold for an entity that did nothing."""
    aggregate, is_sum, needs_window = _set_aggregate(draft, entity)
    if is_sum:
        least = draft.pick("0.5", "1", "2.5", "5")
        end = draft.pick(f">= {least}", f"> {least}", "> 0")
        opposite = draft.pick(f"<= {least}", f"< {least}")
    else:
        number = draft.pick(1, 1, 1, 2, 1, 2, 3)
        at_least = f">= {number}"
        end = draft.pick(at_least, at_least, f"> {number - 1}", "!= 0", f"== {number}")
        opposite = draft.pick(f"<= {number}", f"< {number + 2}", "== 0", f"!= {number}")
    return f"{aggregate} {end if positive else opposite}", needs_window


def _set(draft: Draft, name: str) -> None:
    kinds = {k for e in draft.events.values() for k in e["ids"] if k != "seat"}
    rolled = [kind for kind in ("org", "user") if _roll_ups(draft, kind)]
    entity = draft.pick(*rolled) if rolled and draft.chance(75) else draft.pick(*sorted(kinds))
    shape = draft.pick("P", "P", "P", "P and N", "P or P", "(P or P) and N", "P and not (P or P)")
    text, needs = "", False
    for letter in shape:
        if letter in "PN":
            comparison, needs_window = _comparison(draft, entity, positive=letter == "P")
            text, needs = text + comparison, needs or needs_window
        else:
            text += letter
    draft.sets[name] = {"of": entity, "when": text}
    if needs:
        draft.sets[name]["window"] = draft.window()


def _term(draft: Draft) -> tuple[str, bool]:
    """Draw a term of a metric; also tell whether it needs the metric's window."""
    functions = ["count", "sum", "mean", "distinct"] + ["size", "size", "size"] * bool(draft.sets)
    function = draft.pick(*functions)
    if function == "size":
        return f"size({draft.pick(*draft.sets)})", False
    event = draft.pick(*draft.events)
    subject = event
    if function == "distinct":
        subject = f"{event}.{draft.pick(*draft.events[event]['ids'])}"
    elif function != "count":
        subject = f"{event}.{draft.need(event, 'n')}"
    options, needs_window = draft.options(event)
    return f"{function}({subject}{options})", needs_window


SHAPES = ("T", "T", "T", "T / T", "T / T", "T + T * 2", "(T - T) / T", "-T", "T / 4", "1 + T / T")
SHAPES_OVER_METRICS = ("M", "M / T", "M * 100", "M - M", "M / (M + T)")


def _fed(draft: Draft) -> list[str]:
    """Name the metrics beside the North Star that are more than a number."""
    return [
        name for name, about in draft.metrics.items() if name != "star" and about["value"] != "42"
    ]


def _metric(draft: Draft, name: str, shape: str | None = None) -> None:
    """Draw a metric's value; M stands for a metric so far and T for a term."""
    shape = shape or draft.pick(*SHAPES, *(SHAPES_OVER_METRICS if _fed(draft) else ()))
    earlier = _fed(draft)
    text, needs = "", False
    for letter in shape:
        if letter == "T":
            term, needs_window = _term(draft)
            text, needs = text + term, needs or needs_window
        else:
            text += draft.pick(*earlier) if letter == "M" else letter
    draft.metrics[name] = {
        "label": name.replace("_", " ").title(),
        "definition": "Drawn by chance.",
        "value": text,
        "unit": "items",
        "owner": "nobody",
    }
    if needs:
        draft.metrics[name]["window"] = draft.window()


def guard(draft: Draft) -> dict[str, Any]:
    """Draw a guard, with whatever baseline goes with it."""
    better = draft.pick("lower", "higher", [1, 3], [0.5, 2], [-2, 5])
    is_between = isinstance(better, list)
    about: dict[str, Any] = {"protects": "star"}
    about["better"] = {"between": better} if is_between else better
    if not is_between:
        past = draft.pick(*draft.scale.previous)
        about["baseline"] = draft.pick(
            f"previous({past})", "fixed(2)", "fixed(0.5)", f"previous({past})", "fixed(-1)"
        )
    return about | {
        "warn": draft.pick("3%", "10%", "0.5%"),
        "breach": draft.pick("100%", "50%", "25%", "200%"),
        "min_samples": draft.pick(0, 1, 1, 2, 5),
        "hold": "10m",
        "severity": draft.pick("page", "ticket"),
        "owner": "nobody",
        "runbook": "https://example.org/runbook",
    }


def _roles(draft: Draft) -> None:
    """Make the first metric the North Star, and of the others inputs and guardrails."""
    star = draft.metrics["star"]
    star["role"] = "north_star"
    others = _fed(draft)
    inputs = others[: draft.pick(0, 1, 2)] if others else []
    if inputs:
        star["inputs"] = dict.fromkeys(inputs, draft.pick("formula", "hypothesis"))
        if "formula" in star["inputs"].values():
            star["formula"] = draft.pick(" * ", " + ", " / ", " - 2 * ").join(inputs)
    for name in others:
        if name in inputs:
            draft.metrics[name]["role"] = "input"
        elif draft.chance(50):
            draft.metrics[name] |= {"role": "guardrail", "guard": guard(draft)}


def _use_everything(draft: Draft) -> None:
    """Drop sets that no metric looks at, and count the events that nothing uses or learns from."""
    for name in reversed(list(draft.sets)):
        users = [about["when"] for about in draft.sets.values()]
        users += [about["value"] for about in draft.metrics.values()]
        if not any(f"({name})" in text or f"({name}." in text for text in users):
            del draft.sets[name]
    used = " ".join(
        [about["when"] for about in draft.sets.values()]
        + [about["value"] for about in draft.metrics.values()]
    )
    teachers = {of["from"].split(".")[0] for e in draft.entities.values() for of in e.values()}
    star = draft.metrics["star"]
    for name in draft.events:
        if f"({name}" not in used and name not in teachers:
            window = draft.window()
            star["value"] = f'{star["value"]} + count({name}, window="{window}")'


def drafted(draw: DrawFn, scale: Scale, *, small: bool, has_calendar: bool = True) -> Draft:
    """Draw a definition of counts, sums and sets of them; a small one leaves room for more."""
    draft = Draft(draw, scale, has_calendar=has_calendar)
    for name in ("e_one", "e_two", "e_three")[: draft.pick(2, 1, 3)]:
        draw_event(draft, name)
    if draft.chance(30):
        for about in draft.events.values():
            if "user" in about["ids"]:
                about["ids"]["user"] = USER_OR_ANONYMOUS
    _attributes(draft)
    sets, metrics = ((0, 1), (0, 1)) if small else ((2, 1, 3, 0), (2, 1, 3, 4, 5, 0))
    for name in ("s_one", "s_two", "s_three")[: draft.pick(*sets)]:
        _set(draft, name)
    _metric(draft, "star", "T" if draft.chance(60) else "T / T")
    for number in range(draft.pick(*metrics)):
        _metric(draft, f"m_{number}", "42" if draft.chance(3) else None)
    _use_everything(draft)
    _roles(draft)
    return draft


def _in_its_places(about: Any, tracker: Tracker) -> Any:
    """Say the same of a tracker's places."""
    if isinstance(about, dict):
        return {key: _in_its_places(part, tracker) for key, part in about.items()}
    if isinstance(about, list):
        return [_in_its_places(part, tracker) for part in about]
    for ours, theirs in tracker.places.items():
        about = about.replace(ours, theirs) if isinstance(about, str) else about
    return about


def _ids(ids: dict[str, Any], tracker: Tracker) -> dict[str, Any] | list[str]:
    """Take from the envelope what it has: by a list where that is all."""
    if tracker.user is None:
        return ids
    shared = {"user", *tracker.entities} & ids.keys()
    found = ids | {entity: {"from": "envelope"} for entity in shared}
    if "seat" in ids:
        found["seat"] = {"together": [tracker.user, *ids["seat"]["together"][1:]]}
    return [*ids] if shared == ids.keys() else found


def _event(about: dict[str, Any], tracker: Tracker) -> dict[str, Any]:
    found = about | {"ids": _in_its_places(_ids(about["ids"], tracker), tracker)}
    for key in {"values", "where"} & about.keys():
        found[key] = _in_its_places(about[key], tracker)
    return found | ({} if tracker.constant is None else {"name": tracker.constant})


def written(draft: Draft, zone: str, tracker: Tracker) -> str:
    """Write a draft down as YAML text, to read what a tracker writes."""
    sections = {
        "version": 1,
        "product": "drawn",
        "calendar": {"zone": zone, "week_starts": draft.pick("monday", "sunday", "thursday")},
        "source": {"topics": list(tracker.topics), "envelope": tracker.envelope},
        "entities": draft.entities,
        "events": {name: _event(about, tracker) for name, about in draft.events.items()},
        "streams": draft.streams,
        "params": draft.params,
        "sets": draft.sets,
        "metrics": draft.metrics,
    }
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.width = 1_000
    yaml.representer.ignore_aliases = lambda _: True  # the language knows none
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = io.StringIO()
    yaml.dump({key: value for key, value in sections.items() if value}, stream)
    text = stream.getvalue()
    for ours, theirs in tracker.entities.items():
        text = re.sub(rf"\b{ours}\b", theirs, text)
    return text
