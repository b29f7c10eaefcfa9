"""Streams, compiled: what several events make together, and what is asked of it.

A stream is a memory of its entity's table (`core/memories/stream.py`). Several feeds lead to it,
one for each part, and what terms and sets look at is its items.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.expression import Expression

# Columns that every item of a kind has, whatever the definition calls its parts.
LENGTH: Final = "length"
COUNT: Final = "count"
IS_FIRST: Final = "is_first"
ENDED: Final = "ended"
ELAPSED: Final = "elapsed"
STEPS: Final = "steps"
MATCHED: Final = "matched"
DECIDED: Final = "decided"
AT: Final = "at"


class StreamKind(StrEnum):
    """How rows become items."""

    FIRST = "first"
    GAP = "gap"
    SESSION = "session"
    PAIR = "pair"  # a sequence of two steps
    SEQUENCE = "sequence"


class Keep(StrEnum):
    """Which items of a pair or sequence count, at a tick."""

    ALL = "all"
    MATCHED = "matched"  # every step is reached
    UNMATCHED = "unmatched"  # it is not, and never will be
    STANDING = "standing"  # it is not so far


@dataclass(frozen=True, slots=True)
class StreamPart:
    """Rows of one event in a stream.

    `columns` says, for each of the stream's columns, which value or other of the feed it is; None
    where only another part has it.
    """

    alias: str
    feed: int
    columns: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Seed:
    """Who had a first row before anything was watched, as a file says it.

    `ids` are texts in UTF-8, one a line; `times_ms` (int64) when each had that row, `NEVER` for
    those of whom only that it was before everything is known. Two of one `digest` say the same.
    """

    digest: str
    ids: bytes = field(repr=False, compare=False)
    times_ms: NDArray[np.int64] = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.times_ms)


@dataclass(frozen=True, slots=True)
class Stream:
    """What a memory needs to know to make items of rows.

    `same` are the others that make groups, with the table's entity. `columns` are what is
    remembered of rows, by the names that expressions have for them; the last `ids` of them are
    others, the rest values. `within_ms` is how far the rows of an item may lie apart; for sessions
    how far two neighbours may, or None where an id alone decides. `ends_ms` is for `ended`.
    """

    kind: StreamKind
    parts: tuple[StreamPart, ...]
    same: tuple[str, ...]
    columns: tuple[str, ...]
    within_ms: int | None
    ids: int = 0
    ends_ms: int = 0
    keeps_first: bool = False  # each entity's earliest row, for `is_first`
    keep: Keep = Keep.ALL
    at_last: bool = False  # items stand at their last step, not at their first
    seed: Seed | None = None  # of `first` only
    texts: tuple[str, ...] = ()  # columns of sessions of which the earliest is kept, and no sum
    # What is saved of each of `columns` is found by these; the other says of `keeps_first` whether.
    column_identities: tuple[str, ...] = ()
    first_identity: str = ""

    @property
    def slack_ms(self) -> int:
        """How much further back than a window its rows are needed."""
        return max(self.within_ms or 0, self.ends_ms)

    @property
    def is_for_ever(self) -> bool:
        """Whether no row is ever too old."""
        return self.kind is StreamKind.FIRST


@dataclass(frozen=True, slots=True)
class OfItems:
    """What is asked of a stream's items: how many there are, or the sum of a column.

    `where` is over `Named` leaves, the stream's columns. `distinct` is the column of ids whose
    different ones are counted instead, `by` that of the texts which items are told apart by.
    """

    where: Expression | None = None
    column: str | None = None
    distinct: str | None = None
    by: str | None = None
