"""Records: what arrives, and the ledger of what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.carried import Carried


class Reason(StrEnum):
    """Why a record is rejected. The list is closed; each has a row in `definitions/LANGUAGE.md`."""

    TOO_LARGE = "too_large"
    INVALID_JSON = "invalid_json"
    TOO_DEEP = "too_deep"
    NOT_OBJECT = "not_object"
    FIELD_TYPE = "field_type"
    BAD_ID = "bad_id"
    BAD_TIME = "bad_time"
    OUT_OF_RANGE = "out_of_range"
    FUTURE = "future"
    TOO_OLD = "too_old"
    TOO_MANY_IDS = "too_many_ids"


class Filtered(StrEnum):
    """Why a record that is in order is still none of our events."""

    TOMBSTONE = "tombstone"
    UNKNOWN_NAME = "unknown_name"
    WHERE = "where"


@dataclass(frozen=True, slots=True)
class Records:
    """Raw records of one partition, in their order.

    `values`, `offsets` (int64, rising) and `ingested_ms` (int64, when the record reached the log)
    are of one length; so are `originals`, what the source has of each beyond its value, where it is
    asked to keep that for dead letters. `carried` is what the plan may ask of that.
    """

    partition: int
    values: list[bytes | None]
    offsets: NDArray[np.int64]
    ingested_ms: NDArray[np.int64]
    originals: Sequence[Any] = ()
    carried: Carried | None = None


class Rejected:
    """Which records of a poll were rejected: their places in it (int64), by reason.

    >>> rejected = Rejected()
    >>> rejected.add(Reason.BAD_ID, np.array([4, 7]))
    >>> rejected.counts()
    Counter({<Reason.BAD_ID: 'bad_id'>: 2})
    """

    def __init__(self) -> None:
        self._places: list[tuple[Reason, NDArray[np.int64]]] = []

    def __bool__(self) -> bool:
        return bool(self._places)

    def __iter__(self) -> Iterator[tuple[Reason, NDArray[np.int64]]]:
        """Each reason that there was, and where; a reason may come more than once."""
        return iter(self._places)

    def add(self, reason: Reason, places: NDArray[np.int64]) -> None:
        """Take in the places of records that were rejected for one reason."""
        if len(places):
            self._places.append((reason, places))

    def counts(self) -> Counter[Reason]:
        """How many there are, by reason."""
        found: Counter[Reason] = Counter()
        for reason, places in self._places:
            found[reason] += len(places)
        return found


@dataclass(slots=True)
class Counts:
    """What became of records: `consumed = matched + filtered + rejected + duplicate`, always.

    `late` are matched records whose tick had already been due when they came.
    """

    consumed: int = 0
    matched: int = 0
    duplicate: int = 0
    late: int = 0
    filtered: Counter[Filtered] = field(default_factory=Counter)
    rejected: Counter[Reason] = field(default_factory=Counter)

    def add(self, other: Counts) -> None:
        """Take in the counts of further records."""
        self.consumed += other.consumed
        self.matched += other.matched
        self.duplicate += other.duplicate
        self.late += other.late
        self.filtered.update(other.filtered)
        self.rejected.update(other.rejected)

    def copy(self) -> Counts:
        """The counts as they stand; safe while another thread adds to them."""
        return Counts(
            self.consumed,
            self.matched,
            self.duplicate,
            self.late,
            Counter(dict(self.filtered)),
            Counter(dict(self.rejected)),
        )

    @property
    def balanced(self) -> bool:
        """Whether every consumed record is accounted for."""
        known = self.matched + self.duplicate + self.filtered.total() + self.rejected.total()
        return self.consumed == known
