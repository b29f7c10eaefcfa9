"""Draw a stream of records for any definition, from what it says of its events.

Ids come from one small pool, so that thresholds are crossed and pairs are found. Numbers lie about
those that the definition names, texts are among those it names. Some records come late, some twice,
some lack a place. What undoes an event names the same entities as it, as the reference asks for.
"""

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from tests.oracle.expression import NUMBER, TEXT, TRUTH
from tests.oracle.language import read
from tests.oracle.model import Definition, Event
from tests.oracle.oracle import Record, Settings
from tests.oracle.strategies import Case
from tests.oracle.uses import place_types
from tests.oracle.words import Path, expression

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BEGIN_MS = 1_709_596_800_000  # 2024-03-05T00:00Z
RECORDS = 200
SPOTS = 4
LATENESS_MS = 6 * HOUR_MS
ENTITIES = 9
ABSENT, LATE, TWICE = 0.04, 0.2, 0.06
NUMBERS = (0, 1, 2, 3, 5, 7, 10, 0.5, 30, 100)


@dataclass(frozen=True)
class _Words:
    """What a definition compares with."""

    numbers: list[float]
    texts: list[str]


def drawn_case(text: str, luck: np.random.Generator, span_days: float) -> Case:
    """Draw one case: the definition with a stream that takes so many days, and ticks to look at."""
    definition, words = _read(text)
    times = _times(int(span_days * DAY_MS), luck)
    bodies = [_drawn(definition, words, int(t), luck) for t in times]
    ticks = luck.choice(int(span_days * 24) + 2, 3, replace=False) + BEGIN_MS // HOUR_MS + 1
    last = int(times[-1]) // HOUR_MS + 1 + int(luck.integers(0, 24))
    moments = sorted({*(int(tick) for tick in ticks), last})
    return Case(
        text,
        _arrived(bodies, times, luck),
        Settings(lateness_ms=LATENESS_MS, future_max_ms=300_000, dedup_horizon_ms=HOUR_MS),
        [moment * HOUR_MS for moment in moments],
        HOUR_MS,
    )


def _times(span_ms: int, luck: np.random.Generator) -> np.ndarray:
    """Draw times, no two alike: half of them anywhere, half crowded in a few spots."""
    anywhere = luck.integers(span_ms, size=RECORDS // 2)
    spots = luck.choice(luck.integers(span_ms, size=SPOTS), RECORDS - RECORDS // 2)
    crowded = spots + luck.integers(max(span_ms // 50, RECORDS), size=len(spots))
    return np.unique(np.concatenate([anywhere, crowded])) + BEGIN_MS


@cache
def _read(text: str) -> tuple[Definition, _Words]:
    return read(text), _words(text)


def _words(text: str) -> _Words:
    """Collect the constants of all expressions; a scalar that is none says nothing."""
    constants = [c for scalar in _scalars(YAML(typ="safe").load(text)) for c in _constants(scalar)]
    numbers = {c for c in constants if isinstance(c, int | float) and not isinstance(c, bool)}
    near = {n + by for n in numbers for by in (-1, 0, 1)} | {n / 2 for n in numbers}
    texts = {c for c in constants if isinstance(c, str)}
    return _Words(sorted(near | set(NUMBERS)), [*sorted(texts), "other"])


def _scalars(node: object) -> Iterator[object]:
    match node:
        case dict():
            yield from (scalar for part in node.values() for scalar in _scalars(part))
        case list():
            yield from (scalar for part in node for scalar in _scalars(part))
        case _:
            yield node


def _constants(scalar: object) -> list[object]:
    try:
        tree = expression(scalar)
    except SyntaxError:
        return []
    return [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]


def _drawn(
    definition: Definition, words: _Words, at_ms: int, luck: np.random.Generator
) -> dict[str, Any]:
    """Draw one record: a name that some event has, and all that events of that name read."""
    names = sorted({name for event in definition.events.values() for name in event.names})
    name = str(luck.choice(names))
    body: dict[str, Any] = {}
    _put(body, definition.envelope.names[0], name)
    path, unit = definition.envelope.times[0]
    _put(body, path, _time(at_ms, unit))
    if definition.envelope.id is not None:
        for path in definition.envelope.id.paths:
            _put(body, path, f"m{luck.integers(1 << 60)}")
    for event in definition.events.values():
        if name in event.names:
            for path in _linked(definition, event):
                _put(body, path, f"e{at_ms % ENTITIES}")
            for path, value in _places(definition, event, words, at_ms, luck):
                if luck.random() >= ABSENT:
                    _put(body, path, value)
    return body


def _places(
    definition: Definition, event: Event, words: _Words, at_ms: int, luck: np.random.Generator
) -> Iterator[tuple[Path, object]]:
    for source in event.ids.values():
        for path in source.paths:
            yield path, f"e{int(ENTITIES * luck.random() ** 2)}"
    for path, kind in place_types(definition, event.name).items():
        yield path, _value(kind, words, at_ms, luck)


def _linked(definition: Definition, event: Event) -> Iterator[Path]:
    """Name the places of ids that tell an event and what undoes it apart from others."""
    for undone in definition.events.values():
        undoing = undone.undone_by
        if undoing is not None and event.name in {undone.name, undoing.event}:
            shared = undone.ids.keys() & definition.events[undoing.event].ids.keys()
            yield from (path for entity in sorted(shared) for path in event.ids[entity].paths)


def _value(kind: str, words: _Words, at_ms: int, luck: np.random.Generator) -> object:
    match kind:
        case _ if kind == NUMBER:
            return float(luck.choice(words.numbers))
        case _ if kind == TEXT:
            return str(luck.choice(words.texts))
        case _ if kind == TRUTH:
            return bool(luck.random() < 0.5)
        case _:
            return _time(at_ms + int(luck.integers(-1, 3)) * HOUR_MS, kind)


def _time(at_ms: int, unit: str) -> str | float:
    if unit != "iso":
        return at_ms if unit == "ms" else at_ms / 1000
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at_ms)
    return moment.isoformat(timespec="milliseconds")


def _put(body: dict[str, Any], path: Path, value: object) -> None:
    *above, key = path
    for step in above:
        body = body.setdefault(step, {})
    body.setdefault(key, value)


def _arrived(
    bodies: list[dict[str, Any]], times: np.ndarray, luck: np.random.Generator
) -> list[Record]:
    """Put the records into two partitions, in the order in which they arrive."""
    late = luck.random(len(bodies)) < LATE
    arrivals = times + late * luck.exponential(LATENESS_MS, len(bodies)).astype(np.int64)
    arriving = [
        (int(arrival) + again, json.dumps(body).encode())
        for arrival, body in zip(arrivals, bodies, strict=True)
        for again in ([0, 1000] if luck.random() < TWICE else [0])
    ]
    sizes = [0, 0]
    records = []
    for at_ms, value in sorted(arriving):
        partition = int(luck.integers(2))
        records.append(Record(partition, sizes[partition], at_ms, value))
        sizes[partition] += 1
    return records
