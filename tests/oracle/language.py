"""Read a definition into plain records of what it says.

Written from the language's reference alone, for definitions that are valid: it asserts what
it relies on and reports no mistakes, since finding mistakes is the engine's business.
"""

import ast
import functools
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from ruamel.yaml import YAML

from tests.oracle.calls import aggregates_of
from tests.oracle.envelopes import envelope, event_ids
from tests.oracle.model import (
    Anchor,
    Attribute,
    Definition,
    EntitySet,
    Event,
    Guard,
    IdSource,
    Metric,
    State,
    Stream,
    Target,
    Undoing,
    Value,
    Window,
)
from tests.oracle.names import Names
from tests.oracle.streams import OWN_COLUMNS
from tests.oracle.words import duration_ms, expression, path_of, share, window

__all__ = ["Definition", "path_of", "read"]

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
KINDS = ("first", "session", "pair", "sequence", "gap")
"""A session may have a key `gap` too, so that one comes last."""
GAP_REACH = "90d"
VISIT_GAP = "30m"
CAP = 20

Raw = dict[str, Any]


def _value(raw: object) -> Value:
    if not isinstance(raw, dict):
        return Value(expression(raw))
    if "time" in raw:
        return Value(expression(raw["from"]), time=raw["time"])
    high = raw.get("max")
    return Value(
        expression(raw["from"]),
        float(raw.get("min", 0)),
        None if high is None else float(high),
        bounded=True,
    )


def _undoing(raw: Raw | None) -> Undoing | None:
    return None if raw is None else Undoing(raw["event"], raw["by"], duration_ms(raw["within"]))


def _event(name: str, raw: Raw, shared: dict[str, IdSource]) -> Event:
    names = raw["name"] if isinstance(raw["name"], list) else [raw["name"]]
    where = raw.get("where")
    return Event(
        name,
        tuple(names),
        event_ids(raw.get("ids", {}), shared),
        {key: _value(value) for key, value in raw.get("values", {}).items()},
        None if where is None else expression(where),
        _undoing(raw.get("undone_by")),
    )


def _attributes(raw: dict[str, dict[str, dict[str, str]]]) -> Iterator[Attribute | State]:
    for entity, attributes in raw.items():
        for name, about in attributes.items():
            event, field = about["from"].split(".")
            if "is" in about:
                yield Attribute(entity, name, about["is"], event, field)
            else:
                yield State(entity, name, event, field)


def _parts(raw: object) -> dict[str, str]:
    """Read a stream's parts: aliases and their events."""
    if isinstance(raw, dict):
        return dict(raw)
    return {event: event for event in (raw if isinstance(raw, list) else [raw])}


def _short(kind: str, parts: dict[str, str]) -> dict[str, str]:
    """Name parts without the words that all of their events' names begin with."""
    if any(alias != event for alias, event in parts.items()):
        return {}
    words, shared = {alias: alias.split("_") for alias in parts}, 0
    while len({tuple(each[: shared + 1]) for each in words.values()}) == 1 and shared < min(
        map(len, words.values())
    ):
        shared += 1
    short = {alias: "_".join(each[shared:]) for alias, each in words.items()}
    means_more = {"", *parts, *OWN_COLUMNS[kind]}
    return {alias: name for alias, name in short.items() if name not in means_more}


def _stream(name: str, raw: Raw) -> Stream:
    kind = next(key for key in KINDS if key in raw)
    within = raw.get("within", GAP_REACH if kind == "gap" else "0s")
    gap = raw.get("gap", VISIT_GAP) if kind == "session" else "0s"
    return Stream(
        name,
        kind,
        _parts(raw[kind]),
        raw["by"],
        tuple(raw.get("same", ())),
        duration_ms(within),
        duration_ms(gap),
        raw.get("id"),
        raw.get("keep", "all"),
        raw.get("at", "first"),
        raw.get("seed"),
        _short(kind, _parts(raw[kind])),
    )


def _guard(raw: Raw | None) -> Guard | None:
    if raw is None:
        return None
    better, baseline = raw["better"], raw.get("baseline")
    call = None if baseline is None else expression(baseline)
    assert call is None or isinstance(call, ast.Call)
    return Guard(
        better if isinstance(better, str) else tuple(float(b) for b in better["between"]),
        call,
        float(share(raw["warn"])),
        float(share(raw["breach"])),
        int(raw.get("min_samples", 0)),
    )


def _date(raw: object) -> date:
    return raw if isinstance(raw, date) else date.fromisoformat(str(raw))


def _metric(name: str, raw: Raw, names: Names, default: Window | None) -> Metric:
    value = names.settled(raw["value"])
    formula, since, by = raw.get("formula"), raw.get("since"), raw.get("by", ())
    return Metric(
        name,
        value,
        aggregates_of(value, default, names.sets),
        None if formula is None else names.settled(formula),
        _guard(raw.get("guard")),
        (by,) if isinstance(by, str) else tuple(by),
        raw.get("cap", CAP),
        raw.get("missing", "refuse"),
        tuple(Target(_date(t["by"]), float(t["value"])) for t in raw.get("targets", ())),
        None if since is None else _date(since),
        raw.get("proxy_for"),
    )


ANCHORED = re.compile(r"first (session|\d+[a-z]+) after (\w+)")


def _anchor(raw: Raw) -> Anchor | None:
    """Read `window: first 10d after signed_up`, with who takes part."""
    match = ANCHORED.fullmatch(str(raw.get("window", "")))
    if match is None:
        return None
    (cohort_by,) = {"matured", "started"} & raw.keys()
    cohort = window(raw[cohort_by])
    assert cohort is not None
    length_ms = None if match[1] == "session" else duration_ms(match[1])
    gap_ms = 0 if match[1] != "session" else duration_ms(raw.get("gap", VISIT_GAP))
    return Anchor(match[2], length_ms, gap_ms, cohort_by, cohort)


def _set(name: str, raw: Raw, names: Names) -> EntitySet:
    when = names.settled(raw["when"])
    anchor = _anchor(raw)
    default = None if anchor is not None else window(raw.get("window"))
    return EntitySet(name, raw["of"], when, aggregates_of(when, default, names.sets), anchor)


def _sets_and_metrics(raw: Raw) -> tuple[dict[str, EntitySet], dict[str, Metric]]:
    """Read both, and of a metric with variants each of them, with sets of its own."""
    raw_sets, params = raw.get("sets") or {}, raw.get("params") or {}
    names = Names(set(raw_sets), params)
    sets = {n: _set(n, about, names.within(about)) for n, about in raw_sets.items()}
    metrics = {}
    for metric, about in raw["metrics"].items():
        default = window(about.get("window"))
        metrics[metric] = _metric(metric, about, names.within(about), default)
        for variant, varied in about.get("variants", {}).items():
            suffix = f"__{metric}__{variant}"
            own = Names({*raw_sets, *(n + suffix for n in raw_sets)}, params, varied, suffix)
            for n, about_set in raw_sets.items():
                sets[n + suffix] = _set(n + suffix, about_set, own.within(about_set))
            name = f"{metric}__{variant}"
            plain = {key: about[key] for key in about.keys() - {"guard", "targets", "formula"}}
            metrics[name] = _metric(name, plain, own.within(about), default)
    return sets, metrics


@functools.lru_cache(maxsize=8)
def read(text: str) -> Definition:
    """Read a definition from its YAML text."""
    raw = YAML(typ="safe").load(text)
    calendar, about = raw.get("calendar", {}), envelope(raw["source"]["envelope"])
    attributes = list(_attributes(raw.get("entities") or {}))
    sets, metrics = _sets_and_metrics(raw)
    return Definition(
        calendar.get("zone", "UTC"),
        WEEKDAYS.index(calendar.get("week_starts", "monday")) + 1,
        about,
        tuple(a for a in attributes if isinstance(a, Attribute)),
        tuple(a for a in attributes if isinstance(a, State)),
        {name: _event(name, event, about.ids) for name, event in raw["events"].items()},
        {name: _stream(name, stream) for name, stream in (raw.get("streams") or {}).items()},
        sets,
        metrics,
    )
