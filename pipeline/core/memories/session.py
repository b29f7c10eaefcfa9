"""Session: rows of a group that follow each other without a long break, or that share an id.

A fact is a session, or a part of one: its start and end, rows of each part, sums, and of texts the
earliest with its time. Facts that belong together become one, so that a session takes the same room
however many rows it has, and a late row may close the gap between two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import ABSENT_MICROS, Flags, RowNumbers, Times
from pipeline.core.memories.stream import (
    GROUP,
    ROW,
    TIME,
    Facts,
    Items,
    OfStream,
    begins,
    flag,
    in_order,
    micros_between,
)
from pipeline.core.plan import MICROS
from pipeline.core.snapshot import Arrays
from pipeline.core.streams import COUNT, ENDED, IS_FIRST, LENGTH, Stream

_END: Final = 3
_COUNTS: Final = 4
_LATER: Final = np.iinfo(np.int64).max  # than any row


class Session(OfStream):
    """Sessions, each with its length and what was done in it.

    >>> from pipeline.core.streams import StreamKind, StreamPart
    >>> parts = (StreamPart("viewed", 0, ()),)
    >>> visits = Session(Stream(StreamKind.SESSION, parts, (), (), 5_000), reach_ms=60_000)
    >>> visits.resize(1)
    >>> visits.apply(np.zeros(3, int), np.array([1_000, 20_000, 4_000]), np.zeros((2, 3), int))
    >>> visits.items(30_000).columns["length"].tolist()
    [3000000, 0]
    """

    def __init__(self, stream: Stream, reach_ms: int) -> None:
        super().__init__(stream, reach_ms)
        self._first = np.full((2, 0), _LATER)  # each entity's earliest row: its time, its group

    @property
    def _width(self) -> int:
        return self._texts + 2 * len(self._stream.texts)

    @property
    def _texts(self) -> int:
        """The first field of texts: of each its time, `_LATER` without one, and itself."""
        added = len(self._stream.columns) - len(self._stream.texts)
        return _COUNTS + len(self._stream.parts) + added

    @property
    def _fields(self) -> Mapping[str, slice]:
        texts = self._stream.texts
        added = [name for name in self._stream.columns if name not in texts]
        first = self._texts - len(added)
        fields = {name: slice(at, at + 1) for at, name in enumerate(added, first)}
        places = range(self._texts, self._width, 2)
        return fields | {name: slice(at, at + 2) for name, at in zip(texts, places, strict=True)}

    def _lacking(self, name: str) -> list[int]:
        return [_LATER, ABSENT_MICROS] if name in self._stream.texts else [0]

    def _facts_of(self, rows: RowNumbers, times: Times, column: NDArray[Any]) -> Facts:
        group, part, *values = column
        counts = [flag(part == number) for number in range(len(self._stream.parts))]
        named = dict(zip(self._stream.columns, values, strict=True))
        texts = [named.pop(text) for text in self._stream.texts]
        sums = [np.where(value == ABSENT_MICROS, 0, value) for value in named.values()]
        when = [np.where(text == ABSENT_MICROS, _LATER, times) for text in texts]
        timed = [field for pair in zip(when, texts, strict=True) for field in pair]
        return np.stack([rows, group, times, times, *counts, *sums, *timed])

    def _settled(self, facts: Facts) -> Facts:
        facts = in_order(facts)
        self._remember_first(facts)
        if not facts.shape[1]:
            return facts
        first = self._begins(facts)
        starts = np.flatnonzero(first)
        ends = np.maximum.reduceat(facts[_END], starts)
        added = np.add.reduceat(facts[_COUNTS : self._texts], starts, axis=1)
        texts = self._earliest(facts[self._texts :], np.cumsum(first), starts)
        return np.concatenate([facts[:_END, starts], ends[np.newaxis], added, texts])

    @staticmethod
    def _earliest(timed: Facts, of: RowNumbers, starts: RowNumbers) -> Facts:
        """Of each session the earliest text with its time; `of` is which session a fact is of."""
        found = [timed[:0, starts]]
        for at in range(0, len(timed), 2):
            when, texts = timed[at : at + 2]
            found.append(timed[at : at + 2, np.lexsort((texts, when, of))[starts]])
        return np.concatenate(found)

    def _begins(self, facts: Facts) -> Flags:
        """Where, in sorted facts, another session begins."""
        first = begins(facts[ROW], facts[GROUP])
        # Ranks rise from group to group, so that the highest so far is one of the same group.
        order = np.lexsort((facts[_END], np.cumsum(first)))
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        so_far = facts[_END][order[np.maximum.accumulate(ranks)]]
        first[1:] |= facts[TIME][1:] - so_far[:-1] > self._within_ms
        return first

    @property
    def _within_ms(self) -> int:
        """How long a session may rest.

        An id may for as long as a window can tell: after that it is forgotten, and must be for
        rows that come late as well.
        """
        own_ms = self._stream.within_ms
        return self._reach_ms + self._stream.ends_ms if own_ms is None else own_ms

    @property
    def _slack_ms(self) -> int:
        return max(self._within_ms, self._stream.ends_ms)

    def _remember_first(self, facts: Facts) -> None:
        if not self._stream.keeps_first:
            return
        order = np.lexsort((facts[GROUP], facts[TIME], facts[ROW]))
        row, times, group = (facts[field][order] for field in (ROW, TIME, GROUP))
        new = begins(row)
        row, times, group = row[new], times[new], group[new]
        known_ms, known = self._first[:, row]
        earlier = (times < known_ms) | ((times == known_ms) & (group < known))
        self._first[:, row[earlier]] = times[earlier], group[earlier]

    def _make(self, facts: Facts) -> Facts:
        return facts[[ROW, TIME, GROUP, *range(_END, self._width)]]

    def _items(self, made: Facts, tick_ms: int) -> Items:
        row, start_ms, group, end_ms, *rest = made
        counts = np.array(rest[: len(self._stream.parts)])
        columns = {
            LENGTH: micros_between(start_ms, end_ms),
            COUNT: counts.sum(axis=0) * MICROS,
            ENDED: flag(tick_ms - end_ms > self._stream.ends_ms),
        }
        for part, count in zip(self._stream.parts, counts, strict=True):
            columns[part.alias] = count * MICROS
        texts, sums = (
            self._stream.texts,
            rest[len(counts) : len(rest) - 2 * len(self._stream.texts)],
        )
        added = [name for name in self._stream.columns if name not in texts]
        columns |= zip(added, sums, strict=True)
        columns |= zip(texts, rest[len(counts) + len(sums) :][1::2], strict=True)
        if self._stream.keeps_first:
            first_ms, of_group = self._first[:, row]
            columns[IS_FIRST] = flag((start_ms == first_ms) & (group == of_group))
        return Items(row, start_ms, columns)

    def _last_ms(self, facts: Facts) -> Times:
        return np.asarray(facts[_END])

    def resize(self, rows: int) -> None:
        super().resize(rows)
        if self._stream.keeps_first and rows > self._first.shape[1]:
            roomy = np.full((2, max(rows, 2 * self._first.shape[1])), _LATER)
            roomy[:, : self._first.shape[1]] = self._first
            self._first = roomy

    def vacant(self, tick_ms: int) -> Flags:
        vacant = super().vacant(tick_ms)
        if self._stream.keeps_first:
            vacant &= self._first[0, : self._rows] == _LATER
        return vacant

    def keep(self, kept: Flags) -> None:
        super().keep(kept)
        if self._stream.keeps_first:
            self._first = self._first[:, : len(kept)][:, kept]

    def dump(self) -> Arrays:
        first = {"first": self._first[:, : self._rows]} if self._stream.keeps_first else {}
        return super().dump() | first

    def load(self, arrays: Arrays) -> None:
        rows = int(arrays["rows"][0])
        self._first = np.full((2, rows), _LATER)
        if self._stream.keeps_first and "first" in arrays:
            self._first[:] = arrays["first"]
        super().load(arrays)
