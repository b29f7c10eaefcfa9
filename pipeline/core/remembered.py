"""Remembered: the memories of one level in one shard, found by their place in the plan.

Those of an entity stand in its table, a row for each of its ids; the others know no entity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.decode import LONG_AGO
from pipeline.core.key_index import KeyIndex
from pipeline.core.match import Rows
from pipeline.core.memories.memory import ABSENT_ID, Memory, resized
from pipeline.core.memories.periods import Periods
from pipeline.core.memories.registry import make
from pipeline.core.plan import Plan, TermKind
from pipeline.core.snapshot import Arrays
from pipeline.core.stored_names import StoredNames, below
from pipeline.core.table import TOLD, Table
from pipeline.core.windows import Calendar, Window

_NO_ROWS: Final = np.empty(0, np.int64)


class Remembered:
    """The tables of a shard, by entity, and the memories beside them."""

    def __init__(self, plan: Plan, level: int) -> None:
        self._plan = plan
        self.tables: dict[str, Table] = {}
        self._loose: dict[int, Memory] = {}  # memories that know no entity
        for number, memory in enumerate(plan.memories):
            if memory.level == level:
                self._of(memory.entity)[number] = make(memory)
        for number, each in enumerate(plan.sets):
            if each.level == level:
                table = self.tables.setdefault(each.entity, Table())
                for place in range(len(each.roll_ups)):
                    table.counted[number, place] = np.empty(0, np.uint64)
        for term in plan.terms:
            if term.kind is TermKind.TRANSITIONS and term.level == level and term.set is not None:
                told_of = self.tables[plan.sets[term.set].entity]
                told_of.counted[term.set, TOLD] = np.empty(0, np.uint64)

    def _of(self, entity: str | None) -> dict[int, Memory]:
        if entity is None:
            return self._loose
        return self.tables.setdefault(entity, Table()).memories

    def memory(self, number: int) -> Memory:
        """A memory as a whole."""
        entity = self._plan.memories[number].entity
        return self._loose[number] if entity is None else self.tables[entity].memories[number]

    def at(self, number: int, tick_ms: int) -> Memory:
        """A memory, or the part of it that its calendar window looks at."""
        memory = self.memory(number)
        return memory.at(tick_ms) if isinstance(memory, Periods) else memory

    def table_of(self, number: int) -> Table:
        """The table that a memory of an entity stands in."""
        entity = self._plan.memories[number].entity
        assert entity is not None
        return self.tables[entity]

    def keys(self, number: int) -> NDArray[np.uint64]:
        """The ids of the entities that a memory has rows for."""
        return self.table_of(number).index.keys

    def every(self) -> Iterator[tuple[int, Memory]]:
        """All memories, each with its number."""
        yield from self._loose.items()
        for table in self.tables.values():
            yield from table.memories.items()

    def places(self, entity: str | None, several: Sequence[Rows]) -> list[NDArray[np.int64]]:
        """The rows of a table that rows of several feeds are about, looked up all at once."""
        if entity is None:
            return [_NO_ROWS for _ in several]
        places = self.tables[entity].rows_for(np.concatenate([rows.keys for rows in several]))
        return np.split(places, np.cumsum([len(rows) for rows in several])[:-1])

    def expire(self, tick_ms: int) -> None:
        """Let go of what no tick from now on can see."""
        for _, memory in self.every():
            memory.expire(tick_ms)

    def clear(self, tick_ms: int) -> None:
        """Give up the rows of entities of which nothing is remembered, now and then."""
        for table in self.tables.values():
            table.clear(tick_ms)

    def to_arrays(self, names: StoredNames) -> Iterator[tuple[str, NDArray[Any]]]:
        """All of it, each array with its name."""
        for entity, table in self.tables.items():
            yield f"keys/{entity}", table.index.keys
            for roll_up, counted in table.counted.items():
                whole = resized(counted, len(table.index), ABSENT_ID)[: len(table.index)]
                yield names.counted(*roll_up), whole
        for number, memory in self.every():
            for name, array in memory.dump().items():
                yield f"{names.memory(number)}/{name}", array

    def load(self, names: StoredNames, arrays: Arrays) -> None:
        """Take the place of an empty one with what was saved."""
        for entity, table in self.tables.items():
            table.index = KeyIndex(arrays.get(f"keys/{entity}"))
            rows = len(table.index)
            for roll_up in table.counted:
                counted = arrays.get(names.counted(*roll_up), np.empty(0, np.uint64))
                table.counted[roll_up] = resized(counted, rows, ABSENT_ID)
            for number, memory in table.memories.items():
                _load(memory, below(arrays, f"{names.memory(number)}/"))
                memory.resize(rows)
        for number, memory in self._loose.items():
            _load(memory, below(arrays, f"{names.memory(number)}/"))


def _load(memory: Memory, saved: Arrays) -> None:
    if saved:
        # Several memories may be found under one identity.
        memory.load({name: array.copy() for name, array in saved.items()})


def from_ms(window: Window, tick_ms: int) -> int:
    """From when on a memory is looked at; a calendar memory holds its period and nothing else."""
    return LONG_AGO if isinstance(window, Calendar) else window.span(tick_ms)[0]
