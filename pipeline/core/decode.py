"""Decode: raw records of one partition become columns, and a reason for each that does not.

Bad input stops here and nowhere later. A record is judged by itself: what is wrong with one never
touches its neighbours. The order of the checks is that of `definitions/README.md`.

Two times belong to every event. Its event time says in which windows it lies. It becomes *visible*
at the later of that and the partition's watermark when it came, and the value at tick T is made of
all events visible before T. That is decided here, row by row, so that no later stage depends on
how records were batched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.dedup import Dedup
from pipeline.core.deployment import Deployment
from pipeline.core.evaluate import numbers
from pipeline.core.expression import At, Kind, Named, Path
from pipeline.core.hopeless import without_hopeless
from pipeline.core.identity import REFUSED, Identity, message_hashes
from pipeline.core.plan import IdSource, Plan, Value
from pipeline.core.record_shape import Ill, Row, Unreadable, Use, fits
from pipeline.core.records import Counts, Filtered, Reason, Records
from pipeline.core.snapshot import Arrays
from pipeline.core.timestamps import BAD, milliseconds
from pipeline.core.wanted import (
    USE,
    bearers,
    dictionary_of,
    leaves,
    places_by_name,
    record_names,
    retentions,
    shape_of,
    time_place,
)

# Beyond it a double no longer holds the six decimals that sums are kept to.
VALUE_MAX: Final = 9_007_199_254.0

# Before any watermark there was; far enough from the end of int64 to be reckoned with.
LONG_AGO: Final = -(1 << 62)

_UNKNOWN_NAME: Final = -1

Flags = NDArray[np.bool_]
Times = NDArray[np.int64]


@dataclass(slots=True)
class PartitionState:
    """What decode remembers of a partition: the newest event time, and recent message ids."""

    dedup: Dedup
    newest_ms: int = LONG_AGO

    def dump(self) -> Arrays:
        """Everything remembered, as named arrays."""
        return {"newest_ms": np.array([self.newest_ms], np.int64), **self.dedup.dump()}

    def load(self, arrays: Arrays) -> None:
        """Take the place of a fresh state with what `dump` gave."""
        self.newest_ms = int(arrays["newest_ms"][0])
        self.dedup.load(arrays)


@dataclass(slots=True)
class EventBatch:
    """The accepted records of one partition, a row each, in order.

    `names` (int64) are codes of the plan's record names, `times_ms` and `visible_ms` (int64) event
    time and the moment of becoming visible. `ids` holds hashes (uint64, 0 absent) by where they
    were read, `values` by event and name: float64 with NaN absent, text codes (int64, -1 absent),
    or truth (int8, -1 absent). `columns` holds what events' `where` asks for, by leaf.
    """

    partition: int
    names: NDArray[np.int64]
    times_ms: Times
    visible_ms: Times
    ids: dict[IdSource, NDArray[np.uint64]]
    values: dict[tuple[int, str], NDArray[Any]]
    columns: dict[At, NDArray[Any]]
    dictionary: dict[Any, int]

    def __len__(self) -> int:
        return len(self.times_ms)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a poll of one partition came to. `counts` leaves matched rows to the next stage."""

    batch: EventBatch
    counts: Counts
    watermark_ms: int


class Decoder:
    """Decodes the records of one plan; holds no state of a partition."""

    def __init__(self, plan: Plan, deployment: Deployment) -> None:
        self._plan = plan
        self._deployment = deployment
        self._names = {name: code for code, name in enumerate(record_names(plan))}
        self._bearers = [bearers(plan, event) for event in plan.events]
        self._retention = retentions(plan)
        self._places = places_by_name(plan)
        self._shape = shape_of(plan, self._places)
        self._identity = Identity(deployment.salt)
        self._texts = dictionary_of(plan)

    def fresh(self) -> PartitionState:
        """The state of a partition that nothing was read from."""
        return PartitionState(Dedup(self._deployment.dedup_horizon_ms))

    def decode(self, records: Records, state: PartitionState) -> Decoded:
        """Turn records into columns; `state` moves on."""
        counts = Counts(consumed=len(records.values))
        rows, ill, at = self._read(records.values, counts)
        envelope = self._plan.envelope
        codes, misnamed = self._codes(rows)
        ill |= misnamed
        times = milliseconds(self._fitting(rows, *time_place(self._plan))[0], envelope.time_unit)
        future = times > records.ingested_ms[at] + self._deployment.future_max_ms
        before = self._watermarks_before(times, future, state)
        known = codes != _UNKNOWN_NAME
        counts.rejected[Reason.FIELD_TYPE] += int(np.count_nonzero(ill & ~known))
        counts.filtered[Filtered.UNKNOWN_NAME] += int(np.count_nonzero(~ill & ~known))
        if not known.all():
            rows = list(compress(rows, known))
            ill, codes, times, future, before = (
                array[known] for array in (ill, codes, times, future, before)
            )
        judged = _Judged(rows, codes, times, np.maximum(times, before), Refusals(len(rows)))
        judged.refusals.add(Reason.BAD_TIME, times == BAD)
        judged.refusals.add(Reason.FIELD_TYPE, ill)
        self._refuse_misfits(judged)
        batch = self._columns(records.partition, judged)
        judged.refusals.add(Reason.FUTURE, future)
        old = batch.visible_ms - times > self._retention[codes]
        judged.refusals.add(Reason.TOO_OLD, old)
        repeated = self._repeated(judged, before, state)
        counts.duplicate += int(np.count_nonzero(repeated))
        judged.refusals.count_into(counts.rejected)
        _settle(counts)
        kept = judged.refusals.none & ~repeated
        return Decoded(_take(batch, kept), counts, self.watermark_ms(state))

    def watermark_ms(self, state: PartitionState) -> int:
        """The partition's watermark: its newest event time less the lateness."""
        if state.newest_ms == LONG_AGO:
            return LONG_AGO
        return state.newest_ms - self._deployment.lateness_ms

    # ── records to rows ──────────────────────────────────────────────────────────────────────────

    def _read(
        self, values: Sequence[bytes | None], counts: Counts
    ) -> tuple[list[Row], Flags, NDArray[np.int64]]:
        """Rows of what can be read, which of them are ill, and which record each one was."""
        present = [at for at, value in enumerate(values) if value]
        counts.filtered[Filtered.TOMBSTONE] += len(values) - len(present)
        given: list[Any] = [values[at] for at in present]
        given, at = without_hopeless(given, np.array(present, np.int64), counts)
        found = self._shape.read(given)
        if not {Ill, Unreadable}.isdisjoint(map(type, found)):
            return _sorted_out(found, at, counts)
        return found, np.zeros(len(found), np.bool_), at

    def _codes(self, rows: Sequence[Row]) -> tuple[NDArray[np.int64], Flags]:
        """The code of each row's name, and which names are no text."""
        names, misnamed = self._fitting(rows, self._plan.envelope.name, Use.TEXT)
        codes = [self._names.get(name, _UNKNOWN_NAME) for name in names]
        return np.array(codes, np.int64), misnamed

    def _fitting(self, rows: Sequence[Row], path: Path, use: Use) -> tuple[list[Any], Flags]:
        """What stands at a path, less what that use cannot read; and where that is."""
        found = self._shape.getter(path)(rows)
        misfits = np.zeros(len(found), np.bool_)
        if self._shape.is_ambiguous(path):
            misfits = np.array([not fits(value, use) for value in found], np.bool_)
            found = [
                None if misfit else value for value, misfit in zip(found, misfits, strict=True)
            ]
        return found, misfits

    def _watermarks_before(self, times: Times, future: Flags, state: PartitionState) -> Times:
        """The partition's watermark before each row; the state takes in the newest time."""
        moving = np.where(future | (times == BAD), LONG_AGO, times)
        newest = np.maximum.accumulate(np.concatenate([[state.newest_ms], moving]))
        state.newest_ms = int(newest[-1])
        lateness = self._deployment.lateness_ms
        return np.where(newest[:-1] == LONG_AGO, LONG_AGO, newest[:-1] - lateness)

    # ── rows to columns ──────────────────────────────────────────────────────────────────────────

    def _columns(self, partition: int, judged: _Judged) -> EventBatch:
        batch = EventBatch(
            partition, judged.names, judged.times_ms, judged.visible_ms, {}, {}, {}, {**self._texts}
        )
        self._read_ids(batch, judged)
        self._read_values(batch, judged)
        return batch

    def _read_ids(self, batch: EventBatch, judged: _Judged) -> None:
        for index, event in enumerate(self._plan.events):
            bears = self._bearers[index][judged.names]
            for _, source in event.ids:
                if source not in batch.ids:
                    columns = [self._fitting(judged.rows, path, Use.ID)[0] for path in source.paths]
                    batch.ids[source] = self._identity.hashes(source, columns)
                refused = batch.ids[source] == REFUSED
                judged.refusals.add(Reason.BAD_ID, bears & refused)

    def _read_values(self, batch: EventBatch, judged: _Judged) -> None:
        columns = _Leaves(self, judged, batch)
        for index, event in enumerate(self._plan.events):
            bears = self._bearers[index][judged.names]
            for value in event.values:
                column = columns.of(value)
                batch.values[index, value.name] = column
                if value.kind is Kind.NUMBER:
                    judged.refusals.add(Reason.OUT_OF_RANGE, bears & _outside(column, value))
            if event.where is not None:
                for leaf in leaves(event.where):
                    columns.column(leaf)

    def _refuse_misfits(self, judged: _Judged) -> None:
        """Refuse rows that hold, where several uses meet, what one of theirs cannot read."""
        for name, read in self._places.items():
            for path, use in read:
                if self._shape.is_ambiguous(path):
                    _, misfits = self._fitting(judged.rows, path, use)
                    misfits &= judged.names == self._names[name]
                    judged.refusals.add(Reason.FIELD_TYPE, misfits)

    def _repeated(self, judged: _Judged, before: Times, state: PartitionState) -> Flags:
        path = self._plan.envelope.id
        if path is None:
            return np.zeros(len(judged.rows), np.bool_)
        ids = message_hashes(self._fitting(judged.rows, path, Use.ID)[0])
        ids[~judged.refusals.none] = 0
        return state.dedup.duplicates(ids, judged.visible_ms, before)


# ── the order of refusals ────────────────────────────────────────────────────────────────────────


class Refusals:
    """The first reason found against each row."""

    _REASONS: Final = tuple(Reason)

    def __init__(self, rows: int) -> None:
        self._found = np.zeros(rows, np.uint8)  # 0, or 1 + the reason's place in the list

    @property
    def none(self) -> Flags:
        """The rows that nothing was found against."""
        return np.asarray(self._found == 0)

    def add(self, reason: Reason, against: Flags) -> None:
        """Hold a reason against rows, unless another was there before."""
        if against.any():
            self._found[against & self.none] = 1 + self._REASONS.index(reason)

    def count_into(self, rejected: Counter[Reason]) -> None:
        """Add up the refused rows by reason."""
        totals = np.bincount(self._found, minlength=len(self._REASONS) + 1)[1:].tolist()
        rejected.update(dict(zip(self._REASONS, totals, strict=True)))


@dataclass(slots=True)
class _Judged:
    """Rows of known names on their way to becoming a batch."""

    rows: list[Row]
    names: NDArray[np.int64]
    times_ms: Times
    visible_ms: Times
    refusals: Refusals


@dataclass(slots=True)
class _Leaves:
    """The columns behind expressions, read once each."""

    decoder: Decoder
    judged: _Judged
    batch: EventBatch
    _known: dict[At, NDArray[Any]] = field(init=False)

    def __post_init__(self) -> None:
        self._known = self.batch.columns

    def of(self, value: Value) -> NDArray[Any]:
        if isinstance(value.expression, At):
            return self.column(value.expression)
        column = numbers(value.expression, self)
        return np.broadcast_to(column, len(self.judged.rows))

    def column(self, leaf: At | Named) -> NDArray[Any]:
        assert isinstance(leaf, At)
        if leaf not in self._known:
            found, _ = self.decoder._fitting(  # noqa: SLF001
                self.judged.rows, leaf.path, USE[leaf.kind]
            )
            self._known[leaf] = _as_column(found, leaf.kind, self.batch.dictionary)
        return self._known[leaf]

    def code(self, text: str) -> int:
        return self.batch.dictionary[text]


def _as_column(values: list[Any], kind: Kind, dictionary: dict[Any, int]) -> NDArray[Any]:
    if kind is Kind.NUMBER:
        return np.array(values, np.float64)  # None becomes NaN
    if kind is Kind.TRUTH:
        return np.array([-1 if value is None else value for value in values], np.int8)
    return np.array([dictionary.setdefault(value, len(dictionary)) for value in values], np.int64)


def _outside(column: NDArray[np.float64], value: Value) -> Flags:
    low, high = max(value.minimum, -VALUE_MAX), min(value.maximum, VALUE_MAX)
    with np.errstate(invalid="ignore"):
        return np.asarray((column < low) | (column > high))


def _take(batch: EventBatch, kept: Flags) -> EventBatch:
    if kept.all():
        return batch
    return EventBatch(
        batch.partition,
        batch.names[kept],
        batch.times_ms[kept],
        batch.visible_ms[kept],
        {source: ids[kept] for source, ids in batch.ids.items()},
        {key: values[kept] for key, values in batch.values.items()},
        {leaf: column[kept] for leaf, column in batch.columns.items()},
        batch.dictionary,
    )


def _settle(counts: Counts) -> None:
    """Drop the zeros."""
    counts.filtered, counts.rejected = +counts.filtered, +counts.rejected


def _sorted_out(
    found: list[Row | Ill | Unreadable], at: NDArray[np.int64], counts: Counts
) -> tuple[list[Row], Flags, NDArray[np.int64]]:
    read = np.array([not isinstance(row, Unreadable) for row in found], np.bool_)
    counts.rejected.update(row.reason for row in found if isinstance(row, Unreadable))
    found = list(compress(found, read))
    ill = np.array([isinstance(row, Ill) for row in found], np.bool_)
    return [row.row if isinstance(row, Ill) else row for row in found], ill, at[read]
