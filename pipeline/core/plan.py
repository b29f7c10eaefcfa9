"""The plan: a definition, compiled.

Everything a definition leaves implicit is spelled out here, and nothing of YAML is left.
`spec/compile.py` makes plans; the six stages read them and never change them.

A plan is read from left to right, like the data:

    columns ─▶ events ─▶ feeds ─▶ memories ─▶ sets, terms ─▶ metrics
    (decode)   (match)   (match)  (roll)      (roll)         (compose, judge)

The sets stand in `core/sets.py`, the metrics in `core/tree.py`.

Things refer to each other by index into the plan's tuples. Each `identity` is a digest that stays
the same when the definition changes elsewhere (`spec/identities.py`); plans made by hand have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pipeline.core.envelope import Envelope, TimeUnit
from pipeline.core.expression import Expression, Kind, Path
from pipeline.core.sets import Condition, EntitySet, Reach
from pipeline.core.streams import OfItems, Stream, StreamKind
from pipeline.core.tree import Metric
from pipeline.core.windows import Window

MICROS: Final = 1_000_000  # sums are kept as whole millionths, so that they are exact
TEXTS: Final = "(text)"  # in place of an entity: a table whose rows are texts

# ── decode: what a record is read for ────────────────────────────────────────────────────────────


class IdMode(StrEnum):
    """How an id is made of the places it is read from."""

    FIRST = "first"  # the first that is present; a single path is a list of one
    TOGETHER = "together"  # all of them, joined


@dataclass(frozen=True, slots=True)
class IdSource:
    """Where an id comes from; two events that read it alike share the decoded column."""

    mode: IdMode
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A named value of an event.

    `minimum` and `maximum` bound numbers only; what lies outside is rejected `out_of_range`.
    """

    name: str
    kind: Kind
    expression: Expression  # over `At` leaves
    minimum: float
    maximum: float
    time_unit: TimeUnit | None = None  # a time, read as seconds since 1970; no bounds apply
    identity: str = ""  # of all that is said of it, whatever it is called


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens, as the definition names it."""

    name: str
    record_names: tuple[str, ...]
    ids: tuple[tuple[str, IdSource], ...]  # entity, where its id is
    values: tuple[Value, ...]
    where: Expression | None  # over `At` leaves
    retention_ms: int | None  # None: never too old, because what it says is kept for ever
    identity: str = ""  # of all that is said of it but its values


# ── match and roll: what is remembered ───────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Feed:
    """Rows of one event on their way to the memories of one table.

    `entity` is the table's key; None feeds the memories that know no entity.
    `others` and `values` name the columns that travel along, all of them whole numbers
    (`core/match.py`), and `marks` are conditions of which it travels along whether a row meets
    them. For the table of `TEXTS` the value `text` is the key. With `names` only the
    row of each text that is visible first comes, and the text itself comes with it. With `ids` the
    id that is called `text` in the event is the key, and comes as it was written beside.
    """

    key: str  # for people
    level: int
    event: int
    where: Expression | None  # over `Named` leaves
    entity: str | None
    others: tuple[str, ...]
    values: tuple[str, ...]
    may_lack_entity: bool = False  # rows without its id come under `ABSENT_ID`
    identity: str = ""  # of its rows, whatever travels along
    column_identities: tuple[str, ...] = ()  # of `others`, `values`, `marks`, and the text
    text: str | None = None
    names: bool = False
    ids: bool = False
    marks: tuple[Expression, ...] = ()  # over `Named` leaves


class MemoryKind(StrEnum):
    """Which memory; `core/memories/registry.py` says which file makes it."""

    LAST_SEEN = "last_seen"
    TOP_K = "top_k"
    LEDGER = "ledger"
    PANES = "panes"
    ATTRIBUTE = "attribute"
    VALUE = "value"
    SEEN_WITH = "seen_with"
    NAMES = "names"
    TALLY = "tally"
    ACTIVE_UNITS = "active_units"
    FIRST_SEEN = "first_seen"
    GROWTH = "growth"
    STREAM = "stream"
    EXTREMES = "extremes"
    SKETCH = "sketch"
    REGISTERS = "registers"
    REGISTERS_BY = "registers_by"
    DIARY = "diary"
    ENCOUNTERS = "encounters"
    PAIRS = "pairs"
    HISTORY = "history"
    IDS = "ids"


# Their column is an other's id; that of any other kind is a value.
KINDS_OF_IDS: Final = frozenset(
    {
        MemoryKind.TOP_K,
        MemoryKind.ATTRIBUTE,
        MemoryKind.REGISTERS,
        MemoryKind.REGISTERS_BY,
        MemoryKind.ENCOUNTERS,
        MemoryKind.PAIRS,
    }
)


@dataclass(frozen=True, slots=True)
class Memory:
    """One column family of a table.

    | kind | feed | column | window | k |
    | --- | --- | --- | --- | --- |
    | last_seen | yes | — | None, or the calendar window it serves | — |
    | top_k | yes | other | None, or the calendar window it serves | how many others it keeps |
    | ledger | yes | value, or None to count only | the window it counts over | — |
    | panes | yes (no entity) | value, or None to count only | the window it counts over | — |
    | attribute | yes | other: whom the attribute names | None | — |
    | value | yes | value: what the attribute says | None | — |
    | seen_with | yes | value: a text | the window it looks at | — |
    | names | yes (of texts) | value: the text | None | — |
    | tally | None: fed by a roll-up or a reach | — | None | — |
    | active_units | yes | — | the calendar whose units it keeps | — |
    | first_seen | yes | — | None | — |
    | growth | None: fed by a set | — | the period, trailing | — |
    | stream | None: those of its parts | — | None | — |
    | extremes, sketch | yes (no entity) | value | the window it looks at | — |
    | registers | yes (no entity) | other | the window it looks at | — |
    | registers_by | yes (of texts) | other | the window it looks at | — |
    | history | yes | value | the window of the rows that it is asked about, or None for all | — |
    | diary | yes | value, or None to count only | the window it keeps rows for | — |
    | pairs | yes | other | the window it keeps pairs for | — |
    | encounters | yes | other | the window it keeps rows for | — |
    | ids | yes, and `more_feeds` | — | None | 1 where it keeps rows by itself |

    `marks` are conditions of which a diary or encounters keep, beside each row, whether it met
    them. `reach_ms` is how far back any window that reads it can look; None where it never forgets.
    Memories without a window serve any number of trailing ones.
    """

    key: str  # for people
    kind: MemoryKind
    level: int
    entity: str | None
    feed: int | None
    column: str | None
    window: Window | None
    k: int
    reach_ms: int | None
    stream: Stream | None = None
    identity: str = ""  # of what it remembers: its saved state is found by it
    more_feeds: tuple[int, ...] = ()
    marks: tuple[Expression, ...] = ()

    @property
    def column_identities(self) -> tuple[str, ...]:
        """Of a stream's columns, and of what was first: each may be new where the stream is not."""
        of = self.stream
        if of is None:
            return ()
        return (*of.column_identities, *([of.first_identity] if of.first_identity else ()))

    @property
    def feeds(self) -> tuple[int, ...]:
        """The feeds that lead to it; a stream may have one for several of its parts."""
        parts = () if self.stream is None else self.stream.parts
        own = () if self.feed is None else (self.feed,)
        return tuple(dict.fromkeys([*own, *self.more_feeds, *(part.feed for part in parts)]))

    @property
    def looks_at_first(self) -> bool:
        """Whether all that it tells is of the earliest event ever."""
        return self.kind is MemoryKind.FIRST_SEEN or (
            self.stream is not None and self.stream.is_for_ever
        )

    @property
    def settled_after_ms(self) -> int:
        """How long after its first event it may still lack what its items are made of."""
        of = self.stream
        if of is None or (of.kind in (StreamKind.PAIR, StreamKind.SEQUENCE) and not of.at_last):
            return 0  # what comes after the first step is all that an item is made of
        return of.slack_ms + (self.reach_ms or 0 if of.within_ms is None else 0)

    @property
    def retention_ms(self) -> int | None:
        """How old an event may be and still matter to it; None where it never forgets."""
        if self.reach_ms is None:
            return None
        return self.reach_ms + (0 if self.stream is None else self.stream.slack_ms)


# ── compose: terms ────────────────────────────────────────────────────────────────────────────────


class TermKind(StrEnum):
    """What the shards count for compose to add up."""

    PANES = "panes"  # n events and their sum
    DISTINCT = "distinct"  # n entities seen in the window
    SIZE = "size"  # n members of a set
    NEW = "new"  # n members that never were one at any tick a period ago or before
    RETAINED = "retained"  # n members that were one a period ago
    RESURRECTED = "resurrected"  # n members that were one before, but not a period ago
    CHURNED = "churned"  # n members of a period ago that are none now
    SIZE_BEFORE = "size_before"  # n members of a period ago
    ITEMS = "items"  # n items of a stream and the sum of a column
    ITEM_ENTITIES = "item_entities"  # n entities that have an item
    EXTREMES = "extremes"  # n values, and their range
    SKETCH = "sketch"  # n values, and a histogram of their buckets
    REGISTERS = "registers"  # the ranks of ids
    LEDGER = "ledger"  # n events, and a histogram of how many each entity has
    PANES_BY = "panes_by"  # the same three for each text of a dimension
    DISTINCT_BY = "distinct_by"
    SIZE_BY = "size_by"
    EXTREMES_BY = "extremes_by"
    SKETCH_BY = "sketch_by"
    REGISTERS_BY = "registers_by"
    NAMES = "names"  # the texts that were seen first
    COHORT = "cohort"  # n entities that take part in a set
    REACH = "reach"  # n others that members of a set have met
    SUM_DISTINCT = "sum_distinct"  # n pairs of a member and an other that it has met
    TRANSITIONS = "transitions"  # who became a member of a set, and who is none any more


@dataclass(frozen=True, slots=True)
class Term:
    """A number that every shard of a level can give its part of.

    `set` for size and cohort, `memory` for all others, both for size by a text, growth (all kinds
    that have a `period_ms`), reach (the tally), sum_distinct (the pairs) and transitions (the ids).
    `items` is for streams. `as_of` is as in `AtLeast`, for what is read off a diary; so is `by`,
    the memory of what an attribute was, where its text at the time of a row cuts the diary's rows.
    Of cohort and growth it is the memory of what an attribute is, which cuts those who count.
    """

    kind: TermKind
    level: int
    memory: int | None
    set: int | None
    windows: tuple[Window, ...]  # one, or those of the set
    period_ms: int | None = None  # the windows are looked at one period ago, too
    items: OfItems | None = None
    as_of: Condition | None = None
    by: int | None = None


# ── the whole ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Plan:
    """One product, compiled.

    `metrics` stand in an order in which each comes after those its value and formula refer to.
    `levels` is how many rolls follow each other, at least 1.
    """

    product: str
    label: str
    game: str | None
    zone: str
    fingerprint: str  # of everything that decides numbers; equal plans have equal fingerprints
    topics: tuple[str, ...]
    envelope: Envelope
    events: tuple[Event, ...]
    feeds: tuple[Feed, ...]
    memories: tuple[Memory, ...]
    sets: tuple[EntitySet, ...]
    terms: tuple[Term, ...]
    metrics: tuple[Metric, ...]
    levels: int
    reaches: tuple[Reach, ...] = ()
