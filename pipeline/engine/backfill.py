"""Backfill: what starts anew under a changed definition is filled from the log's own history.

    read ──▶ manifest: the old plan, one generation on ──▶ parts ──▶ manifest: the new plan

All of it while the store is opened, before the engine starts. Reading alters nothing. Parts get
arrays that no other generation looks for, and whatever ends us between the two manifests leaves the
store to the old plan, which goes on, and to a next try, which is of a generation of its own.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from threading import Event
from typing import Final

import numpy as np
import structlog

from pipeline.core.decode import Decoder, PartitionState
from pipeline.core.deployment import Deployment
from pipeline.core.fill import Filling
from pipeline.core.known import ALWAYS, Known
from pipeline.core.match import Matcher
from pipeline.core.plan import Memory, MemoryKind, Plan
from pipeline.core.publish import iso
from pipeline.core.records import Records
from pipeline.core.snapshot import pack, unpack
from pipeline.core.stored_names import StoredNames, below
from pipeline.engine.past_members import PastMembers
from pipeline.engine.routing import shard_key
from pipeline.engine.source import SlotReader
from pipeline.engine.store_scan import SLOTS_STEP, Saved, rewrite, scan

# Opens a slot at the earliest there is of each partition; told the slot's saved positions.
History = Callable[[int, Mapping[int, int]], SlotReader]

_POLL_RECORDS: Final = 16_384
_REST_S: Final = 0.01  # between polls that found nothing
_TELL_EVERY_S: Final = 5.0
_UNKNOWN: Final = 1 << 62
_ROLL: Final = "roll-"

log = structlog.get_logger()


class BackfillStopped(Exception):
    """We were asked to stop; the store is as it was."""


@dataclass(frozen=True, slots=True)
class Backfill:
    """How history is read, and into how many shards it is cut; `stop` asks to give it up."""

    deployment: Deployment
    history: History
    stop: Event


@dataclass(frozen=True, slots=True)
class Filled:
    """What history came to, not written yet.

    `interrupted` is what is known if writing breaks off, `known` what is when it does not.
    """

    past: _Past
    chosen: frozenset[int]
    interrupted: Known
    known: Known
    watched_ms: int | None

    def write(self, parts: Iterable[Path]) -> None:
        """Put it beside what is saved, a part at a time."""
        for part in parts:
            rewrite(part, self._changed)
        keys = sorted({self.past.plan.memories[number].key for number in self.chosen})
        since_ms = self.past.since_ms
        since = "the first event" if since_ms == ALWAYS else iso(since_ms)
        log.info("filled from history", memories=keys, known_since=since)

    def _changed(self, saved: Saved) -> bytes | None:
        step = _step(saved)
        if step == SLOTS_STEP:
            return self.past.slot_with_ids(saved.packed)
        if not step.startswith(_ROLL):
            return None
        arrays, facts = unpack(saved.packed)
        facts["earliest_ms"] = self.watched_ms
        filling = self.past.fillings.get((step, saved.key))
        if filling is not None:
            names = StoredNames(self.past.plan, self.known)
            arrays |= dict(filling.arrays(arrays, names, self.chosen))
        return pack(arrays, facts)


@dataclass(slots=True)
class _Past:
    """History, as the shards of the new plan see it.

    `positions` are the slots' saved ones, `states` what decode remembers at them. The shards have
    watched since `watched_ms` and evaluated ticks up to `settled_ms`; of history the first row was
    visible at `first_ms`, and it is whole from `since_ms` on.
    """

    plan: Plan
    deployment: Deployment
    fillings: dict[tuple[str, str], Filling] = field(default_factory=dict)
    positions: dict[int, dict[int, int]] = field(default_factory=dict)
    states: dict[int, PartitionState] = field(default_factory=dict)
    watched_ms: int | None = None
    first_ms: int | None = None
    since_ms: int = ALWAYS
    settled_ms: set[int] = field(default_factory=set)
    members: PastMembers | None = None

    def slot_with_ids(self, packed: bytes) -> bytes:
        """A slot's snapshot that knows the ids which the new plan has met as well."""
        arrays, facts = unpack(packed)
        for number in map(int, facts["positions"]):
            if number in self.states:
                state = self.states[number]
                before = below(arrays, f"{number}/")
                if before:
                    state = Decoder(self.plan, self.deployment).fresh()
                    state.load(before)
                    state.dedup.remember(self.states[number].dedup)
                arrays |= {f"{number}/{name}": array for name, array in state.dump().items()}
        return pack(arrays, facts)


def fill(
    backfill: Backfill, parts: Sequence[Path], plan: Plan, before: Known, after: Known
) -> Filled | None:
    """Read history for what a plan asks for and does not know; None where nothing comes of it.

    Raises:
        BackfillStopped: We were asked to stop.
        Exception: What the source raised, when it could not go on.
    """
    lacking = {
        number: after.memory_since_ms(memory)
        for number, memory in enumerate(plan.memories)
        if _has_a_past(memory) and after.memory_since_ms(memory) != ALWAYS
    }
    if not lacking:
        return None
    past = _Past(plan, backfill.deployment)
    _open(past, parts, StoredNames(plan, after), lacking)
    growths = [n for n in lacking if plan.memories[n].kind is MemoryKind.GROWTH]
    if growths and len(past.settled_ms) == 1:
        past.members = PastMembers(plan, backfill.deployment, *past.settled_ms)
    _Reading(past, backfill).to_the_end()
    _take_over(past, growths)
    reasons = dict(_reasons(past, lacking, before, after))
    for number, because in reasons.items():
        log.warning("not filled from history", memory=plan.memories[number].key, because=because)
    chosen = frozenset(lacking.keys() - reasons.keys())
    return _filled(past, chosen, before, after) if chosen else None


def _filled(past: _Past, chosen: frozenset[int], before: Known, after: Known) -> Filled:
    memories = [past.plan.memories[number] for number in chosen]
    watched_ms = past.watched_ms
    if past.first_ms is not None and (watched_ms is None or past.first_ms < watched_ms):
        # Nobody watched that early for what is kept. It goes on as it was.
        unwatched_ms = max(map(after.memory_since_ms, memories))
        kept_since_ms = unwatched_ms if watched_ms is None else watched_ms
        before, after = before.not_before(kept_since_ms), after.not_before(kept_since_ms)
        watched_ms = past.first_ms
    known = after.filled(memories, past.since_ms)
    return Filled(past, chosen, before.next_generation(), known, watched_ms)


def _has_a_past(memory: Memory) -> bool:
    """Whether the log tells what it would remember; tallies are counted anew by themselves."""
    return bool(memory.feeds) or memory.kind is MemoryKind.GROWTH


def _take_over(past: _Past, growths: Iterable[int]) -> None:
    """Give the shards what became of their members."""
    if past.members is None:
        return
    for number, shard in product(growths, range(past.deployment.shards)):
        step = f"{_ROLL}{past.plan.memories[number].level}"
        filling = past.fillings.get((step, shard_key(shard)))
        if filling is not None:
            filling.take_over(number, *past.members.growth(number, shard))


def _step(saved: Saved) -> str:
    return saved.step.rpartition(".")[2]


def _open(past: _Past, parts: Iterable[Path], names: StoredNames, lacking: Iterable[int]) -> None:
    """Look at where the shards and the slots are."""
    by_step: dict[str, list[int]] = defaultdict(list)
    for number in lacking:
        by_step[f"{_ROLL}{past.plan.memories[number].level}"].append(number)
    for saved in (saved for part in parts for saved in scan(part)):
        step = _step(saved)
        if step == SLOTS_STEP:
            positions = unpack(saved.packed)[1]["positions"]
            slot = int(saved.key.removeprefix("slot-"))
            past.positions[slot] = {int(number): at for number, at in positions.items()}
        elif step.startswith(_ROLL):
            arrays, facts = unpack(saved.packed)
            past.watched_ms = _earlier(past.watched_ms, facts["earliest_ms"])
            settled_ms = facts.get("settled_ms", facts["evaluated_ms"])
            past.settled_ms.add(settled_ms)
            if step in by_step:
                filling = Filling(names, by_step[step], settled_ms, arrays)
                past.fillings[step, saved.key] = filling


def _earlier(one_ms: int | None, other_ms: int | None) -> int | None:
    return min((each for each in (one_ms, other_ms) if each is not None), default=None)


def _reasons(
    past: _Past, lacking: Mapping[int, int], before: Known, after: Known
) -> Iterator[tuple[int, str]]:
    """Which memories cannot be filled, and why."""
    unlike = {each for filling in past.fillings.values() for each in filling.unlike(before.held)}
    for number, since_ms in lacking.items():
        memory = past.plan.memories[number]
        feeds = {past.plan.feeds[feed].identity for feed in memory.feeds}
        step = f"{_ROLL}{memory.level}"
        shards = map(shard_key, range(past.deployment.shards))
        if not all((step, key) in past.fillings for key in shards):
            yield number, "no state was saved of its level yet"
        elif memory.kind is MemoryKind.GROWTH and past.members is None:
            yield number, "its shards were saved at ticks of their own"
        elif past.since_ms >= since_ms:
            yield number, "the log begins no earlier than what is known"
        elif past.since_ms > after.rows_since_ms(memory) < since_ms:
            yield number, "the log begins later than what is known of its other columns"
        elif feeds & unlike:
            yield number, "records that wait for their tick are read otherwise than they were"


class _Slot:
    """A slot's history: from the earliest there is of each partition to its saved position."""

    def __init__(self, reader: SlotReader, positions: Mapping[int, int]) -> None:
        self._reader = reader
        starts = reader.positions()
        self.ends = {number: positions.get(number, 0) for number in reader.partitions()}
        self._at = {number: starts.get(number, 0) for number in self.ends}
        self._start = sum(self._at.values())
        self.cut = {n for n, end in self.ends.items() if self._at[n] > 0 and end > 0}

    def poll(self) -> list[Records]:
        """What is there now, as far as it is history."""
        polled = self._reader.poll(_POLL_RECORDS)
        for records in polled:
            self._at[records.partition] = int(records.offsets[-1]) + 1
        return [_until(records, self.ends.get(records.partition, 0)) for records in polled]

    def over(self) -> set[int]:
        """The partitions of which all history was read."""
        caught_up = self._reader.caught_up
        return {n for n, end in self.ends.items() if self._at[n] >= end or caught_up(n)}

    def progress(self) -> dict[str, int]:
        """How many records were read, of how many."""
        read, of = sum(self._at.values()), sum(self.ends.values())
        return {"read": read - self._start, "of": of - self._start}


class _Reading:
    """Reads every partition from its earliest record to its saved position, all slots in turn."""

    def __init__(self, past: _Past, backfill: Backfill) -> None:
        self._past = past
        self._backfill = backfill
        self._decoder = Decoder(past.plan, past.deployment)
        self._matcher = Matcher(past.plan, past.deployment)
        self._read = 0
        self._tell_at_s = time.monotonic()

    def to_the_end(self) -> None:
        with ExitStack() as opened:
            slots = {}
            for slot, positions in self._past.positions.items():
                reader = self._backfill.history(slot, positions)
                opened.callback(reader.close)
                slots[slot] = _Slot(reader, positions)
            self._all(slots)
        if any(slot.cut for slot in slots.values()):
            self._past.since_ms = _UNKNOWN
        log.info("history read", read=self._read)

    def _all(self, slots: Mapping[int, _Slot]) -> None:
        while unread := {n: each for n, each in slots.items() if each.ends.keys() - each.over()}:
            if self._backfill.stop.is_set():
                raise BackfillStopped
            polled = [records for slot in unread.values() for records in self._poll(slot)]
            for number, slot in unread.items():
                self._tell(number, slot)
            self._advance(slots)
            if not polled:
                time.sleep(_REST_S)
        self._advance(slots)

    def _poll(self, slot: _Slot) -> list[Records]:
        polled = slot.poll()
        for records in polled:
            first_ms = self._take_in(records)
            if first_ms is not None and records.partition in slot.cut:
                # Up to then, what was deleted may have come out of order.
                whole_ms = first_ms + self._past.deployment.lateness_ms
                self._past.since_ms = max(self._past.since_ms, whole_ms)
                slot.cut.remove(records.partition)
        return polled

    def _advance(self, slots: Mapping[int, _Slot]) -> None:
        """Let go of what waits; what a partition that is over, or empty, holds back is memory."""
        members = self._past.members
        if members is not None:
            for number in (number for slot in slots.values() for number in slot.over()):
                members.finish(number)
            members.advance([number for slot in slots.values() for number in slot.ends])

    def _take_in(self, records: Records) -> int | None:
        """When the first event of these records became visible, if there is one."""
        if not records.values:
            return None
        if self._past.members is not None:
            self._past.members.take_in(records)
        number = records.partition
        state = self._past.states.setdefault(number, self._decoder.fresh())
        batch = self._decoder.decode(records, state).batch
        contributions = self._matcher.match(batch)
        for (level, shard), rows in contributions.rows.items():
            filling = self._past.fillings.get((f"{_ROLL}{level}", shard_key(shard)))
            if filling is not None:
                filling.take_in(rows)
        if contributions.visible_ms is not None:
            self._past.first_ms = _earlier(self._past.first_ms, contributions.visible_ms[0])
        self._read += len(records.values)
        return int(batch.visible_ms[0]) if len(batch) else None

    def _tell(self, number: int, slot: _Slot) -> None:
        if time.monotonic() >= self._tell_at_s:
            self._tell_at_s = time.monotonic() + _TELL_EVERY_S
            of_slots = len(self._past.positions)
            log.info("reading history", slot=number, slots=of_slots, **slot.progress())


def _until(records: Records, end: int) -> Records:
    """The records before an offset."""
    count = int(np.searchsorted(records.offsets, end))
    if count == len(records.values):
        return records
    values, offsets = records.values[:count], records.offsets[:count]
    carried = None if records.carried is None else records.carried.before(count)
    ingested_ms = records.ingested_ms[:count]
    return Records(records.partition, values, offsets, ingested_ms, carried=carried)
