"""Which feeds and memories a definition needs: each once, however many ask for it.

Keys are built from names and expressions, never from positions: what asks for the same by them
shares it, and people can read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pipeline.core.plan import KINDS_OF_IDS, Feed, Memory, MemoryKind
from pipeline.core.streams import Keep, Stream, StreamKind, StreamPart
from pipeline.core.summaries import NAMES_KEPT
from pipeline.core.windows import Calendar, Trailing, Units, Window, duration
from pipeline.spec.canonical import expression_text
from pipeline.spec.rows import Rows
from pipeline.spec.spans import window_suffix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.core.expression import Expression
    from pipeline.spec.streams import DraftStream

ROW: Final = "row"  # the first part of the streams that undone events are counted by


@dataclass(frozen=True, slots=True)
class AskedOfStream:
    """What an aggregate needs of a stream: the rows of each part, and columns of these.

    `columns` says, by name, which value of which parts each is.
    """

    stream: DraftStream
    rows: dict[str, Rows]
    columns: dict[str, dict[str, str]]
    looks_at_first: bool
    window: Window
    other: str | None = None  # of the first part, to count different ones
    texts: frozenset[str] = frozenset()  # columns that are such


@dataclass(slots=True)
class _DraftParts:
    """A stream's memory as far as it is known."""

    stream: DraftStream
    feeds: dict[str, int]
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    keeps_first: bool = False

    def finished(self) -> Stream:
        """What the memory needs to know, of all that is asked of it."""
        columns, others = sorted(self.columns), sorted(self.others)
        first = next(iter(self.feeds))
        parts = [
            StreamPart(
                alias,
                feed,
                (
                    *(self.columns[name].get(alias) for name in columns),
                    *(other if alias == first else None for other in others),
                ),
            )
            for alias, feed in self.feeds.items()
        ]
        return Stream(
            self.stream.kind,
            tuple(parts),
            self.stream.same,
            (*columns, *map(id_column, others)),
            self.stream.within_ms,
            len(others),
            ends_ms=self.stream.ends_ms,
            keeps_first=self.keeps_first,
            keep=self.stream.keep,
            at_last=self.stream.at_last,
            seed=self.stream.seed,
            texts=tuple(sorted(self.texts)) if self.stream.kind is StreamKind.SESSION else (),
        )


@dataclass(slots=True)
class _DraftFeed:
    key: str
    rows: Rows
    others: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    marks: dict[str, Expression] = field(default_factory=dict)  # by their text


@dataclass(slots=True)
class _DraftMemory:
    key: str
    kind: MemoryKind
    level: int
    entity: str | None
    feed: int | None
    column: str | None
    window: Window | None
    k: int = 0
    reach_ms: int | None = None
    parts: _DraftParts | None = None
    more_feeds: dict[int, None] = field(default_factory=dict)
    marks: tuple[Expression, ...] = ()

    def finished(self) -> Memory:
        """The plan's memory."""
        return Memory(
            self.key,
            self.kind,
            self.level,
            self.entity,
            self.feed,
            self.column,
            self.window,
            self.k,
            self.reach_ms,
            None if self.parts is None else self.parts.finished(),
            more_feeds=tuple(self.more_feeds),
            marks=self.marks,
        )


class Memories:
    """Collects what is needed; every method gives the index of the memory in the plan."""

    def __init__(self) -> None:
        self._feeds: list[_DraftFeed] = []
        self._memories: list[_DraftMemory] = []
        self._index: dict[str, int] = {}

    def last_seen(self, rows: Rows, window: Window) -> int:
        """When each entity was last seen; one memory serves all trailing windows."""
        return self._fed(rows, MemoryKind.LAST_SEEN, None, window, _own(window))

    def top_k(self, rows: Rows, other: str, window: Window, threshold: int) -> int:
        """The newest others of each entity: one more than is asked for, as one may be left out."""
        index = self._fed(rows, MemoryKind.TOP_K, other, window, _own(window))
        memory = self._memories[index]
        memory.k = max(memory.k, threshold + 1)
        return index

    def ledger(self, rows: Rows, value: str | None, window: Window) -> int:
        """How many events of each entity lie in a window, or the sum of a value."""
        return self._fed(rows, MemoryKind.LEDGER, value, window, window)

    def panes(self, rows: Rows, value: str | None, window: Window) -> int:
        """How many events lie in a window, and the sum of a value."""
        return self._fed(rows, MemoryKind.PANES, value, window, window)

    def extremes(self, rows: Rows, value: str, window: Window) -> int:
        """The smallest and the largest value in a window."""
        return self._fed(rows, MemoryKind.EXTREMES, value, window, window)

    def sketch(self, rows: Rows, value: str, window: Window) -> int:
        """About how the values in a window are distributed."""
        return self._fed(rows, MemoryKind.SKETCH, value, window, window)

    def registers(self, rows: Rows, other: str, window: Window) -> int:
        """About how many others there are in a window."""
        return self._fed(rows, MemoryKind.REGISTERS, other, window, window)

    def registers_by(self, rows: Rows, other: str, window: Window) -> int:
        """The same for each text."""
        return self._fed(rows, MemoryKind.REGISTERS_BY, other, window, window)

    def pairs(self, rows: Rows, other: str, window: Window) -> int:
        """Which others each entity has met in a window."""
        return self._fed(rows, MemoryKind.PAIRS, other, window, window)

    def reached(self, level: int, entity: str, of_set: str, pairs: int) -> int:
        """How many shards have members of a set that have met each entity."""
        met = self._memories[pairs].key
        key = f"{level}/{entity}/{MemoryKind.TALLY}<-{of_set} of {met}"
        return self._keep(_DraftMemory(key, MemoryKind.TALLY, level, entity, None, None, None))

    def attribute(self, rows: Rows, other: str) -> int:
        """Which other each entity was seen with at last. Never forgets."""
        return self._fed(rows, MemoryKind.ATTRIBUTE, other, None, None)

    def value(self, rows: Rows, value: str) -> int:
        """Which value each entity was seen with at last. Never forgets."""
        return self._fed(rows, MemoryKind.VALUE, value, None, None)

    def active_units(self, rows: Rows, units: Units) -> int:
        """In which units of the calendar each entity was active."""
        return self._fed(rows, MemoryKind.ACTIVE_UNITS, None, units, units.calendar)

    def first_seen(self, rows: Rows) -> int:
        """When each entity was seen first. Never forgets."""
        return self._fed(rows, MemoryKind.FIRST_SEEN, None, None, None)

    def seen_with(self, rows: Rows, text: str, window: Window) -> int:
        """Which texts each entity was seen with in a window."""
        return self._fed(rows, MemoryKind.SEEN_WITH, text, window, window)

    def names(self, rows: Rows) -> int:
        """Which texts were seen first."""
        index = self._fed(rows, MemoryKind.NAMES, rows.text, None, None)
        self._memories[index].k = NAMES_KEPT
        return index

    def ids(self, level: int, entity: str, of: Iterable[Rows], *, holds_rows: bool) -> int:
        """What the entities of a table are called; a feed for each of the rows they come by."""
        feeds = [self._feed(rows) for rows in of]
        key = f"{level}/{entity}/{MemoryKind.IDS}"
        index = self._keep(_DraftMemory(key, MemoryKind.IDS, level, entity, None, None, None))
        memory = self._memories[index]
        memory.more_feeds |= dict.fromkeys(feeds)
        memory.k = max(memory.k, int(holds_rows))
        return index

    def rows_of(self, memory: int) -> list[Rows]:
        """The rows that feed a memory, none for a tally."""
        drafted = self._memories[memory]
        feeds = [] if drafted.feed is None else [drafted.feed]
        feeds += [] if drafted.parts is None else drafted.parts.feeds.values()
        return [self._feeds[feed].rows for feed in feeds]

    def looked_at(self, memory: int) -> tuple[Rows, str | None]:
        """The rows and the column that feed a memory."""
        drafted = self._memories[memory]
        assert drafted.feed is not None
        return replace(self._feeds[drafted.feed].rows, marks=drafted.marks), drafted.column

    def stream_of(self, memory: int) -> tuple[DraftStream, dict[str, Rows]]:
        """The stream that a memory is of, and the rows of its parts."""
        parts = self._memories[memory].parts
        assert parts is not None
        return parts.stream, {alias: self._feeds[feed].rows for alias, feed in parts.feeds.items()}

    def with_column(self, memory: int, column: str, values: dict[str, str]) -> None:
        """Let a stream remember a column of texts as well: which value of which parts it is."""
        parts = self._memories[memory].parts
        assert parts is not None
        parts.columns[column] = values
        parts.texts.add(column)
        for alias, value in values.items():
            self._feeds[parts.feeds[alias]].values.add(value)

    def history(self, rows: Rows, value: str, window: Window | None) -> int:
        """Which values each entity had, for rows in a window. Never forgets the last before it."""
        return self._fed(rows, MemoryKind.HISTORY, value, None, window)

    def diary(self, rows: Rows, value: str | None, window: Window) -> int:
        """The rows of each entity, as long as a window may look at them, with their marks."""
        return self._fed(rows, MemoryKind.DIARY, value, window, window)

    def encounters(self, rows: Rows, other: str, window: Window) -> int:
        """The same with the other of each."""
        return self._fed(rows, MemoryKind.ENCOUNTERS, other, window, window)

    def tally(self, level: int, entity: str, counted: str) -> int:
        """How many members of a set name each entity; `counted` is `set.attribute`."""
        key = f"{level}/{entity}/{MemoryKind.TALLY}<-{counted}"
        return self._keep(_DraftMemory(key, MemoryKind.TALLY, level, entity, None, None, None))

    def growth(self, level: int, entity: str, of: str, period_ms: int) -> int:
        """Who is a member of a set, and was one a period ago or before. Never forgets."""
        key = f"{level}/{entity}/{MemoryKind.GROWTH}<-{of} @{duration(period_ms)}"
        period = Trailing(period_ms)
        return self._keep(_DraftMemory(key, MemoryKind.GROWTH, level, entity, None, None, period))

    def stream(self, asked: AskedOfStream) -> int:
        """What several events make together; one memory serves all windows."""
        stream = asked.stream
        feeds = {alias: self._feed(rows) for alias, rows in asked.rows.items()}
        level = next(iter(asked.rows.values())).level
        origins = "" if stream.keep is not Keep.STANDING else f"<-{asked.rows[ROW].origin}"
        key = f"{level}/{stream.by}/{MemoryKind.STREAM}({stream.name}){origins}"
        parts = _DraftParts(stream, feeds)
        kind = MemoryKind.STREAM
        index = self._keep(_DraftMemory(key, kind, level, stream.by, None, None, None, parts=parts))
        memory = self._memories[index]
        assert memory.parts is not None
        memory.parts.columns |= asked.columns
        memory.parts.texts |= asked.texts
        memory.parts.others |= set() if asked.other is None else {asked.other}
        memory.parts.keeps_first |= asked.looks_at_first
        if stream.kind is not StreamKind.FIRST:
            memory.reach_ms = max(memory.reach_ms or 0, asked.window.reach_ms)
        if asked.other is not None:
            self._feeds[feeds[ROW]].others.add(asked.other)
        for alias, feed in feeds.items():
            self._feeds[feed].others |= {*stream.same}
            values = [values.get(alias) for values in asked.columns.values()]
            self._feeds[feed].values |= {value for value in values if value is not None}
        return index

    def retentions_ms(self, events: int) -> list[int | None]:
        """How far back the memories fed by each event look; None where one never forgets."""
        reaches: list[list[int | None]] = [[] for _ in range(events)]
        for memory in self.memories():
            for feed in memory.feeds:
                if memory.kind not in (MemoryKind.NAMES, MemoryKind.IDS):
                    reaches[self._feeds[feed].rows.event].append(memory.retention_ms)
        return [_longest(reaches_of_event) for reaches_of_event in reaches]

    def feeds(self) -> tuple[Feed, ...]:
        """All feeds, in order of their first use."""
        return tuple(
            Feed(
                feed.key,
                feed.rows.level,
                feed.rows.event,
                feed.rows.where,
                feed.rows.entity,
                tuple(sorted(feed.others)),
                tuple(sorted(feed.values)),
                feed.rows.may_lack_entity,
                text=feed.rows.text,
                names=feed.rows.names,
                ids=feed.rows.ids,
                marks=tuple(each for _, each in sorted(feed.marks.items())),
            )
            for feed in self._feeds
        )

    def memories(self) -> tuple[Memory, ...]:
        """All memories, in order of their first use."""
        return tuple(self._as_far(memory).finished() for memory in self._memories)

    def _as_far(self, memory: _DraftMemory) -> _DraftMemory:
        """With the reach of all that look at a stream: how long an id may rest hangs on it."""
        if memory.parts is None or memory.parts.stream.within_ms is not None:
            return memory
        name = memory.parts.stream.name
        alike = (each for each in self._memories if each.parts and each.parts.stream.name == name)
        reaches = [each.reach_ms for each in alike if each.reach_ms is not None]
        return replace(memory, reach_ms=max(reaches, default=None))

    def _feed(self, rows: Rows) -> int:
        key = f"{rows.table}<-{rows.origin}"
        if key not in self._index:
            self._index[key] = len(self._feeds)
            self._feeds.append(_DraftFeed(key, replace(rows, marks=())))
        return self._index[key]

    def _fed(
        self, rows: Rows, kind: MemoryKind, column: str | None, reads: Window | None,
        window: Window | None,
    ) -> int:  # fmt: skip
        """A memory with a feed; `reads` looks at it, `window` is the memory's own."""
        feed = self._feed(rows)
        self._carry(self._feeds[feed], kind, column)
        marks = {expression_text(each): each for each in rows.marks}
        self._feeds[feed].marks |= marks
        kept = [*([] if column is None else [column]), *(f"[{each}]" for each in marks)]
        what = f"{kind}({', '.join(kept)})" if kept else kind
        key = f"{rows.table}/{what}<-{rows.origin}{window_suffix(window)}"
        of = (rows.level, rows.entity, feed, column, window)
        made = _DraftMemory(key, kind, *of, marks=rows.marks)
        index = self._keep(made)
        if reads is not None:
            memory = self._memories[index]
            memory.reach_ms = max(memory.reach_ms or 0, reads.reach_ms)
        return index

    @staticmethod
    def _carry(feed: _DraftFeed, kind: MemoryKind, column: str | None) -> None:
        if column is not None and kind is not MemoryKind.NAMES:
            (feed.others if kind in KINDS_OF_IDS else feed.values).add(column)

    def _keep(self, memory: _DraftMemory) -> int:
        if memory.key not in self._index:
            self._index[memory.key] = len(self._memories)
            self._memories.append(memory)
        return self._index[memory.key]


def id_column(other: str) -> str:
    """The name of a stream's column that holds ids; no value has such a name."""
    return f"@{other}"


def _longest(reaches: list[int | None]) -> int | None:
    known = [reach for reach in reaches if reach is not None]
    return max(known, default=0) if len(known) == len(reaches) else None


def _own(window: Window) -> Window | None:
    """Calendar windows need a memory of their own; trailing ones share one."""
    return window if isinstance(window, Calendar) else None
