"""Compose: the shards' parts of a tick become one reading for every metric.

Numerators and denominators stay apart until the last step, and what is not known is None, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.core.formula import (
    Calculation,
    Constant,
    Formula,
    Index,
    OfMetric,
    OfTerm,
    Survey,
    leaves,
)
from pipeline.core.grid import one_period_before
from pipeline.core.measures import Number, divide, finite, measure, ratio, score, wilson
from pipeline.core.partial import Partial
from pipeline.core.plan import Plan, TermKind
from pipeline.core.summaries import Figures
from pipeline.core.tree import Metric, metrics_in
from pipeline.core.windows import Window


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric's value at a tick, with its parts.

    `numerator` and `denominator` are None where the value is no ratio. `samples` is how many
    events or entities the value rests on. `coverage` is the share of the window that was watched,
    0 to 1. `residual` is value less formula, None without a formula or where either is unknown.
    `low` and `high` are between which bounds the true value lies, at 95 %, where that is known.
    `missing` names the parts of an index that have no value.
    """

    value: Number | None
    numerator: Number | None
    denominator: Number | None
    samples: int
    coverage: float
    residual: float | None
    low: float | None = None
    high: float | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Whole:
    """Every term of a plan at a tick; `since_ms` is from when on each is known."""

    plan: Plan
    partial: Partial
    tick_ms: int
    since_ms: Sequence[int]

    def coverage(self, term: int) -> float:
        """The share of a term's windows that was watched for it."""
        earliest_ms = self.partial.earliest_ms
        if earliest_ms is not None and self.since_ms:
            earliest_ms = max(earliest_ms, self.since_ms[term])
        of = self.plan.terms[term]
        covered = coverage(of.windows, self.tick_ms, earliest_ms)
        if of.period_ms is None:
            return covered
        before_ms = one_period_before(of.period_ms, self.tick_ms)
        return min(covered, coverage(of.windows, before_ms, earliest_ms))

    def figures(self, term: int) -> Figures:
        """What the shards say of a term together."""
        of = self.partial
        return of.counts[term], of.micros[term], of.summaries.get(term)


def compose(
    plan: Plan, whole: Partial, tick_ms: int, since_ms: Sequence[int] = ()
) -> tuple[Reading, ...]:
    """Readings of every metric of the plan, in plan order.

    `whole` holds every term of the plan, over all shards and levels. `since_ms` says from when on
    each term is known, and is empty where all are since the first event.
    """
    terms = _Whole(plan, whole, tick_ms, since_ms)
    readings: dict[int, Reading] = {}
    for number, metric in enumerate(plan.metrics):
        readings[number] = _reading(metric, terms, readings)
    return tuple(readings.values())


def compose_one(
    plan: Plan, whole: Partial, number: int, tick_ms: int, since_ms: Sequence[int] = ()
) -> Reading:
    """The reading of one metric without its residual, and of no others but those in its value."""
    terms = _Whole(plan, whole, tick_ms, since_ms)
    readings: dict[int, Reading] = {}
    for needed in sorted(metrics_in(plan.metrics, number)):
        metric = replace(plan.metrics[needed], formula=None)
        readings[needed] = _reading(metric, terms, readings)
    return readings[number]


@dataclass(frozen=True, slots=True)
class _Known:
    """What a part of a formula comes to. `samples` is None where there are only numbers."""

    value: Number | None
    samples: int | None
    coverage: float
    numerator: Number | None = None
    denominator: Number | None = None
    denominator_samples: int | None = None
    low: float | None = None
    high: float | None = None
    missing: tuple[str, ...] = ()


def _reading(metric: Metric, terms: _Whole, readings: Mapping[int, Reading]) -> Reading:
    known = _evaluate(metric.value, terms, readings)
    residual = None
    if metric.formula is not None:
        expected = _evaluate(metric.formula, terms, readings).value
        residual = _joined("-", known.value, expected)
    return Reading(
        known.value,
        known.numerator,
        known.denominator,
        _first_known(known.denominator_samples, known.samples),
        known.coverage,
        None if residual is None else float(residual),
        known.low,
        known.high,
        known.missing,
    )


def _evaluate(formula: Formula, terms: _Whole, readings: Mapping[int, Reading]) -> _Known:
    if isinstance(formula, Constant):
        return _Known(formula.value, None, 1.0)
    if isinstance(formula, OfMetric):
        of = readings[formula.metric]
        return _Known(of.value, of.samples, of.coverage)
    if isinstance(formula, OfTerm):
        return _term(formula, terms)
    if isinstance(formula, Survey):
        return _survey(formula, terms)
    if isinstance(formula, Index):
        return _index(formula, terms.plan, readings)
    left = _evaluate(formula.left, terms, readings)
    right = _evaluate(formula.right, terms, readings)
    return _calculate(formula, left, right, terms)


def _first_known(*samples: int | None) -> int:
    return next((each for each in samples if each is not None), 0)


def _term(leaf: OfTerm, terms: _Whole) -> _Known:
    found = measure(leaf.part, leaf.at, terms.figures(leaf.term))
    covered = terms.coverage(leaf.term)
    return _Known(found.value, found.samples, covered, found.numerator, found.denominator)


def _survey(survey: Survey, terms: _Whole) -> _Known:
    covered = min(terms.coverage(leaf.term) for leaf in leaves(survey) if isinstance(leaf, OfTerm))
    scores, _, _ = terms.figures(survey.scores.term)
    favourable, _, _ = terms.figures(survey.favourable.term)
    if survey.unfavourable is None:
        share = ratio(favourable, scores)
        low, high = wilson(favourable, scores) if scores else (None, None)
        sides = (share.numerator, share.denominator)
        return _Known(share.value, scores, covered, *sides, low=low, high=high)
    if not scores:
        return _Known(None, scores, covered)
    unfavourable, _, _ = terms.figures(survey.unfavourable.term)
    value, low, high = score(favourable, unfavourable, scores)
    return _Known(value, scores, covered, low=low, high=high)


def _index(index: Index, plan: Plan, readings: Mapping[int, Reading]) -> _Known:
    """The weighted mean of the parts that have a value, or none of any."""
    parts = [readings[each.metric] for each in index.metrics]
    weighed = zip(index.weights, parts, strict=True)
    known = [(weight, part.value, part) for weight, part in weighed if part.value is not None]
    names = [plan.metrics[each.metric].name for each in index.metrics]
    missing = [name for name, part in zip(names, parts, strict=True) if part.value is None]
    value = None
    if known and (index.skips_missing or not missing):
        total = math.fsum(weight * value for weight, value, _ in known)
        value = divide(total, math.fsum(weight for weight, _, _ in known))
    counted = [part for _, _, part in known] if index.skips_missing else parts
    samples = min((part.samples for part in counted), default=0)
    return _Known(value, samples, min(p.coverage for p in parts), missing=tuple(missing))


def _calculate(formula: Calculation, left: _Known, right: _Known, terms: _Whole) -> _Known:
    covered = min(left.coverage, right.coverage)
    counted = [side.samples for side in (left, right) if side.samples is not None]
    samples = min(counted, default=None)
    value = _joined(formula.operator, left.value, right.value)
    if formula.operator == "/":
        if _is_retention(formula, terms):  # a term of its own: what it rests on is who was there
            samples = right.samples
        return _Known(value, samples, covered, left.value, right.value, right.samples)
    return _Known(value, samples, covered)


def _is_retention(formula: Calculation, terms: _Whole) -> bool:
    below = formula.right
    return isinstance(below, OfTerm) and terms.plan.terms[below.term].kind is TermKind.SIZE_BEFORE


def _joined(operator: str, left: Number | None, right: Number | None) -> Number | None:
    if left is None or right is None:
        return None
    if operator == "/":
        return divide(left, right)
    if operator == "+":
        return finite(left + right)
    return finite(left - right if operator == "-" else left * right)


def coverage(windows: Sequence[Window], tick_ms: int, earliest_ms: int | None) -> float:
    """The share of the windows that was watched: the smallest of them, 0 to 1.

    >>> from pipeline.core.windows import DAY_MS, Trailing
    >>> coverage([Trailing(4 * DAY_MS)], tick_ms=10 * DAY_MS, earliest_ms=9 * DAY_MS)
    0.25
    """
    if earliest_ms is None or earliest_ms >= tick_ms:
        return 0.0 if windows else 1.0
    return min((_covered(*window.span(tick_ms), earliest_ms) for window in windows), default=1.0)


def _covered(start_ms: int, end_ms: int, earliest_ms: int) -> float:
    if end_ms == start_ms:
        return 1.0 if earliest_ms <= start_ms else 0.0
    return (end_ms - min(end_ms, max(start_ms, earliest_ms))) / (end_ms - start_ms)
