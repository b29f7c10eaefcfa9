"""Crowd: of each kind a partition may bring so many ids, and records with another are refused.

State grows with ids, and whoever can send events can make up ids. Those that a partition brought
first are known to it, and go on exactly. Who is known at a record depends on the records of its
partition before it and on nothing else: not on how they were batched, nor on restarts.

An id is forgotten when nothing that the plan asks for can look back on a record with it: by
generations, a quarter of that long, so that it may take a quarter longer. Once a record was refused
for a kind, that kind is closed until a generation is over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.event_batch import EventBatch
from pipeline.core.key_index import KeyIndex
from pipeline.core.memories.memory import ABSENT_ID, NEVER, resized
from pipeline.core.plan import IdSource, Plan
from pipeline.core.snapshot import Arrays

GENERATIONS: Final = 4
_NOT_KNOWN: Final = -1

Flags = NDArray[np.bool_]
Ids = NDArray[np.uint64]
Times = NDArray[np.int64]
Columns = Sequence[tuple[str, Ids]]  # kinds and ids, 0 absent; a kind may come several times


def horizons(plan: Plan) -> dict[str, int | None]:
    """How long an id of each kind matters after a record with it, None for ever."""
    found: dict[str, int | None] = {}
    for event in plan.events:
        for kind, _ in event.ids:
            both = (found.get(kind, 0), event.retention_ms)
            found[kind] = None if None in both else max(each for each in both if each is not None)
    return found


class Bringers:
    """Which records bring which ids; `bearers` says of each event which record names it goes by."""

    def __init__(self, plan: Plan, bearers: Sequence[Flags]) -> None:
        self._bears: dict[tuple[str, IdSource], Flags] = {}
        for event, bears in zip(plan.events, bearers, strict=True):
            for key in event.ids:
                self._bears[key] = self._bears.get(key, np.zeros(len(bears), np.bool_)) | bears

    def columns(self, batch: EventBatch) -> Columns:
        """The ids of a batch by kind, of those records that bring them."""
        return [
            (kind, np.where(bears[batch.names], batch.ids[source], ABSENT_ID))
            for (kind, source), bears in self._bears.items()
        ]


@dataclass(slots=True)
class _Known:
    """The ids of one kind, and when each was visible last; those before `from_ms` are forgotten."""

    horizon_ms: int | None
    limit: int
    index: KeyIndex = field(default_factory=KeyIndex)
    seen_ms: Times = field(default_factory=lambda: np.empty(0, np.int64))
    from_ms: int = NEVER
    closed: bool = False

    def bounds(self, watermark_ms: Times) -> Times:
        """From when on ids are known at each of these watermarks."""
        if self.horizon_ms is None:
            return np.full(len(watermark_ms), NEVER)
        generation_ms = max(self.horizon_ms // GENERATIONS, 1)
        return (watermark_ms // generation_ms - GENERATIONS) * generation_ms

    def forget(self, before_ms: int) -> None:
        """Make room of those who were not seen since."""
        if before_ms <= self.from_ms:
            return
        self.from_ms, self.closed = before_ms, False
        kept = self.seen_ms[: len(self.index)] >= before_ms
        if not kept.all():
            self.seen_ms = self.seen_ms[: len(kept)][kept]
            self.index.keep(kept)

    def is_new(self, ids: Ids) -> Flags:
        """Which ids are there and not known."""
        return np.asarray((ids != ABSENT_ID) & (self.index.find(ids) == _NOT_KNOWN))

    def has_room_for(self, number: int) -> bool:
        """Whether so many new ones would be let in."""
        return not self.closed and len(self.index) + number <= self.limit

    def first_too_many(self, columns: Sequence[Ids], candidates: Flags) -> int:
        """The first row with an id that there is no room for; their number if there is none."""
        none = len(candidates)
        if self.closed or self.has_room_for(sum(map(len, columns))):
            return none
        room = max(self.limit - len(self.index), 0)  # it may have been lowered
        new = [np.flatnonzero(candidates & self.is_new(ids)) for ids in columns]
        rows = np.concatenate(new)
        ids = np.concatenate([each[at] for each, at in zip(columns, new, strict=True)])
        in_order = np.argsort(rows, kind="stable")
        _, first = np.unique(ids[in_order], return_index=True)
        arrivals = np.sort(rows[in_order][first])
        return none if len(arrivals) <= room else int(arrivals[room])

    def admit(self, ids: Ids, visible_ms: Times) -> None:
        """Know these ids, as of then."""
        present = ids != ABSENT_ID
        rows = self.index.rows_for(ids[present])
        self.seen_ms = resized(self.seen_ms, len(self.index), NEVER)
        np.maximum.at(self.seen_ms, rows, visible_ms[present])

    def dump(self) -> Arrays:
        return {
            "ids": self.index.keys,
            "seen": self.seen_ms[: len(self.index)],
            "facts": np.array([self.from_ms, self.closed, self.limit], np.int64),
        }

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.index = KeyIndex(arrays["ids"])
        self.seen_ms = arrays["seen"].copy()
        self.from_ms, closed, limit = arrays["facts"].tolist()
        self.closed = bool(closed) and limit == self.limit


class Crowd:
    """Whom one partition has brought: at most `limit` of each kind.

    >>> crowd = Crowd({"user": None}, limit=2)
    >>> ids, then = np.array([7, 8, 7, 9, 8], np.uint64), np.zeros(5, np.int64)
    >>> crowd.refused([("user", ids)], np.ones(5, np.bool_), then, then).tolist()
    [False, False, False, True, False]
    """

    def __init__(self, horizons_ms: Mapping[str, int | None], limit: int) -> None:
        self._known = {kind: _Known(each, limit) for kind, each in horizons_ms.items()}

    def sizes(self) -> dict[str, int]:
        """How many ids of each kind are known."""
        return {kind: len(known.index) for kind, known in self._known.items()}

    def refused(
        self, columns: Columns, candidates: Flags, visible_ms: Times, watermark_ms: Times
    ) -> Flags:
        """Which of the candidates bring an id too many; the ids of the others are known then.

        All arrays are in order. `watermark_ms` is the partition's watermark before each row.
        """
        kept = candidates.copy()
        bounds = {kind: known.bounds(watermark_ms) for kind, known in self._known.items()}
        if len(kept) and self._has_room_for_all(columns):
            self._let_all_in(columns, kept, visible_ms)
            for kind, known in self._known.items():
                known.forget(int(bounds[kind][-1]))
            return np.zeros(len(kept), np.bool_)
        turns = [np.flatnonzero(np.diff(each)) + 1 for each in bounds.values()]
        cuts = np.unique(np.concatenate([[0], *turns, [len(kept)]]).astype(np.int64)).tolist()
        for start, end in pairwise(cuts):
            for kind, known in self._known.items():
                known.forget(int(bounds[kind][start]))
            piece: dict[str, list[Ids]] = {kind: [] for kind in self._known}
            for kind, ids in columns:
                piece[kind].append(ids[start:end])
            self._take_in(piece, kept[start:end], visible_ms[start:end])
        return np.asarray(candidates & ~kept)

    def _has_room_for_all(self, columns: Columns) -> bool:
        """Whether nobody could be refused, though all were new and nobody was forgotten."""
        brought = Counter(dict.fromkeys(self._known, 0))
        for kind, ids in columns:
            brought[kind] += len(ids)
        return all(known.has_room_for(brought[kind]) for kind, known in self._known.items())

    def _take_in(self, piece: Mapping[str, Sequence[Ids]], kept: Flags, visible_ms: Times) -> None:
        """Know the ids of a piece at which nothing is forgotten; `kept` loses what is refused."""
        self._close(piece, kept, visible_ms)
        self._let_all_in(
            [(kind, ids) for kind, several in piece.items() for ids in several], kept, visible_ms
        )

    def _let_all_in(self, columns: Columns, kept: Flags, visible_ms: Times) -> None:
        for kind, ids in columns:
            self._known[kind].admit(ids[kept], visible_ms[kept])

    def _close(self, piece: Mapping[str, Sequence[Ids]], kept: Flags, visible_ms: Times) -> None:
        """Close the kinds that are full, each from its row on; `kept` loses what that refuses."""
        for kind, several in piece.items():
            if self._known[kind].closed:
                self._refuse(kind, several, kept)
        while True:
            firsts = {
                kind: self._known[kind].first_too_many(several, kept)
                for kind, several in piece.items()
                if several
            }
            row = min(firsts.values(), default=len(kept))
            if row == len(kept):
                return
            full = next(kind for kind, first in firsts.items() if first == row)
            for ids in piece[full]:
                self._known[full].admit(ids[:row][kept[:row]], visible_ms[:row][kept[:row]])
            self._known[full].closed = True
            self._refuse(full, piece[full], kept)

    def _refuse(self, kind: str, several: Sequence[Ids], kept: Flags) -> None:
        for ids in several:
            kept &= ~self._known[kind].is_new(ids)

    def dump(self) -> Arrays:
        """Everything remembered, as named arrays."""
        return {
            f"crowd/{kind}/{name}": array
            for kind, known in self._known.items()
            for name, array in known.dump().items()
        }

    def load(self, arrays: Arrays) -> None:
        """Take the place of an empty crowd with what `dump` gave; new kinds begin empty."""
        for kind, known in self._known.items():
            start = f"crowd/{kind}/"
            saved = {
                name.removeprefix(start): array
                for name, array in arrays.items()
                if name.startswith(start)
            }
            if saved:
                known.load(saved)
