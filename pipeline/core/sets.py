"""Sets: which entities qualify at a tick, and for whom their members count.

Memories are referred to by index into the plan's (`core/plan.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.core.streams import OfItems
from pipeline.core.windows import Anchored, Window

ENTITY_ITSELF: Final = -1  # in place of an attribute: the entity itself is left out


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
    by what was known at their time, a condition on histories and marks.
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
class Marked:
    """A row of a diary met a condition of its own, one of the diary's marks. In `as_of` only."""

    mark: int


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
Condition = Compared | Marked | NotHeld | AllHeld | AnyHeld


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


def comparisons(condition: Condition) -> Iterator[Compared]:
    """The comparisons that a condition is made of."""
    if isinstance(condition, Compared):
        yield condition
        if isinstance(condition, AtLeast) and condition.as_of is not None:
            yield from comparisons(condition.as_of)
    elif isinstance(condition, NotHeld):
        yield from comparisons(condition.condition)
    elif not isinstance(condition, Marked):
        for part in condition.conditions:
            yield from comparisons(part)
