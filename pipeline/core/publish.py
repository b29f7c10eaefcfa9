"""Publish: what leaves the engine at a tick.

A `Tick` is complete or it is not there: every metric of one product at one moment, made from the
same events. Edges turn it into gauges, records and lines; none of them computes anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.core.closes import NOTHING_AHEAD, Outlook, look_ahead
from pipeline.core.compose import Reading, compose
from pipeline.core.judge import History, Verdict, judge
from pipeline.core.measures import Number
from pipeline.core.partial import Partial
from pipeline.core.plan import Plan


@dataclass(frozen=True, slots=True)
class Tick:
    """All readings and verdicts of a product at `at_ms`, in the plan's order of metrics."""

    at_ms: int
    readings: tuple[Reading, ...]
    verdicts: tuple[Verdict, ...]
    outlooks: tuple[Outlook, ...] = ()


def tick(
    plan: Plan, whole: Partial, history: History, at_ms: int, since_ms: Sequence[int] = ()
) -> Tick:
    """Make a tick of what all shards of all levels came to; `history` moves on.

    `since_ms` says from when on each term is known, and is empty where all are.
    """
    readings = compose(plan, whole, at_ms, since_ms)
    verdicts = judge(plan, readings, history, at_ms)
    return Tick(at_ms, readings, verdicts, look_ahead(plan, readings, history.closes, at_ms))


Row = dict[str, str | Number | dict[str, str] | list[str] | None]


def rows(plan: Plan, tick: Tick) -> Iterator[Row]:
    """One flat row for each metric, as `replay` prints it and the API serves it."""
    at = iso(tick.at_ms)
    outlooks = tick.outlooks or [NOTHING_AHEAD] * len(plan.metrics)
    every = zip(plan.metrics, tick.readings, tick.verdicts, outlooks, strict=True)
    for metric, reading, verdict, outlook in every:
        yield {
            "at": at,
            "product": plan.product,
            "metric": metric.name,
            "segment": None,
            "value": reading.value,
            "numerator": reading.numerator,
            "denominator": reading.denominator,
            "samples": reading.samples,
            "coverage": reading.coverage,
            "low": reading.low,
            "high": reading.high,
            "missing": [*reading.missing],
            "state": verdict.state.value,
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
