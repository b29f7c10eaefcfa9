"""Publish: what leaves the engine at a tick.

A `Tick` is complete or it is not there: every metric of one product at one moment, made from the
same events. Edges turn it into gauges, records and lines; none of them computes anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from pipeline.core.closes import NOTHING_AHEAD, Outlook, look_ahead
from pipeline.core.compose import Reading, compose
from pipeline.core.judge import NOT_JUDGED, History, State, Verdict, judge
from pipeline.core.measures import Number
from pipeline.core.partial import Partial
from pipeline.core.plan import Plan
from pipeline.core.segments import Segment, segments
from pipeline.core.transitions import Transition, transitions
from pipeline.core.tree import terms_of
from pipeline.core.windows import maturity


@dataclass(frozen=True, slots=True)
class Tick:
    """All readings and verdicts of a product at `at_ms`, in the plan's order of metrics.

    `segments` are in that order too, and empty where no metric has any. `transitions` are of those
    sets alone that ask to be told, since the last tick that was evaluated.
    """

    at_ms: int
    readings: tuple[Reading, ...]
    verdicts: tuple[Verdict, ...]
    outlooks: tuple[Outlook, ...] = ()
    segments: tuple[tuple[Segment, ...], ...] = ()
    transitions: tuple[Transition, ...] = ()

    def without_transitions(self) -> Tick:
        """The same tick for those who show numbers, and need no ids."""
        return replace(self, transitions=()) if self.transitions else self


def tick(
    plan: Plan, whole: Partial, history: History, at_ms: int, since_ms: Sequence[int] = ()
) -> Tick:
    """Make a tick of what all shards of all levels came to; `history` moves on.

    `since_ms` says from when on each term is known, and is empty where all are.
    """
    readings = compose(plan, whole, at_ms, since_ms)
    verdicts = judge(plan, readings, history, at_ms)
    return Tick(
        at_ms,
        readings,
        verdicts,
        look_ahead(plan, readings, history.closes, at_ms),
        segments(plan, whole, at_ms, since_ms),
        tuple(transitions(plan, whole)),
    )


SEGMENT: Final = Verdict(State.UNKNOWN, reason="segments are not judged")
UNJUDGED: Final = frozenset({NOT_JUDGED.reason, SEGMENT.reason})  # reasons that are no news

Row = dict[str, str | Number | dict[str, str] | list[str] | None]


def rows(plan: Plan, tick: Tick) -> Iterator[Row]:
    """One flat row for each metric and segment, as `replay` prints it and the API serves it.

    The segments of a metric follow it; nothing judges them.
    """
    start: Row = {"at": iso(tick.at_ms), "product": plan.product}
    for number, metric in enumerate(plan.metrics):
        about = {**start, "metric": metric.name}
        of_all = {"unit": metric.unit or None, "maturity": _maturity(plan, number)}
        outlook = tick.outlooks[number] if tick.outlooks else NOTHING_AHEAD
        figures = _row(tick.readings[number], tick.verdicts[number], outlook)
        yield {**about, "segment": None, **of_all, **figures}
        for each in tick.segments[number] if tick.segments else ():
            segment = {each.dimension: each.text}
            yield {**about, "segment": segment, **of_all, **_row(each.reading, SEGMENT)}


def _maturity(plan: Plan, metric: int) -> str | None:
    """Whether time alone can still change what a metric's value counts."""
    terms = terms_of(plan.metrics, metric)
    return maturity(window for term in terms for window in plan.terms[term].windows)


def transition_rows(plan: Plan, tick: Tick) -> Iterator[dict[str, str | None]]:
    """One flat row for each entity that entered a set or left it."""
    start: dict[str, str | None] = {"at": iso(tick.at_ms), "product": plan.product}
    for each in tick.transitions:
        yield {
            **start,
            "set": each.set,
            "entity": each.entity,
            "id": each.id,
            "hash": each.hash,
            "change": each.change.value,
        }


def _row(reading: Reading, verdict: Verdict, outlook: Outlook = NOTHING_AHEAD) -> Row:
    return {
        "value": reading.value,
        "numerator": reading.numerator,
        "denominator": reading.denominator,
        "samples": reading.samples,
        "coverage": reading.coverage,
        "low": reading.low,
        "high": reading.high,
        "missing": [*reading.missing],
        "residual": reading.residual,
        "state": verdict.state.value,
        "reason": verdict.reason,
        "baseline": verdict.baseline,
        "warn_at": verdict.warn_at,
        "breach_at": verdict.breach_at,
        "attainment": outlook.attainment,
        "pace": outlook.pace,
        "correlation": outlook.correlation,
    }


def iso(time_ms: int) -> str:
    """A moment as ISO 8601 text in UTC, with milliseconds only where there are some.

    >>> iso(1_672_617_600_000)
    '2023-01-02T00:00:00Z'
    """
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    text = moment.isoformat(timespec="milliseconds" if time_ms % 1000 else "seconds")
    return text.replace("+00:00", "Z")
