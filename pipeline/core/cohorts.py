"""Cohorts: who takes part in a set at a tick, and which span of its own each is looked at in.

A span begins with an entity's earliest row of an event. It is of a fixed size, or a first session:
as long as rows follow each other within a gap, the first of them that soon after the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core import plan as plans
from pipeline.core.memories.diary import Diary
from pipeline.core.memories.first_seen import NOT_YET, FirstSeen
from pipeline.core.memories.memory import NEVER, Flags, Memory, RowNumbers, Times
from pipeline.core.sets import AtLeast, Cohort, EntitySet, comparisons
from pipeline.core.windows import Anchored, Window

Entries = tuple[RowNumbers, Times]  # rows of a table, several times each, and times

_WHOLE_MAX: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class OwnSpans:
    """For each row of a table its span `[start, end)`, empty for those who do not take part."""

    starts: Times
    ends: Times
    taking_part: Flags

    def of(
        self,
        described: plans.Memory,
        diary: Diary,
        left_out: NDArray[np.uint64] | None,
        chosen: Flags | None,
    ) -> NDArray[np.int64]:
        """What a diary comes to in each span: events, millionths, or different others."""
        if described.kind is plans.MemoryKind.ENCOUNTERS:
            return diary.distinct(self.starts, self.ends, left_out, chosen)
        if described.column is None:
            return diary.counts(self.starts, self.ends, chosen)
        return diary.sums(self.starts, self.ends, chosen)

    @classmethod
    def shared(cls, window: Window, tick_ms: int, rows: int) -> OwnSpans:
        """The span that a window has for all."""
        start_ms, end_ms = window.span(tick_ms)
        return cls(np.full(rows, start_ms), np.full(rows, end_ms), np.ones(rows, np.bool_))


class Cohorts:
    """The cohorts of a shard's sets; `memory` gives a memory by its number in the plan."""

    def __init__(self, sets: Sequence[EntitySet], memory: Callable[[int], Memory]) -> None:
        self._sets = [(each.when, each.cohort) for each in sets if each.cohort is not None]
        self._memory = memory

    def spans(self, cohort: Cohort, tick_ms: int) -> OwnSpans:
        """Who takes part at a tick."""
        return own_spans(cohort.window, tick_ms, self._firsts(cohort), self._entries(cohort))

    def forget(self, tick_ms: int) -> None:
        """Let go of first sessions that are over, where age alone does not decide that."""
        since: dict[int, Times] = {}
        for when, cohort in self._sets:
            window = cohort.window
            if window.is_session and window.is_matured:
                rows, entries = len(self._firsts(cohort)), self._entries(cohort)
                held = held_since(window, tick_ms, rows, entries)
                compared = {
                    each.memory
                    for each in comparisons(when)
                    if isinstance(each, AtLeast) and each.window == window
                }
                for number in compared | {*cohort.runs}:
                    since[number] = np.minimum(held, since.get(number, held))
        for number, times in since.items():
            self._diary(number).forget(times)

    def _firsts(self, cohort: Cohort) -> Times:
        anchor = self._memory(cohort.anchor)
        assert isinstance(anchor, FirstSeen)
        return anchor.times

    def _entries(self, cohort: Cohort) -> list[Entries]:
        return [self._diary(run).entries for run in cohort.runs]

    def _diary(self, number: int) -> Diary:
        memory = self._memory(number)
        assert isinstance(memory, Diary)
        return memory


def own_spans(
    window: Anchored, tick_ms: int, firsts: Times, entries: Sequence[Entries]
) -> OwnSpans:
    """The spans of a table's entities at a tick.

    Args:
        window: what spans there are.
        tick_ms: the tick.
        firsts: when each row's span begins, `NOT_YET` where it does not.
        entries: the rows that make first sessions.
    """
    known = firsts != NOT_YET
    begun = np.where(known, firsts, NEVER)
    if window.is_session:
        last = _last_of_first_session(*_joined(entries), firsts, window.size_ms)
        ends = np.where(known, last + 1, NEVER)
        over = np.where(known, last + window.size_ms, NEVER)
    else:
        ends = over = np.where(known, begun + window.size_ms, NEVER)
    start_ms, end_ms = window.cohort.span(tick_ms)
    decides = over if window.is_matured else begun
    taking_part = known & (decides >= start_ms) & (decides < end_ms)
    return OwnSpans(firsts, np.where(taking_part, ends, NEVER), taking_part)


def held_since(window: Anchored, tick_ms: int, rows: int, entries: Sequence[Entries]) -> Times:
    """From when on the entries of each row may still matter, `NOT_YET` where none does.

    A session that ends in the cohort's window may have begun long before, and no row that is still
    let in can be joined to one that ended a reach and a gap ago.
    """
    of, times = _joined(entries)
    begins = np.ones(len(of), np.bool_)
    begins[1:] = (of[1:] != of[:-1]) | (np.diff(times) > window.size_ms)
    last = times[np.append(begins[1:], True)] if len(of) else times
    alive = last >= tick_ms - window.reach_ms - window.size_ms
    since = np.full(rows, NOT_YET)
    np.minimum.at(since, of[begins][alive], times[begins][alive])
    return since


def _last_of_first_session(
    of: RowNumbers, times: Times, firsts: Times, gap_ms: int
) -> NDArray[np.int64]:
    """The last entry of each row's first session, its beginning where there is none."""
    after = times >= firsts[of]
    of, times = of[after], times[after]
    new_row = np.diff(of, prepend=-1) != 0
    before = np.concatenate([times[:1], times[:-1]])
    before[new_row] = firsts[of[new_row]]
    apart = times - before > gap_ms
    breaks = np.cumsum(apart)
    breaks_before_row = (breaks - apart)[new_row]
    sizes = np.diff(np.append(np.flatnonzero(new_row), len(of)))
    in_first = breaks == np.repeat(breaks_before_row, sizes)
    last = firsts.copy()
    np.maximum.at(last, of[in_first], times[in_first])
    return last


def _joined(entries: Sequence[Entries]) -> Entries:
    """Entries of several memories, by row and time."""
    of = np.concatenate([rows for rows, _ in entries])
    times = np.concatenate([each for _, each in entries])
    first_ms = int(times.min(initial=NOT_YET))
    span_ms = int(times.max(initial=first_ms)) - first_ms + 1
    if span_ms * (int(of.max(initial=0)) + 1) > _WHOLE_MAX:
        order = np.lexsort((times, of))
        return of[order], times[order]
    both = np.sort(of * span_ms + (times - first_ms))  # as one number, in a tenth of the time
    of, times = np.divmod(both, span_ms)
    return of, times + first_ms
