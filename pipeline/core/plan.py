"""The plan: a definition, compiled.

Everything a definition leaves implicit is spelled out here, and nothing of YAML is left.
`spec/compile.py` makes plans; the six stages read them and never change them.

A plan is read from left to right, like the data:

    columns ─▶ events ─▶ feeds ─▶ memories ─▶ sets, terms ─▶ metrics
    (decode)   (match)   (match)  (roll)      (roll)         (compose, judge)

Things refer to each other by index into the plan's tuples. Each `identity` is a digest that stays
the same when the definition changes elsewhere (`spec/identities.py`); plans made by hand have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pipeline.core.baselines import Baseline
from pipeline.core.envelope import Envelope, TimeUnit
from pipeline.core.expression import Expression, Kind, Path
from pipeline.core.formula import Dimension, Formula
from pipeline.core.streams import OfItems, Stream
from pipeline.core.targets import Target
from pipeline.core.windows import Anchored, Window

MICROS: Final = 1_000_000  # sums are kept as whole millionths, so that they are exact
ENTITY_ITSELF: Final = -1  # in place of an attribute: the entity itself is left out
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


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens, as the definition names it."""

    name: str
    record_names: tuple[str, ...]
    ids: tuple[tuple[str, IdSource], ...]  # entity, where its id is
    values: tuple[Value, ...]
    where: Expression | None  # over `At` leaves
    retention_ms: int | None  # None: never too old, because it teaches an attribute
    identity: str = ""  # of all that is said of it


# ── match and roll: what is remembered ───────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Feed:
    """Rows of one event on their way to the memories of one table.

    `entity` is the table's key; None feeds the memories that know no entity.
    `others` and `values` name the columns that travel along, all of them whole numbers
    (`core/match.py`). For the table of `TEXTS` the value `text` is the key. With `names` only the
    row of each text that is visible first comes, and the text itself comes with it.
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
    column_identities: tuple[str, ...] = ()  # of `others`, `values`, and the text for `names`
    text: str | None = None
    names: bool = False


class MemoryKind(StrEnum):
    """Which memory; each is one file in `core/memories/`."""

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
    DIARY = "diary"
    ENCOUNTERS = "encounters"
    PAIRS = "pairs"
    HISTORY = "history"


# Their column is an other's id; that of any other kind is a value.
KINDS_OF_IDS: Final = frozenset(
    {
        MemoryKind.TOP_K,
        MemoryKind.ATTRIBUTE,
        MemoryKind.REGISTERS,
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
    | history | yes | value | the window of the rows that it is asked about, or None for all | — |
    | diary | yes | value, or None to count only | the window it keeps rows for | — |
    | pairs | yes | other | the window it keeps pairs for | — |
    | encounters | yes | other | the window it keeps rows for | — |

    `reach_ms` is how far back any window that reads it can look; None where it never forgets.
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

    @property
    def feeds(self) -> tuple[int, ...]:
        """The feeds that lead to it; a stream may have one for several of its parts."""
        parts = () if self.stream is None else self.stream.parts
        own = () if self.feed is None else (self.feed,)
        return tuple(dict.fromkeys([*own, *(part.feed for part in parts)]))

    @property
    def retention_ms(self) -> int | None:
        """How old an event may be and still matter to it; None where it never forgets."""
        if self.reach_ms is None:
            return None
        return self.reach_ms + (0 if self.stream is None else self.stream.slack_ms)


# ── sets ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SinceFirst:
    """A threshold that grows with the periods since an entity's first event, begun ones included.

    `thresholds` are those of one period, two, and so on; after the last it grows no more.
    """

    memory: int  # first_seen
    period_ms: int
    thresholds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A memory's quantity is at least `threshold`; every comparison of a set comes down to this.

    `threshold` is in events, others or members; in millionths for a ledger of a value.
    `window` is None for attributes and tallies. `leave_out` is for different others: the memory
    index of an attribute whose value does not count, or `ENTITY_ITSELF`. `grace` is for streaks,
    whose window has all units that the threshold may need; `since_first` stands in for the
    threshold. `items` is for streams, `as_of` for diaries and encounters: what holds of their rows
    by what was known at their time, a condition on histories.
    """

    memory: int
    window: Window | None
    threshold: int
    leave_out: int | None = None
    grace: int | None = None
    since_first: SinceFirst | None = None
    items: OfItems | None = None
    as_of: Condition | None = None


@dataclass(frozen=True, slots=True)
class ValueIn:
    """A value attribute is one of `options`, or where `negated` none of them.

    Options are texts, millionths, or 0 and 1 for true or false. What is not known holds neither
    way, so it is the comparison that is negated and never `NotHeld` of it.
    """

    memory: int
    options: tuple[str | int, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class ValueAtLeast:
    """A value attribute is at least `threshold` millionths, or where `negated` less.

    What is not known is neither.
    """

    memory: int
    threshold: int
    negated: bool


@dataclass(frozen=True, slots=True)
class NotHeld:
    """`not condition`."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class AllHeld:
    """Every condition holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyHeld:
    """At least one condition holds."""

    conditions: tuple[Condition, ...]


OfValue = ValueIn | ValueAtLeast
Compared = AtLeast | OfValue
Condition = Compared | NotHeld | AllHeld | AnyHeld


@dataclass(frozen=True, slots=True)
class RollUp:
    """Members of a set, counted for the entity that their attribute names.

    `tally` belongs to the next level or a later one; `attribute` stands in the set's own table.
    """

    attribute: int
    tally: int


@dataclass(frozen=True, slots=True)
class Reach:
    """Others of a set's members, counted once each however many members have met them.

    `pairs` stands in the set's own table; `tally` belongs to the level above and has the others.
    """

    set: int
    pairs: int
    window: Window
    tally: int


@dataclass(frozen=True, slots=True)
class Cohort:
    """Who takes part in a set, and in which span of its own each is looked at.

    `anchor` is the memory of when each span begins. `runs` are the memories of the rows that make
    a first session, none for a span of a fixed size.
    """

    window: Anchored
    anchor: int
    runs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EntitySet:
    """Which entities qualify at a tick. An entity that did nothing never does."""

    name: str
    entity: str
    level: int
    when: Condition
    roll_ups: tuple[RollUp, ...]
    windows: tuple[Window, ...]  # its own and those of the sets it counts, for coverage
    growth: tuple[int, ...] = ()  # memories that take in who its members are
    identity: str = ""  # of its condition, and of all that this looks at
    cohort: Cohort | None = None  # None where every entity takes part


# ── compose: terms and metrics ───────────────────────────────────────────────────────────────────


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
    NAMES = "names"  # the texts that were seen first
    COHORT = "cohort"  # n entities that take part in a set
    REACH = "reach"  # n others that members of a set have met
    SUM_DISTINCT = "sum_distinct"  # n pairs of a member and an other that it has met


@dataclass(frozen=True, slots=True)
class Term:
    """A number that every shard of a level can give its part of.

    `set` for size and cohort, `memory` for all others, both for size by a text, growth (all kinds
    that have a `period_ms`), reach (the tally) and sum_distinct (the pairs). `items` is for
    streams. `as_of` is as in `AtLeast`, for panes and distinct of a diary.
    """

    kind: TermKind
    level: int
    memory: int | None
    set: int | None
    windows: tuple[Window, ...]  # one, or those of the set
    period_ms: int | None = None  # the windows are looked at one period ago, too
    items: OfItems | None = None
    as_of: Condition | None = None


class Role(StrEnum):
    """What a metric is for."""

    NORTH_STAR = "north_star"
    INPUT = "input"
    GUARDRAIL = "guardrail"
    RESULT = "result"
    REFERENCE = "reference"


class Facet(StrEnum):
    """What an input says about use."""

    BREADTH = "breadth"
    DEPTH = "depth"
    FREQUENCY = "frequency"
    EFFICIENCY = "efficiency"


class Better(StrEnum):
    """In which direction a guardrail gets better."""

    LOWER = "lower"
    HIGHER = "higher"
    BETWEEN = "between"


class EdgeKind(StrEnum):
    """What a line of the tree claims."""

    FORMULA = "formula"  # solid: arithmetic, checked at every tick
    HYPOTHESIS = "hypothesis"  # dotted: believed


@dataclass(frozen=True, slots=True)
class Edge:
    """An input of a metric."""

    metric: int
    kind: EdgeKind


@dataclass(frozen=True, slots=True)
class Guard:
    """The limits of a guardrail. `warn` and `breach` are shares of the baseline (0.05 is 5 %)."""

    protects: int
    better: Better
    low: float | None  # both for `between` only
    high: float | None
    baseline: Baseline | None  # None for `between`
    warn: float
    breach: float
    min_samples: int
    hold_ms: int
    severity: str
    owner: str | None
    runbook: str | None


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of the tree."""

    name: str
    label: str
    definition: str
    role: Role
    facet: Facet | None
    unit: str
    owner: str | None
    value: Formula
    formula: Formula | None
    inputs: tuple[Edge, ...]
    guard: Guard | None
    identity: str = ""  # of all that its value is made of
    targets: tuple[Target, ...] = ()  # in the order of their days
    since_ms: int | None = None  # the start of the day from which its definition holds
    proxy_for: int | None = None  # the metric that it stands for
    by: tuple[Dimension, ...] = ()


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
