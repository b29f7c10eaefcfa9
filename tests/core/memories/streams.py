"""Streams as subjects of the laws, and what a naive reading makes of a handful of events."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from pipeline.core.decode import LONG_AGO
from pipeline.core.memories.memory import ABSENT_MICROS
from pipeline.core.plan import MemoryKind
from pipeline.core.streams import Keep, Stream, StreamKind, StreamPart
from pipeline.core.windows import Calendar, Trailing, Unit
from tests.core.memories.subjects import Subject

WITHIN_MS = 2_000
WINDOWS = (Trailing(10_000), Trailing(4_000))
PARTS, GROUPS, VALUES = 3, 3, 3
ROWS_COLUMNS = st.integers(0, PARTS * GROUPS * VALUES - 1)
"""A column that stands for a part, a group (0 is none) and a value (0 is absent) in one."""


def part_of(event):
    """The part that an event is of."""
    return event.column % PARTS


def group_of(event):
    """Its group, 0 for one without."""
    return event.column // PARTS % GROUPS


def value_of(event):
    """Its value in millionths."""
    return event.column // (PARTS * GROUPS) or ABSENT_MICROS


@dataclass(frozen=True)
class StreamSubject(Subject):
    """A stream; `column` is one number for part, group and value."""

    stream: Stream = None

    @property
    def reach_ms(self):
        """How far back a window can look at items."""
        return max((window.reach_ms for window in self.windows), default=None)

    @property
    def slack_ms(self):
        """How much older than an item what makes it may be; of an id as long as it may rest."""
        if self.stream.within_ms is None and self.windows:
            return self.reach_ms + self.stream.ends_ms
        return self.stream.slack_ms

    @property
    def memory(self):
        """What the plan says of it."""
        return replace(
            super().memory, feed=None, window=None, stream=self.stream, reach_ms=self.reach_ms
        )

    def edge_ms(self, tick_ms):
        """Items are asked about as far back as any window reaches, in whatever unit it counts."""
        return tick_ms - self.reach_ms - self.slack_ms if self.windows else LONG_AGO

    def vacant_ms(self, tick_ms):
        """At once: a row is there for what makes items."""
        return self.edge_ms(tick_ms)

    def array(self, columns):
        """Group, part and values of the parts, a field each."""
        codes = np.array(columns, np.int64)
        part, group = codes % PARTS, codes // PARTS % GROUPS
        value = codes // (PARTS * GROUPS)
        value[value == 0] = ABSENT_MICROS
        of_parts = [
            np.where([bool(each.columns[at]) for each in self.stream.parts], 1, 0)
            for at in range(len(self.stream.columns))
        ]
        fields = [np.where(of_part[part] == 1, value, ABSENT_MICROS) for of_part in of_parts]
        return np.stack([group if self.stream.same else np.ones_like(group), part, *fields])

    def rows_of(self, events):
        """The events that have a group, by group."""
        by_group = {}
        for event in sorted(events, key=lambda each: (each.time_ms, part_of(each), value_of(each))):
            group = group_of(event) if self.stream.same else 1
            stands = self.stream.keep is Keep.STANDING and part_of(event) == 0
            if group or stands:  # what nothing can undo stands
                by_group.setdefault(group, []).append(event)
        return by_group


def items(_, memory, window, tick_ms):
    """For each row its items in the window, in some order, with all of their columns."""
    found, per_row = memory.items(tick_ms), [[] for _ in range(memory.rows)]
    start, end = window.span(tick_ms) if window else (0, tick_ms)
    names = sorted(found.columns)
    columns = zip(*(found.columns[name].tolist() for name in names), strict=True)
    columns = [dict(zip(names, each, strict=True)) for each in columns] or [{}] * len(found)
    for row, at, of_item in zip(found.rows.tolist(), found.at_ms.tolist(), columns, strict=True):
        if start <= at < end:
            per_row[row].append((at, sorted(of_item.items())))
    return [sorted(each) for each in per_row]


def naive(subject, events, window, tick_ms):
    """The same, worked out from the events."""
    made = {
        StreamKind.GAP: gaps,
        StreamKind.PAIR: sequences,
        StreamKind.SEQUENCE: sequences,
        StreamKind.SESSION: sessions,
        StreamKind.FIRST: firsts,
    }[subject.stream.kind](subject, subject.rows_of(events), tick_ms)
    start, end = window.span(tick_ms) if window else (0, tick_ms)
    return sorted((at, sorted(of_item.items())) for at, of_item in made if start <= at < end)


def gaps(subject, by_group, _tick_ms):
    """Each row with the one before it."""
    for rows in by_group.values():
        for one, other in pairwise(rows):
            if other.time_ms - one.time_ms <= WITHIN_MS:
                elapsed = {"elapsed": (other.time_ms - one.time_ms) * 1_000}
                yield other.time_ms, elapsed | of_row(subject, other)


def sequences(subject, by_group, tick_ms):
    """Each row of the first part with those that follow."""
    stream, parts = subject.stream, [part.alias for part in subject.stream.parts]
    for rows in by_group.values():
        for first in (row for row in rows if part_of(row) == 0):
            steps = [first]
            for part in range(1, len(parts)):
                later = [
                    row
                    for row in rows
                    if part_of(row) == part
                    and steps[-1].time_ms <= row.time_ms <= first.time_ms + WITHIN_MS
                ]
                if not later or len(steps) < part:
                    break
                steps.append(later[0])
            matched = len(steps) == len(parts)
            decided = matched or first.time_ms + WITHIN_MS < tick_ms
            wanted = {
                Keep.ALL: True,
                Keep.MATCHED: matched,
                Keep.UNMATCHED: decided and not matched,
                Keep.STANDING: not matched,
            }[stream.keep]
            if wanted:
                yield (
                    steps[-1 if stream.at_last else 0].time_ms,
                    _steps(stream, steps, matched=matched, decided=decided),
                )


def _steps(stream, steps, *, matched, decided):
    elapsed = (steps[-1].time_ms - steps[0].time_ms) * 1_000
    if stream.kind is StreamKind.PAIR and not matched:
        elapsed = ABSENT_MICROS
    columns = {
        "matched": int(matched),
        "decided": int(decided),
        "steps": len(steps) * 1_000_000,
        "elapsed": elapsed,
    }
    for at, part in enumerate(stream.parts):
        reached = at < len(steps)
        columns[f"{part.alias}.at"] = steps[at].time_ms * 1_000 if reached else ABSENT_MICROS
        if f"{part.alias}.n" in stream.columns:
            columns[f"{part.alias}.n"] = value_of(steps[at]) if reached else ABSENT_MICROS
    return columns


def sessions(subject, by_group, tick_ms):
    """Rows that follow each other closely."""
    stream = subject.stream
    reach_ms = max(window.reach_ms for window in subject.windows)
    within_ms = reach_ms + stream.ends_ms if stream.within_ms is None else stream.within_ms
    every = [(rows[0].time_ms, group) for group, rows in by_group.items()]
    for group, rows in by_group.items():
        runs = [[rows[0]]]
        for one, other in pairwise(rows):
            if other.time_ms - one.time_ms > within_ms:
                runs.append([])
            runs[-1].append(other)
        for run in runs:
            yield (
                run[0].time_ms,
                _session(stream, run, tick_ms)
                | (
                    {"is_first": int((run[0].time_ms, group) == min(every))}
                    if stream.keeps_first
                    else {}
                ),
            )


def _session(stream, run, tick_ms):
    columns = {
        "length": (run[-1].time_ms - run[0].time_ms) * 1_000,
        "count": len(run) * 1_000_000,
        "ended": int(tick_ms - run[-1].time_ms > stream.ends_ms),
    }
    for at, part in enumerate(stream.parts):
        of_part = [row for row in run if part_of(row) == at]
        columns[part.alias] = len(of_part) * 1_000_000
        if f"{part.alias}.n" in stream.columns:
            values = [value_of(row) for row in of_part if value_of(row) != ABSENT_MICROS]
            columns[f"{part.alias}.n"] = sum(values)
            if f"{part.alias}.n" in stream.texts:
                columns[f"{part.alias}.n"] = values[0] if values else ABSENT_MICROS
    return columns


def firsts(subject, by_group, _tick_ms):
    """The earliest row of all, or of each group."""
    for rows in by_group.values():
        yield rows[0].time_ms, of_row(subject, rows[0])


def of_row(subject, row):
    """The columns of an item that stands for one row."""
    has = subject.stream.parts[part_of(row)].columns
    named = zip(subject.stream.columns, has, strict=True)
    return {name: value_of(row) if of_part else ABSENT_MICROS for name, of_part in named}


def stream(kind, same=(), columns=("b.n",), within_ms=WITHIN_MS, **more):
    """A stream of three parts, `a`, `b` and `c`; two for a pair."""
    aliases = ("a", "b") if kind is StreamKind.PAIR else ("a", "b", "c")
    parts = tuple(
        StreamPart(
            alias, at, tuple("n" if name in (f"{alias}.n", "n") else None for name in columns)
        )
        for at, alias in enumerate(aliases)
    )
    return Stream(kind, parts, same, columns, within_ms, **more)


def each_stream():
    """Every kind, with and without groups."""
    sequence, pair = StreamKind.SEQUENCE, StreamKind.PAIR
    session, idle = StreamKind.SESSION, {"ends_ms": WITHIN_MS}
    day = Calendar(Unit.DAY, "Europe/Berlin", 0)
    for name, made, windows in (
        ("gap", stream(StreamKind.GAP, columns=()), WINDOWS),
        ("gap in groups", stream(StreamKind.GAP, ("doc",), ()), WINDOWS),
        ("gap with columns", stream(StreamKind.GAP, ("doc",), ("b.n", "n")), WINDOWS),
        ("gap in a day", stream(StreamKind.GAP, columns=()), (day,)),
        ("sequence", stream(sequence, columns=("b.n", "c.n")), WINDOWS),
        ("sequence in groups", stream(sequence, ("doc",), ("a.n",)), WINDOWS),
        *((f"pair, {keep}", stream(pair, ("doc",), keep=keep), WINDOWS) for keep in Keep),
        ("pair at last", stream(pair, keep=Keep.MATCHED, at_last=True), WINDOWS),
        ("session", stream(session, **idle), WINDOWS),
        ("session in groups", stream(session, ("doc",), ("a.n", "b.n"), **idle), WINDOWS),
        (
            "session with texts",
            stream(session, ("doc",), ("a.n", "b.n", "c.n"), texts=("a.n", "c.n"), **idle),
            WINDOWS,
        ),
        ("session by id", stream(session, ("visit",), within_ms=None, **idle), WINDOWS),
    ):
        yield f"stream, {name}", _subject(made, windows)
    first = stream(session, ("doc",), keeps_first=True, **idle)
    yield "stream, session, the first", replace(_subject(first, WINDOWS), forgets=False)
    ever = stream(StreamKind.FIRST, columns=("b.n", "n"), within_ms=None)
    yield "stream, first", replace(_subject(ever, ()), forgets=False)
    of_groups = stream(StreamKind.FIRST, ("doc",), columns=("n",), within_ms=None)
    yield "stream, first of groups", replace(_subject(of_groups, ()), forgets=False)


def _subject(made, windows):
    # A pair has no third part: its rows are of the two.
    columns = ROWS_COLUMNS.filter(lambda code: code % PARTS < len(made.parts))
    return StreamSubject(MemoryKind.STREAM, windows, columns, items, naive, "all", stream=made)
