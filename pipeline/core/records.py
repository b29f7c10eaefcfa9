"""Records: what arrives, and the ledger of what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Reason(StrEnum):
    """Why a record is rejected. The list is closed; each has a row in `definitions/README.md`."""

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


class Filtered(StrEnum):
    """Why a record that is in order is still none of our events."""

    TOMBSTONE = "tombstone"
    UNKNOWN_NAME = "unknown_name"
    WHERE = "where"


@dataclass(frozen=True, slots=True)
class Records:
    """Raw records of one partition, in their order.

    `values`, `offsets` (int64, rising) and `ingested_ms` (int64, when the record reached the log)
    are of one length.
    """

    partition: int
    values: list[bytes | None]
    offsets: NDArray[np.int64]
    ingested_ms: NDArray[np.int64]


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
