"""Draw streams of records for a definition: mostly good ones, and every fault now and then.

Times gather at the edges of windows and ticks, ids come from small pools so that thresholds
are crossed, and some records place themselves by the watermark that they will meet.

Left out is only what the reference leaves open: two different lessons of an attribute or rows of a
stream at one millisecond, two faults in one record, and unreadable records that would move a
watermark.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.oracle.model import Definition
from tests.oracle.oracle import Record, Settings
from tests.oracle.told import UNKNOWN, Message, Told, Tracker
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
    "no_events",
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
    (("anon",), BAD_IDS),
    (("properties", "item"), BAD_IDS),
    (("context", "Org Id"), BAD_IDS),
    (("properties", "n"), ("5", True, [1], {"a": 1}, -1_000, 9_007_199_255, 1e300)),
    (("properties", "plan"), (5, True, ["pro"])),
    (("properties", "ok"), ("true", 1, 0)),
    (("record id",), ({}, [], True, 1.5)),
)
ALONE = frozenset(["broken", "constant", "not_object", "too_large", "too_deep", "surrogate"])
"""What a record is as a whole; and there is but one `tombstone`, `empty`, or without events."""
WITHOUT_EVENTS = frozenset(["tombstone", "empty", "no_events"])
SHARED = frozenset([("user",), ("anon",), ("context", "Org Id")])
"""What all events of a record have in one place."""
BESIDE_BYTES = 300_000
"""Of a record that is small enough, while its twenty events are not."""


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
    tracker: Tracker
    newest_ms: dict[int, int] = field(default_factory=dict)
    clock_ms: int = 0
    taught_ms: set[int] = field(default_factory=set)
    written: dict[int, list[Told]] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    numbered: int = 0

    def add(self, batch: list[Pick]) -> None:
        """Place the events of a record, write it and move the watermark as it will."""
        head = batch[0]
        if head.kind in WITHOUT_EVENTS:
            self._emit(head, head.time_ms, self._without_events(head))
            return
        times = {id(pick): self._time(pick) for pick in batch if pick.kind != "future"}
        ingested_ms = max(
            [self.clock_ms, *times.values(), *(p.time_ms + p.delay_ms for p in batch)]
        )
        for number, pick in enumerate(p for p in batch if p.kind == "future"):
            if len(batch) == 1:
                times[id(pick)] = self._readable_time(pick)
                ingested_ms = self._too_early(pick, times[id(pick)])
            else:
                times[id(pick)] = ingested_ms + self.settings.future_max_ms + 1 + number
        told = [self._told(pick, times[id(pick)]) for pick in batch]
        self._emit(head, ingested_ms, self._message(head, told))

    def _time(self, pick: Pick) -> int:
        """Place an event that is not of the future, and move the watermark."""
        if pick.kind == "bad_time":
            return pick.time_ms
        time_ms = self._readable_time(pick)
        if pick.kind not in ALONE - UNREADABLE:
            self._move(pick, time_ms)
        return time_ms

    def _too_early(self, pick: Pick, time_ms: int) -> int:
        """Give when a record that is of the future came in, or nearly is so."""
        by_ms = (0, 1, 3_600_000)[pick.form % 3]
        if by_ms == 0:
            self._move(pick, time_ms)
        return time_ms - self.settings.future_max_ms - by_ms

    def _move(self, pick: Pick, time_ms: int) -> None:
        self.newest_ms[pick.partition] = max(self.newest_ms.get(pick.partition, 0), time_ms)

    def _emit(self, pick: Pick, ingested_ms: int, message: Message) -> None:
        if pick.kind != "future":
            self.clock_ms = max(self.clock_ms, ingested_ms)
        offset = sum(r.partition == pick.partition for r in self.records)
        topics = self.tracker.topics
        if message.ingested_ms is not None:
            ingested_ms = message.ingested_ms
        self.records.append(
            Record(
                pick.partition,
                offset,
                ingested_ms,
                message.body,
                message.key,
                message.headers,
                topics[pick.partition % len(topics)],
            )
        )

    def _readable_time(self, pick: Pick) -> int:
        newest = self.newest_ms.get(pick.partition)
        time_ms = pick.time_ms
        if newest is not None:
            time_ms = self._placed(pick, time_ms, newest)
        time_ms -= time_ms % self.tracker.quantum_ms
        if self._teaches(pick.name):
            while time_ms in self.taught_ms:
                time_ms += self.tracker.quantum_ms
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

    def _told(self, pick: Pick, time_ms: int) -> Told:
        """Say what an event has to tell; a repeated one tells all of it again at times."""
        self.numbered += 1
        body, number = json.loads(json.dumps(pick.body)), f"r{self.numbered}"
        if pick.kind == "no_properties":
            body["properties"] = (None, 5, [], "x")[pick.form % 4]
        shown: Any = (number, number, number, None, "", number)[pick.form % 6]
        if pick.kind == "field":
            shown = self._spoil(body, pick, shown)
        told = Told(
            {"no_name": None, "name_type": 5, "surrogate": "open\ud800"}.get(
                pick.kind, UNKNOWN if pick.kind == "unknown_name" else pick.name
            ),
            time_ms,
            pick.kind == "bad_time",
            shown,
            body.get("user"),
            body.get("anon"),
            body["context"]["Org Id"],
            body["properties"],
            pick.form,
        )
        written = self.written.setdefault(pick.partition, [])
        if pick.kind == "repeat" and written:
            return self._again(told, written[-1 - pick.same_id_as % len(written)])
        if pick.kind == "good" and shown:
            written.append(told)
        return told

    def _again(self, told: Told, before: Told) -> Told:
        """Repeat an id, and what it came with, and even the whole of it or all but one thing."""
        same_time = (
            before,
            replace(before, name=told.name),
            replace(before, user=told.user, anon=told.anon),
        )[told.form // 3 % 3]
        if told.form % 3 and not self._teaches(same_time.name):
            return same_time
        if told.form % 2:
            return replace(before, name=told.name, time_ms=told.time_ms, form=told.form)
        return replace(told, id=before.id)

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
        if path == ("anon",):
            body["user"] = None
        return shown_id

    def _without_events(self, pick: Pick) -> Message:
        """Write nothing, or a record whose list is none or has none."""
        if pick.kind != "no_events" or self.tracker.each is None:
            return Message(None if pick.kind == "tombstone" else b"", b"u1")
        key, form = self.tracker.each, pick.form
        lists: tuple[Any, ...] = ([], None, "x", {}, [None], [5, []])
        return Message(json.dumps({"mpid": 5, key: lists[form % 6]}).encode())

    def _message(self, pick: Pick, told: list[Told]) -> Message:
        messages = [self.tracker.write(each) for each in told]
        body, key = messages[0].body, self.tracker.each
        if key is not None:
            items = [message.body[key][0] for message in messages]
            body[key] = items[0] if len(items) == 1 and pick.form % 9 == 0 else items
        return replace(messages[0], body=self._bytes(pick, body))

    def _bytes(self, pick: Pick, body: Any) -> bytes:
        match pick.kind:
            case "not_object":
                return (b"[1]", b"null", b'"x"', b"5")[pick.form % 4]
            case "constant":
                body["more"] = (float("nan"), float("inf"))[pick.form % 2]
            case "too_deep":
                body["deep"] = json.loads("[" * 100 + "]" * 100)
            case "too_large" if self.tracker.each is not None and pick.form % 3:
                body[self.tracker.each] *= (0, 20, 1_001)[pick.form % 3]
                body["user_attributes"] = "x" * (0, BESIDE_BYTES, 0)[pick.form % 3]
        value = json.dumps(body, ensure_ascii=pick.form % 2 == 0 or pick.kind == "surrogate")
        match pick.kind:
            case "broken":
                return value.encode()[: -1 - pick.form] if pick.form % 2 else b"\xff" + b"{}"
            case "too_large" if self.tracker.each is None or pick.form % 3 == 0:
                return value.encode().ljust(1024 * 1024 + pick.form % 2)
        return value.encode()


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


def _batches(drawn: Iterable[Pick], tracker: Tracker) -> Iterator[list[Pick]]:
    """Give what comes in one record, in the order of arrival: of most trackers one event."""
    waiting: dict[int, list[Pick]] = {}
    for pick in drawn:
        shares = tracker.each is not None and pick.kind not in ALONE | WITHOUT_EVENTS
        if not shares or (pick.kind == "field" and pick.fault[0] in SHARED):
            yield [pick]
            continue
        waiting.setdefault(pick.partition, []).append(pick)
        if pick.form % 3 == 0:
            yield waiting.pop(pick.partition)
    yield from waiting.values()


def streamed(
    definition: Definition, settings: Settings, drawn: list[Pick], tracker: Tracker
) -> list[Record]:
    """Write the records in the order in which they arrive."""
    stream = Stream(definition, settings, tracker)
    if len(tracker.topics) > 1:
        drawn = [replace(p, name=tracker.topics[p.partition]) for p in drawn]
    in_order = sorted(drawn, key=lambda p: p.time_ms + p.delay_ms)
    for batch in _batches(in_order, tracker):
        stream.add(batch)
    return stream.records
