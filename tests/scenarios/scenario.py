"""Read a scenario: what is defined, what arrives in which order, and what must come out.

The format is described in `README.md`. Whatever a file says that is not described there is
refused here: a misspelt key must not make a scenario pass.
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
KEYS = {
    *("title", "definition", "file", "settings", "events", "records"),
    *("other_orders", "expect", "counts", "rows", "files"),
}
PARTS = (
    *("value", "numerator", "denominator", "samples", "coverage", "residual", "state"),
    *("low", "high", "missing"),
    *("attainment", "pace", "correlation"),
)
MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DEFAULTS = {"lateness": "0s", "tick": "1h", "future_max": "5m", "dedup_horizon": "1h"}
OF_THE_RECORD = {"at", "event", "user", "org", "id"}
OF_THE_ARRIVAL = {"partition", "arrives", "raw", "repeat", "every", "padding"}
TOLERANCE = 1e-9
"""Quotients are floats; whatever differs by less is the same number."""

Got = Mapping[str, object]
"""What was found for a metric at a moment, by the names in `PARTS`."""


@dataclass(frozen=True)
class Arrival:
    """One record as it comes off a partition."""

    partition: int
    offset: int
    ingested_ms: int
    value: bytes | None


@dataclass(frozen=True)
class Expectation:
    """What the scenario says of one metric at one moment; `parts` has some of `PARTS`.

    `within` is how far a value may be from it, as a share: for what is known approximately.
    """

    at: str
    metric: str
    parts: dict[str, object]
    within: float

    @property
    def at_ms(self) -> int:
        """The moment in milliseconds since 1970."""
        return moment_ms(self.at)

    def differences(self, got: Got) -> Iterator[str]:
        """A line for every part that is not as it should be."""
        for part, expected in self.parts.items():
            within = self.within if part == "value" else TOLERANCE
            if part in got and not same(expected, got[part], within):
                yield f"at {self.at}  {self.metric} {part}: expected {expected}, got {got[part]}"


@dataclass(frozen=True)
class Scenario:
    """A scenario as read. `orders` are orders of arrival that must all give the same.

    `files` stand beside the definition, by their names.
    """

    title: str
    definition: str
    settings: dict[str, int]
    orders: list[list[Arrival]]
    expectations: list[Expectation]
    counts: dict[str, Any] | None
    files: dict[str, str]

    @property
    def moments_ms(self) -> list[int]:
        """The moments that anything is said about, in order."""
        return sorted({expectation.at_ms for expectation in self.expectations})

    def differences(self, found: Callable[[str, int], Got]) -> list[str]:
        """Where readings differ from what the scenario says, in its own words."""
        return [
            line
            for expectation in self.expectations
            for line in expectation.differences(found(expectation.metric, expectation.at_ms))
        ]

    def miscounted(self, got: Mapping[str, object], *, kinds: bool = True) -> list[str]:
        """Where the account of the records differs; what the scenario does not name is 0.

        Without `kinds`, the filtered are compared as one number.
        """
        if self.counts is None:
            return []
        nothing: dict[str, Any] = {"matched": 0, "duplicate": 0, "filtered": {}, "rejected": {}}
        counts = nothing | self.counts
        if not kinds:
            counts["filtered"] = sum(counts["filtered"].values())
        return [
            f"{what}: expected {expected}, got {got[what]}"
            for what, expected in counts.items()
            if got[what] != expected
        ]


def read_scenario(path: Path) -> Scenario:
    """Read one file."""
    written = YAML(typ="safe").load(path)
    assert written.keys() <= KEYS, f"unknown keys: {sorted(written.keys() - KEYS)}"
    events = _events(written)
    if "definition" in written:
        definition = written["definition"]
    else:
        definition = (ROOT / written["file"]).read_text(encoding="utf-8")
    scenario = Scenario(
        written["title"],
        definition,
        _settings(written.get("settings", {})),
        [_arrivals(order) for order in _orders(events, written.get("other_orders", []))],
        list(_expectations(written["expect"])),
        written.get("counts"),
        written.get("files", {}),
    )
    between = [at for at in scenario.moments_ms if at % scenario.settings["tick_ms"]]
    assert not between, f"{between} are no multiples of the tick"
    return scenario


def titled() -> dict[str, Path]:
    """Every scenario's file, by its title."""
    paths = sorted(FOLDER.glob("*.yaml"))
    titles = {YAML(typ="safe").load(path)["title"]: path for path in paths}
    assert len(titles) == len(paths), "two scenarios have one title"
    return titles


def moment_ms(text: str) -> int:
    """Read a moment.

    >>> moment_ms("1970-01-01T00:01Z")
    60000
    """
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None, f"{text} has no zone"
    return round(moment.timestamp() * 1000)


def same(expected: object, got: object, within: float = TOLERANCE) -> bool:
    """Whether two answers are one: numbers by their value, everything else to the letter."""
    if expected is None or got is None or not isinstance(got, int | float):
        return expected == got
    number = float(Fraction(str(expected)))
    return abs(got - number) <= max(within * abs(number), TOLERANCE * max(1, abs(got)))


def _settings(written: Mapping[str, str]) -> dict[str, int]:
    assert written.keys() <= DEFAULTS.keys(), f"unknown settings: {sorted(written)}"
    return {f"{name}_ms": _duration_ms(text) for name, text in (DEFAULTS | dict(written)).items()}


def _duration_ms(text: str) -> int:
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text)
    assert match, f"{text} is no duration"
    return int(match[1]) * MILLISECONDS[match[2]]


def _expectations(written: Iterable[dict[str, Any]]) -> Iterator[Expectation]:
    for moment in written:
        for metric, said in {**moment, **_segments(moment.get("segments", {}))}.items():
            if metric in ("at", "segments"):
                continue
            parts = dict(said) if isinstance(said, dict) else {"value": said}
            within = float(parts.pop("within", "0%").removesuffix("%")) / 100
            assert parts.keys() <= set(PARTS), f"{metric} has no {sorted(parts.keys() - PARTS)}"
            yield Expectation(moment["at"], metric, parts, max(within, TOLERANCE))


def _segments(written: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """What is said of `metric{dimension=text}`, and of `metric{dimension}` which texts it has."""
    found: dict[str, Any] = {}
    for metric, dimensions in written.items():
        for dimension, texts in dimensions.items():
            found[f"{metric}{{{dimension}}}"] = {"value": list(texts)}
            for text, said in texts.items():
                found[f"{metric}{{{dimension}={text}}}"] = said
    return found


def _events(written: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "events" in written:
        return list(written["events"])
    with gzip.open(FOLDER / written["records"], "rt", encoding="utf-8") as lines:
        return [{"raw": line, "arrives": json.loads(line)["receivedAt"]} for line in lines]


def _orders(
    events: list[dict[str, Any]], others: list[list[int]]
) -> Iterator[list[dict[str, Any]]]:
    yield events
    for other in others:
        assert sorted(other) == list(range(1, len(events) + 1)), f"{other} is no order of arrival"
        yield [events[position - 1] for position in other]


def _arrivals(events: Iterable[dict[str, Any]]) -> list[Arrival]:
    offsets: Counter[int] = Counter()
    arrivals = []
    ingested_ms = 0
    for event in _repeated(events):
        if "arrives" in event or "at" in event:
            ingested_ms = moment_ms(event.get("arrives") or event["at"])
        partition = event.get("partition", 0)
        arrivals.append(Arrival(partition, offsets[partition], ingested_ms, _value(event)))
        offsets[partition] += 1
    return arrivals


def _repeated(events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Write out the events that `repeat`, the nth of them `every` so much after the one before."""
    for event in events:
        times = event.get("repeat")
        if times is None:
            yield event
            continue
        every_ms = _duration_ms(event["every"])
        first = datetime.fromisoformat(event["at"])
        for number in range(times):
            at = first + timedelta(milliseconds=number * every_ms)
            yield {key: _numbered(part, number + 1) for key, part in event.items()} | {
                "at": at.isoformat()
            }


def _numbered(part: object, number: int) -> object:
    return part.replace("{n}", str(number)) if isinstance(part, str) else part


def _value(event: Mapping[str, Any]) -> bytes | None:
    if "raw" in event:
        return None if event["raw"] is None else event["raw"].encode()
    properties = {k: v for k, v in event.items() if k not in OF_THE_RECORD | OF_THE_ARRIVAL}
    if "padding" in event:
        properties["padding"] = "x" * event["padding"]
    record = {
        "event": event["event"],
        "timestamp": event.get("at"),
        "userId": event.get("user"),
        "messageId": event.get("id"),
        "context": {"groupId": event["org"]} if "org" in event else None,
        "properties": properties,
    }
    return json.dumps({k: v for k, v in record.items() if v is not None}).encode()
