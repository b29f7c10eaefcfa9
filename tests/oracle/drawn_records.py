"""Draw streams of records for a definition: mostly good ones, and every fault now and then.

Times gather at the edges of windows and ticks, ids come from small pools so that thresholds
are crossed, and some records place themselves by the watermark that they will meet.

Left out is only what the reference leaves open: two different lessons of an attribute or rows of a
stream at one millisecond, two faults in one record, and unreadable records that would move a
watermark.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.oracle.model import Definition
from tests.oracle.oracle import Record, Settings
from tests.oracle.uses import Reach
from tests.oracle.words import Path

GOOD = 70
FAULTS = (
    *["field"] * 5,
    *["repeat"] * 8,
    *["at_watermark"] * 4,
    *["too_old", "too_old", "future"] * 2,
    "tombstone",
    "empty",
    "broken",
    "not_object",
    "constant",
    "too_deep",
    "too_large",
    "surrogate",
    "no_name",
    "name_type",
    "unknown_name",
    "bad_time",
    "no_properties",
)
KINDS = ("good",) * GOOD + FAULTS
UNREADABLE = frozenset(["surrogate", "too_deep"])
"""Refused as a whole, while a reader of only the time might find one."""
USERS = ("u1", "u2", "u3", "u1", "u2", 7, None)
ITEMS = ("i1", "i2", "i1", "i2", "Ünï cödé", None)
ORGS = ("o1", "o1", "o2", None)
NUMBERS = (1, 2, 3, 5, 10, 2.5, 0.5, 1.125, 0.1, 19.99, 0.001, 0, None, -1)
DIVISORS = (1, 2, 5, 64, 10, 0, None)
PLANS = ("pro", "free", "team", None)
TRUTHS = (True, True, False, None)

BAD_IDS = ("", "  ", "null", "Guest", "N/A", 0, -3, 2**53, "x" * 513, "a\u0001b", True, [], 1.5)
BAD_FIELDS: tuple[tuple[Path, tuple[Any, ...]], ...] = (
    (("user",), BAD_IDS),
    (("properties", "item"), BAD_IDS),
    (("context", "Org Id"), BAD_IDS),
    (("properties", "n"), ("5", True, [1], {"a": 1}, -1_000, 9_007_199_255, 1e300)),
    (("properties", "plan"), (5, True, ["pro"])),
    (("properties", "ok"), ("true", 1, 0)),
    (("record id",), ({}, [], True, 1.5)),
)
BAD_TIMES = {
    "iso": (None, 1_743_300_000, "2025-03-30", "2025-03-30T00:00:00", "2100-01-01T00:00Z", "x"),
    "utc": (None, 1_743_300_000, "2025-03-30", "2100-01-01T00:00", "2100-01-01T00:00Z", "x"),
    "ms": (None, "1743300000000", True, 946_684_799_999, 4_102_444_800_000),
    "s": (None, "1743300000", 946_684_799, 4_102_444_800),
}


@dataclass
class Pick:
    """What was drawn for one record, before its place among the others is known."""

    kind: str
    partition: int
    name: str
    time_ms: int
    delay_ms: int
    body: dict[str, Any]
    fault: tuple[Path, Any]
    same_id_as: int
    form: int
    """Which of several ways to write the same thing."""


@dataclass
class Stream:
    """Records on their way into partitions, with the watermarks that they meet."""

    definition: Definition
    settings: Settings
    quantum_ms: int
    newest_ms: dict[int, int] = field(default_factory=dict)
    clock_ms: int = 0
    taught_ms: set[int] = field(default_factory=set)
    written: dict[int, list[tuple[dict[str, Any], str]]] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)

    def add(self, pick: Pick) -> None:
        """Place a record, write it and move the watermark as it will."""
        if pick.kind in {"tombstone", "empty"}:
            self._emit(pick, pick.time_ms, None if pick.kind == "tombstone" else b"")
            return
        time_ms = self._readable_time(pick) if pick.kind != "bad_time" else pick.time_ms
        ingested_ms = max(self.clock_ms, time_ms, pick.time_ms + pick.delay_ms)
        if pick.kind == "future":
            ingested_ms = time_ms - self.settings.future_max_ms - (0, 1, 3_600_000)[pick.form % 3]
        self._emit(pick, ingested_ms, self._write(pick, time_ms))
        moves = pick.kind not in {"bad_time", "broken", "constant", "not_object", "too_large"}
        if moves and time_ms <= ingested_ms + self.settings.future_max_ms:
            self.newest_ms[pick.partition] = max(self.newest_ms.get(pick.partition, 0), time_ms)

    def _emit(self, pick: Pick, ingested_ms: int, value: bytes | None) -> None:
        if pick.kind != "future":
            self.clock_ms = max(self.clock_ms, ingested_ms)
        offset = sum(r.partition == pick.partition for r in self.records)
        self.records.append(Record(pick.partition, offset, ingested_ms, value))

    def _readable_time(self, pick: Pick) -> int:
        newest = self.newest_ms.get(pick.partition)
        time_ms = pick.time_ms
        if newest is not None:
            time_ms = self._placed(pick, time_ms, newest)
        time_ms -= time_ms % self.quantum_ms
        if self._teaches(pick.name) and pick.kind not in UNREADABLE:
            while time_ms in self.taught_ms:
                time_ms += self.quantum_ms
            self.taught_ms.add(time_ms)
        return time_ms

    def _placed(self, pick: Pick, time_ms: int, newest_ms: int) -> int:
        """Put a record at an edge that only the watermark decides."""
        around = (0, -1, 1)[pick.form % 3]
        watermark_ms = newest_ms - self.settings.lateness_ms
        if pick.kind == "at_watermark":
            return watermark_ms + around
        if pick.kind == "too_old":
            borne = {e.name for e in self.definition.events.values() if pick.name in e.names}
            reach_ms = Reach(self.definition).of(borne)
            return time_ms if reach_ms is None else watermark_ms - reach_ms - abs(around)
        if pick.kind in UNREADABLE:
            return min(time_ms, newest_ms)
        return time_ms

    def _teaches(self, name: str) -> bool:
        """Whether the order of such records matters: they teach, or are part of a stream."""
        definition = self.definition
        teachers = {a.event for a in (*definition.attributes, *definition.states)}
        for stream in definition.streams.values():
            teachers |= set(stream.parts.values())
        return any(name in definition.events[event].names for event in teachers)

    def _write(self, pick: Pick, time_ms: int) -> bytes:
        body, record_id = json.loads(json.dumps(pick.body)), f"r{len(self.records)}"
        shown_id: Any = (record_id, record_id, record_id, None, "", record_id)[pick.form % 6]
        written = self.written.setdefault(pick.partition, [])
        if pick.kind == "repeat" and written:
            same_body, shown_id = written[-1 - pick.same_id_as % len(written)]
            if pick.form % 2:
                body = json.loads(json.dumps(same_body))
        elif pick.kind == "good" and shown_id:
            written.append((json.loads(json.dumps(body)), shown_id))
        if pick.kind == "field":
            shown_id = self._spoil(body, pick, shown_id)
        return self._bytes(pick, self._enveloped(pick, body, shown_id, time_ms))

    def _spoil(self, body: dict[str, Any], pick: Pick, shown_id: object) -> object:
        """Put one bad value in, and nothing else that could be refused."""
        path, bad = pick.fault
        body["properties"] |= {"n": 1, "k": 1}
        if path == ("record id",):
            return bad
        *above, key = path
        place = body
        for step in above:
            place = place[step]
        place[key] = bad
        return shown_id

    def _enveloped(
        self, pick: Pick, body: dict[str, Any], record_id: object, time_ms: int
    ) -> dict[str, Any]:
        envelope = self.definition.envelope
        name: Any = pick.name
        if pick.kind in {"no_name", "name_type", "unknown_name", "surrogate"}:
            name = {"no_name": None, "name_type": 5, "surrogate": "open\ud800"}.get(pick.kind, "no")
        time_path, unit = envelope.times[0]
        time: Any = _time_text(time_ms, unit, pick.form)
        if pick.kind == "bad_time":
            bad = BAD_TIMES[unit]
            time = bad[pick.form % len(bad)]
        if pick.kind == "no_properties":
            body["properties"] = (None, 5, [], "x")[pick.form % 4]
        if pick.kind == "too_deep":
            body["deep"] = json.loads("[" * 100 + "]" * 100)
        _put(body, envelope.names[0], name)
        _put(body, time_path, time)
        for path in () if envelope.id is None else envelope.id.paths:
            if path == envelope.id.paths[-1]:
                _put(body, path, record_id)
            elif path not in (time_path, *envelope.names):
                _put(body, path, ("one", "other")[pick.form % 2])
        return body

    def _bytes(self, pick: Pick, body: dict[str, Any]) -> bytes:
        match pick.kind:
            case "not_object":
                return (b"[1]", b"null", b'"x"', b"5")[pick.form % 4]
            case "constant":
                body["more"] = (float("nan"), float("inf"))[pick.form % 2]
        for (key,) in self.definition.envelope.text:
            if isinstance(body.get(key), dict) and pick.form % 3:
                body[key] = json.dumps(body[key])
            elif pick.kind == "no_properties":
                body[key] = ("", "no object", "[1]", None)[pick.form % 4]
        value = json.dumps(body, ensure_ascii=pick.form % 2 == 0 or pick.kind == "surrogate")
        match pick.kind:
            case "broken":
                return value.encode()[: -1 - pick.form] if pick.form % 2 else b"\xff" + b"{}"
            case "too_large":
                return value.encode().ljust(1024 * 1024 + pick.form % 2)
        return value.encode()


def _put(body: dict[str, Any], path: Path, value: object) -> None:
    *above, key = path
    for step in above:
        if not isinstance(body.get(step), dict):
            body[step] = {}
        body = body[step]
    body[key] = value


def _time_text(time_ms: int, unit: str, form: int) -> str | float:
    """Write a time in one of the ways that mean the same millisecond."""
    if unit == "ms":
        beside = (0.25, 0.5)[time_ms % 2 == 0]  # halfway between two, the even one counts
        return time_ms + (beside, -beside)[form % 2] if form % 7 == 3 else time_ms
    if unit == "s":
        return time_ms // 1_000 if time_ms % 1_000 == 0 else time_ms / 1_000
    zone = (UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=3)))[form % 3]
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=time_ms)
    local = moment.astimezone(zone)
    parts = "minutes" if time_ms % 60_000 == 0 and form % 4 == 0 else "milliseconds"
    text = local.isoformat(sep="T" if form % 5 else " ", timespec=parts)
    if parts == "milliseconds" and form % 4 == 1:
        text = text[:23] + "987654" + text[23:]
    return text.replace("+00:00", "" if unit == "utc" and form % 7 else "Z")


def _body(draw: DrawFn) -> dict[str, Any]:
    user, item, org = (draw(st.sampled_from(pool)) for pool in (USERS, ITEMS, ORGS))
    body: dict[str, Any] = {"user": user, "context": {"Org Id": org}}
    if user is None or item == "i2":
        body["anon"] = draw(st.sampled_from(["u1", "a1", None]))
    body["properties"] = {
        "item": item,
        "n": draw(st.sampled_from(NUMBERS)),
        "k": draw(st.sampled_from(DIVISORS)),
        "plan": draw(st.sampled_from(PLANS)),
        "ok": draw(st.sampled_from(TRUTHS)),
    }
    if user is None and item is None:  # a key that is not there is as absent as null
        del body["user"], body["properties"]["item"]
    return body


@st.composite
def picks(
    draw: DrawFn, names: list[str], times: st.SearchStrategy[int], delays: st.SearchStrategy[int]
) -> Pick:
    """Draw what one record is to be."""
    path, bad = draw(st.sampled_from(BAD_FIELDS))
    return Pick(
        kind=draw(st.sampled_from(KINDS)),
        partition=draw(st.sampled_from([0, 0, 1, 2])),
        name=draw(st.sampled_from(names)),
        time_ms=draw(times),
        delay_ms=draw(delays),
        body=_body(draw),
        fault=(path, draw(st.sampled_from(bad))),
        same_id_as=draw(st.sampled_from([0, 1, 2, 5, 20])),
        form=draw(st.integers(0, 59)),
    )


def streamed(definition: Definition, settings: Settings, drawn: list[Pick]) -> list[Record]:
    """Write the records in the order in which they arrive."""
    # A quarter of a second is exact as a fraction of seconds; other units have milliseconds.
    stream = Stream(definition, settings, 250 if definition.envelope.times[0][1] == "s" else 1)
    for pick in sorted(drawn, key=lambda p: p.time_ms + p.delay_ms):
        stream.add(pick)
    return stream.records
