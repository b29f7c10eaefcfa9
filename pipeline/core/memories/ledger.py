"""Ledger: how many events, and how much they come to, for each entity within one window.

The running figures are kept, and beside them what will leave and when: entries by pane. Moving the
window's edge subtracts the panes that it passes, so a tick costs what leaves, not what is there.
Sums are whole millionths, so that what was added can be taken away again without a trace.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import (
    ABSENT_MICROS,
    Flags,
    Memory,
    RowNumbers,
    Times,
    resized,
)
from pipeline.core.snapshot import Arrays
from pipeline.core.windows import Trailing

# Pieces of one pane are joined when there are this many: each apply adds one, and a pane of half
# an hour sees 360 ticks of 5 s.
_PIECES_MAX: Final = 32

_Piece = tuple[RowNumbers, NDArray[np.int64], NDArray[np.int64]]  # rows, counts, micros


class Ledger(Memory):
    """Count and sum by row over a trailing window, or over everything where `window` is None.

    >>> from pipeline.core.windows import Trailing
    >>> ledger = Ledger(Trailing(10_000))
    >>> ledger.resize(1)
    >>> ledger.apply(np.array([0, 0]), np.array([1_000, 5_000]), np.array([2_000_000, 500_000]))
    >>> ledger.at_least(2).tolist(), ledger.sum_at_least(2_500_000).tolist()
    ([True], [True])
    >>> ledger.expire(12_000)
    >>> ledger.at_least(2).tolist(), ledger.at_least(1).tolist()
    ([False], [True])
    """

    def __init__(self, window: Trailing | None) -> None:
        self._window = window
        self._counts = np.empty(0, np.int64)
        self._micros = np.empty(0, np.int64)
        self._rows = 0
        self._edge: int | None = None  # the first pane that is still in the window
        self._panes: dict[int, list[_Piece]] = {}

    def resize(self, rows: int) -> None:
        self._counts = resized(self._counts, rows, 0)
        self._micros = resized(self._micros, rows, 0)
        self._rows = rows

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        micros = np.zeros(len(rows), np.int64) if column is None else column
        present = micros != ABSENT_MICROS
        if self._window is None:
            self._enter(rows[present], np.ones(int(present.sum()), np.int64), micros[present])
            return
        panes = times // self._window.resolution_ms
        if self._edge is not None:
            present &= panes >= self._edge
        rows, panes, micros = rows[present], panes[present], micros[present]
        for pane in np.unique(panes):
            inside = panes == pane
            piece = _added_up(rows[inside], np.ones(int(inside.sum()), np.int64), micros[inside])
            self._enter(*piece)
            self._put(int(pane), piece)

    def _enter(
        self, rows: RowNumbers, counts: NDArray[np.int64], micros: NDArray[np.int64]
    ) -> None:
        np.add.at(self._counts, rows, counts)
        np.add.at(self._micros, rows, micros)

    def _put(self, pane: int, piece: _Piece) -> None:
        pieces = self._panes.setdefault(pane, [])
        pieces.append(piece)
        if len(pieces) >= _PIECES_MAX:
            self._panes[pane] = [_joined(pieces)]

    def at_least(self, threshold: int) -> Flags:
        """Which rows have `threshold` events in the window, as of the last `expire`."""
        return self._counts[: self._rows] >= threshold

    def sum_at_least(self, threshold: int) -> Flags:
        """Which rows have a sum of `threshold` millionths, as of the last `expire`."""
        return self._micros[: self._rows] >= threshold

    def expire(self, tick_ms: int) -> None:
        if self._window is None:
            return
        start_ms, _ = self._window.span(tick_ms)
        self._edge = start_ms // self._window.resolution_ms
        for pane in [pane for pane in self._panes if pane < self._edge]:
            for rows, counts, micros in self._panes.pop(pane):
                self._enter(rows, -counts, -micros)

    def vacant(self, tick_ms: int) -> Flags:
        return np.asarray(self._counts[: self._rows] == 0)

    def keep(self, kept: Flags) -> None:
        renumbered = np.cumsum(kept) - 1
        for pane, pieces in self._panes.items():
            rows, counts, micros = _joined(pieces)
            stay = kept[rows]
            self._panes[pane] = [(renumbered[rows[stay]], counts[stay], micros[stay])]
        self._counts = self._counts[: self._rows][kept]
        self._micros = self._micros[: self._rows][kept]
        self._rows = len(self._counts)

    def dump(self) -> Arrays:
        joined = {pane: _joined(pieces) for pane, pieces in sorted(self._panes.items())}
        pieces = [*joined.values()] or [_NOTHING]
        return {
            "counts": self._counts[: self._rows],
            "micros": self._micros[: self._rows],
            "edge": np.array([] if self._edge is None else [self._edge], np.int64),
            "panes": np.array([*joined], np.int64),
            "pane_sizes": np.array([len(rows) for rows, _, _ in joined.values()], np.int64),
            "pane_rows": np.concatenate([rows for rows, _, _ in pieces]),
            "pane_counts": np.concatenate([counts for _, counts, _ in pieces]),
            "pane_micros": np.concatenate([micros for _, _, micros in pieces]),
        }

    def load(self, arrays: Arrays) -> None:
        self._counts, self._micros = arrays["counts"], arrays["micros"]
        self._rows = len(self._counts)
        self._edge = int(arrays["edge"][0]) if len(arrays["edge"]) else None
        ends = np.cumsum(arrays["pane_sizes"])[:-1]
        columns = [
            np.split(arrays[name], ends) for name in ("pane_rows", "pane_counts", "pane_micros")
        ]
        self._panes = {
            int(pane): [piece]
            for pane, piece in zip(arrays["panes"], zip(*columns, strict=True), strict=False)
        }


_NOTHING: Final[_Piece] = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64))


def _joined(pieces: list[_Piece]) -> _Piece:
    if len(pieces) == 1:
        return pieces[0]
    return _added_up(*(np.concatenate(column) for column in zip(*pieces, strict=True)))


def _added_up(rows: RowNumbers, counts: NDArray[np.int64], micros: NDArray[np.int64]) -> _Piece:
    """One entry a row."""
    distinct, back = np.unique(rows, return_inverse=True)
    total_counts = np.zeros(len(distinct), np.int64)
    total_micros = np.zeros(len(distinct), np.int64)
    np.add.at(total_counts, back, counts)
    np.add.at(total_micros, back, micros)
    return distinct, total_counts, total_micros
