"""Every kind of memory as a subject of the laws: how it is asked, and what a naive reading says.

A naive reading looks through a list of all events, one at a time, at every question.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from pipeline.core import plan
from pipeline.core.cardinality import RANK_MAX
from pipeline.core.decode import LONG_AGO
from pipeline.core.expression import Literal
from pipeline.core.grid import one_period_before
from pipeline.core.memories.first_seen import NOT_YET
from pipeline.core.memories.memory import ABSENT_MICROS
from pipeline.core.memories.periods import Periods
from pipeline.core.memories.registry import make
from pipeline.core.plan import MemoryKind
from pipeline.core.quantile import buckets_of
from pipeline.core.texts import NONE
from pipeline.core.units import units_of
from pipeline.core.windows import (
    DAY_MS,
    HOUR_MS,
    SECOND_MS,
    Anchored,
    Calendar,
    Trailing,
    Unit,
    Units,
    unit_of,
    unit_start_ms,
)

ROWS = 4
"""Events are drawn for this many rows."""


class Event(NamedTuple):
    """An event on its way to a memory."""

    row: int
    time_ms: int
    column: int
    visible_ms: int


@dataclass(frozen=True)
class Subject:
    """A memory of one kind, over one window, and its naive reading.

    `windows` are those that are asked about. `answers(memory, window, tick)` and
    `naive(events, window, tick, rows)` give one thing each, to be equal.
    """

    kind: MemoryKind
    windows: tuple[plan.Window, ...]
    columns: st.SearchStrategy[int] | None
    answers: Callable[..., Any]
    naive: Callable[..., Any]
    column: str | None = None
    k: int = 0
    of_entities: bool = True
    forgets: bool = True
    names: tuple[str, ...] = field(default=())

    @property
    def memory(self):
        """What the plan says of it."""
        return plan.Memory(
            key="memory",
            kind=self.kind,
            level=0,
            entity="user" if self.of_entities else None,
            feed=0,
            column=self.column,
            window=self._own_window(),
            k=self.k,
            reach_ms=max((window.reach_ms for window in self.windows), default=None),
        )

    @property
    def slack_ms(self):
        """How much older than what windows look at an event may be and still matter."""
        return 0

    def _own_window(self):
        shared = self.kind in {MemoryKind.LAST_SEEN, MemoryKind.TOP_K}
        first = self.windows[0] if self.windows else None
        if isinstance(first, Units):
            return first.calendar
        return None if shared and not isinstance(first, Calendar) else first

    def make(self):
        """An empty memory, as the shards make it."""
        return make(self.memory)

    def array(self, columns):
        """Columns as the memory takes them."""
        if self.columns is None:
            return None
        if self.kind in (MemoryKind.NAMES, MemoryKind.IDS):
            return np.array(columns, np.bytes_)
        ids = self.kind in plan.KINDS_OF_IDS
        return np.array(columns, np.uint64 if ids else np.int64)

    def asked(self, memory, tick_ms):
        """All answers of a memory at a tick, after it has expired what the tick cannot see."""
        memory.expire(tick_ms)
        inner = memory.at(tick_ms) if isinstance(memory, Periods) else memory
        return [self.answers(self, inner, window, tick_ms) for window in self.windows or (None,)]

    def edge_ms(self, tick_ms):
        """From when on events matter at a tick or a later one; long ago where all of them do."""
        if self.kind is MemoryKind.GROWTH:  # up to a period ago changes are in what was then
            return one_period_before(self.windows[0].size_ms, tick_ms) + 1
        return min((window.span(tick_ms)[0] for window in self.windows), default=LONG_AGO)

    def vacant_ms(self, tick_ms):
        """Before this, an event keeps its row no more; it may for a resolution after it expired."""
        return min(
            tick_ms - window.reach_ms if isinstance(window, Trailing) else window.span(tick_ms)[0]
            for window in self.windows
        )

    def expected(self, events, tick_ms, rows):
        """The naive reading of all of them."""
        return [
            [self.naive(self, of_row, window, tick_ms) for of_row in self._by_row(events, rows)]
            for window in self.windows or (None,)
        ]

    def _by_row(self, events, rows):
        if not self.of_entities:
            return [events]
        return [[event for event in events if event.row == row] for row in range(rows)]


@dataclass(frozen=True)
class MarkedRows(Subject):
    """A memory that keeps of each row whether it met two conditions: here above 1, and even."""

    @property
    def memory(self):
        """What the plan says of it."""
        return replace(super().memory, marks=(Literal(True), Literal(False)))

    def array(self, columns):
        """Columns as the memory takes them, each with a line for either mark."""
        whole = np.array(columns, np.int64)
        column = np.zeros_like(whole) if self.column is None else whole
        return np.stack([column, whole > 1, whole % 2 == 0])


def inside(events, window, tick_ms):
    """The events in a window at a tick."""
    start, end = window.span(tick_ms)
    return [event for event in events if start <= event.time_ms < end]


def start_of(window, tick_ms):
    """From when on a memory is asked; a calendar memory holds its period and nothing else."""
    return -(2**62) if isinstance(window, Calendar) else window.span(tick_ms)[0]


# ── one pair of functions for each kind ──────────────────────────────────────────────────────────

COUNTS = range(6)
SUMS = range(-12, 13)
TALLIES = range(-3, 6)
OTHERS = range(1, 6)


def last_seen(_, memory, window, tick_ms):
    """Whether each row was seen."""
    return memory.at_least(start_of(window, tick_ms), 1).tolist()


def last_seen_naive(_, events, window, tick_ms):
    """Whether any event lies in the window."""
    return bool(inside(events, window, tick_ms))


def top_k(subject, memory, window, tick_ms):
    """Every threshold that may be asked, with nobody and with everybody left out in turn."""
    start_ms, rows = start_of(window, tick_ms), memory._rows
    found = [memory.at_least(start_ms, threshold) for threshold in range(1, subject.k + 1)]
    for left_out in (0, *OTHERS):
        each = np.full(rows, left_out, np.uint64)
        found += [memory.at_least(start_ms, threshold, each) for threshold in range(1, subject.k)]
    return np.array(found).T.tolist()


def top_k_naive(subject, events, window, tick_ms):
    """The same from the set of others."""
    others = {event.column for event in inside(events, window, tick_ms)} - {0}
    found = [len(others) >= threshold for threshold in range(1, subject.k + 1)]
    for left_out in (0, *OTHERS):
        rest = len(others - {left_out})
        found += [rest >= threshold for threshold in range(1, subject.k)]
    return found


def ledger(subject, memory, _window, _tick_ms):
    """Counts, and sums where there are values, against every threshold."""
    counts = [memory.at_least(threshold) for threshold in COUNTS]
    sums = [] if subject.columns is None else [memory.sum_at_least(each) for each in SUMS]
    return np.array(counts + sums).T.tolist()


def ledger_naive(subject, events, window, tick_ms):
    """The same from the events with a value."""
    values = present(subject, inside(events, window, tick_ms))
    counts = [len(values) >= threshold for threshold in COUNTS]
    sums = () if subject.columns is None else SUMS
    return counts + [sum(values) >= threshold for threshold in sums]


def panes(_, memory, _window, _tick_ms):
    """Count and sum."""
    return [(memory.count, memory.micros)]


def panes_naive(subject, events, window, tick_ms):
    """The same from the events with a value."""
    values = present(subject, inside(events, window, tick_ms))
    return len(values), sum(values)


def extremes(_, memory, window, tick_ms):
    """Count, smallest and largest."""
    count, _, found = memory.figures(start_of(window, tick_ms))
    return [(count, None if found is None else (found.smallest, found.largest))]


def extremes_naive(subject, events, window, tick_ms):
    """The same from the events with a value."""
    values = present(subject, inside(events, window, tick_ms))
    return len(values), (min(values), max(values)) if values else None


def sketch(_, memory, window, tick_ms):
    """How many values each bucket holds."""
    count, _, found = memory.figures(start_of(window, tick_ms))
    held = [] if found is None else zip(found.numbers, found.counts, strict=True)
    return [(count, dict(held))]


def sketch_naive(subject, events, window, tick_ms):
    """The same from the events with a value, one at a time."""
    values = present(subject, inside(events, window, tick_ms))
    buckets = [int(buckets_of(np.array([value]))[0]) for value in values]
    return len(values), dict(Counter(buckets))


def registers(_, memory, window, tick_ms):
    """Which others there are by name, and the highest rank of every register that saw one."""
    _, _, found = memory.figures(start_of(window, tick_ms))
    if found is None:
        return [([], {})]
    held = np.flatnonzero(found.ranks)
    return [(found.ids.tolist(), dict(zip(held, found.ranks[held], strict=True)))]


def registers_naive(_, events, window, tick_ms):
    """The same from the set of others."""
    others = {event.column for event in inside(events, window, tick_ms)} - {0}
    ranks = {}
    for other in others:
        register, rest = divmod(other, 1 << 52)
        ranks[register] = max(ranks.get(register, 0), min(53 - rest.bit_length(), RANK_MAX))
    return sorted(others), ranks


def registers_by(_, memory, window, tick_ms):
    """The same of each row."""
    found = dict(memory.since(start_of(window, tick_ms)))
    answers = [([], {}) for _ in range(memory.rows)]
    for row, of in found.items():
        held = np.flatnonzero(of.ranks)
        answers[row] = (of.ids.tolist(), dict(zip(held, of.ranks[held], strict=True)))
    return answers


def attribute(_, memory, _window, _tick_ms):
    """Whom each row names."""
    return memory.values.tolist()


def attribute_naive(_, events, _window, _tick_ms):
    """The newest, and of those of one millisecond the largest."""
    known = [(event.time_ms, event.column) for event in events if event.column]
    return max(known)[1] if known else 0


def value(_, memory, _window, _tick_ms):
    """What each row is, and is not: unknown rows are neither."""
    both = (False, True)
    options = [np.array(each, np.int64) for each in ([], [0], [-1, 1])]
    found = [memory.one_of(each, negated=negated) for each in options for negated in both]
    found += [memory.at_least(each, negated=negated) for each in SUMS for negated in both]
    return np.array(found).T.tolist()


def value_naive(_, events, _window, _tick_ms):
    """The same of the newest that is there, and of those of one millisecond the largest."""
    known = [(event.time_ms, event.column) for event in events if event.column != ABSENT_MICROS]
    if not known:
        return [False] * (6 + 2 * len(SUMS))
    newest = max(known)[1]
    held = [newest in options for options in ([], [0], [-1, 1])] + [newest >= e for e in SUMS]
    return [each != negated for each in held for negated in (False, True)]


def seen_with(_, memory, window, tick_ms):
    """The texts of each row."""
    rows, texts = memory.since(start_of(window, tick_ms))
    return [texts[rows == row].tolist() for row in range(memory._rows)]


def seen_with_naive(_, events, window, tick_ms):
    """The same of the events in the window; what is absent is a text like any other."""
    found = {event.column for event in inside(events, window, tick_ms)}
    return sorted(NONE if text == ABSENT_MICROS else text for text in found)


def names(_, memory, _window, _tick_ms):
    """Since when each row is known."""
    rows, since_ms, _ = memory.first()
    found = dict(zip(rows.tolist(), since_ms.tolist(), strict=True))
    return [found.get(row) for row in range(memory._rows)]


def names_naive(_, events, _window, _tick_ms):
    """The earliest moment of all."""
    return min((event.time_ms for event in events), default=None)


def ids(_, memory, _window, _tick_ms):
    """What each row is called."""
    return memory.texts(np.arange(memory._rows))


def ids_naive(_, events, _window, _tick_ms):
    """The smallest of all that it was called."""
    return min((event.column for event in events), default=b"").decode()


def tally(_, memory, _window, _tick_ms):
    """How many name each row, against every threshold."""
    return np.array([memory.at_least(threshold) for threshold in TALLIES]).T.tolist()


def tally_naive(_, events, _window, _tick_ms):
    """The same by adding up."""
    total = sum(event.column for event in events)
    return [total >= threshold for threshold in TALLIES]


def active_units(_, memory, window, _tick_ms):
    """How many units were active, and whether there is a streak, with every grace."""
    most = range(1, window.of + 1)
    found = [memory.at_least(of, threshold) for of in most for threshold in most]
    found += [
        memory.streak_at_least(threshold, grace)
        for grace in range(3)
        for threshold in range(1, (window.of - 1) // (grace + 1) + 1)
    ]
    return np.array(found).T.tolist()


def active_units_naive(_, events, window, tick_ms):
    """The same from the set of units, walked back one at a time."""
    calendar, most = window.calendar, range(1, window.of + 1)
    times = [event.time_ms for event in events]
    active = set(units_of(calendar, np.array(times, np.int64)).tolist())
    running = int(units_of(calendar, np.array([tick_ms]))[0])
    count = [sum(running - of < unit <= running for unit in active) for of in most]
    found = [count[of - 1] >= threshold for of in most for threshold in most]
    for grace in range(3):
        length = streak(active, running, grace)
        found += [length >= least for least in range(1, (window.of - 1) // (grace + 1) + 1)]
    return found


def streak(active, running, grace):
    """The length of a streak, by its definition."""
    chain = sorted((unit for unit in active if unit <= running), reverse=True)
    if not chain or running - chain[0] - 1 > grace:
        return 0
    broken = (n for n in range(1, len(chain)) if chain[n - 1] - chain[n] - 1 > grace)
    return next(broken, len(chain))


def first_seen(_, memory, _window, _tick_ms):
    """When each row was first seen."""
    return memory.times.tolist()


def first_seen_naive(_, events, _window, _tick_ms):
    """The earliest."""
    return min((event.time_ms for event in events), default=NOT_YET)


def growth(_, memory, _window, _tick_ms):
    """Who is a member now, was one a period ago, and at any time before that."""
    return np.array([memory.current, memory.lagged, memory.ever]).T.tolist()


def growth_naive(_, events, window, tick_ms):
    """The same by walking through the changes."""
    before_ms = one_period_before(window.size_ms, tick_ms)
    passed = [event for event in events if event.time_ms <= before_ms]
    return [len(events) % 2 == 1, len(passed) % 2 == 1, bool(passed)]


def few_units(_, memory, window, _tick_ms):
    """How many units of a long time were active, up to five."""
    return np.array([memory.at_least(window.of, least) for least in range(1, 6)]).T.tolist()


def few_units_naive(_, events, window, tick_ms):
    """The same from the set of units."""
    times = np.array([event.time_ms for event in events], np.int64)
    active = set(units_of(window.calendar, times).tolist())
    running = int(units_of(window.calendar, np.array([tick_ms]))[0])
    count = sum(running - window.of < unit <= running for unit in active)
    return [count >= least for least in range(1, 6)]


def own_parts(window, tick_ms):
    """Some spans that rows may have, all within what the window can see."""
    start_ms, end_ms = window.span(tick_ms)
    third = (end_ms - start_ms) // 3
    return [
        (start_ms, end_ms),
        (start_ms + SECOND_MS, end_ms - third),
        (start_ms + third, start_ms + third),
    ]


def of_each_row(ask, memory, window, tick_ms):
    """What a diary says of all rows, asked for each part in turn."""
    parts = [own_parts(window, tick_ms) for _ in range(memory._rows)]
    starts, ends = np.array(parts, np.int64).reshape(-1, 3, 2).transpose(2, 1, 0)
    found = [ask(start, end).tolist() for start, end in zip(starts, ends, strict=True)]
    return [list(of_row) for of_row in zip(*found, strict=True)]


def diary(subject, memory, window, tick_ms):
    """Counts, and sums where there are values."""
    counts = of_each_row(memory.counts, memory, window, tick_ms)
    if subject.columns is None:
        return counts
    sums = of_each_row(memory.sums, memory, window, tick_ms)
    return [[*count, *total] for count, total in zip(counts, sums, strict=True)]


def diary_naive(subject, events, window, tick_ms):
    """The same from the events with a value."""
    parts = [part_of(events, part) for part in own_parts(window, tick_ms)]
    values = [present(subject, part) for part in parts]
    counts = [len(part) for part in values]
    return counts if subject.columns is None else counts + [sum(part) for part in values]


def part_of(events, part):
    """The events in a part."""
    return [event for event in events if part[0] <= event.time_ms < part[1]]


def marked(subject, memory, window, tick_ms):
    """How many rows there are of either mark, and of others the different ones."""
    ask = memory.counts
    if subject.kind is MemoryKind.ENCOUNTERS:
        ask = partial(memory.distinct, left_out=None)
    found = [
        of_each_row(partial(ask, chosen=memory.marked(mark)), memory, window, tick_ms)
        for mark in (0, 1)
    ]
    return [[*one, *other] for one, other in zip(*found, strict=True)]


def marked_naive(subject, events, window, tick_ms):
    """The same from the events that count."""
    absent = {MemoryKind.ENCOUNTERS: 0, MemoryKind.DIARY: ABSENT_MICROS}[subject.kind]
    found = []
    for met in (lambda value: value > 1, lambda value: value % 2 == 0):
        for part in own_parts(window, tick_ms):
            values = [event.column for event in part_of(events, part) if met(event.column)]
            if subject.column is not None:
                values = [value for value in values if value != absent]
            of_others = subject.kind is MemoryKind.ENCOUNTERS
            found.append(len(set(values) if of_others else values))
    return found


def encounters(_, memory, window, tick_ms):
    """Different others, with nobody and with one left out in turn."""
    nobody = of_each_row(lambda *part: memory.distinct(*part, None), memory, window, tick_ms)
    left_out = np.full(memory._rows, 1, np.uint64)
    others = of_each_row(lambda *part: memory.distinct(*part, left_out), memory, window, tick_ms)
    return [[*one, *other] for one, other in zip(nobody, others, strict=True)]


def encounters_naive(_, events, window, tick_ms):
    """The same from sets of others."""
    found = [
        {event.column for event in part_of(events, part)} - {0}
        for part in own_parts(window, tick_ms)
    ]
    return [len(others) for others in found] + [len(others - {1}) for others in found]


def pairs(_, memory, _window, _tick_ms):
    """How many others each row has, and which."""
    answers = []
    for row in range(memory._rows):
        alone = np.arange(memory._rows) == row
        answers.append([memory.count(alone), memory.others(alone).tolist()])
    return answers


def pairs_naive(_, events, window, tick_ms):
    """The same from the set of others."""
    others = {event.column for event in inside(events, window, tick_ms)} - {0}
    return [len(others), sorted(others)]


def history(_, memory, _window, _tick_ms):
    """What each row was at moments about its lessons."""
    rows = np.repeat(np.arange(memory._rows), len(ASKED_MS))
    asked = memory.as_of(rows, np.tile(np.array(ASKED_MS), memory._rows))
    return asked.values.reshape(memory._rows, len(ASKED_MS)).tolist()


def history_naive(_, events, _window, _tick_ms):
    """The newest lesson by then, and of those of one millisecond the largest."""
    lessons = [(e.time_ms, e.column) for e in events if e.column != ABSENT_MICROS]
    return [
        max((each for each in lessons if each[0] <= asked_ms), default=(0, ABSENT_MICROS))[1]
        for asked_ms in ASKED_MS
    ]


def present(subject, events):
    """The values of those events that have one; 0 each where only events are counted."""
    if subject.columns is None:
        return [0] * len(events)
    return [event.column for event in events if event.column != ABSENT_MICROS]


# ── all of them ──────────────────────────────────────────────────────────────────────────────────

SHORT = Trailing(10 * SECOND_MS)  # steps of a second
LONG = Trailing(10_000 * SECOND_MS)  # steps of ten
TRAILING = {"trailing 10s": SHORT, "trailing 10000s": LONG}
CALENDAR = {
    "calendar day": Calendar(Unit.DAY, "Europe/Berlin", 0),
    "last calendar day": Calendar(Unit.DAY, "Europe/Berlin", 0, last=True),
    "last calendar week": Calendar(Unit.WEEK, "America/New_York", 6, last=True),
}

UNITS = {
    "days": Calendar(Unit.DAY, "Europe/Berlin", 0),
    "weeks": Calendar(Unit.WEEK, "America/New_York", 6),
    "months": Calendar(Unit.MONTH, "Asia/Kathmandu", 0),
}

ANCHORED = {
    "first 5s, matured trailing 10s": Anchored(
        "joined", 5 * SECOND_MS, is_session=False, cohort=SHORT, is_matured=True
    ),
    "first 3s, started calendar day": Anchored(
        "joined",
        3 * SECOND_MS,
        is_session=False,
        cohort=CALENDAR["calendar day"],
        is_matured=False,
    ),
    "first session, started trailing 10s": Anchored(
        "joined", 2 * SECOND_MS, is_session=True, cohort=SHORT, is_matured=False
    ),
}

IDS = st.sampled_from([0, *OTHERS])
HASHES = st.sampled_from([0, 1 << 51, (1 << 51) + 1, 1 << 50, 7 << 52, 2**64 - 1])
MICROS = st.one_of(st.sampled_from([ABSENT_MICROS, 0, 1, -1]), st.integers(-4, 4))
TEXTS = st.sampled_from([ABSENT_MICROS, 5, 6, -7])
LARGE = st.sampled_from([ABSENT_MICROS, 9_007_199_254_000_000, -9_007_199_254_000_000, 2**32, -1])


def each_kind():
    """Every kind over every window that its table in `plan.Memory` allows."""
    yield from of_shared_windows()
    for name, window in (TRAILING | CALENDAR).items():
        for subject in over_window((window,)):
            yield name, subject
    for name in ("trailing 10s", "calendar day"):
        for subject in of_events_alone(((TRAILING | CALENDAR)[name],)):
            yield f"{name}, count only", subject
    yield from of_spans()
    yield from of_units()
    yield "k=1", Subject(MemoryKind.TOP_K, (SHORT,), IDS, top_k, top_k_naive, "other", 1)
    week = (Trailing(7 * DAY_MS),)
    yield "7d", Subject(MemoryKind.GROWTH, week, None, growth, growth_naive, forgets=False)
    for kind, (columns, answers, naive, *rest) in FOR_EVER.items():
        yield "for ever", Subject(kind, (), columns, answers, naive, *rest, forgets=False)


def of_shared_windows():
    """Kinds whose one memory serves all trailing windows."""
    shared = {"trailing 10s and 20s": (SHORT, Trailing(20 * SECOND_MS))}
    for name, windows in (shared | {name: (w,) for name, w in CALENDAR.items()}).items():
        yield name, Subject(MemoryKind.LAST_SEEN, windows, None, last_seen, last_seen_naive)
        yield name, Subject(MemoryKind.TOP_K, windows, IDS, top_k, top_k_naive, "other", 3)


def over_window(windows):
    """Kinds with a memory for each window, of entities first."""
    for kind, columns, answers, naive, column in (
        (MemoryKind.LEDGER, MICROS, ledger, ledger_naive, "value"),
        (MemoryKind.SEEN_WITH, TEXTS, seen_with, seen_with_naive, "value"),
        (MemoryKind.PAIRS, IDS, pairs, pairs_naive, "other"),
        (MemoryKind.REGISTERS_BY, HASHES, registers_by, registers_naive, "other"),
        (MemoryKind.DIARY, MICROS, diary, diary_naive, "value"),
    ):
        yield Subject(kind, windows, columns, answers, naive, column)
    for kind, columns, answers, naive, column in (
        (MemoryKind.PANES, LARGE, panes, panes_naive, "value"),
        (MemoryKind.REGISTERS, HASHES, registers, registers_naive, "other"),
        (MemoryKind.EXTREMES, LARGE, extremes, extremes_naive, "value"),
        (MemoryKind.SKETCH, LARGE, sketch, sketch_naive, "value"),
    ):
        yield Subject(kind, windows, columns, answers, naive, column, of_entities=False)


def of_events_alone(windows):
    """Kinds that may count events without a value."""
    yield Subject(MemoryKind.LEDGER, windows, None, ledger, ledger_naive)
    yield Subject(MemoryKind.PANES, windows, None, panes, panes_naive, of_entities=False)


def of_spans():
    """Kinds that look at spans of entities' own."""
    for name, window in ANCHORED.items():
        windows = (window,)
        yield name, Subject(MemoryKind.DIARY, windows, MICROS, diary, diary_naive, "value")
        yield f"{name}, count only", Subject(MemoryKind.DIARY, windows, None, diary, diary_naive)
        yield (
            name,
            Subject(MemoryKind.ENCOUNTERS, windows, IDS, encounters, encounters_naive, "other"),
        )


def of_units():
    """Units of every calendar; many of them take more than a word."""
    for name, calendar in UNITS.items():
        units = (Units(calendar, 9), Units(calendar, 4))
        yield name, Subject(MemoryKind.ACTIVE_UNITS, units, None, active_units, active_units_naive)
    many = (Units(UNITS["days"], 130),)
    yield "130 days", Subject(MemoryKind.ACTIVE_UNITS, many, None, few_units, few_units_naive)


FOR_EVER = {
    MemoryKind.ATTRIBUTE: (IDS, attribute, attribute_naive, "other"),
    MemoryKind.VALUE: (MICROS, value, value_naive, "value"),
    MemoryKind.HISTORY: (MICROS, history, history_naive, "value"),
    MemoryKind.FIRST_SEEN: (None, first_seen, first_seen_naive),
    MemoryKind.TALLY: (st.sampled_from([1, 1, 1, -1]), tally, tally_naive, "delta"),
    MemoryKind.NAMES: (st.just(b"a"), names, names_naive, "value", ROWS),
    MemoryKind.IDS: (st.sampled_from([b"a", b"bc", "ü".encode()]), ids, ids_naive, "id", 1),
}


def each_marked():
    """Memories of rows with marks, of each kind of column."""
    for kind, columns, column in (
        (MemoryKind.DIARY, MICROS, "value"),
        (MemoryKind.DIARY, MICROS, None),
        (MemoryKind.ENCOUNTERS, IDS, "other"),
    ):
        yield (
            f"marked, {column}",
            MarkedRows(kind, (SHORT,), columns, marked, marked_naive, column),
        )


SUBJECTS = {f"{subject.kind}, {name}": subject for name, subject in [*each_kind(), *each_marked()]}


# ── times that matter ────────────────────────────────────────────────────────────────────────────

NOON_MS = 1_743_159_600_000  # 2025-03-28 12:00 in Berlin, two days before the clocks change
ASKED_MS = tuple(NOON_MS + second * SECOND_MS for second in range(-2, 32))


def moments(subject):
    """Moments about the edges of the subject's windows, a few windows long."""
    jitter = st.sampled_from([0, 0, -1, 1])
    if subject.windows and isinstance(subject.windows[0], Calendar):
        window = subject.windows[0]
        unit = 7 * DAY_MS if window.unit is Unit.WEEK else DAY_MS
        near = st.integers(0, 20).map(lambda part: NOON_MS + part * unit // 4)
        edges = st.integers(0, 5).map(lambda part: window.start_of(NOON_MS + part * unit + HOUR_MS))
        return st.builds(lambda at, by: at + by, st.one_of(near, edges), jitter)
    if subject.windows and isinstance(subject.windows[0], Units):
        return unit_moments(subject.windows[0])
    window = subject.windows[0] if subject.windows else SHORT
    window = SHORT if isinstance(window, Anchored) else window
    base = NOON_MS // window.resolution_ms * window.resolution_ms
    return st.builds(
        lambda eighth, steps, by: (
            base + eighth * (window.size_ms // 8) + steps * window.resolution_ms + by
        ),
        st.integers(0, 24),
        st.integers(-2, 2),
        jitter,
    )


def unit_moments(window):
    """Moments about the edges of units, some windows long."""
    number = unit_of(window.calendar, NOON_MS)
    edges = st.integers(0, 2 * window.of).map(
        lambda part: unit_start_ms(window.calendar, number + part)
    )
    return st.builds(
        lambda at, by: at + by, edges, st.sampled_from([0, 0, -1, 1, HOUR_MS, 5 * HOUR_MS])
    )


def delays(subject):
    """How much later than its time an event may become visible: mostly not at all."""
    longest = max((window.reach_ms for window in subject.windows), default=20_000)
    return st.one_of(st.just(0), st.just(0), st.integers(0, 2 * longest))


def events(subject, max_size=25):
    """Events of a few rows, some late, some at one time, some without their column."""
    columns = st.just(0) if subject.columns is None else subject.columns
    drawn = st.builds(
        lambda row, time, column, delay: Event(row, time, column, time + delay),
        st.integers(0, ROWS - 1),
        moments(subject),
        columns,
        delays(subject),
    )
    return st.lists(drawn, max_size=max_size)


def ticks(subject):
    """Ticks in order, some before all events and some after."""
    return st.lists(moments(subject), min_size=1, max_size=6, unique=True).map(sorted)
