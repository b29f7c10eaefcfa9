"""What a metric rests on: from its value back to the records, by index into the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.core.sets import ENTITY_ITSELF, AtLeast, comparisons
from pipeline.core.tree import metrics_in, terms_of

if TYPE_CHECKING:
    from pipeline.core.plan import Plan


@dataclass(frozen=True, slots=True)
class Trace:
    """Indexes into the tuples of a plan, each in ascending order."""

    metrics: tuple[int, ...]
    terms: tuple[int, ...]
    sets: tuple[int, ...]
    memories: tuple[int, ...]
    feeds: tuple[int, ...]
    events: tuple[int, ...]


def trace(plan: Plan, metric: int) -> Trace:
    """Everything that decides the value of a metric; the metric itself comes first of all."""
    metrics, terms = metrics_in(plan.metrics, metric), terms_of(plan.metrics, metric)
    for dimension in plan.metrics[metric].by:
        terms |= {*dimension.names, *(by_text for _, by_text in dimension.terms)}
    sets = _sets(plan, [plan.terms[term].set for term in terms])
    memories = {index for term in terms if (index := plan.terms[term].memory) is not None}
    memories |= {by for term in terms if (by := plan.terms[term].by) is not None}
    memories |= {each.pairs for each in plan.reaches if each.tally in memories}
    conditions = [as_of for term in terms if (as_of := plan.terms[term].as_of) is not None]
    memories |= {one.memory for each in conditions for one in comparisons(each)}
    memories |= _memories(plan, sets)
    feeds = {feed for one in memories for feed in plan.memories[one].feeds}
    events = {plan.feeds[feed].event for feed in feeds}
    found = (metrics, terms, sets, memories, feeds, events)
    return Trace(*(tuple(sorted(indexes)) for indexes in found))


def _sets(plan: Plan, starts: list[int | None]) -> set[int]:
    found: set[int] = set()
    waiting = [start for start in starts if start is not None]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(_counted(plan, one))
    return found


def _counted(plan: Plan, one: int) -> list[int]:
    """The sets whose members a set counts."""
    read = {comparison.memory for comparison in comparisons(plan.sets[one].when)}
    return [
        at
        for at, other in enumerate(plan.sets)
        if any(roll_up.tally in read for roll_up in other.roll_ups)
    ]


def _memories(plan: Plan, sets: set[int]) -> set[int]:
    """The memories that decide who is in these sets, and for whom their members count."""
    read = [one for index in sets for one in comparisons(plan.sets[index].when)]
    found = {one.memory for one in read}
    attributes = {
        roll_up.attribute
        for index in sets
        for roll_up in plan.sets[index].roll_ups
        if roll_up.tally in found
    }
    cohorts = [cohort for index in sets if (cohort := plan.sets[index].cohort) is not None]
    found |= {memory for each in cohorts for memory in (each.anchor, *each.runs)}
    aggregates = [one for one in read if isinstance(one, AtLeast)]
    left_out = {one.leave_out for one in aggregates if one.leave_out != ENTITY_ITSELF}
    found |= {one.since_first.memory for one in aggregates if one.since_first is not None}
    return found | attributes | {one for one in left_out if one is not None}
