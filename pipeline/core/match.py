"""Match: which events feed which memories, cut into shards.

Every feed of the plan takes the rows of its event that meet its conditions and have its entity;
their columns travel along. Rows of one entity always go to the same shard; rows that need no entity
stay together in a shard that their partition decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.deployment import Deployment
from pipeline.core.evaluate import TRUE, condition
from pipeline.core.event_batch import EventBatch
from pipeline.core.expression import At, Expression, Kind, Named
from pipeline.core.id_texts import id_texts
from pipeline.core.memories.memory import ABSENT_ID, ABSENT_MICROS
from pipeline.core.plan import MICROS, TEXTS, Feed, IdSource, Plan
from pipeline.core.records import Counts, Filtered
from pipeline.core.texts import (
    NAME_CHARACTERS_MAX,
    NONE_NAME,
    OTHER_NAME,
    known_texts,
    text_hashes,
)
from pipeline.core.wanted import bearers

ABSENT_CODE: Final = -1
_NO_PLACES: Final = np.empty(0, np.int64)
_OFFSET_BITS: Final = 40  # offsets to 1.1e12, partitions to 8.3e6

_SHARD_BITS: Final = np.uint64(32)  # the low half of a hash chooses its slot in the index


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a feed, all arrays of one length.

    `keys` are entity hashes (uint64), none for a feed without an entity. `columns` are the feed's
    others (uint64 hashes, 0 absent), then its values (int64, `ABSENT_MICROS` absent): numbers in
    millionths, texts as hashes, true and false as 1 and 0; then its marks (int64, 1 and 0). A feed
    of names has the texts besides, one of ids the ids.
    `places` say where in the log the rows stood (`place`), none once they are past the fence.
    """

    keys: NDArray[np.uint64]
    times_ms: NDArray[np.int64]
    visible_ms: NDArray[np.int64]
    columns: tuple[NDArray[Any], ...]
    places: NDArray[np.int64] = field(default_factory=lambda: _NO_PLACES)

    def __len__(self) -> int:
        return len(self.times_ms)

    def take(self, chosen: NDArray[Any] | slice) -> Rows:
        """Some of the rows, by index, flag or slice."""
        return Rows(
            self.keys[chosen] if len(self.keys) else self.keys,
            self.times_ms[chosen],
            self.visible_ms[chosen],
            tuple(column[chosen] for column in self.columns),
            self.places[chosen] if len(self.places) else self.places,
        )

    def without_places(self) -> Rows:
        """The same rows, for those who no longer ask where they stood."""
        return Rows(self.keys, self.times_ms, self.visible_ms, self.columns)


def place(partition: int, offset: int) -> int:
    """Where in the log a record stands, in one number: partition, then offset.

    >>> place(3, 25) - place(3, 20), place(4, 0) > place(3, 999_999_999_999)
    (5, True)
    """
    return partition << _OFFSET_BITS | offset


def joined(pieces: list[Rows]) -> Rows:
    """Rows of one feed, end to end."""
    if len(pieces) == 1:
        return pieces[0]
    columns = zip(*(piece.columns for piece in pieces), strict=True)
    return Rows(
        np.concatenate([piece.keys for piece in pieces]),
        np.concatenate([piece.times_ms for piece in pieces]),
        np.concatenate([piece.visible_ms for piece in pieces]),
        tuple(np.concatenate(column) for column in columns),
        np.concatenate([piece.places for piece in pieces]),
    )


@dataclass(slots=True)
class Contributions:
    """What a batch gives: `rows[level, shard][feed]`.

    `visible_ms` are the first and the last moment at which any of them becomes visible.
    """

    rows: dict[tuple[int, int], dict[int, Rows]]
    counts: Counts
    visible_ms: tuple[int, int] | None


class Matcher:
    """Sorts batches of one plan into feeds and shards."""

    def __init__(self, plan: Plan, deployment: Deployment) -> None:
        self._plan = plan
        self._deployment = deployment
        self._bearers = [bearers(plan, event) for event in plan.events]

    def match(self, batch: EventBatch) -> Contributions:
        """Give every feed its rows; rows that are none of our events are filtered."""
        columns = _Columns(self._plan, batch, self._deployment.salt)
        matched = np.zeros(len(batch), np.bool_)
        rows_of: list[NDArray[np.int64]] = []
        for index, event in enumerate(self._plan.events):
            is_event = self._bearers[index][batch.names]
            if event.where is not None:
                is_event = is_event & (condition(event.where, columns) == TRUE)
            matched |= is_event
            rows_of.append(np.flatnonzero(is_event))
        rows: dict[tuple[int, int], dict[int, Rows]] = defaultdict(dict)
        for number, feed in enumerate(self._plan.feeds):
            for shard, piece in self._feed(feed, rows_of[feed.event], columns):
                rows[feed.level, shard][number] = piece
        return Contributions(dict(rows), self._counts(batch, matched), _span(batch, matched))

    def _feed(
        self, feed: Feed, chosen: NDArray[np.int64], columns: _Columns
    ) -> Iterator[tuple[int, Rows]]:
        batch = columns.batch
        columns.event = feed.event
        if feed.where is not None:
            passed = np.broadcast_to(condition(feed.where, columns), len(batch)) == TRUE
            chosen = chosen[passed[chosen]]
        if feed.names:
            chosen = _first_of_each(columns, feed.text or "", chosen)
        elif feed.ids:
            # All of them: which of several its table's row stands by, only its memories know.
            chosen = chosen[columns.keys(feed)[chosen] != ABSENT_ID]
        elif feed.entity not in (None, TEXTS) and not feed.may_lack_entity:
            chosen = chosen[columns.ids(feed.entity)[chosen] != ABSENT_ID]
        if not len(chosen):
            return
        whole = Rows(
            columns.keys(feed)[chosen] if feed.entity is not None else _NO_KEYS,
            batch.times_ms[chosen],
            batch.visible_ms[chosen],
            (
                *(columns.ids(other)[chosen] for other in feed.others),
                *(columns.value(name)[chosen] for name in feed.values),
                *(columns.mark(each)[chosen] for each in feed.marks),
                *([columns.texts(feed.text or "", chosen)] if feed.names else ()),
                *([columns.id_texts(feed.text or "", chosen)] if feed.ids else ()),
            ),
            columns.places[chosen],
        )
        if feed.entity is None:
            yield batch.partition % self._deployment.shards, whole
        else:
            yield from by_shard(whole, self._deployment.shards)

    def _counts(self, batch: EventBatch, matched: NDArray[np.bool_]) -> Counts:
        tick_ms = self._deployment.tick_ms
        late = matched & (batch.visible_ms // tick_ms > batch.times_ms // tick_ms)
        total = int(np.count_nonzero(matched))
        counts = Counts(matched=total, late=int(np.count_nonzero(late)))
        if total < len(batch):
            counts.filtered[Filtered.WHERE] = len(batch) - total
        return counts


_NO_KEYS: Final = np.empty(0, np.uint64)


def _first_of_each(columns: _Columns, name: str, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each text the row that is visible first, and of those the one that came first."""
    batch, texts = columns.batch, columns.value(name)
    reserved = [batch.dictionary.get(each, ABSENT_CODE) for each in (OTHER_NAME, NONE_NAME)]
    codes = batch.values[columns.event, name][chosen]
    chosen = chosen[(codes >= 0) & ~np.isin(codes, reserved)]
    order = chosen[np.lexsort((chosen, batch.visible_ms[chosen], texts[chosen]))]
    first = np.ones(len(order), np.bool_)
    first[1:] = texts[order][1:] != texts[order][:-1]
    return np.sort(order[first])


def _span(batch: EventBatch, matched: NDArray[np.bool_]) -> tuple[int, int] | None:
    visible_ms = batch.visible_ms[matched]
    return (int(visible_ms.min()), int(visible_ms.max())) if len(visible_ms) else None


def shard_of(keys: NDArray[np.uint64], shards: int) -> NDArray[np.uint64]:
    """The shard that each entity belongs to."""
    return (keys >> _SHARD_BITS) % np.uint64(shards)


def by_shard(rows: Rows, shards: int) -> Iterator[tuple[int, Rows]]:
    """Cut rows by the shard that their entity belongs to, keeping their order."""
    if shards == 1:
        yield 0, rows
        return
    shard = shard_of(rows.keys, shards).astype(np.uint16)
    order = np.argsort(shard, kind="stable")
    sorted_rows = rows.take(order)
    bounds = np.searchsorted(shard[order], np.arange(shards + 1))
    for number in range(shards):
        start, end = int(bounds[number]), int(bounds[number + 1])
        if start < end:
            yield number, sorted_rows.take(slice(start, end))


@dataclass(slots=True)
class _Columns:
    """The columns of a batch, as conditions and feeds of one event ask for them."""

    plan: Plan
    batch: EventBatch
    salt: int
    event: int = 0
    places: NDArray[np.int64] = field(init=False)
    _values: dict[tuple[int, str], NDArray[np.int64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.places = place(self.batch.partition, 0) | self.batch.offsets

    def column(self, leaf: At | Named) -> NDArray[Any]:
        if isinstance(leaf, At):
            return self.batch.columns[leaf]
        return self.batch.values[self.event, leaf.name]

    def code(self, text: str) -> int:
        return self.batch.dictionary[text]

    def ids(self, entity: str) -> NDArray[np.uint64]:
        return self.batch.ids[self._sources()[entity]]

    def keys(self, feed: Feed) -> NDArray[np.uint64]:
        if feed.entity == TEXTS:
            return known_texts(self.value(feed.text or "")).view(np.uint64)
        return self.ids((feed.text if feed.ids else feed.entity) or "")

    def texts(self, name: str, chosen: NDArray[np.int64]) -> NDArray[np.bytes_]:
        """The texts themselves, as far as anybody is shown them."""
        known = list(self.batch.dictionary)
        codes = self.batch.values[self.event, name][chosen]
        found = [known[code][:NAME_CHARACTERS_MAX].encode() for code in codes.tolist()]
        return np.array(found, np.bytes_)

    def id_texts(self, name: str, chosen: NDArray[np.int64]) -> NDArray[np.bytes_]:
        """Ids as they were written."""
        source = self._sources()[name]
        return id_texts(source, self.batch.written[source], chosen)

    def _sources(self) -> Mapping[str, IdSource]:
        return dict(self.plan.events[self.event].ids)

    def mark(self, of: Expression) -> NDArray[np.int64]:
        """Whether a condition is met, which what is unknown is not."""
        met = condition(of, self) == TRUE
        return np.broadcast_to(met, len(self.batch)).astype(np.int64)

    def value(self, name: str) -> NDArray[np.int64]:
        key = (self.event, name)
        if key not in self._values:
            self._values[key] = self._whole(name, self.batch.values[key])
        return self._values[key]

    def _whole(self, name: str, column: NDArray[Any]) -> NDArray[np.int64]:
        """A value's column as rows carry it."""
        values = self.plan.events[self.event].values
        kind = next(value.kind for value in values if value.name == name)
        if kind is Kind.NUMBER:
            return to_micros(column)
        if kind is Kind.TEXT:
            return hashed_codes(column, self.batch.dictionary, self.salt)
        return np.where(column < 0, ABSENT_MICROS, column.astype(np.int64))


def hashed_codes(
    codes: NDArray[np.int64], dictionary: Mapping[Any, int], salt: int
) -> NDArray[np.int64]:
    """Codes of a batch's dictionary as hashes of their texts; -1 becomes `ABSENT_MICROS`.

    >>> dictionary = {None: -1, "pro": 1}
    >>> hashed_codes(np.array([1, -1]), dictionary, salt=0)[1] == ABSENT_MICROS
    np.True_
    """
    known = np.flatnonzero(np.bincount(codes[codes >= 0]))
    texts = list(dictionary)  # a text's code is its place
    hashes = text_hashes([texts[code] for code in known.tolist()], salt)
    found = np.searchsorted(known, codes)
    absent = np.full(1, ABSENT_MICROS)
    return np.concatenate([hashes, absent])[np.where(codes >= 0, found, len(known))]


def to_micros(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Numbers as whole millionths, to the nearest, and of two to the even one.

    NaN becomes `ABSENT_MICROS`.

    >>> to_micros(np.array([0.1, 0.0078125, 0.0234375, np.nan]))[:3].tolist()
    [100000, 7812, 23438]
    """
    known = ~np.isnan(values)
    # Rows of other events stand in the column too, and nobody has looked at how large those are.
    with np.errstate(invalid="ignore", over="ignore"):
        whole = np.rint(np.where(known, values, 0.0) * MICROS).astype(np.int64)
    return np.where(known, whole, ABSENT_MICROS)
