"""Both definitions through an engine each, in step, over the same recorded events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.core.compose import Reading
from pipeline.core.measures import Number
from pipeline.core.publish import Tick
from pipeline.engine.local import LocalEngine
from pipeline.trial.overlap import Overlap, overlap
from pipeline.trial.sides import Side, why_not_overlapped


@dataclass(frozen=True, slots=True)
class Point:
    """A metric at a step."""

    value: Number | None  # None also where the window was not watched as a whole
    coverage: float


@dataclass(frozen=True, slots=True)
class Step:
    """One tick of both. `varied` are the candidate's values with other thresholds, in order.

    `overlap` is None where it cannot be said, or not yet: while a side is not known.
    """

    at_ms: int
    candidate: Point
    present: Point
    result: Point | None
    varied: tuple[Number | None, ...]
    overlap: Overlap | None


@dataclass(frozen=True, slots=True)
class Trial:
    """Metrics of two plans. `result` is of either, `varied` of the candidate's."""

    candidate: Side
    present: Side
    result: Side | None = None
    varied: Sequence[int] = field(default=())

    @property
    def why_no_overlap(self) -> str | None:
        """Why nobody can say whom both count; None where it can be said."""
        return why_not_overlapped(self.candidate, self.present)


@dataclass(frozen=True, slots=True)
class Played:
    """An engine and the ticks that it makes, each before anything later is read."""

    engine: LocalEngine
    ticks: Iterator[Tick]


def steps(trial: Trial, candidate: Played, present: Played) -> Iterator[Step]:
    """Every tick that both make; they are asked for the same ones."""
    comparable = trial.why_no_overlap is None
    for one, other in zip(candidate.ticks, present.ticks, strict=False):
        assert one.at_ms == other.at_ms
        left = point(one.readings[trial.candidate.number])
        right = point(other.readings[trial.present.number])
        known = left.value is not None and right.value is not None
        engines = (candidate.engine, present.engine)
        yield Step(
            one.at_ms,
            left,
            right,
            _result(trial, one, other),
            tuple(point(one.readings[number]).value for number in trial.varied),
            _overlap(trial, *engines, one.at_ms) if comparable and known else None,
        )


def point(reading: Reading) -> Point:
    """A reading's value as far as it is known: before, it grows because more is watched."""
    return Point(reading.value if reading.coverage >= 1 else None, reading.coverage)


def _result(trial: Trial, candidate: Tick, present: Tick) -> Point | None:
    if trial.result is None:
        return None
    tick = present if trial.result.plan is trial.present.plan else candidate
    return point(tick.readings[trial.result.number])


def _overlap(trial: Trial, candidate: LocalEngine, present: LocalEngine, at_ms: int) -> Overlap:
    left, right = trial.candidate.term, trial.present.term
    assert left is not None
    assert right is not None
    return overlap(candidate.counted(left, at_ms), present.counted(right, at_ms))
