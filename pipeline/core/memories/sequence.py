"""Sequence: rows of the first part, and how far each came through the others. A pair is one of two.

Facts are sorted by time, and of one moment by part: so the earliest row of the next step, at or
after the one before it, is simply the next one of that part in the group.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import ABSENT_MICROS, Flags, Times
from pipeline.core.memories.stream import (
    GROUP,
    MS,
    ROW,
    TIME,
    Facts,
    Items,
    OfStream,
    absent_where,
    begins,
    flag,
    in_order,
    micros_between,
)
from pipeline.core.plan import MICROS
from pipeline.core.streams import AT, DECIDED, ELAPSED, MATCHED, STEPS, Keep, StreamKind

_PART: Final = 3
_COLUMNS: Final = 4

_FIRST_MS: Final = 2  # of an item: row, moment, time of the first step, steps, then the rest
_STEPS: Final = 3
_TIMES: Final = 4


class Sequence(OfStream):
    """An item for each row of the first part.

    >>> from pipeline.core.streams import Stream, StreamPart
    >>> parts = (StreamPart("placed", 0, ()), StreamPart("delivered", 1, ()))
    >>> pairs = Sequence(Stream(StreamKind.PAIR, parts, (), (), 5_000), reach_ms=60_000)
    >>> pairs.resize(1)
    >>> pairs.apply(np.zeros(2, int), np.array([3_500, 2_000]), np.array([[0, 0], [1, 0]]))
    >>> pairs.items(10_000).columns["elapsed"].tolist()
    [1500000]
    """

    @property
    def _width(self) -> int:
        return _COLUMNS + len(self._stream.columns)

    def _settled(self, facts: Facts) -> Facts:
        return in_order(facts)

    def _make(self, facts: Facts) -> Facts:
        at = np.flatnonzero(facts[_PART] == 0)
        groups = np.cumsum(begins(facts[ROW], facts[GROUP]), dtype=np.int64)
        reached = np.ones(len(at), np.int64)
        places: list[NDArray[np.int64]] = [at]
        going = np.ones(len(at), np.bool_)
        for part in range(1, len(self._stream.parts)):
            place, found = self._next(facts, groups, part, at, places[-1])
            going &= found
            reached += going
            places.append(np.where(going, place, places[-1]))
        return self._together(facts, places, reached)

    def _next(
        self, facts: Facts, groups: NDArray[np.int64], part: int, first: NDArray[np.int64],
        before: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], Flags]:  # fmt: skip
        """Where the next step of each item stands, and whether it is there at all."""
        assert self._stream.within_ms is not None
        count = facts.shape[1]
        standing = np.where(facts[_PART] == part, np.arange(count), count)
        following = np.minimum.accumulate(standing[::-1])[::-1]
        place = following[before]
        found = place < count
        place = np.minimum(place, count - 1)
        found &= groups[place] == groups[before]
        found &= facts[TIME][place] - facts[TIME][first] <= self._stream.within_ms
        return place, found

    def _together(
        self, facts: Facts, places: list[NDArray[np.int64]], reached: NDArray[np.int64]
    ) -> Facts:
        first, last = places[0], places[-1]
        times = [
            absent_where(reached <= step, facts[TIME][place]) for step, place in enumerate(places)
        ]
        moment = facts[TIME][last if self._stream.at_last else first]
        columns = [
            self._column(facts, number, places, reached)
            for number in range(len(self._stream.columns))
        ]
        fields = [facts[ROW][first], moment, facts[TIME][first], reached, *times, *columns]
        return np.stack(fields)

    def _column(
        self, facts: Facts, number: int, places: list[NDArray[np.int64]], reached: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """A column of the one part that has it."""
        step = next(at for at, part in enumerate(self._stream.parts) if part.columns[number])
        return absent_where(reached <= step, facts[_COLUMNS + number][places[step]])

    def _items(self, made: Facts, tick_ms: int) -> Items:
        steps, parts = made[_STEPS], len(self._stream.parts)
        times = made[_TIMES : _TIMES + parts]
        matched = steps == parts
        assert self._stream.within_ms is not None
        decided = matched | (made[_FIRST_MS] + self._stream.within_ms < tick_ms)
        columns = {
            MATCHED: flag(matched),
            DECIDED: flag(decided),
            STEPS: steps * MICROS,
            ELAPSED: self._elapsed(made[_FIRST_MS], times, matched),
        }
        for part, time in zip(self._stream.parts, times, strict=True):
            columns[f"{part.alias}.{AT}"] = absent_where(time == ABSENT_MICROS, time * MS)
        columns |= dict(zip(self._stream.columns, made[_TIMES + parts :], strict=True))
        return Items(made[ROW], made[1], columns).take(self._kept(matched, decided))

    def _elapsed(self, first_ms: Times, times: Facts, matched: Flags) -> NDArray[np.int64]:
        """From the first step to the last one reached; a pair has none before it is matched."""
        elapsed = micros_between(first_ms, times.max(axis=0))
        return absent_where(~matched, elapsed) if self._is_pair else elapsed

    @property
    def _is_pair(self) -> bool:
        return self._stream.kind is StreamKind.PAIR

    def _kept(self, matched: Flags, decided: Flags) -> Flags:
        match self._stream.keep:
            case Keep.MATCHED:
                return matched
            case Keep.UNMATCHED:
                return decided & ~matched
            case Keep.STANDING:
                return ~matched
        return np.ones(len(matched), np.bool_)

    def _last_ms(self, facts: Facts) -> Times:
        return np.asarray(facts[TIME])
