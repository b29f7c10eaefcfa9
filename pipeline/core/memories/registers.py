"""Registers: about how many different others were seen within one window; no entity.

For every register and rank the newest time at which an other had it: the ranks of the others in
`[start, T)` are those whose newest time is at or after `start`. So a window may move on, in 1 MB,
whatever comes in whatever order.

Beside that the newest others by name: while a window has few of them, it is exact.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.cardinality import RANK_MAX, REGISTERS, registers_and_ranks
from pipeline.core.memories.memory import ABSENT_ID, NEVER, Loose, RowNumbers, Times
from pipeline.core.snapshot import Arrays
from pipeline.core.summaries import IDS_MAX, Figures, Ranks
from pipeline.core.windows import Trailing

_RANKS: Final = RANK_MAX + 1  # rank 0 is never seen
_NAMED: Final = IDS_MAX + 1  # as many others in a window are one too many


class Registers(Loose):
    """Newest times by register and rank over a trailing window, or over everything without one.

    >>> from pipeline.core.windows import Trailing
    >>> registers = Registers(Trailing(10_000))
    >>> others = np.array([7, 8, 7], np.uint64)
    >>> registers.apply(np.empty(0), np.array([1_000, 2_000, 5_000]), others)
    >>> registers.expire(14_000)
    >>> registers.figures(0)[2].ids
    array([7], dtype=uint64)
    """

    def __init__(self, window: Trailing | None) -> None:
        self._window = window
        self._start_ms = int(NEVER)  # of the window
        self._newest = np.full(REGISTERS * _RANKS, NEVER)
        self._others = np.empty(0, np.uint64)  # the newest, by name
        self._times = np.empty(0, np.int64)

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        assert column is not None
        present = (column != ABSENT_ID) & (times >= self._start_ms)
        others, times = column[present], times[present]
        registers, ranks = registers_and_ranks(others)
        np.maximum.at(self._newest, registers * _RANKS + ranks, times)
        self._name(np.concatenate([self._others, others]), np.concatenate([self._times, times]))

    def _name(self, others: NDArray[np.uint64], times: Times) -> None:
        """Keep the newest of these, each once."""
        order = np.lexsort((~times, others))
        others, times = others[order], times[order]
        first = np.ones(len(others), np.bool_)
        first[1:] = others[1:] != others[:-1]
        others, times = others[first], times[first]
        newest = np.lexsort((others, ~times))[:_NAMED]
        self._others, self._times = others[newest], times[newest]

    def figures(self, start_ms: int) -> Figures:
        named = np.sort(self._others)
        if not len(named):
            return 0, 0, None
        seen = self._newest.reshape(REGISTERS, _RANKS) != NEVER
        highest = RANK_MAX - np.argmax(seen[:, ::-1], axis=1)
        ranks = np.where(seen.any(axis=1), highest, 0).astype(np.uint8)
        return 0, 0, Ranks(named if len(named) <= IDS_MAX else None, ranks)

    def expire(self, tick_ms: int) -> None:
        if self._window is None:
            return
        start_ms, _ = self._window.span(tick_ms)
        if start_ms != self._start_ms:
            self._start_ms = start_ms
            self._newest[self._newest < start_ms] = NEVER
            left = self._times >= start_ms
            self._others, self._times = self._others[left], self._times[left]

    def dump(self) -> Arrays:
        held = np.flatnonzero(self._newest != NEVER)
        return {
            "cells": held.astype(np.int32),
            "newest": self._newest[held],
            "others": self._others,
            "times": self._times,
            "start": np.array([self._start_ms]),
        }

    def load(self, arrays: Arrays) -> None:
        self._newest = np.full(REGISTERS * _RANKS, NEVER)
        self._newest[arrays["cells"]] = arrays["newest"]
        self._others, self._times = arrays["others"], arrays["times"]
        self._start_ms = int(arrays["start"][0])
