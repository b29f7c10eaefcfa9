"""Roll: a shard of one level keeps its tables up to date and reads them at ticks.

A shard holds one table for each entity its level knows: rows are entities, columns their memories.
Rows wait in a queue until a tick is due that may see them (`visible_ms` before the tick), whole
arrays at a time. At a tick a shard gives its part of every term, and the changes of its sets'
members to the level above, which counts them in tallies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core import items, memories, plan as plans
from pipeline.core.as_of import held_as_of, of_value
from pipeline.core.changes import Changes, TickChanges, all_of
from pipeline.core.cohorts import Cohorts, OwnSpans
from pipeline.core.decode import LONG_AGO
from pipeline.core.fed import columns_of, times_of
from pipeline.core.key_index import KeyIndex
from pipeline.core.known import Known
from pipeline.core.match import Rows
from pipeline.core.memories.active_units import ActiveUnits
from pipeline.core.memories.attribute import Attribute
from pipeline.core.memories.diary import Diary
from pipeline.core.memories.first_seen import FirstSeen
from pipeline.core.memories.growth import Growth
from pipeline.core.memories.last_seen import LastSeen
from pipeline.core.memories.ledger import Ledger
from pipeline.core.memories.memory import ABSENT_ID, Flags, Memory, Telling, resized
from pipeline.core.memories.pairs import Pairs
from pipeline.core.memories.periods import Periods
from pipeline.core.memories.stream import OfStream
from pipeline.core.memories.tally import Tally
from pipeline.core.memories.top_k import TopK
from pipeline.core.memories.value import Value
from pipeline.core.partial import Partial
from pipeline.core.parts import BY_TEXT, by_text
from pipeline.core.pending import Pending, Span
from pipeline.core.plan import ENTITY_ITSELF, Plan, TermKind
from pipeline.core.reach import HandedUp
from pipeline.core.snapshot import Arrays, pack, unpack
from pipeline.core.stored_names import StoredNames, below
from pipeline.core.summaries import Figures, Summary
from pipeline.core.table import Table
from pipeline.core.windows import Anchored, Calendar, Units, Window

_NO_ROWS: Final = np.empty(0, np.int64)


class Shard:
    """One shard of one level.

    `known` says what of saved state is to be found again, `salt` is the deployment's.
    """

    def __init__(self, plan: Plan, level: int, known: Known | None = None, salt: int = 0) -> None:
        self._plan = plan
        self._level = level
        self._salt = salt
        self._names = StoredNames(plan, known or Known())
        self._pending = Pending()
        self._changes: dict[int, dict[int, list[Changes]]] = defaultdict(dict)
        self._earliest_ms: int | None = None
        self.tables: dict[str, Table] = {}
        self._loose: dict[int, Memory] = {}  # memories that know no entity
        self._readers: dict[int, list[int]] = defaultdict(list)  # feed → its memories
        for number, memory in enumerate(plan.memories):
            if memory.level == level:
                self._add(number, memory)
        self._sets = [
            (number, each) for number, each in enumerate(plan.sets) if each.level == level
        ]
        for number, each in self._sets:
            table = self.tables.setdefault(each.entity, Table())
            for roll_up in range(len(each.roll_ups)):
                table.counted[number, roll_up] = np.empty(0, np.uint64)
        self._handed_up = HandedUp(plan, level)
        self._cohorts = Cohorts([each for _, each in self._sets], self._memory)

    def _add(self, number: int, memory: plans.Memory) -> None:
        made = memories.make(memory)
        if memory.entity is None:
            self._loose[number] = made
        else:
            self.tables.setdefault(memory.entity, Table()).memories[number] = made
        for feed in memory.feeds:
            self._readers[feed].append(number)

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
            for (feed, rows), places in zip(
                of_entity, self._places(entity, of_entity), strict=True
            ):
                self._apply(feed, rows, places)

    def _places(self, entity: str | None, taken: list[tuple[int, Rows]]) -> list[NDArray[np.int64]]:
        """The rows of a table that each feed is about, looked up for all feeds at once."""
        if entity is None:
            return [_NO_ROWS for _ in taken]
        places = self.tables[entity].rows_for(np.concatenate([rows.keys for _, rows in taken]))
        return np.split(places, np.cumsum([len(rows) for _, rows in taken])[:-1])

    def _apply(self, number: int, rows: Rows, places: NDArray[np.int64]) -> None:
        for reader in self._readers[number]:
            asked = self._plan.memories[reader]
            for column in columns_of(self._plan, number, asked, rows):
                self._memory(reader).apply(places, times_of(asked, rows), column)

    def _apply_changes(self, tick_ms: int) -> None:
        for tick in sorted(tick for tick in self._changes if tick <= tick_ms):
            for tally, changes in self._changes.pop(tick).items():
                entity = self._plan.memories[tally].entity
                assert entity is not None
                whole = all_of(changes)
                rows = self.tables[entity].rows_for(whole.keys)
                self._memory(tally).apply(rows, rows, whole.deltas)

    def _memory(self, number: int) -> Memory:
        entity = self._plan.memories[number].entity
        return self._loose[number] if entity is None else self.tables[entity].memories[number]

    # ── a tick ───────────────────────────────────────────────────────────────────────────────────

    def evaluate(self, tick_ms: int) -> tuple[Partial, TickChanges]:
        """This shard's part of the tick, and the changes for higher levels, by tally."""
        self.settle(tick_ms)
        self._apply_changes(tick_ms)
        for memory in self._every_memory():
            memory.expire(tick_ms)
        spans = {
            n: self._cohorts.spans(each.cohort, tick_ms) for n, each in self._sets if each.cohort
        }
        members = {
            number: self._members(each, tick_ms, spans.get(number)) for number, each in self._sets
        }
        changes: dict[int, Changes] = {}
        for number, each in self._sets:
            changes |= self._roll_up(number, each, members[number])
            self._note_growth(each, members[number], tick_ms)
        for reach in self._handed_up.reaches:
            others = self._pairs(reach.pairs, tick_ms).others(members[reach.set])
            changes |= self._handed_up.changes(reach.tally, others)
        partial = self._partial(tick_ms, members, spans)
        self._cohorts.forget(tick_ms)
        for table in self.tables.values():
            table.clear(tick_ms)
        return partial, changes

    def _every_memory(self) -> Iterator[Memory]:
        yield from self._loose.values()
        for table in self.tables.values():
            yield from table.memories.values()

    def _partial(
        self, tick_ms: int, members: Mapping[int, Flags], spans: Mapping[int, OwnSpans]
    ) -> Partial:
        counts, micros = [0] * len(self._plan.terms), [0] * len(self._plan.terms)
        summaries: dict[int, Summary] = {}
        for number, term in enumerate(self._plan.terms):
            if term.level == self._level:
                count, total, summary = self._term(term, tick_ms, members, spans)
                counts[number], micros[number] = count, total
                if summary is not None:
                    summaries[number] = summary
        return Partial(tuple(counts), tuple(micros), self._earliest_ms, summaries)

    def _term(  # noqa: PLR0911 - one for each kind of term
        self,
        term: plans.Term,
        tick_ms: int,
        members: Mapping[int, Flags],
        spans: Mapping[int, OwnSpans],
    ) -> Figures:
        if term.kind is TermKind.SIZE:
            assert term.set is not None
            return int(np.count_nonzero(members[term.set])), 0, None
        if term.kind is TermKind.COHORT:
            assert term.set is not None
            return int(np.count_nonzero(spans[term.set].taking_part)), 0, None
        if term.kind in BY_TEXT:
            return 0, 0, self._by_text(term, tick_ms, members)
        assert term.memory is not None
        memory = self._at(term.memory, tick_ms)
        if isinstance(memory, Growth):
            assert term.set is not None
            return _grown(term.kind, memory, members[term.set]), 0, None
        if isinstance(memory, Diary):
            return self._of_rows(term, memory, tick_ms)
        if isinstance(memory, Pairs):
            assert term.set is not None
            return memory.count(members[term.set]), 0, None
        if isinstance(memory, Tally):
            return int(np.count_nonzero(memory.at_least(1))), 0, None
        if isinstance(memory, OfStream):
            return self._of_items(term, memory, tick_ms)
        assert isinstance(memory, Telling)
        return memory.figures(_start(term.windows[0], tick_ms))

    def _of_items(self, term: plans.Term, memory: OfStream, tick_ms: int) -> Figures:
        assert term.items is not None
        chosen = items.chosen(
            memory.items(tick_ms), term.items, term.windows[0], tick_ms, self._salt
        )
        if term.kind is TermKind.ITEM_ENTITIES:
            return items.entities(chosen, memory.rows), 0, None
        column = term.items.column
        if column is not None and term.kind is plans.TermKind.EXTREMES:
            return len(chosen), 0, items.extremes(chosen, column)
        if column is not None and term.kind is plans.TermKind.SKETCH:
            return len(chosen), 0, items.sketch(chosen, column)
        return len(chosen), items.total(chosen, column), None

    def _by_text(self, term: plans.Term, tick_ms: int, members: Mapping[int, Flags]) -> Summary:
        """What a term comes to for each text, or which texts were first."""
        assert term.memory is not None
        entity = self._plan.memories[term.memory].entity
        assert entity is not None
        keys = self.tables[entity].index.keys
        start_ms = _start(term.windows[0], tick_ms) if term.windows else LONG_AGO
        of_set = None if term.set is None else members[term.set]
        return by_text(self._at(term.memory, tick_ms), keys, start_ms, of_set)

    def _at(self, number: int, tick_ms: int) -> Memory:
        """A memory, or the part of it that its calendar window looks at."""
        memory = self._memory(number)
        return memory.at(tick_ms) if isinstance(memory, Periods) else memory

    def _pairs(self, number: int, tick_ms: int) -> Pairs:
        memory = self._at(number, tick_ms)
        assert isinstance(memory, Pairs)
        return memory

    def _members(self, each: plans.EntitySet, tick_ms: int, spans: OwnSpans | None) -> Flags:
        if not len(self.tables[each.entity].index):
            return np.empty(0, np.bool_)
        held = self._holds(each.when, tick_ms, spans)
        return held if spans is None else held & spans.taking_part

    def _holds(
        self, condition: plans.Condition, tick_ms: int, spans: OwnSpans | None = None
    ) -> Flags:
        if isinstance(condition, plans.NotHeld):
            return ~self._holds(condition.condition, tick_ms, spans)
        if isinstance(condition, plans.AtLeast):
            return self._at_least(condition, tick_ms, spans)
        if isinstance(condition, plans.OfValue):
            return self._of_value(condition)
        parts = [self._holds(part, tick_ms, spans) for part in condition.conditions]
        join = np.logical_and if isinstance(condition, plans.AllHeld) else np.logical_or
        return np.asarray(join.reduce(parts))

    def _at_least(  # noqa: PLR0911 - one for each kind of memory
        self, condition: plans.AtLeast, tick_ms: int, spans: OwnSpans | None
    ) -> Flags:
        memory, threshold = self._at(condition.memory, tick_ms), condition.threshold
        if isinstance(memory, Diary):
            return self._in_rows(condition, memory, tick_ms, spans) >= threshold
        if isinstance(memory, ActiveUnits):
            return _habit(memory, condition)
        if isinstance(memory, Ledger) and condition.since_first is not None:
            return memory.at_least(self._since_first(condition.since_first, tick_ms))
        if isinstance(memory, Ledger):
            of_values = self._plan.memories[condition.memory].column is not None
            return memory.sum_at_least(threshold) if of_values else memory.at_least(threshold)
        if isinstance(memory, Tally):
            return memory.at_least(threshold)
        assert condition.window is not None
        if isinstance(memory, OfStream):
            return self._items_at_least(condition, memory, tick_ms)
        start_ms = _start(condition.window, tick_ms)
        if isinstance(memory, TopK):
            return memory.at_least(start_ms, threshold, self._left_out(condition))
        assert isinstance(memory, LastSeen)
        return memory.at_least(start_ms, threshold)

    def _in_rows(
        self, condition: plans.AtLeast, diary: Diary, tick_ms: int, spans: OwnSpans | None
    ) -> NDArray[np.int64]:
        """What the rows in each entity's span come to, its own or that of all."""
        if not isinstance(condition.window, Anchored):
            assert condition.window is not None
            spans = OwnSpans.shared(condition.window, tick_ms, diary.rows)
        assert spans is not None
        described, chosen = (
            self._plan.memories[condition.memory],
            self._chosen(condition.as_of, diary),
        )
        return spans.of(described, diary, self._left_out(condition), chosen)

    def _of_value(self, condition: plans.OfValue) -> Flags:
        value = self._memory(condition.memory)
        assert isinstance(value, Value)
        return of_value(condition, value, self._salt)

    def _chosen(self, as_of: plans.Condition | None, diary: Diary) -> Flags | None:
        """Which entries of a diary count, by what was known at their time."""
        if as_of is None:
            return None
        return held_as_of(as_of, diary.entries, self._memory, self._salt)

    def _of_rows(self, term: plans.Term, diary: Diary, tick_ms: int) -> Figures:
        """What a term comes to that depends on what was known at the time of each row."""
        chosen = self._chosen(term.as_of, diary)
        spans = OwnSpans.shared(term.windows[0], tick_ms, diary.rows)
        counts = diary.counts(spans.starts, spans.ends, chosen)
        if term.kind is plans.TermKind.DISTINCT:
            return int(np.count_nonzero(counts)), 0, None
        micros = diary.sums(spans.starts, spans.ends, chosen) if diary.has_values else counts[:0]
        return int(counts.sum()), sum(micros.tolist()), None

    def _since_first(self, asked: plans.SinceFirst, tick_ms: int) -> NDArray[np.int64]:
        """The threshold of each row."""
        first = self._memory(asked.memory)
        assert isinstance(first, FirstSeen)
        periods = -((first.times - tick_ms) // asked.period_ms)
        thresholds = np.array(asked.thresholds, np.int64)
        return thresholds[np.clip(periods, 1, len(thresholds)) - 1]

    def _items_at_least(self, condition: plans.AtLeast, memory: OfStream, tick_ms: int) -> Flags:
        wanted, window = condition.items, condition.window
        assert wanted is not None
        assert window is not None
        chosen = items.chosen(memory.items(tick_ms), wanted, window, tick_ms, self._salt)
        left_out = self._left_out(condition)
        return items.at_least(chosen, wanted, memory.rows, condition.threshold, left_out)

    def _left_out(self, condition: plans.AtLeast) -> NDArray[np.uint64] | None:
        if condition.leave_out is None:
            return None
        if condition.leave_out == ENTITY_ITSELF:
            entity = self._plan.memories[condition.memory].entity
            assert entity is not None
            return self.tables[entity].index.keys
        attribute = self._memory(condition.leave_out)
        assert isinstance(attribute, Attribute)
        return attribute.values

    def _roll_up(self, number: int, each: plans.EntitySet, members: Flags) -> dict[int, Changes]:
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

    def _note_growth(self, each: plans.EntitySet, members: Flags, tick_ms: int) -> None:
        for number in each.growth:
            growth = self._memory(number)
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
        for entity, table in self.tables.items():
            yield f"keys/{entity}", table.index.keys
            for roll_up, counted in table.counted.items():
                whole = resized(counted, len(table.index), ABSENT_ID)[: len(table.index)]
                yield self._names.counted(*roll_up), whole
        for number, memory in self._numbered_memories():
            for name, array in memory.dump().items():
                yield f"{self._names.memory(number)}/{name}", array
        yield from self._handed_up.to_arrays(self._names)
        for feed, rows in self._pending.all():
            yield from self._names.rows_to_arrays(feed, rows)
        waiting = {
            tick: {tally: all_of(changes) for tally, changes in by_tally.items()}
            for tick, by_tally in self._changes.items()
        }
        yield from self._names.changes_to_arrays("changes", waiting)

    def _numbered_memories(self) -> Iterator[tuple[int, Memory]]:
        yield from self._loose.items()
        for table in self.tables.values():
            yield from table.memories.items()

    def load(self, packed: bytes) -> tuple[dict[str, Any], dict[int, TickChanges]]:
        """Take the place of an empty shard with what `dump` gave; gives the engine's share back.

        What the plan of that time did not have begins empty, what it has no more is left out.

        Raises:
            UnreadableSnapshot: when the bytes are not what was saved.
        """
        arrays, facts = unpack(packed)
        self._earliest_ms = facts["earliest_ms"]
        for entity, table in self.tables.items():
            table.index = KeyIndex(arrays.get(f"keys/{entity}"))
            rows = len(table.index)
            for roll_up in table.counted:
                counted = arrays.get(self._names.counted(*roll_up), np.empty(0, np.uint64))
                table.counted[roll_up] = resized(counted, rows, ABSENT_ID)
            for number, memory in table.memories.items():
                self._load_memory(number, memory, arrays)
                memory.resize(rows)
        for number, memory in self._loose.items():
            self._load_memory(number, memory, arrays)
        self._handed_up.load(self._names, arrays)
        for number in range(len(self._plan.feeds)):
            queued = self._names.rows_from_arrays(number, arrays)
            if queued is not None:
                self._pending.put(number, queued)
        for tick, by_tally in self._names.changes_from_arrays("changes", arrays).items():
            self.queue_changes(tick, by_tally)
        return facts, self._names.changes_from_arrays("sent", arrays)

    def _load_memory(self, number: int, memory: Memory, arrays: Arrays) -> None:
        saved = below(arrays, f"{self._names.memory(number)}/")
        if saved:
            # Several memories may be found under one identity.
            memory.load({name: array.copy() for name, array in saved.items()})


def _grown(kind: TermKind, growth: Growth, members: Flags) -> int:
    """How many of the members, or of those a period ago, a term of growth is about."""
    before = growth.lagged
    asked = {
        TermKind.NEW: members & ~growth.ever,
        TermKind.RETAINED: members & before,
        TermKind.RESURRECTED: members & growth.ever & ~before,
        TermKind.CHURNED: before & ~members,
        TermKind.SIZE_BEFORE: before,
    }
    return int(np.count_nonzero(asked[kind]))


def _habit(memory: ActiveUnits, condition: plans.AtLeast) -> Flags:
    assert isinstance(condition.window, Units)
    if condition.grace is not None:
        return memory.streak_at_least(condition.threshold, condition.grace)
    return memory.at_least(condition.window.of, condition.threshold)


def _start(window: Window, tick_ms: int) -> int:
    """From when on a memory is looked at; a calendar memory holds its period and nothing else."""
    return LONG_AGO if isinstance(window, Calendar) else window.span(tick_ms)[0]
