"""Fill: memories that a changed definition would start empty take in the log's own history.

A shard of one level is at rest meanwhile, after its last tick. Of its history each row is applied
if it was visible before that tick; the others wait for the next, as the shard's own rows do. Rows
of a feed that the shard had before wait there already.

Nothing that is stored is altered: arrays are added, and keys are put at the end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core import plan as plans
from pipeline.core.decode import LONG_AGO
from pipeline.core.fed import columns_of, times_of
from pipeline.core.key_index import KeyIndex
from pipeline.core.match import Rows
from pipeline.core.memories.growth import Growth
from pipeline.core.memories.memory import Memory
from pipeline.core.memories.registry import make
from pipeline.core.pending import Pending
from pipeline.core.plan import Feed, MemoryKind
from pipeline.core.snapshot import Arrays
from pipeline.core.stored_names import StoredNames, below
from pipeline.core.table import Table

_NO_ROWS = np.empty(0, np.int64)
_NOT_COLUMNS = 3  # arrays of a queue before its columns: keys, times, when visible


class Filling:
    """What one shard learns of history, for `numbers`, memories of its level.

    `settled_ms` is the last tick that it has evaluated, `arrays` are its saved ones.
    """

    def __init__(
        self, names: StoredNames, numbers: Collection[int], settled_ms: int, arrays: Arrays
    ) -> None:
        plan = self._plan = names.plan
        self._settled_ms = settled_ms
        self._pending = Pending()
        self._tables: dict[str, Table] = {}
        self._memories: dict[int, Memory] = {}
        self._readers: dict[int, list[int]] = defaultdict(list)
        for number in numbers:
            self._add(number, arrays, names)
        # Whoever reads a queue that is new finds all of its columns there.
        fed = {plan.feeds[feed].identity for feed in self._readers}
        self._feeds = [n for n, feed in enumerate(plan.feeds) if feed.identity in fed]
        self._queued = {n: names.rows_from_arrays(n, arrays) for n in self._feeds}

    def _add(self, number: int, arrays: Arrays, names: StoredNames) -> None:
        memory = self._plan.memories[number]
        made = self._memories[number] = make(memory)
        saved = below(arrays, f"{names.memory(number)}/")
        if saved and memory.kind is MemoryKind.IDS:
            made.load(saved)  # an id is what it is, whoever brought it; the log may lack it by now
        if memory.entity is not None:
            if memory.entity not in self._tables:
                index = KeyIndex(arrays.get(f"keys/{memory.entity}"))
                self._tables[memory.entity] = Table(index)
            table = self._tables[memory.entity]
            table.memories[number] = made
            made.resize(len(table.index))
        if self._settled_ms != LONG_AGO:
            made.expire(self._settled_ms)  # what no tick to come can see does not even enter
        for feed in memory.feeds:
            self._readers[feed].append(number)

    def take_in(self, rows: Mapping[int, Rows]) -> None:
        """Take in rows of history, by feed."""
        for number in self._feeds:
            if number in rows:
                piece = rows[number].without_places()
                visible = piece.visible_ms < self._settled_ms
                self._pending.put(number, piece.take(~visible))
                if self._readers[number]:
                    self._apply(number, piece.take(visible))

    def take_over(self, number: int, keys: NDArray[np.uint64], growth: Growth) -> None:
        """Make a memory of growth what it came to elsewhere, for entities of these ids."""
        made = self._memories[number]
        entity = self._plan.memories[number].entity
        assert isinstance(made, Growth)
        assert entity is not None
        made.take_over(growth, self._tables[entity].rows_for(keys))

    def _apply(self, number: int, rows: Rows) -> None:
        rows = rows.take(rows.times_ms >= self._oldest_ms(number))
        if not len(rows):
            return
        feed = self._plan.feeds[number]
        places = _NO_ROWS if feed.entity is None else self._tables[feed.entity].rows_for(rows.keys)
        for reader in self._readers[number]:
            asked = self._plan.memories[reader]
            for column in columns_of(self._plan, number, asked, rows):
                self._memories[reader].apply(places, times_of(asked, rows), column)

    def _oldest_ms(self, number: int) -> int:
        """Before this, no tick to come sees an event of a feed; entities need no row for it."""
        reaches = [_needed_ms(self._plan.memories[reader]) for reader in self._readers[number]]
        known = [reach_ms for reach_ms in reaches if reach_ms is not None]
        return LONG_AGO if len(known) < len(reaches) else self._settled_ms - max(known)

    def unlike(self, known: Collection[str]) -> set[str]:
        """Which of the feeds that were `known` have other rows waiting than are queued.

        With the log cut short, or other lateness, a row may be visible at another moment than it
        was then: it would count twice, or not at all.
        """
        waiting = dict(self._pending.all())
        feeds = {number: self._plan.feeds[number].identity for number in self._feeds}
        return {
            identity
            for number, identity in feeds.items()
            if identity in known and not _alike(self._queued[number], waiting.get(number))
        }

    def arrays(
        self, saved: Arrays, names: StoredNames, chosen: Collection[int]
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        """What is to be saved beside what is, or in its place, for some of the memories."""
        for entity, table in self._tables.items():
            yield f"keys/{entity}", table.index.keys
        for number in chosen:
            if number in self._memories:
                for name, array in self._memories[number].dump().items():
                    yield f"{names.memory(number)}/{name}", array
        mine = [number for number in chosen if number in self._memories]
        feeds = {feed.identity for number in mine for feed in self._feeds_of(number)}
        for number, rows in self._pending.all():
            if self._plan.feeds[number].identity in feeds:
                yield from _queue(number, rows, saved, names)

    def _feeds_of(self, memory: int) -> list[Feed]:
        return [self._plan.feeds[number] for number in self._plan.memories[memory].feeds]


def _needed_ms(memory: plans.Memory) -> int | None:
    """How far back its events matter; None where the earliest of all may."""
    if memory.stream is not None and (memory.stream.keeps_first or memory.stream.within_ms is None):
        return None
    return memory.retention_ms


def _queue(
    number: int, rows: Rows, saved: Arrays, names: StoredNames
) -> Iterator[tuple[str, NDArray[Any]]]:
    """The queue of a feed; of one that is there only the columns that it lacks, in its order.

    Of rows alike in all that both have any may stand for any.
    """
    queued = names.rows_from_arrays(number, saved)
    arrays = [*names.rows_to_arrays(number, rows)]
    if queued is None:
        yield from arrays
        return
    shared = [at for at, (name, _) in enumerate(arrays[_NOT_COLUMNS:]) if name in saved]
    there, here = (_order(each, [each.columns[at] for at in shared]) for each in (queued, rows))
    for name, array in arrays:
        if name not in saved:
            column = np.empty_like(array)
            column[there] = array[here]
            yield name, column


def _order(rows: Rows, columns: Sequence[NDArray[Any]] = ()) -> NDArray[np.int64]:
    keys = [rows.keys] if len(rows.keys) else []
    return np.lexsort((*columns, rows.times_ms, rows.visible_ms, *keys))


def _alike(queued: Rows | None, waiting: Rows | None) -> bool:
    """Whether both have the same rows, whatever their order and columns."""
    if queued is None or waiting is None:
        return not (queued and len(queued)) and not (waiting and len(waiting))
    if len(queued) != len(waiting):
        return False
    one, other = queued.take(_order(queued)), waiting.take(_order(waiting))
    pairs = ((one.keys, other.keys), (one.times_ms, other.times_ms),
             (one.visible_ms, other.visible_ms))  # fmt: skip
    return all(np.array_equal(left, right) for left, right in pairs)
