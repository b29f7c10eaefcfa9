"""What a definition says, as plain records."""

import ast
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from tests.oracle.words import Path, Window


@dataclass(frozen=True)
class IdSource:
    """Where an event's id of one entity is."""

    kind: str
    """`path`, `first` or `together`."""
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class Value:
    """An event's value: its expression, and its bounds where it is a number."""

    expression: ast.expr
    low: float = 0.0
    high: float | None = None
    bounded: bool = False
    time: str | None = None
    """`iso`, `s` or `ms` where the value is a time."""


@dataclass(frozen=True)
class Undoing:
    """The event that makes rows of another one not exist, by an id that both carry."""

    event: str
    by: str
    within_ms: int


@dataclass(frozen=True)
class Event:
    """What one kind of event is made of."""

    name: str
    names: tuple[str, ...]
    ids: dict[str, IdSource]
    values: dict[str, Value]
    where: ast.expr | None
    undone_by: Undoing | None = None


@dataclass(frozen=True)
class Attribute:
    """An attribute of an entity that is another entity, and the event that teaches it."""

    entity: str
    name: str
    kind: str
    event: str
    field: str


@dataclass(frozen=True)
class State:
    """An attribute of an entity that is a value, and the event that teaches it."""

    entity: str
    name: str
    event: str
    value: str


@dataclass(frozen=True)
class Stream:
    """What several events make together."""

    name: str
    kind: str
    """`first`, `gap`, `session`, `pair` or `sequence`."""
    parts: dict[str, str]
    """Alias → event, in order."""
    by: str
    same: tuple[str, ...] = ()
    within_ms: int = 0
    gap_ms: int = 0
    id: str | None = None
    """The entity whose id tells sessions apart, where no gap does."""
    keep: str = "all"
    at: str = "first"
    seed: str | None = None
    short: dict[str, str] = dataclasses.field(default_factory=dict)
    """Alias → the name without what all names begin with, of parts that have one."""

    def alias(self, word: str) -> str:
        """Give the alias that a word stands for, itself or in short; else the word."""
        return next((alias for alias, short in self.short.items() if short == word), word)


@dataclass(frozen=True)
class Aggregate:
    """A call such as `distinct(viewed.user, other_than=owner)`, with its window settled."""

    function: str
    """As written, or `rollup` for `count(set.attribute)`."""
    subject: str
    """The event's, the stream's or the set's name."""
    field: str | None = None
    """An id, a value, or a column: its parts joined by `__`."""
    where: ast.expr | None = None
    other_than: str | None = None
    window: Window | None = None
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    """What else the function takes, read: numbers as `Decimal`, durations in ms."""
    looks: tuple[Window, ...] = ()
    """Windows that decide the coverage besides `window`."""


@dataclass(frozen=True)
class Anchor:
    """Where the own window of each entity of a set begins and ends, and who takes part."""

    event: str
    length_ms: int | None
    """Nothing for the first session, which `gap_ms` ends."""
    gap_ms: int
    cohort_by: str
    """`matured` (the window's end lies in the cohort window) or `started` (its start does)."""
    cohort: Window

    @property
    def looks(self) -> Window:
        """The window that decides the coverage."""
        before_ms = self.gap_ms if self.length_ms is None else self.length_ms
        return Window("cohort", before_ms=before_ms, of=self.cohort)


@dataclass(frozen=True)
class EntitySet:
    """A set: which entities qualify. Its comparisons are looked up by their call's place."""

    name: str
    entity: str
    when: ast.expr
    aggregates: dict[ast.Call, Aggregate]
    anchor: Anchor | None = None

    def in_own_window(self) -> set[str]:
        """Name what aggregates look at that have no window but that of each entity's own."""
        return {
            a.subject
            for a in self.aggregates.values()
            if a.window is None and a.function not in {"rollup", "active_units", "streak"}
        }

    def windows(self) -> Iterator[Window]:
        """All windows the set looks through itself."""
        if self.anchor is not None:
            yield self.anchor.cohort
            yield self.anchor.looks
        for aggregate in self.aggregates.values():
            yield from aggregate.looks
            if aggregate.window is not None:
                yield aggregate.window


@dataclass(frozen=True)
class Guard:
    """What a guardrail compares its value with."""

    better: str | tuple[float, float]
    baseline: ast.Call | None
    warn: float
    breach: float
    min_samples: int


@dataclass(frozen=True)
class Target:
    """A value to be reached by a day."""

    by: date
    value: float


@dataclass(frozen=True)
class Metric:
    """A metric: its value's expression with its terms, its formula and its guard."""

    name: str
    value: ast.expr
    aggregates: dict[ast.Call, Aggregate]
    formula: ast.expr | None = None
    guard: Guard | None = None
    by: tuple[str, ...] = ()
    cap: int = 20
    missing: str = "refuse"
    targets: tuple[Target, ...] = ()
    since: date | None = None
    proxy_for: str | None = None


@dataclass(frozen=True)
class Envelope:
    """Where a record keeps its name, its time and its id."""

    names: tuple[Path, ...]
    """The first that is present counts."""
    times: tuple[tuple[Path, str], ...]
    """Paths and their units, of which the first with a value of its type counts."""
    id: IdSource | None
    ids: dict[str, IdSource] = dataclasses.field(default_factory=dict)
    """Entity → where every record has its id, for the events that ask."""
    text: tuple[Path, ...] = ()
    """Objects that may be written as text."""
    constant: str | None = None
    """The name of every record, where it is none of the paths."""
    each: str | None = None
    """The key of a list whose every item is an event."""
    exact: tuple[Path, ...] = ()
    """Ids whose whole numbers are any that 64 bits hold."""
    binary_mode: bool = False
    """Whether CloudEvents may have their attributes in headers."""


def _names(node: ast.AST) -> Iterator[str]:
    """Give the names that stand outside of calls."""
    if isinstance(node, ast.Name):
        yield node.id
    elif not isinstance(node, ast.Call):
        for part in ast.iter_child_nodes(node):
            yield from _names(part)


@dataclass(frozen=True)
class Definition:
    """One product's file."""

    zone: str
    week_starts: int
    """1 for Monday to 7 for Sunday, as ISO counts."""
    envelope: Envelope
    attributes: tuple[Attribute, ...]
    states: tuple[State, ...]
    events: dict[str, Event]
    streams: dict[str, Stream]
    sets: dict[str, EntitySet]
    metrics: dict[str, Metric]

    def aggregates(self) -> Iterator[Aggregate]:
        """All aggregates of all sets and metrics."""
        for owner in (*self.sets.values(), *self.metrics.values()):
            yield from owner.aggregates.values()

    def windows(self) -> set[Window]:
        """All windows that something is measured over, or covered by."""
        found = {a.window for a in self.aggregates() if a.window is not None}
        return found.union(*(a.looks for a in self.aggregates()), *self._set_windows())

    def _set_windows(self) -> Iterator[set[Window]]:
        for entity_set in self.sets.values():
            yield set(entity_set.windows())

    def state(self, entity: str, name: str) -> State | None:
        """Find a value attribute."""
        return next((s for s in self.states if (s.entity, s.name) == (entity, name)), None)

    def parts(self, metric: Metric) -> Iterator[Metric]:
        """Give a metric and those that its value names, at any depth."""
        yield metric
        for name in _names(metric.value):
            yield from self.parts(self.metrics[name])
