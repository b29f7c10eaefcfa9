"""Ledger: how many events, and how much they come to, for each entity within one window.

The running figures are kept, and beside them what will leave and when: entries by pane. Moving the
window's edge subtracts the panes that it passes, so a tick costs what leaves, not what is there.
Sums are whole millionths, so that what was added can be taken away again without a trace.

Entries are kept in runs that are sorted by pane. Each apply adds a short one; where many of one
tier have gathered, they are merged into one of the next. So an entry is sorted a few times in its
life, however long the window and however short the ticks, and an edge that has not moved costs
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import (
    ABSENT_MICROS,
    Flags,
    RowNumbers,
    Telling,
    Times,
    resized,
)
from pipeline.core.snapshot import Arrays
from pipeline.core.summaries import Figures, Histogram
from pipeline.core.windows import Trailing

_MERGED: Final = 16  # runs of one tier


@dataclass(slots=True)
class _Run:
    """What rows gained in each pane, sorted by pane, one entry for each row and pane.

    `starts` are where the panes' entries start, and the end of the last; `rows` and `counts` are
    int32, `micros` int64, and none where only events are counted.
    """

    tier: int
    panes: NDArray[np.int64]
    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    counts: NDArray[np.int32]
    micros: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.rows)

    def pane_of_each(self) -> NDArray[np.int64]:
        return np.repeat(self.panes, np.diff(self.starts))


class Ledger(Telling):
    """Count and sum by row over a trailing window, or over everything where `window` is None.

    Only the count where `of_values` is false.

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

    def __init__(self, window: Trailing | None, *, of_values: bool = True) -> None:
        self._window = window
        self._counts = np.empty(0, np.int64)
        self._micros = np.empty(0, np.int64) if of_values else None
        self._rows = 0
        self._edge: int | None = None  # the first pane that is still in the window
        self._runs: list[_Run] = []  # of falling tier

    def resize(self, rows: int) -> None:
        self._counts = resized(self._counts, rows, 0)
        if self._micros is not None:
            self._micros = resized(self._micros, rows, 0)
        self._rows = rows

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        panes = times // (1 if self._window is None else self._window.resolution_ms)
        enter = np.ones(len(rows), np.bool_) if column is None else column != ABSENT_MICROS
        if self._edge is not None:
            enter &= panes >= self._edge
        if not enter.all():
            rows, panes, column = rows[enter], panes[enter], _of(column, enter)
        ones = np.ones(len(rows), np.int32)
        np.add.at(self._counts, rows, ones)
        if self._micros is not None:
            assert column is not None
            np.add.at(self._micros, rows, column)
        if self._window is not None and len(rows):
            self._keep_until_they_leave(_run(0, panes, rows.astype(np.int32), ones, column))

    def _keep_until_they_leave(self, run: _Run) -> None:
        runs = self._runs
        runs.append(run)
        while len(runs) >= _MERGED and runs[-_MERGED].tier == runs[-1].tier:
            runs[-_MERGED:] = [_merged(runs[-_MERGED:])]

    def at_least(self, threshold: int | NDArray[np.int64]) -> Flags:
        """Which rows have `threshold` events in the window, as of the last `expire`.

        One threshold for all, or one for each row.
        """
        return np.asarray(self._counts[: self._rows] >= threshold)

    def sum_at_least(self, threshold: int) -> Flags:
        """Which rows have a sum of `threshold` millionths, as of the last `expire`."""
        assert self._micros is not None
        return self._micros[: self._rows] >= threshold

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many events each row has in the window, as of the last `expire`."""
        return self._counts[: self._rows]

    def figures(self, start_ms: int) -> Figures:
        """How many events there are, and how many rows have how many of them."""
        counts = self.counts[self.counts > 0]
        return int(counts.sum()), 0, Histogram.of(counts) if len(counts) else None

    def amounts(self) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        """Count and sum in millionths of each row, as of the last `expire`."""
        micros = None if self._micros is None else self._micros[: self._rows]
        return self._counts[: self._rows], micros

    def expire(self, tick_ms: int) -> None:
        if self._window is None:
            return
        start_ms, _ = self._window.span(tick_ms)
        edge = start_ms // self._window.resolution_ms
        if edge != self._edge:
            self._edge = edge
            left = [self._without_passed(run, edge) for run in self._runs]
            self._runs = [run for run in left if len(run)]

    def _without_passed(self, run: _Run, edge: int) -> _Run:
        """Take what lies before the edge off the figures, and out of the run."""
        passed = int(np.searchsorted(run.panes, edge))
        if not passed:
            return run
        end = int(run.starts[passed])
        np.subtract.at(self._counts, run.rows[:end], run.counts[:end])
        if self._micros is not None and run.micros is not None:
            np.subtract.at(self._micros, run.rows[:end], run.micros[:end])
        return _Run(
            run.tier,
            run.panes[passed:],
            run.starts[passed:] - end,
            _rest(run.rows, end),
            _rest(run.counts, end),
            None if run.micros is None else _rest(run.micros, end),
        )

    def vacant(self, tick_ms: int) -> Flags:
        return np.asarray(self._counts[: self._rows] == 0)

    def keep(self, kept: Flags) -> None:
        renumbered = (np.cumsum(kept) - 1).astype(np.int32)
        for place, run in enumerate(self._runs):
            stay = kept[run.rows]
            rows = renumbered[run.rows[stay]]
            panes, micros = run.pane_of_each()[stay], _of(run.micros, stay)
            self._runs[place] = _cut(run.tier, panes, rows, run.counts[stay], micros)
        self._runs = [run for run in self._runs if len(run)]
        self._counts = self._counts[: self._rows][kept]
        if self._micros is not None:
            self._micros = self._micros[: self._rows][kept]
        self._rows = len(self._counts)

    def dump(self) -> Arrays:
        runs = self._runs or [_NOTHING]
        arrays = {
            "counts": self._counts[: self._rows],
            "edge": np.array([] if self._edge is None else [self._edge], np.int64),
            "run_tiers": np.array([run.tier for run in self._runs], np.int64),
            "run_panes": np.array([len(run.panes) for run in self._runs], np.int64),
            "panes": np.concatenate([run.panes for run in runs]),
            "pane_sizes": np.concatenate([np.diff(run.starts) for run in runs]),
            "entry_rows": np.concatenate([run.rows for run in runs]),
            "entry_counts": np.concatenate([run.counts for run in runs]),
        }
        if self._micros is not None:
            arrays["micros"] = self._micros[: self._rows]
            micros = [run.micros for run in runs if run.micros is not None]
            arrays["entry_micros"] = np.concatenate(micros) if micros else _NO_MICROS
        return arrays

    def load(self, arrays: Arrays) -> None:
        self._counts, self._micros = arrays["counts"], arrays.get("micros")
        self._rows = len(self._counts)
        self._edge = int(arrays["edge"][0]) if len(arrays["edge"]) else None
        self._runs = []
        pane, entry = 0, 0
        for tier, panes in zip(arrays["run_tiers"], arrays["run_panes"], strict=True):
            sizes = arrays["pane_sizes"][pane : pane + panes]
            starts = np.concatenate([[0], np.cumsum(sizes)])
            entries = slice(entry, entry + int(starts[-1]))
            self._runs.append(
                _Run(
                    int(tier),
                    arrays["panes"][pane : pane + panes],
                    starts,
                    arrays["entry_rows"][entries],
                    arrays["entry_counts"][entries],
                    _of(arrays.get("entry_micros"), entries),
                )
            )
            pane, entry = pane + int(panes), entries.stop


def _run(
    tier: int,
    panes: NDArray[np.int64],
    rows: NDArray[np.int32],
    counts: NDArray[np.int32],
    micros: NDArray[np.int64] | None,
) -> _Run:
    """A run of entries in any order, some of the same row and pane."""
    order = np.lexsort((rows, panes))
    panes, rows, counts, micros = panes[order], rows[order], counts[order], _of(micros, order)
    other = np.ones(len(rows), np.bool_)
    other[1:] = (panes[1:] != panes[:-1]) | (rows[1:] != rows[:-1])
    first = np.flatnonzero(other)
    if len(first) < len(rows):
        panes, rows = panes[first], rows[first]
        counts = np.add.reduceat(counts, first, dtype=np.int32)
        micros = None if micros is None else np.add.reduceat(micros, first)
    return _cut(tier, panes, rows, counts, micros)


def _cut(
    tier: int,
    panes: NDArray[np.int64],
    rows: NDArray[np.int32],
    counts: NDArray[np.int32],
    micros: NDArray[np.int64] | None,
) -> _Run:
    """A run of entries that are sorted by pane."""
    starts = np.flatnonzero(np.diff(panes, prepend=panes[:1] - 1))
    return _Run(tier, panes[starts], np.append(starts, len(panes)), rows, counts, micros)


def _merged(runs: list[_Run]) -> _Run:
    micros = [run.micros for run in runs if run.micros is not None]
    return _run(
        runs[0].tier + 1,
        np.concatenate([run.pane_of_each() for run in runs]),
        np.concatenate([run.rows for run in runs]),
        np.concatenate([run.counts for run in runs]),
        np.concatenate(micros) if micros else None,
    )


def _of(column: NDArray[Any] | None, chosen: NDArray[Any] | slice) -> NDArray[Any] | None:
    return None if column is None else column[chosen]


def _rest(column: NDArray[Any], start: int) -> NDArray[Any]:
    """A column from `start` on; a copy once most of what it was cut from is gone."""
    rest = column[start:]
    whole = rest if rest.base is None else rest.base
    return rest.copy() if 2 * rest.nbytes < whole.nbytes else rest


_NO_MICROS: Final = np.empty(0, np.int64)
_NOTHING: Final = _Run(
    0,
    np.empty(0, np.int64),
    np.zeros(1, np.int64),
    np.empty(0, np.int32),
    np.empty(0, np.int32),
    None,
)
