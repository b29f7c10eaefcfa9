"""Roll: a shard of one level keeps its tables up to date and reads them at ticks.

A shard holds one table for each entity its level knows: rows are entities, columns their memories.
Rows wait in a queue until a tick is due that may see them (`visible_ms` before the tick), whole
arrays at a time. At a tick a shard gives its part of every term, and the changes of its sets'
members to the level above, which counts them in tallies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.changes import Changes, TickChanges, all_of
from pipeline.core.cohorts import Cohorts, OwnSpans
from pipeline.core.fed import columns_of, times_of
from pipeline.core.known import Known
from pipeline.core.match import Rows
from pipeline.core.members import Members
from pipeline.core.memories.attribute import Attribute
from pipeline.core.memories.growth import Growth
from pipeline.core.memories.memory import ABSENT_ID, Flags
from pipeline.core.memories.pairs import Pairs
from pipeline.core.partial import Partial
from pipeline.core.pending import Pending, Span
from pipeline.core.plan import Plan
from pipeline.core.reach import HandedUp
from pipeline.core.remembered import Remembered
from pipeline.core.seeds import Seeds, Share
from pipeline.core.sets import EntitySet
from pipeline.core.snapshot import pack, unpack
from pipeline.core.stored_names import StoredNames
from pipeline.core.summaries import Summary
from pipeline.core.terms import Terms


class Shard:
    """One shard of one level.

    `known` says what of saved state is to be found again, `salt` is the deployment's. `share` is
    which of the shards it is, None while nobody has told it.
    """

    def __init__(
        self,
        plan: Plan,
        level: int,
        known: Known | None = None,
        salt: int = 0,
        share: Share | None = None,
    ) -> None:
        self._plan = plan
        self._level = level
        self._names = StoredNames(plan, known or Known())
        self._pending = Pending()
        self._changes: dict[int, dict[int, list[Changes]]] = defaultdict(dict)
        self._earliest_ms: int | None = None
        self.share = share
        self._remembered = Remembered(plan, level)
        self.tables = self._remembered.tables
        self._readers: dict[int, list[int]] = defaultdict(list)  # feed → its memories
        for number, _ in self._remembered.every():
            for feed in plan.memories[number].feeds:
                self._readers[feed].append(number)
        self._sets = [
            (number, each) for number, each in enumerate(plan.sets) if each.level == level
        ]
        self._handed_up = HandedUp(plan, level)
        sets = [each for _, each in self._sets]
        self._cohorts = Cohorts(sets, self._remembered.memory)
        self._members = Members(plan, self._remembered, salt)
        self._terms = Terms(self._remembered, salt)
        self._seeds = Seeds(plan, level, salt)

    # ── taking in ────────────────────────────────────────────────────────────────────────────────

    def queue(self, rows: Mapping[int, Rows], visible_ms: Span | None = None) -> None:
        """Take in rows by feed; they wait for the tick that may see them.

        `visible_ms` is when the first and the last of the poll that they are of becomes visible.
        """
        for feed, piece in rows.items():
            self._pending.put(feed, piece.without_places(), visible_ms)
        if visible_ms is not None:
            known = visible_ms[0] if self._earliest_ms is None else self._earliest_ms
            self._earliest_ms = min(known, visible_ms[0])

    def queue_changes(self, tick_ms: int, changes: Mapping[int, Changes]) -> None:
        """Take in what a lower level's members changed at a tick, by tally."""
        for tally, change in changes.items():
            self._changes[tick_ms].setdefault(tally, []).append(change)

    @property
    def waiting(self) -> int:
        """How many rows wait for their tick."""
        return len(self._pending)

    def settle(self, before_ms: int) -> None:
        """Apply the rows visible before a moment, which is no later than the next tick."""
        taken = [*self._pending.take(before_ms)]
        for entity in {self._plan.feeds[feed].entity: None for feed, _ in taken}:
            of_entity = [each for each in taken if self._plan.feeds[each[0]].entity == entity]
            places = self._remembered.places(entity, [rows for _, rows in of_entity])
            for (feed, rows), of_rows in zip(of_entity, places, strict=True):
                self._apply(feed, rows, of_rows)

    def _apply(self, number: int, rows: Rows, places: NDArray[np.int64]) -> None:
        for reader in self._readers[number]:
            asked, memory = self._plan.memories[reader], self._remembered.memory(reader)
            for column in columns_of(self._plan, number, asked, rows):
                memory.apply(places, times_of(asked, rows), column)
            self._seeds.note(reader, rows.keys, places, memory)

    def _apply_changes(self, tick_ms: int) -> None:
        for tick in sorted(tick for tick in self._changes if tick <= tick_ms):
            for tally, changes in self._changes.pop(tick).items():
                entity = self._plan.memories[tally].entity
                assert entity is not None
                whole = all_of(changes)
                rows = self.tables[entity].rows_for(whole.keys)
                self._remembered.memory(tally).apply(rows, rows, whole.deltas)

    # ── a tick ───────────────────────────────────────────────────────────────────────────────────

    def evaluate(self, tick_ms: int) -> tuple[Partial, TickChanges]:
        """This shard's part of the tick, and the changes for higher levels, by tally."""
        self.settle(tick_ms)
        self._seeds.begin(tick_ms, self.share, self._remembered)
        self._apply_changes(tick_ms)
        self._remembered.expire(tick_ms)
        spans = {
            n: self._cohorts.spans(each.cohort, tick_ms) for n, each in self._sets if each.cohort
        }
        members = {
            number: self._members.of(each, tick_ms, spans.get(number))
            for number, each in self._sets
        }
        changes: dict[int, Changes] = {}
        for number, each in self._sets:
            changes |= self._roll_up(number, each, members[number])
            self._note_growth(each, members[number], tick_ms)
        for reach in self._handed_up.reaches:
            pairs = self._remembered.at(reach.pairs, tick_ms)
            assert isinstance(pairs, Pairs)
            changes |= self._handed_up.changes(reach.tally, pairs.others(members[reach.set]))
        partial = self._partial(tick_ms, members, spans)
        self._cohorts.forget(tick_ms)
        self._remembered.clear(tick_ms)
        return partial, changes

    def counted(self, number: int, tick_ms: int) -> NDArray[np.uint64]:
        """Whom a term of size or distinct counts: their keys, for the tick that was made last."""
        term = self._plan.terms[number]
        if term.set is not None:
            each = self._plan.sets[term.set]
            spans = self._cohorts.spans(each.cohort, tick_ms) if each.cohort else None
            return self.tables[each.entity].index.keys[self._members.of(each, tick_ms, spans)]
        assert term.memory is not None
        return self._remembered.keys(term.memory)[self._terms.seen(term, tick_ms)]

    def _partial(
        self, tick_ms: int, members: Mapping[int, Flags], spans: Mapping[int, OwnSpans]
    ) -> Partial:
        counts, micros = [0] * len(self._plan.terms), [0] * len(self._plan.terms)
        summaries: dict[int, Summary] = {}
        for number, term in enumerate(self._plan.terms):
            if term.level == self._level:
                count, total, summary = self._terms.figures(term, tick_ms, members, spans)
                counts[number], micros[number] = count, total
                if summary is not None:
                    summaries[number] = summary
        return Partial(tuple(counts), tuple(micros), self._earliest_ms, summaries)

    def _roll_up(self, number: int, each: EntitySet, members: Flags) -> dict[int, Changes]:
        """What changed, since the last tick, in whom the members name."""
        changes = {}
        table = self.tables[each.entity]
        for place, roll_up in enumerate(each.roll_ups):
            attribute = table.memories[roll_up.attribute]
            assert isinstance(attribute, Attribute)
            now = np.where(members, attribute.values, ABSENT_ID)
            before = table.counted[number, place][: len(now)]
            changed = now != before
            if changed.any():
                lost, gained = before[changed], now[changed]
                lost, gained = lost[lost != ABSENT_ID], gained[gained != ABSENT_ID]
                deltas = np.repeat(np.array([-1, 1]), [len(lost), len(gained)])
                changes[roll_up.tally] = Changes(np.concatenate([lost, gained]), deltas)
                table.counted[number, place] = now
        return changes

    def _note_growth(self, each: EntitySet, members: Flags, tick_ms: int) -> None:
        for number in each.growth:
            growth = self._remembered.memory(number)
            assert isinstance(growth, Growth)
            growth.take_in(members, tick_ms)

    # ── saving ───────────────────────────────────────────────────────────────────────────────────

    def dump(self, facts: Mapping[str, Any], sent: Mapping[int, TickChanges]) -> bytes:
        """Everything this shard remembers, with what the engine asks to be kept beside it.

        `sent` are changes that were handed up, by tick and tally. Nothing is named by its place in
        the plan.
        """
        arrays = {**dict(self._arrays()), **dict(self._names.changes_to_arrays("sent", sent))}
        return pack(arrays, {**facts, "earliest_ms": self._earliest_ms})

    def _arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        yield from self._remembered.to_arrays(self._names)
        yield from self._handed_up.to_arrays(self._names)
        for feed, rows in self._pending.all():
            yield from self._names.rows_to_arrays(feed, rows)
        waiting = {
            tick: {tally: all_of(changes) for tally, changes in by_tally.items()}
            for tick, by_tally in self._changes.items()
        }
        yield from self._names.changes_to_arrays("changes", waiting)

    def load(self, packed: bytes) -> tuple[dict[str, Any], dict[int, TickChanges]]:
        """Take the place of an empty shard with what `dump` gave; gives the engine's share back.

        What the plan of that time did not have begins empty, what it has no more is left out.

        Raises:
            UnreadableSnapshot: when the bytes are not what was saved.
        """
        arrays, facts = unpack(packed)
        self._earliest_ms = facts["earliest_ms"]
        self._remembered.load(self._names, arrays)
        self._handed_up.load(self._names, arrays)
        for number in range(len(self._plan.feeds)):
            queued = self._names.rows_from_arrays(number, arrays)
            if queued is not None:
                self._pending.put(number, queued)
        for tick, by_tally in self._names.changes_from_arrays("changes", arrays).items():
            self.queue_changes(tick, by_tally)
        return facts, self._names.changes_from_arrays("sent", arrays)
