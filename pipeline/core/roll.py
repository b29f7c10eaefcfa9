"""Roll: a shard of one level keeps its tables up to date and reads them at ticks.

A shard holds one table for each entity its level knows: rows are entities, columns their memories.
Rows wait in a queue until a tick is due that may see them (`visible_ms` before the tick), whole
arrays at a time. At a tick a shard gives its part of every term, and the changes of its sets'
members to the level above, which counts them in tallies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core import memories, plan as plans
from pipeline.core.decode import LONG_AGO
from pipeline.core.key_index import KeyIndex
from pipeline.core.match import Rows, joined
from pipeline.core.memories.attribute import Attribute
from pipeline.core.memories.last_seen import LastSeen
from pipeline.core.memories.ledger import Ledger
from pipeline.core.memories.memory import ABSENT_ID, Flags, Memory, resized
from pipeline.core.memories.panes import Panes
from pipeline.core.memories.periods import Periods
from pipeline.core.memories.tally import Tally
from pipeline.core.memories.top_k import TopK
from pipeline.core.plan import ENTITY_ITSELF, Plan
from pipeline.core.snapshot import Arrays, pack, unpack
from pipeline.core.table import Table
from pipeline.core.windows import Calendar, Window

_NO_PLACES: Final = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Changes:
    """Members gained (+1) and lost (-1) by the entities that they name."""

    keys: NDArray[np.uint64]
    deltas: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Partial:
    """One shard's part of a tick: for each term of the plan, 0 where it is another level's.

    `counts` are events, entities or members; `micros` are sums in millionths (0 where a term has
    none). `earliest_ms` is when the shard's partitions were first watched, or None.
    """

    counts: tuple[int, ...]
    micros: tuple[int, ...]
    earliest_ms: int | None


class Shard:
    """One shard of one level."""

    def __init__(self, plan: Plan, level: int) -> None:
        self._plan = plan
        self._level = level
        self._queue: dict[int, list[Rows]] = defaultdict(list)
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

    def _add(self, number: int, memory: plans.Memory) -> None:
        made = memories.make(memory)
        if memory.entity is None:
            self._loose[number] = made
        else:
            self.tables.setdefault(memory.entity, Table()).memories[number] = made
        if memory.feed is not None:
            self._readers[memory.feed].append(number)

    # ── taking in ────────────────────────────────────────────────────────────────────────────────

    def queue(self, rows: Mapping[int, Rows], earliest_ms: int | None = None) -> None:
        """Take in rows by feed; they wait for the tick that may see them."""
        for feed, piece in rows.items():
            self._queue[feed].append(piece)
        if earliest_ms is not None:
            known = self._earliest_ms
            self._earliest_ms = earliest_ms if known is None else min(known, earliest_ms)

    def queue_changes(self, tick_ms: int, changes: Mapping[int, Changes]) -> None:
        """Take in what a lower level's members changed at a tick, by tally."""
        for tally, change in changes.items():
            self._changes[tick_ms].setdefault(tally, []).append(change)

    @property
    def waiting(self) -> int:
        """How many rows wait for their tick."""
        return sum(len(piece) for pieces in self._queue.values() for piece in pieces)

    def settle(self, before_ms: int) -> None:
        """Apply the rows visible before a moment, which is no later than the next tick."""
        for feed, pieces in self._queue.items():
            if not pieces:
                continue
            rows = joined(pieces)
            visible = rows.visible_ms < before_ms
            if visible.all():
                pieces.clear()
            else:
                self._queue[feed] = [rows.take(~visible)]
                rows = rows.take(visible)
            if len(rows):
                self._apply(feed, rows)

    def _apply(self, number: int, rows: Rows) -> None:
        feed = self._plan.feeds[number]
        places = _NO_PLACES
        if feed.entity is not None:
            places = self.tables[feed.entity].rows_for(rows.keys)
        for reader in self._readers[number]:
            column = _column(feed, self._plan.memories[reader], rows)
            self._memory(reader).apply(places, rows.times_ms, column)

    def _apply_changes(self, tick_ms: int) -> None:
        for tick in sorted(tick for tick in self._changes if tick <= tick_ms):
            for tally, changes in self._changes.pop(tick).items():
                entity = self._plan.memories[tally].entity
                assert entity is not None
                keys = np.concatenate([change.keys for change in changes])
                deltas = np.concatenate([change.deltas for change in changes])
                rows = self.tables[entity].rows_for(keys)
                self._memory(tally).apply(rows, rows, deltas)

    def _memory(self, number: int) -> Memory:
        entity = self._plan.memories[number].entity
        return self._loose[number] if entity is None else self.tables[entity].memories[number]

    # ── a tick ───────────────────────────────────────────────────────────────────────────────────

    def evaluate(self, tick_ms: int) -> tuple[Partial, dict[int, Changes]]:
        """This shard's part of the tick, and the changes for higher levels, by tally."""
        self.settle(tick_ms)
        self._apply_changes(tick_ms)
        for memory in self._every_memory():
            memory.expire(tick_ms)
        members = {number: self._members(each, tick_ms) for number, each in self._sets}
        changes: dict[int, Changes] = {}
        for number, each in self._sets:
            changes |= self._roll_up(number, each, members[number])
        partial = self._partial(tick_ms, members)
        for table in self.tables.values():
            table.clear(tick_ms)
        return partial, changes

    def _every_memory(self) -> Iterator[Memory]:
        yield from self._loose.values()
        for table in self.tables.values():
            yield from table.memories.values()

    def _partial(self, tick_ms: int, members: Mapping[int, Flags]) -> Partial:
        counts, micros = [], []
        for term in self._plan.terms:
            count, total = 0, 0
            if term.level == self._level:
                count, total = self._term(term, tick_ms, members)
            counts.append(count)
            micros.append(total)
        return Partial(tuple(counts), tuple(micros), self._earliest_ms)

    def _term(
        self, term: plans.Term, tick_ms: int, members: Mapping[int, Flags]
    ) -> tuple[int, int]:
        if term.kind is plans.TermKind.SIZE:
            assert term.set is not None
            return int(np.count_nonzero(members[term.set])), 0
        assert term.memory is not None
        memory = self._at(term.memory, tick_ms)
        if isinstance(memory, Panes):
            return memory.count, memory.micros
        assert isinstance(memory, LastSeen)
        seen = memory.at_least(_start(term.windows[0], tick_ms), 1)
        return int(np.count_nonzero(seen)), 0

    def _at(self, number: int, tick_ms: int) -> Memory:
        """A memory, or the part of it that its calendar window looks at."""
        memory = self._memory(number)
        return memory.at(tick_ms) if isinstance(memory, Periods) else memory

    def _members(self, each: plans.EntitySet, tick_ms: int) -> Flags:
        if not len(self.tables[each.entity].index):
            return np.empty(0, np.bool_)
        return self._holds(each.when, tick_ms)

    def _holds(self, condition: plans.Condition, tick_ms: int) -> Flags:
        if isinstance(condition, plans.NotHeld):
            return ~self._holds(condition.condition, tick_ms)
        if isinstance(condition, plans.AtLeast):
            return self._at_least(condition, tick_ms)
        parts = [self._holds(part, tick_ms) for part in condition.conditions]
        join = np.logical_and if isinstance(condition, plans.AllHeld) else np.logical_or
        return np.asarray(join.reduce(parts))

    def _at_least(self, condition: plans.AtLeast, tick_ms: int) -> Flags:
        memory, threshold = self._at(condition.memory, tick_ms), condition.threshold
        if isinstance(memory, Ledger):
            of_values = self._plan.memories[condition.memory].column is not None
            return memory.sum_at_least(threshold) if of_values else memory.at_least(threshold)
        if isinstance(memory, Tally):
            return memory.at_least(threshold)
        assert condition.window is not None
        start_ms = _start(condition.window, tick_ms)
        if isinstance(memory, TopK):
            return memory.at_least(start_ms, threshold, self._left_out(condition))
        assert isinstance(memory, LastSeen)
        return memory.at_least(start_ms, threshold)

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

    # ── saving ───────────────────────────────────────────────────────────────────────────────────

    def dump(self, facts: Mapping[str, Any]) -> bytes:
        """Everything this shard remembers, with further facts of the engine's."""
        return pack(dict(self._arrays()), {**facts, "earliest_ms": self._earliest_ms})

    def _arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        for entity, table in self.tables.items():
            yield f"keys/{entity}", table.index.keys
            for (number, place), counted in table.counted.items():
                name = self._counted_name(number, place)
                yield name, resized(counted, len(table.index), ABSENT_ID)[: len(table.index)]
        for number, memory in self._numbered_memories():
            for name, array in memory.dump().items():
                yield f"memory/{self._plan.memories[number].key}/{name}", array
        for feed, pieces in self._queue.items():
            if pieces:
                yield from _rows_to_arrays(f"queue/{self._plan.feeds[feed].key}", joined(pieces))
        for tick, by_tally in self._changes.items():
            for tally, changes in by_tally.items():
                key = f"changes/{tick}/{self._plan.memories[tally].key}"
                yield f"{key}/keys", np.concatenate([change.keys for change in changes])
                yield f"{key}/deltas", np.concatenate([change.deltas for change in changes])

    def _numbered_memories(self) -> Iterator[tuple[int, Memory]]:
        yield from self._loose.items()
        for table in self.tables.values():
            yield from table.memories.items()

    def _counted_name(self, number: int, place: int) -> str:
        each = self._plan.sets[number]
        tally = self._plan.memories[each.roll_ups[place].tally]
        return f"counted/{each.name}/{tally.key}"

    def load(self, packed: bytes) -> dict[str, Any]:
        """Take the place of an empty shard with what `dump` gave; gives the engine's facts back.

        Raises:
            UnreadableSnapshot: when the bytes are not what was saved.
        """
        arrays, facts = unpack(packed)
        self._earliest_ms = facts["earliest_ms"]
        for entity, table in self.tables.items():
            table.index = KeyIndex(arrays[f"keys/{entity}"])
            for number, place in table.counted:
                table.counted[number, place] = arrays[self._counted_name(number, place)]
        for number, memory in self._numbered_memories():
            memory.load(_below(arrays, f"memory/{self._plan.memories[number].key}/"))
        for number, feed in enumerate(self._plan.feeds):
            queued = _below(arrays, f"queue/{feed.key}/")
            if queued:
                self._queue[number] = [_rows_from_arrays(queued)]
        self._load_changes(arrays)
        return facts

    def _load_changes(self, arrays: Arrays) -> None:
        tallies = {memory.key: number for number, memory in enumerate(self._plan.memories)}
        for name, keys in arrays.items():
            if name.startswith("changes/") and name.endswith("/keys"):
                _, tick, rest = name.split("/", 2)
                deltas = arrays[name.removesuffix("keys") + "deltas"]
                tally = tallies[rest.removesuffix("/keys")]
                self._changes[int(tick)][tally] = [Changes(keys, deltas)]


def _column(feed: plans.Feed, memory: plans.Memory, rows: Rows) -> NDArray[Any] | None:
    """The column that a memory asks for; an other and a value may bear one name."""
    if memory.column is None:
        return None
    if memory.kind in (plans.MemoryKind.TOP_K, plans.MemoryKind.ATTRIBUTE):
        return rows.columns[feed.others.index(memory.column)]
    return rows.columns[len(feed.others) + feed.values.index(memory.column)]


def _start(window: Window, tick_ms: int) -> int:
    """From when on a memory is looked at; a calendar memory holds its period and nothing else."""
    return LONG_AGO if isinstance(window, Calendar) else window.span(tick_ms)[0]


def _below(arrays: Arrays, prefix: str) -> Arrays:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _rows_to_arrays(prefix: str, rows: Rows) -> Iterator[tuple[str, NDArray[Any]]]:
    yield f"{prefix}/keys", rows.keys
    yield f"{prefix}/times_ms", rows.times_ms
    yield f"{prefix}/visible_ms", rows.visible_ms
    for number, column in enumerate(rows.columns):
        yield f"{prefix}/column{number}", column


def _rows_from_arrays(arrays: Arrays) -> Rows:
    columns = sorted(
        (name for name in arrays if name.startswith("column")),
        key=lambda name: int(name.removeprefix("column")),
    )
    return Rows(
        arrays["keys"],
        arrays["times_ms"],
        arrays["visible_ms"],
        tuple(arrays[name] for name in columns),
    )


def changes_by_shard(changes: Changes, shards: int) -> Iterator[tuple[int, Changes]]:
    """Cut changes by the shard of the entity that gains or loses."""
    shard = (changes.keys >> np.uint64(32)) % np.uint64(shards)
    for number in np.unique(shard):
        chosen = shard == number
        yield int(number), Changes(changes.keys[chosen], changes.deltas[chosen])
