"""Draw what the language has beyond counts, sums and sets of them, class by class.

Each class adds to a definition in the making what it is about: sets, streams and metrics.
"""

import re
from collections.abc import Callable
from typing import Any

from tests.oracle.draft import Draft, options_of
from tests.oracle.drawn_definition import guard

STATE_CONDITIONS = (
    "tier == 'pro'",
    "tier in ('pro', 'team')",
    "tier != 'free'",
    "not tier == 'free'",
    "level >= 2",
    "vip",
    "not vip and level < 5",
    "tier not in ('free', 'team') or vip",
)
HABITS = {
    "streak": "streak({0}, unit={1}, grace={grace}{2}) ",
    "active_units": "active_units({0}, unit={1}, of={of}{2}) ",
    "mean_per": "mean_per({0}, period={period}, periods={periods}, new_members={members}{2}) ",
}
THRESHOLDS = {
    "streak": (">= 2", "> 0", ">= 3"),
    "active_units": (">= 1", ">= 2", "> 1"),
    "mean_per": (">= 0.5", "> 1", ">= 1.5"),
}
STATES = {"tier": "plan", "level": "n", "vip": "ok"}
"""Attribute → the value that teaches it."""


def _metric(draft: Draft, name: str, value: str, *, window: bool = False, **keys: Any) -> None:
    draft.metrics[name] = {
        "label": name.replace("_", " ").title(),
        "definition": "Drawn by chance.",
        "value": value,
        "unit": "items",
        "owner": "nobody",
        **keys,
    }
    if window:
        draft.metrics[name]["window"] = draft.window()


def _guarded(draft: Draft, name: str) -> None:
    if draft.chance(40):
        draft.metrics[name] |= {"role": "guardrail", "guard": guard(draft)}


def _size(draft: Draft, name: str) -> None:
    _metric(draft, f"size_{name}", f"size({name})")
    _guarded(draft, f"size_{name}")


def _entities(draft: Draft) -> list[str]:
    return sorted({k for e in draft.events.values() for k in e["ids"] if k != "seat"})


def _event_of(draft: Draft, *entities: str) -> str:
    """Choose an event with these ids, which all get if none has them."""
    found = draft.with_id(*entities)
    if not found:
        draft.give_ids("e_one", *entities)
        found = ["e_one"]
    return str(draft.pick(*found))


def params(draft: Draft) -> None:
    """Numbers with names, in a set, in a condition, and varied."""
    event = _event_of(draft)
    draft.need(event, "n")
    draft.params["least"] = draft.pick(1, 0.5, 2)
    _metric(draft, "par", f"count({event}, where=n > least)", window=True)
    draft.metrics["par"]["variants"] = {"strict": {"least": draft.pick(2.5, 5)}}
    if draft.chance(50):
        draft.metrics["par"]["params"] = {"least": 1.125}
    entity = draft.pick(*_entities(draft))
    subject = _event_of(draft, entity)
    draft.sets["often"] = {
        "of": entity,
        "when": f"count({subject}) >= times",
        "window": draft.window(),
        "params": {"times": draft.pick(1, 2)},
    }
    _size(draft, "often")
    draft.metrics["size_often"]["variants"] = {"more": {"times": draft.pick(2, 3)}}


def _teach(draft: Draft, entity: str) -> None:
    for name, value in STATES.items():
        event = _event_of(draft, entity)
        draft.need(event, value)
        draft.entities.setdefault(entity, {})[name] = {"from": f"{event}.{value}"}


def states(draft: Draft) -> None:
    """Value attributes of the members of sets, as of the tick."""
    entity = draft.pick("user", "item")
    _teach(draft, entity)
    condition = draft.pick(*STATE_CONDITIONS)
    event = _event_of(draft, entity)
    draft.sets["stated"] = {"of": entity, "when": condition}
    if draft.chance(60):
        joint = draft.pick(" and ", " or ")
        draft.sets["stated"]["when"] = f"count({event}) >= 1{joint}({condition})"
        draft.sets["stated"]["window"] = draft.window()
    _size(draft, "stated")


def _of_state_and_row(draft: Draft, event: str, entity: str) -> str:
    """Draw a condition on what the entity was, alone or beside what is about the row."""

    def of_state() -> str:
        text = str(draft.pick(*STATE_CONDITIONS))
        for name in STATES:
            text = text.replace(name, f"{entity}.{name}")
        return text

    def of_row() -> str:
        return draft.where(event).removeprefix(", where=")

    joined = draft.pick(
        "{0}",
        "({0}) and ({1})",
        "({0}) or ({1})",
        "not (({0}) and ({1}))",
        "({0}) and ({1}) or ({2}) and ({3})",
        "({1}) and not (({0}) or ({3}))",
        "({1}) or not ({3}) or ({0}) and ({2})",
    )
    return str(joined.format(of_state(), of_row(), of_state(), of_row()))


def states_of_rows(draft: Draft) -> None:
    """Value attributes in conditions on rows, as of the row's own time."""
    entity = draft.pick("user", "item")
    _teach(draft, entity)
    event = _event_of(draft, entity)
    where = _of_state_and_row(draft, event, entity)
    draft.need(event, "n")
    asked = draft.pick(event, event, f"{event}.n", f"{event}.{entity}")
    function = {event: "count", f"{event}.{entity}": "distinct"}.get(asked)
    function = function or draft.pick("sum", "mean", "min", "max", "median")
    cut = draft.pick({}, {"by": [f"{entity}.tier"], "cap": draft.pick(1, 20)})
    _metric(draft, "as_of", f"{function}({asked}, where={where})", window=True, **cut)
    _guarded(draft, "as_of")
    others = [k for k in draft.events[event]["ids"] if k != entity]
    text = f"count({event}, where={where}) >= {draft.pick(1, 2)}"
    if others and draft.chance(40):
        text = f"distinct({event}.{draft.pick(*others)}, where={where}) >= {draft.pick(1, 2)}"
    about = {"of": entity, "when": text, "window": draft.window()}
    if draft.chance(25):
        about["window"] = f"first {draft.pick(*draft.scale.trailing)} after {event}"
        about[draft.pick("matured", "started")] = f"trailing {draft.pick(*draft.scale.trailing)}"
    draft.sets["stated_rows"] = about
    _size(draft, "stated_rows")


def habits(draft: Draft) -> None:
    """How regularly an entity does something."""
    for number in range(draft.pick(2, 1, 3)):
        entity = draft.pick(*_entities(draft))
        event = _event_of(draft, entity)
        unit = draft.pick("day", "day", "week", "month")
        kind = draft.pick(*HABITS)
        where = options_of(draft, event)
        text = HABITS[kind].format(
            *(event, unit, where),
            grace=draft.pick(0, 1, 2),
            of=draft.pick(3, 7, 2, 30),
            period=draft.pick(*draft.scale.trailing),
            periods=draft.pick(2, 3, 7),
            members=draft.pick("zero_fill", "since_first"),
        )
        text += draft.pick(*THRESHOLDS[kind])
        draft.sets[f"habit_{number}"] = {"of": entity, "when": text}
        _size(draft, f"habit_{number}")


def _owned(draft: Draft) -> str:
    """Count the members of a set of items by who owns them."""
    event = _event_of(draft, "item", "user")
    draft.entities.setdefault("item", {})["owner"] = {"is": "user", "from": f"{event}.user"}
    when = f"count({_event_of(draft, 'item')}) >= {draft.pick(1, 2)}"
    draft.sets["owned"] = {"of": "item", "when": when, "window": draft.window()}
    return f"count(owned.owner) >= {draft.pick(1, 2)}"


def anchored(draft: Draft) -> None:
    """What entities do in a window of their own."""
    for number in range(draft.pick(1, 2)):
        entity = draft.pick("user", "item")
        anchor, event = _event_of(draft, entity), _event_of(draft, entity)
        where = options_of(draft, event)
        condition = draft.pick(">= 1", ">= 2", "> 2")
        text = f"count({event}{where}) {condition}"
        others = [k for k in draft.events[event]["ids"] if k != entity]
        if others and draft.chance(30):
            text = f"distinct({event}.{draft.pick(*others)}{where}) >= {draft.pick(1, 2)}"
        if entity == "user" and draft.chance(25):
            text += draft.pick(" and ", " or ") + _owned(draft)
        if draft.chance(30):
            text += f" and not sum({event}.{draft.need(event, 'n')}) > 5"
        about = {"of": entity, "when": text}
        length = draft.pick(*draft.scale.trailing)
        about["window"] = f"first {length} after {anchor}"
        if draft.chance(35):
            about |= {
                "window": f"first session after {anchor}",
                "gap": draft.pick(*draft.scale.gaps),
            }
        about[draft.pick("matured", "started")] = f"trailing {draft.pick(*draft.scale.trailing)}"
        name = f"anchored_{number}"
        draft.sets[name] = about
        _size(draft, name)
        _metric(draft, f"share_{name}", f"size({name}) / cohort({name})")


STREAMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "session": (
        ("length", "count", "a", "b", "a.n"),
        (
            *("is_first", "ended", "not is_first and count > 1", "length >= 5", "b >= 1"),
            *("a.plan == 'pro'", "b.plan != 'free' or ended"),
        ),
    ),
    "pair": (
        ("elapsed", "a.n", "b.n"),
        (
            *("matched", "decided", "decided and not matched"),
            *("elapsed <= 60", "b.n > a.n", "b.at > a.at + 3"),
        ),
    ),
    "sequence": (("steps", "elapsed", "c.n"), ("steps >= 2", "elapsed > 10", "b.n > 1")),
    "gap": (
        ("elapsed", "n", "b.n"),
        ("elapsed >= 5", "elapsed < 3600", "plan == 'pro'", "a.n > 1 and b.plan != 'free'"),
    ),
    "first": (("n", "a.n"), ("n > 1", "a.n <= 2.5")),
}
"""Kind → columns of numbers, and conditions on items."""


def _parts_of(draft: Draft, kind: str, by: str) -> list[str] | dict[str, str]:
    """Choose a stream's events, by name or as a list."""
    number = {"sequence": 3, "first": 1}.get(kind, 2)
    if not draft.chance(40):
        events = [_event_of(draft, by) for _ in range(number)]
        return dict(zip("abc", events, strict=False))
    listed = ["e_four", "e_five", "e_six"][:number]
    for event in listed:
        draft.add_event(event, by)
    return listed


def _stream(draft: Draft, kind: str) -> dict[str, Any]:
    by = draft.pick("user", "item")
    parts = _parts_of(draft, kind, by)
    about: dict[str, Any] = {"by": by, kind: parts}
    events = [*parts.values()] if isinstance(parts, dict) else parts
    for event in events:
        draft.need(event, "n")
        draft.need(event, "plan")
    other = "item" if by == "user" else "user"
    if kind != "first" and draft.chance(30) and set(events) <= set(draft.with_id(by, other)):
        about["same"] = [other]
    if kind == "session":
        about["gap"] = draft.pick(*draft.scale.gaps)
        if draft.chance(35):
            about["id"] = other
            for event in events:
                draft.give_ids(event, other)
    elif kind != "first":
        about["within"] = draft.pick(*draft.scale.gaps, *draft.scale.trailing)
    if kind == "pair":
        about["keep"] = draft.pick("all", "matched", "unmatched")
        if about["keep"] == "matched":
            about["at"] = draft.pick("first", "second")
    return about


def _called(draft: Draft, about: dict[str, Any], kind: str) -> Callable[[str], str]:
    """Name parts as written, or write them as a list and name them by their events, or shorter."""
    events = about[kind]
    if isinstance(events, dict):
        return str
    shorter = len(events) > 1 and draft.chance(60)
    names = {
        a: e.removeprefix("e_" if shorter else "") for a, e in zip("abc", events, strict=False)
    }
    return lambda text: re.sub(r"\b[abc]\b", lambda found: names[found[0]], text)


def streams(draft: Draft) -> None:
    """What several events make together, in metrics and in a set."""
    kind = draft.pick(*STREAMS)
    about, (numbers, conditions) = _stream(draft, kind), STREAMS[kind]
    draft.streams["flow"] = about
    called = _called(draft, about, kind)

    def where() -> str:
        return f", where={called(draft.pick(*conditions))}" if draft.chance(50) else ""

    # An id rests for as long as the longest window reaches: short ones let it rest for longer.
    short = {"window": f"trailing {draft.scale.trailing[0]}"} if "id" in about else {}
    for number in range(draft.pick(2, 1, 3)):
        function = draft.pick("count", "sum", "mean", "distinct")
        subject = "flow" if function == "count" else f"flow.{called(draft.pick(*numbers))}"
        if function == "distinct":
            subject = f"flow.{about['by']}"
        name = f"flow_{number}"
        _metric(draft, name, f"{function}({subject}{where()})", window=True)
        draft.metrics[name] |= short
        _guarded(draft, name)
    value = f"mean(flow.{called(numbers[0])}{where()}) - count(flow)"
    cut = {"by": [called("a.plan")], "cap": draft.pick(1, 20)}
    _metric(draft, "flow_parts", value, window=True, **cut)
    draft.metrics["flow_parts"] |= short
    if kind == "sequence":
        _metric(draft, "reach", f"reached(flow, {draft.pick(2, 3)}) / count(flow)", window=True)
    text = f"count(flow{where()}) >= {draft.pick(1, 2)}"
    if draft.chance(30):
        text += f" or sum(flow.{called(draft.pick(*numbers))}) > 5"
    draft.sets["flowing"] = {"of": about["by"], "when": text, "window": draft.window()} | short
    _size(draft, "flowing")


def undo(draft: Draft) -> None:
    """Events that others undo."""
    by = draft.pick("user", "item")
    of = draft.pick(by, "item" if by == "user" else "user")
    event, undoing = "undoable", _event_of(draft, by, of)
    draft.add_event(event, by, of)
    draft.events[event]["undone_by"] = {
        "event": undoing,
        "by": by,
        "within": draft.pick(*draft.scale.gaps, *draft.scale.trailing),
    }
    draft.need(event, "plan")
    cut = draft.pick({}, {"by": ["plan"], "cap": draft.pick(1, 20)})
    _metric(draft, "undo_count", f"count({event}{options_of(draft, event)})", window=True, **cut)
    _guarded(draft, "undo_count")
    _metric(draft, "undo_sum", f"sum({event}.{draft.need(event, 'n')})", window=True)
    _metric(draft, "undo_distinct", f"distinct({event}.{of})", window=True)
    draft.sets["kept"] = {
        "of": of,
        "when": f"count({event}) >= {draft.pick(1, 2)}",
        "window": draft.window(),
    }
    _size(draft, "kept")


def terms(draft: Draft) -> None:
    """Extremes, ranks, scores and shares."""
    for number in range(draft.pick(3, 2, 4)):
        kind = draft.pick(
            *("min", "max", "median", "quantile", "approx_distinct"),
            *("nps", "csat", "top_share"),
        )
        if kind == "top_share":
            event = _event_of(draft, "user")
            inner = f"{event}, by=user, top={draft.pick('1%', '50%', '34%')}"
        elif kind == "approx_distinct":
            event = draft.pick(*draft.events)
            inner = f"{event}.{draft.pick(*draft.events[event]['ids'])}"
        else:
            event = draft.pick(*draft.events)
            more = {"quantile": f", {draft.pick('0.9', '0.25', '0.5')}", "csat": ", top=2"}
            inner = f"{event}.{draft.need(event, 'n')}{more.get(kind, '')}"
        value = f"{kind}({inner}{options_of(draft, event)})"
        _metric(draft, f"term_{number}", value, window=True)
        if kind != "top_share" and draft.chance(30):
            draft.need(event, "plan")
            draft.metrics[f"term_{number}"] |= {"by": ["plan"], "cap": draft.pick(1, 20)}


def reach(draft: Draft) -> None:
    """Whom the members of a set have met."""
    event = _event_of(draft, "user", "item")
    of, other = draft.pick(("item", "user"), ("user", "item"))
    draft.sets["meeting"] = {
        "of": of,
        "when": f"count({event}{options_of(draft, event)}) >= {draft.pick(1, 2)}",
        "window": draft.window(),
    }
    for function in ("distinct", "sum_distinct"):
        value = f"{function}({event}.{other}, within=meeting{options_of(draft, event)})"
        _metric(draft, f"met_{function}", value, window=True)
        _guarded(draft, f"met_{function}")


def growth(draft: Draft) -> None:
    """How a set grows."""
    entity = draft.pick("user", "item")
    event = _event_of(draft, entity)
    draft.sets["growing"] = {
        "of": entity,
        "when": f"count({event}{options_of(draft, event)}) >= {draft.pick(1, 2)}",
        "window": f"trailing {draft.pick(*draft.scale.trailing)}",
    }
    period = draft.pick(*draft.scale.previous)
    _teach(draft, entity)
    cut = draft.pick({}, {"by": ["tier"], "cap": draft.pick(1, 20)})
    for function in ("new", "retained", "resurrected", "churned", "retention"):
        _metric(draft, f"grown_{function}", f"{function}(growing, {period})", **cut)
    _size(draft, "growing")


def segments(draft: Draft) -> None:
    """Metrics in parts, also of those that others are made of."""
    _teach(draft, "user")
    event, other = _event_of(draft, "user"), draft.pick(*draft.events)
    for each in (event, other):
        draft.need(each, "plan")
    draft.need(other, "n")
    draft.give_ids(other, "user")
    by = draft.pick(["plan"], ["user.tier"], ["plan", "user.tier"])
    cut = {"by": by, "cap": draft.pick(1, 2, 20)}
    _metric(draft, "whole", f"count({event}{options_of(draft, event)})", window=True)
    value = draft.pick(
        f"count({other}{options_of(draft, other)})",
        f"sum({other}.n)",
        f"mean({other}.n)",
        f"distinct({event}.user)",
        f"count({other}) / whole",
        f"whole - sum({other}.n) * 2",
        f"max({other}.n{options_of(draft, other)}) - min({other}.n)",
        f"nps({other}.n)",
    )
    _metric(draft, "parts", value, window=True, **cut)
    _set_in_parts(draft, event, draft.pick(1, 2, 20))


def _set_in_parts(draft: Draft, event: str, cap: int) -> None:
    for name, least in (("parted", 1), ("parted_more", 2)):
        when = f"count({event}) >= {least}"
        draft.sets[name] = {"of": "user", "when": when, "window": draft.window()}
    value = draft.pick("size(parted)", "size(parted_more) / size(parted)")
    _metric(draft, "size_parts", value, by=["tier"], cap=cap)
    if "more" not in value:
        del draft.sets["parted_more"]


def baselines(draft: Draft) -> None:
    """Guards that look at several moments of the past."""
    event = draft.pick(*draft.events)
    for number in range(draft.pick(1, 2)):
        _metric(draft, f"guarded_{number}", f"count({event})", window=True, role="guardrail")
        about = guard(draft) | {
            "better": draft.pick("lower", "higher"),
            "baseline": draft.pick("median(same_weekday, weeks=4)", "trailing_median(28d)"),
        }
        draft.metrics[f"guarded_{number}"]["guard"] = about


def indexes(draft: Draft) -> None:
    """Weighted means of metrics."""
    event = draft.pick(*draft.events)
    _metric(draft, "one", f"mean({event}.{draft.need(event, 'n')})", window=True)
    _metric(draft, "two", f"count({event})", window=True)
    missing = draft.pick("refuse", "skip_and_say")
    _metric(draft, "weighed", "index(one=0.25, two=0.75)", missing=missing)


ADD: dict[str, Callable[[Draft], None]] = {
    "plain": lambda _: None,
    **{
        add.__name__: add
        for add in (
            *(params, states, states_of_rows, habits, anchored, streams, undo),
            *(terms, reach, growth, segments, baselines, indexes),
        )
    },
}
