"""Seeds: entities that had their first row before anything was watched, found by hash.

There may be far more of them than are ever seen again. So they stand in one array that all shards
of a process share, and in a table only from when on a row of theirs comes, or because a window can
look at their time. Nothing here is saved: what is noted twice is noted once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.identity import Identity
from pipeline.core.match import shard_of
from pipeline.core.memories.first import First
from pipeline.core.memories.memory import Flags, Memory, RowNumbers, Times
from pipeline.core.plan import IdMode, IdSource, Plan
from pipeline.core.remembered import Remembered
from pipeline.core.sets import AtLeast, comparisons
from pipeline.core.streams import Seed
from pipeline.core.windows import Window

_HASHED_AT_ONCE: Final = 1 << 16  # a text takes twenty times the room of its hash
_ID: Final = IdSource(IdMode.FIRST, (("id",),))


@dataclass(frozen=True, slots=True)
class Share:
    """One shard of so many: the entities whose hash says so are its own."""

    number: int = 0
    shards: int = 1

    def has(self, keys: NDArray[np.uint64]) -> Flags:
        """Which of these entities."""
        return np.asarray(shard_of(keys, self.shards) == self.number)


@dataclass(frozen=True, slots=True)
class Sown:
    """A seed with its ids hashed: `keys` (uint64) rise, `times_ms` are theirs."""

    keys: NDArray[np.uint64]
    times_ms: Times

    def of(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], Times]:
        """Which of some entities are among them, by place, and when each had its first row."""
        order = np.argsort(keys)  # neighbours are found in the same cache lines
        places = np.empty(len(keys), np.int64)
        places[order] = np.searchsorted(self.keys, keys[order])
        places = np.minimum(places, len(self.keys) - 1)
        found = np.flatnonzero(self.keys[places] == keys)
        return found, self.times_ms[places[found]]


@lru_cache(maxsize=16)
def sown(seed: Seed, salt: int) -> Sown:
    """The same for all shards of a process; of two ids with one hash the earlier counts."""
    texts = seed.ids.decode().split("\n")
    identity = Identity(salt)
    starts = range(0, len(texts), _HASHED_AT_ONCE)
    pieces = [identity.hashes(_ID, [texts[at : at + _HASHED_AT_ONCE]]) for at in starts]
    keys = np.concatenate(pieces)
    order = np.lexsort((seed.times_ms, keys))
    keys = keys[order]
    first = np.ones(len(keys), np.bool_)
    first[1:] = keys[1:] != keys[:-1]
    return Sown(keys[first], seed.times_ms[order][first])


class Seeds:
    """The seeds of one level's streams, in one shard; `salt` is the deployment's."""

    def __init__(self, plan: Plan, level: int, salt: int) -> None:
        self._plan = plan
        self._sown = {
            number: sown(memory.stream.seed, salt)
            for number, memory in enumerate(plan.memories)
            if memory.level == level
            and memory.stream is not None
            and memory.stream.seed is not None
        }
        self._is_begun = not self._sown

    def note(self, number: int, keys: NDArray[np.uint64], rows: RowNumbers, memory: Memory) -> None:
        """Tell a stream what the seed says of entities that it has just had rows of."""
        if number in self._sown:
            _note(self._sown[number], keys, rows, memory)

    def begin(self, tick_ms: int, share: Share | None, remembered: Remembered) -> None:
        """At the first tick: what windows can look at from then on, and who was loaded.

        Put off while nobody knows which share of the entities is this shard's.
        """
        if self._is_begun or share is None:
            return
        self._is_begun = True
        for number, of_stream in self._sown.items():
            memory, table = remembered.memory(number), remembered.table_of(number)
            assert isinstance(memory, First)
            known = memory.begun
            _note(of_stream, table.index.keys[known], known, memory)
            from_ms = tick_ms - max(map(_reach_ms, _windows(self._plan, number)), default=0)
            own = of_stream.keys[(of_stream.times_ms >= from_ms) & share.has(of_stream.keys)]
            _note(of_stream, own, table.rows_for(own), memory)


def _note(of_stream: Sown, keys: NDArray[np.uint64], rows: RowNumbers, memory: Memory) -> None:
    assert isinstance(memory, First)
    places, times = of_stream.of(keys)
    if len(places):
        memory.had_first(rows[places], times)


def _windows(plan: Plan, number: int) -> Iterator[Window]:
    """The windows that look at a memory."""
    for term in plan.terms:
        yield from term.windows if term.memory == number else ()
    for each in plan.sets:
        for compared in comparisons(each.when):
            if isinstance(compared, AtLeast) and compared.memory == number and compared.window:
                yield compared.window


def _reach_ms(window: Window) -> int:
    return window.reach_ms
