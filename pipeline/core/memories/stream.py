"""Streams: the rows of several events, by entity, and the items that they make.

A stream keeps facts: a column each, all of them whole numbers. Of entities that new rows came for
the items are made anew from all of their facts, whatever order these came in; those of the others
stay. So a late row takes its place as if it had come in time.

How facts become items is each kind's own affair: `sequence.py`, `gap.py`, `session.py`, `first.py`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import ABSENT_MICROS, Flags, Memory, RowNumbers, Times
from pipeline.core.snapshot import Arrays
from pipeline.core.streams import Keep, Stream

Facts = NDArray[np.int64]  # (fields, facts)

# The first fields of every fact. What a row brings comes after them: its time, its part, columns.
ROW: Final = 0
GROUP: Final = 1
TIME: Final = 2
MS: Final = 1_000  # millionths in a millisecond


@dataclass(frozen=True, slots=True)
class Items:
    """Items of one table: the row each belongs to, the moment it stands at, and its columns."""

    rows: RowNumbers
    at_ms: Times
    columns: Mapping[str, NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: Flags) -> Items:
        """Some of the items, by flag."""
        if chosen.all():
            return self
        columns = {name: column[chosen] for name, column in self.columns.items()}
        return Items(self.rows[chosen], self.at_ms[chosen], columns)


class OfStream(Memory):
    """What all kinds of streams have in common.

    `reach_ms` is that of the windows that look at the items.
    """

    def __init__(self, stream: Stream, reach_ms: int) -> None:
        self._stream = stream
        self._reach_ms = reach_ms
        self._rows = 0
        self._facts = np.empty((self._width, 0), np.int64)
        self._made = self._make(self._facts)
        self._new: list[Facts] = []
        self._at_tick: tuple[int, Items] | None = None  # several terms look at one tick

    @property
    @abstractmethod
    def _width(self) -> int:
        """How many fields a fact has."""

    @property
    def _slack_ms(self) -> int:
        """How much further back than a window facts are needed."""
        return self._stream.slack_ms

    @abstractmethod
    def _settled(self, facts: Facts) -> Facts:
        """What to keep of all facts of some entities, old and new, in the order of `_make`."""

    @abstractmethod
    def _make(self, facts: Facts) -> Facts:
        """The items of entities from all of their facts: row, moment, what else the kind has."""

    @abstractmethod
    def _items(self, made: Facts, tick_ms: int) -> Items:
        """Items with their columns, as they are at a tick."""

    @abstractmethod
    def _last_ms(self, facts: Facts) -> Times:
        """The newest moment that each fact has to do with."""

    @property
    def _fields(self) -> Mapping[str, slice]:
        """Where in a fact the stream's columns stand, behind all else."""
        first = self._width - len(self._stream.columns)
        return {name: slice(at, at + 1) for at, name in enumerate(self._stream.columns, first)}

    def _lacking(self, name: str) -> list[int]:
        """What stands in the fields of a column that nobody asked for when rows came."""
        ids = self._stream.columns[len(self._stream.columns) - self._stream.ids :]
        return [0 if name in ids else ABSENT_MICROS]

    def _facts_of(self, rows: RowNumbers, times: Times, column: NDArray[Any]) -> Facts:
        """New facts of rows: `column` is group, part and the stream's columns, a field each."""
        return np.concatenate([rows[np.newaxis], column[:1], times[np.newaxis], column[1:]])

    @property
    def rows(self) -> int:
        """How many rows the table has."""
        return self._rows

    def items(self, tick_ms: int) -> Items:
        """All items, as they are at a tick."""
        self._refresh()
        if self._at_tick is None or self._at_tick[0] != tick_ms:
            self._at_tick = tick_ms, self._items(self._made, tick_ms)
        return self._at_tick[1]

    def _refresh(self) -> None:
        """Make the items anew of those that rows came for."""
        if not self._new:
            return
        self._at_tick = None
        new, self._new = np.concatenate(self._new, axis=1), []
        touched = np.zeros(self._rows, np.bool_)
        touched[new[ROW]] = True
        again = touched[self._facts[ROW]]
        settled = self._settled(np.concatenate([self._facts[:, again], new], axis=1))
        self._facts = np.concatenate([self._facts[:, ~again], settled], axis=1)
        standing = self._made[:, ~touched[self._made[ROW]]]
        self._made = np.concatenate([standing, self._make(settled)], axis=1)

    def resize(self, rows: int) -> None:
        self._rows = rows

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        assert column is not None
        if self._stream.same:
            grouped = column[0] != 0
            if self._stream.keep is Keep.STANDING:
                grouped |= column[1] == 0  # what nothing can undo stands
            rows, times, column = rows[grouped], times[grouped], column[:, grouped]
        if len(rows):
            self._new.append(self._facts_of(rows, times, column))

    def expire(self, tick_ms: int) -> None:
        self._refresh()
        self._at_tick = None
        if self._stream.is_for_ever:
            return
        forgotten_ms = tick_ms - self._reach_ms - self._slack_ms
        self._facts = _with(self._facts, self._last_ms(self._facts) >= forgotten_ms)
        self._made = _with(self._made, self._made[1] >= tick_ms - self._reach_ms)

    def vacant(self, tick_ms: int) -> Flags:
        self._refresh()
        vacant = np.ones(self._rows, np.bool_)
        vacant[self._facts[ROW]] = False
        return vacant

    def keep(self, kept: Flags) -> None:
        self._refresh()
        self._at_tick = None
        numbers = np.cumsum(kept) - 1
        self._facts = _with(self._facts, kept[self._facts[ROW]])
        self._made = _with(self._made, kept[self._made[ROW]])
        for each in (self._facts, self._made):
            each[ROW] = numbers[each[ROW]]
        self._rows = int(np.count_nonzero(kept))

    def dump(self) -> Arrays:
        self._refresh()
        names = self._stored_columns()
        own = self._width - sum(at.stop - at.start for at in self._fields.values())
        return {
            "facts": self._facts[:own],
            "rows": np.array([self._rows], np.int64),
            **{f"column/{names[name]}": self._facts[at] for name, at in self._fields.items()},
        }

    def load(self, arrays: Arrays) -> None:
        self._rows = int(arrays["rows"][0])
        own, names = arrays["facts"], self._stored_columns()
        facts = np.zeros((self._width, own.shape[1]), np.int64)
        facts[: len(own)] = own[: self._width]
        for name, at in self._fields.items():
            lacking = np.array(self._lacking(name))[:, np.newaxis]
            facts[at] = arrays.get(f"column/{names[name]}", lacking)
        self._facts = self._settled(facts)
        self._made = self._make(self._facts)

    def _stored_columns(self) -> Mapping[str, str]:
        """What columns are saved as: they come and go while the stream stays."""
        columns, identities = self._stream.columns, self._stream.column_identities
        return dict(zip(columns, identities or columns, strict=True))


def _with(facts: Facts, kept: Flags) -> Facts:
    return facts if kept.all() else facts[:, kept]


def in_order(facts: Facts) -> Facts:
    """Facts sorted by all of their fields, the first foremost."""
    return facts[:, np.lexsort(facts[::-1])]


def begins(*fields: NDArray[np.int64]) -> Flags:
    """Where, in sorted facts, another entity or group begins."""
    first = np.ones(len(fields[0]), np.bool_)
    first[1:] = False
    for each in fields:
        first[1:] |= each[1:] != each[:-1]
    return first


def micros_between(start_ms: Times, end_ms: Times) -> NDArray[np.int64]:
    """Seconds from one moment to another, in millionths."""
    return (end_ms - start_ms) * MS


def flag(truth: Flags) -> NDArray[np.int64]:
    """True or false as a column."""
    return truth.astype(np.int64)


def absent_where(lacking: Flags, column: NDArray[np.int64]) -> NDArray[np.int64]:
    """A column that is absent in some places."""
    return np.where(lacking, ABSENT_MICROS, column)
