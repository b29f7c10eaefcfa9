"""What a changed definition does to saved state, told in the log in the definition's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import structlog

from pipeline.core.known import ALWAYS, NEVER, Known
from pipeline.core.plan import Event, Plan
from pipeline.core.publish import iso
from pipeline.core.sets import AtLeast, EntitySet, comparisons
from pipeline.core.tree import terms_of

log = structlog.get_logger()

_UNTIL_FILLED: Final = (
    "it is filled (engine.backfill_from) from a log with all of the past: it looks at the first "
    "event ever"
)


def tell(before: Known, after: Known, plan: Plan, firsts_known_after_ms: int | None = None) -> None:
    """Log which metrics start anew and why, which are gone, and which go on."""
    going_on = []
    for number, metric in enumerate(plan.metrics):
        since_ms = after.metric_since_ms(plan, number, firsts_known_after_ms)
        if metric.identity in before.metrics.values() or since_ms == ALWAYS:
            going_on.append(metric.name)
        else:
            because = reason(before, plan, number)
            since = _UNTIL_FILLED if since_ms == NEVER else iso(since_ms)
            log.warning(
                "a metric starts anew", metric=metric.name, because=because, known_since=since
            )
    for name in sorted(before.metrics.keys() - after.metrics.keys()):
        log.warning("a metric is gone", metric=name)
    log.info("the definition has changed; these metrics keep their state", metrics=going_on)


def reason(before: Known, plan: Plan, number: int) -> str:
    """Why a metric of the plan cannot go on."""
    metric = plan.metrics[number]
    if metric.name not in before.metrics:
        return "it is new"
    # Those that others are made of come first: they are why the others have changed.
    for part in _made_of(plan, number):
        noun, known = (
            ("set", before.sets) if isinstance(part, EntitySet) else ("event", before.events)
        )
        if part.name not in known:
            return f"the {noun} {part.name} is new"
        if known[part.name] != part.identity or _has_other_values(part, known):
            return f"the {noun} {part.name} has changed"
    return "its value or window has changed"


def _has_other_values(part: Event | EntitySet, known: Mapping[str, str]) -> bool:
    """Whether a value of an event was read in another way; one that nobody asked for was not."""
    values = part.values if isinstance(part, Event) else ()
    named = ((f"{part.name}.{value.name}", value.identity) for value in values)
    return any(known.get(name, identity) != identity for name, identity in named)


def _made_of(plan: Plan, number: int) -> list[Event | EntitySet]:
    """The events and sets that a metric looks at: events, then sets, lower ones first."""
    events: dict[int, None] = {}
    sets: dict[int, None] = {}
    for term in sorted(terms_of(plan.metrics, number)):
        memory, of_set = plan.terms[term].memory, plan.terms[term].set
        as_of = plan.terms[term].as_of
        for compared in () if as_of is None else comparisons(as_of):
            _look_at_memory(plan, compared.memory, events, sets)
        if of_set is not None:
            _look_at_set(plan, of_set, events, sets)
        elif memory is not None:
            _look_at_memory(plan, memory, events, sets)
    lower_first = sorted(sets, key=lambda each: plan.sets[each].level)
    return [*(plan.events[each] for each in events), *(plan.sets[each] for each in lower_first)]


def _look_at_set(plan: Plan, number: int, events: dict[int, None], sets: dict[int, None]) -> None:
    sets[number] = None
    for compared in comparisons(plan.sets[number].when):
        _look_at_memory(plan, compared.memory, events, sets)
        leave_out = compared.leave_out if isinstance(compared, AtLeast) else None
        if leave_out is not None and leave_out >= 0:
            _look_at_memory(plan, leave_out, events, sets)
    cohort = plan.sets[number].cohort
    for memory in () if cohort is None else (cohort.anchor, *cohort.runs):
        _look_at_memory(plan, memory, events, sets)


def _look_at_memory(
    plan: Plan, number: int, events: dict[int, None], sets: dict[int, None]
) -> None:
    for feed in plan.memories[number].feeds:
        events[plan.feeds[feed].event] = None
    for below, attribute in _counted_in(plan, number):
        _look_at_memory(plan, attribute, events, sets)
        _look_at_set(plan, below, events, sets)


def _counted_in(plan: Plan, tally: int) -> Iterator[tuple[int, int]]:
    """The set that a tally counts, and by which memory; none for other memories."""
    for number, each in enumerate(plan.sets):
        for roll_up in each.roll_ups:
            if roll_up.tally == tally:
                yield number, roll_up.attribute
    for reach in plan.reaches:
        if reach.tally == tally:
            yield reach.set, reach.pairs
