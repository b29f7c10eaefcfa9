"""The columns that decode gives and match takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.expression import At
from pipeline.core.plan import IdSource

Written = tuple[NDArray[np.object_], ...]


@dataclass(slots=True)
class EventBatch:
    """The accepted records of one partition, a row each, in order.

    `offsets` (int64) are their places in the partition, `names` (int64) codes of the plan's record
    names, `times_ms` and `visible_ms` (int64) event time and the moment of becoming visible. `ids`
    holds hashes (uint64, 0 absent) by where they were read, `values` by event and name: float64
    with NaN absent, text codes (int64, -1 absent), or truth (int8, -1 absent). `columns` holds what
    events' `where` asks for, by leaf. `written` holds what stands at the places of an id, a column
    of objects for each, of those ids alone that somebody is to be told.
    """

    partition: int
    offsets: NDArray[np.int64]
    names: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    visible_ms: NDArray[np.int64]
    ids: dict[IdSource, NDArray[np.uint64]]
    values: dict[tuple[int, str], NDArray[Any]]
    columns: dict[At, NDArray[Any]]
    dictionary: dict[Any, int]
    written: dict[IdSource, Written] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times_ms)

    def take(self, kept: NDArray[np.bool_]) -> EventBatch:
        """Some of the rows, by flag."""
        if kept.all():
            return self
        return EventBatch(
            self.partition,
            self.offsets[kept],
            self.names[kept],
            self.times_ms[kept],
            self.visible_ms[kept],
            {source: ids[kept] for source, ids in self.ids.items()},
            {key: values[kept] for key, values in self.values.items()},
            {leaf: column[kept] for leaf, column in self.columns.items()},
            self.dictionary,
            {source: _take(columns, kept) for source, columns in self.written.items()},
        )


def _take(columns: Written, kept: NDArray[np.bool_]) -> Written:
    return tuple(column[kept] for column in columns)


def joined(pieces: list[EventBatch]) -> EventBatch:
    """Pieces of one partition that share a dictionary, end to end."""
    if len(pieces) == 1:
        return pieces[0]
    first = pieces[0]
    return EventBatch(
        first.partition,
        np.concatenate([piece.offsets for piece in pieces]),
        np.concatenate([piece.names for piece in pieces]),
        np.concatenate([piece.times_ms for piece in pieces]),
        np.concatenate([piece.visible_ms for piece in pieces]),
        {key: np.concatenate([piece.ids[key] for piece in pieces]) for key in first.ids},
        {key: np.concatenate([piece.values[key] for piece in pieces]) for key in first.values},
        {key: np.concatenate([piece.columns[key] for piece in pieces]) for key in first.columns},
        first.dictionary,
        {key: _end_to_end([piece.written[key] for piece in pieces]) for key in first.written},
    )


def _end_to_end(pieces: list[Written]) -> Written:
    return tuple(np.concatenate(columns) for columns in zip(*pieces, strict=True))
