"""Decode: raw records of one partition become columns, and a reason for each that does not.

Bad input stops here and nowhere later. A record is judged by itself: what is wrong with one never
touches its neighbours. The order of the checks is that of `definitions/LANGUAGE.md`.

Two times belong to every event. Its event time says in which windows it lies. It becomes *visible*
at the later of that and the partition's watermark when it came, and the value at tick T is made of
all events visible before T. That is decided here, row by row, so that no later stage depends on
how records were batched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import compress, repeat
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.carried import Beside
from pipeline.core.crowd import Bringers, Crowd, horizons
from pipeline.core.dedup import Dedup
from pipeline.core.deployment import Deployment
from pipeline.core.enveloped import Enveloped, fitting, times_of
from pipeline.core.evaluate import numbers
from pipeline.core.event_batch import EventBatch, joined
from pipeline.core.expression import At, Kind, Named, Path
from pipeline.core.hopeless import without_hopeless
from pipeline.core.id_texts import as_written, told_ids
from pipeline.core.identity import REFUSED, Identity
from pipeline.core.plan import Plan, Value
from pipeline.core.record_shape import Fields, Ill, Place, RecordShape, Row, Unreadable, Use
from pipeline.core.records import Counts, Filtered, Reason, Records, Rejected
from pipeline.core.refusals import Refusals
from pipeline.core.snapshot import Arrays
from pipeline.core.timestamps import BAD
from pipeline.core.unwrap import unwrapping_of
from pipeline.core.wanted import (
    USE,
    asks_the_log,
    bearers,
    dictionary_of,
    leaves,
    places_by_name,
    record_names,
    retentions,
    shape_of,
    time_places,
)
from pipeline.core.windows import SECOND_MS

# Beyond it a double no longer holds the six decimals that sums are kept to.
VALUE_MAX: Final = 9_007_199_254.0

# Before any watermark there was; far enough from the end of int64 to be reckoned with.
LONG_AGO: Final = -(1 << 62)

_UNKNOWN_NAME: Final = -1

# As many rows as stay in a core's cache from the reading of the first field to that of the last.
_AT_ONCE: Final = 2_048
_REASONS_OF_TIME: Final = frozenset({Reason.BAD_TIME, Reason.FUTURE, Reason.TOO_OLD})

Flags = NDArray[np.bool_]
Times = NDArray[np.int64]


@dataclass(slots=True)
class PartitionState:
    """What decode remembers of a partition: newest event time, message ids, and whom it brought."""

    dedup: Dedup
    newest_ms: int = LONG_AGO
    crowd: Crowd | None = None

    def dump(self) -> Arrays:
        """Everything remembered, as named arrays."""
        crowd = {} if self.crowd is None else self.crowd.dump()
        return {"newest_ms": np.array([self.newest_ms], np.int64), **self.dedup.dump(), **crowd}

    def load(self, arrays: Arrays) -> None:
        """Take the place of a fresh state with what `dump` gave."""
        self.newest_ms = int(arrays["newest_ms"][0])
        self.dedup.load(arrays)
        if self.crowd is not None:
            self.crowd.load(arrays)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a poll of one partition came to. `counts` leaves matched rows to the next stage."""

    batch: EventBatch
    counts: Counts
    watermark_ms: int
    rejected: Rejected


class Decoder:
    """Decodes the records of one plan; holds no state of a partition."""

    def __init__(self, plan: Plan, deployment: Deployment) -> None:
        self._plan = plan
        self._deployment = deployment
        self._names = {name: code for code, name in enumerate(record_names(plan))}
        self._bearers = [bearers(plan, event) for event in plan.events]
        self._bringers = Bringers(plan, self._bearers)
        self._retention = retentions(plan)
        self._places = places_by_name(plan)
        self._shape = shape_of(plan, self._places)
        self._identity = Identity(deployment.salt)
        self._enveloped = Enveloped(plan, self._shape)
        self._asks_the_log = asks_the_log(plan)
        self._unwrap = unwrapping_of(plan, self._all_places())
        self._texts = dictionary_of(plan)
        self._told = told_ids(plan)

    def _all_places(self) -> Iterator[Place]:
        yield from ((path, Use.TEXT) for path in self._plan.envelope.names)
        yield from time_places(self._plan)
        for read in self._places.values():
            yield from read

    def fresh(self) -> PartitionState:
        """The state of a partition that nothing was read from."""
        limit = self._deployment.ids_max
        crowd = None if limit is None else Crowd(horizons(self._plan), limit)
        return PartitionState(Dedup(self._deployment.dedup_horizon_ms), crowd=crowd)

    def decode(self, records: Records, state: PartitionState) -> Decoded:
        """Turn records into columns; `state` moves on."""
        counts, rejected = Counts(consumed=len(records.values)), Rejected()
        poll = _Poll(records, state, counts, rejected, {**self._texts})
        starts = range(0, max(len(records.values), 1), _AT_ONCE)
        pieces = [self._some(poll, slice(start, start + _AT_ONCE)) for start in starts]
        counts.filtered, counts.rejected = +counts.filtered, rejected.counts()
        return Decoded(joined(pieces), counts, self.watermark_ms(state), rejected)

    def _some(self, poll: _Poll, these: slice) -> EventBatch:
        rows, ill, at = self._read(poll, these)
        fields = self._fields(poll, rows, at)
        codes, misnamed = self._codes(fields)
        ill |= misnamed
        times = self._enveloped.times_ms(fields)
        future = times > poll.records.ingested_ms[at] + self._deployment.future_max_ms
        before = self._watermarks_before(times, future, poll.state)
        known = codes != _UNKNOWN_NAME
        poll.rejected.add(Reason.FIELD_TYPE, at[ill & ~known])
        poll.counts.filtered[Filtered.UNKNOWN_NAME] += int(np.count_nonzero(~ill & ~known))
        if not known.all():
            ill, codes, times, future, before, at = (
                array[known] for array in (ill, codes, times, future, before, at)
            )
            fields = self._fields(poll, list(compress(rows, known)), at)
        judged = _Judged(fields, codes, times, np.maximum(times, before), Refusals(len(at)))
        judged.refusals.add(Reason.BAD_TIME, times == BAD)
        judged.refusals.add(Reason.FIELD_TYPE, ill)
        self._refuse_misfits(judged)
        self._refuse_bad_times(judged)
        batch = self._columns(poll, at, judged)
        judged.refusals.add(Reason.FUTURE, future)
        old = batch.visible_ms - times > self._retention[codes]
        judged.refusals.add(Reason.TOO_OLD, old)
        if poll.state.crowd is not None:
            columns, none = self._bringers.columns(batch), judged.refusals.none
            many = poll.state.crowd.refused(columns, none, batch.visible_ms, before)
            judged.refusals.add(Reason.TOO_MANY_IDS, many)
        repeated = self._repeated(judged, before, poll.state)
        poll.counts.duplicate += int(np.count_nonzero(repeated))
        judged.refusals.put_into(poll.rejected, at)
        return batch.take(judged.refusals.none & ~repeated)

    def place_at_fault(self, value: bytes | None, reason: Reason) -> Path | None:
        """Which place of a record it was rejected for, where that can be told of the record alone.

        For what is shown to people about single records: it reads the record once more.
        """
        if reason in _REASONS_OF_TIME:
            return self._plan.envelope.times[0].path
        if reason is not Reason.FIELD_TYPE or not value:
            return None
        return self._shape.misfit(value)

    def watermark_ms(self, state: PartitionState) -> int:
        """The partition's watermark: its newest event time less the lateness."""
        if state.newest_ms == LONG_AGO:
            return LONG_AGO
        return state.newest_ms - self._deployment.lateness_ms

    # ── records to rows ──────────────────────────────────────────────────────────────────────────

    def _read(self, poll: _Poll, these: slice) -> tuple[list[Row], Flags, NDArray[np.int64]]:
        """Rows of what can be read, which of them are ill, and which record each one was."""
        values = poll.records.values[these]
        given = [value for value in values if value]
        poll.counts.filtered[Filtered.TOMBSTONE] += len(values) - len(given)
        at = np.arange(these.start, these.start + len(values))
        if len(given) < len(values):
            at = at[[bool(value) for value in values]]
        given, at = without_hopeless(given, at, poll.rejected)
        beside = None
        if self._asks_the_log or self._unwrap is not None:
            given, at = self._unwrapped(poll, given, at)
            beside = Beside(poll.records.carried, at)
        found = self._shape.read(given, beside)
        if not {Ill, Unreadable}.isdisjoint(map(type, found)):
            return _sorted_out(found, at, poll.rejected)
        return found, np.zeros(len(found), np.bool_), at

    def _unwrapped(
        self, poll: _Poll, values: list[bytes], at: NDArray[np.int64]
    ) -> tuple[list[bytes], NDArray[np.int64]]:
        """The events of records, and which record each is of; they are what is counted."""
        if self._unwrap is None:
            return values, at
        beside = Beside(poll.records.carried, at)
        events, of = self._unwrap(values, beside, poll.counts, poll.rejected)
        poll.counts.consumed += len(events) - len(np.unique(of))
        return events, of

    def _fields(self, poll: _Poll, rows: list[Row], at: NDArray[np.int64]) -> Fields:
        beside = Beside(poll.records.carried, at) if self._asks_the_log else None
        return self._shape.fields(rows, beside)

    def _codes(self, fields: Fields) -> tuple[NDArray[np.int64], Flags]:
        """The code of each row's name, and which names are no text."""
        names, misnamed = self._enveloped.names(fields)
        codes = map(self._names.get, names, repeat(_UNKNOWN_NAME))
        return np.fromiter(codes, np.int64, len(names)), misnamed

    def _watermarks_before(self, times: Times, future: Flags, state: PartitionState) -> Times:
        """The partition's watermark before each row; the state takes in the newest time."""
        moving = np.where(future | (times == BAD), LONG_AGO, times)
        newest = np.maximum.accumulate(np.concatenate([[state.newest_ms], moving]))
        state.newest_ms = int(newest[-1])
        lateness = self._deployment.lateness_ms
        return np.where(newest[:-1] == LONG_AGO, LONG_AGO, newest[:-1] - lateness)

    # ── rows to columns ──────────────────────────────────────────────────────────────────────────

    def _columns(self, poll: _Poll, at: NDArray[np.int64], judged: _Judged) -> EventBatch:
        batch = EventBatch(
            poll.records.partition,
            poll.records.offsets[at],
            judged.names,
            judged.times_ms,
            judged.visible_ms,
            {},
            {},
            {},
            poll.dictionary,
        )
        self._read_ids(batch, judged)
        self._read_values(batch, judged)
        return batch

    def _read_ids(self, batch: EventBatch, judged: _Judged) -> None:
        for index, event in enumerate(self._plan.events):
            bears = self._bearers[index][judged.names]
            for _, source in event.ids:
                if source not in batch.ids:
                    columns = [self._enveloped.ids(judged.fields, path) for path in source.paths]
                    batch.ids[source] = self._identity.hashes(source, columns)
                    if source in self._told:
                        batch.written[source] = as_written(columns)
                refused = batch.ids[source] == REFUSED
                judged.refusals.add(Reason.BAD_ID, bears & refused)

    def _read_values(self, batch: EventBatch, judged: _Judged) -> None:
        columns = _Leaves(self._shape, judged, batch)
        for index, event in enumerate(self._plan.events):
            bears = self._bearers[index][judged.names]
            for value in event.values:
                column = columns.of(value)
                batch.values[index, value.name] = column
                if value.kind is Kind.NUMBER and value.time_unit is None:
                    judged.refusals.add(Reason.OUT_OF_RANGE, bears & _outside(column, value))
            if event.where is not None:
                for leaf in leaves(event.where):
                    columns.column(leaf)

    def _refuse_misfits(self, judged: _Judged) -> None:
        """Refuse rows that hold, where several uses meet, what one of theirs cannot read."""
        for name, read in self._places.items():
            for path, use in read:
                if self._shape.is_ambiguous(path):
                    _, misfits = fitting(self._shape, judged.fields, path, use)
                    misfits &= judged.names == self._names[name]
                    judged.refusals.add(Reason.FIELD_TYPE, misfits)

    def _refuse_bad_times(self, judged: _Judged) -> None:
        """Refuse rows in which a value that is a time is written and is none."""
        for index, event in enumerate(self._plan.events):
            bears = self._bearers[index][judged.names]
            for value in event.values:
                if value.time_unit is not None:
                    given, times = times_of(self._shape, judged.fields, value)
                    judged.refusals.add(Reason.BAD_TIME, bears & given & (times == BAD))

    def _repeated(self, judged: _Judged, before: Times, state: PartitionState) -> Flags:
        if not self._plan.envelope.id:
            return np.zeros(len(before), np.bool_)
        ids = self._enveloped.id_hashes(judged.fields, judged.times_ms)
        ids[~judged.refusals.none] = 0
        return state.dedup.duplicates(ids, judged.visible_ms, before)


@dataclass(frozen=True, slots=True)
class _Poll:
    """What a poll is decoded with, and what comes of it beside rows."""

    records: Records
    state: PartitionState
    counts: Counts
    rejected: Rejected
    dictionary: dict[Any, int]


@dataclass(slots=True)
class _Judged:
    """Rows of known names on their way to becoming a batch."""

    fields: Fields
    names: NDArray[np.int64]
    times_ms: Times
    visible_ms: Times
    refusals: Refusals


@dataclass(slots=True)
class _Leaves:
    """The columns behind expressions, read once each."""

    shape: RecordShape
    judged: _Judged
    batch: EventBatch
    _known: dict[At, NDArray[Any]] = field(init=False)

    def __post_init__(self) -> None:
        self._known = self.batch.columns

    def of(self, value: Value) -> NDArray[Any]:
        if value.time_unit is not None:
            return self._time(value)
        if isinstance(value.expression, At):
            return self.column(value.expression)
        column = numbers(value.expression, self)
        return np.broadcast_to(column, len(self.judged.names))

    def _time(self, value: Value) -> NDArray[np.float64]:
        """Seconds since 1970, NaN where there are none to be had."""
        _, times = times_of(self.shape, self.judged.fields, value)
        return np.where(times == BAD, np.nan, times / SECOND_MS)

    def column(self, leaf: At | Named) -> NDArray[Any]:
        assert isinstance(leaf, At)
        if leaf not in self._known:
            found, _ = fitting(self.shape, self.judged.fields, leaf.path, USE[leaf.kind])
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


def _sorted_out(
    found: list[Row | Ill | Unreadable], at: NDArray[np.int64], rejected: Rejected
) -> tuple[list[Row], Flags, NDArray[np.int64]]:
    read = np.array([not isinstance(row, Unreadable) for row in found], np.bool_)
    reasons = [row.reason for row in found if isinstance(row, Unreadable)]
    for reason in dict.fromkeys(reasons):
        rejected.add(reason, at[~read][[each is reason for each in reasons]])
    found = list(compress(found, read))
    ill = np.array([isinstance(row, Ill) for row in found], np.bool_)
    return [row.row if isinstance(row, Ill) else row for row in found], ill, at[read]
