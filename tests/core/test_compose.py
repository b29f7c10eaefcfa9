"""Compose: parts add up, ratios divide last, and what is not known is None."""

import pytest
from hypothesis import given, strategies as st

from pipeline.core.compose import Reading, compose, coverage
from pipeline.core.formula import (
    Calculation,
    Constant,
    Index,
    OfMetric,
    OfTerm,
    Survey,
    SurveyKind,
    TermPart,
)
from pipeline.core.partial import Partial
from pipeline.core.windows import DAY_MS, HOUR_MS, Calendar, Trailing, Unit
from tests.core.plans import metric, plan_of

TICK_MS = 100 * DAY_MS
DAY = Trailing(DAY_MS)
WEEK = Trailing(7 * DAY_MS)

COUNT, SUM, MEAN = (OfTerm(0, part) for part in (TermPart.COUNT, TermPart.SUM, TermPart.MEAN))
OTHER = OfTerm(1, TermPart.COUNT)
THIRD = OfTerm(2, TermPart.COUNT)


def minus(formula):
    """Unary minus, as plans have it."""
    return Calculation("-", Constant(0), formula)


def over(left, right):
    """A division."""
    return Calculation("/", left, right)


def plus(left, right):
    """A sum."""
    return Calculation("+", left, right)


def read(value, counts=(8, 4, 2), micros=(6_000_000, 0, 0), earliest_ms=0, **changes):
    """The reading of one metric over three terms."""
    plan = plan_of(metric(value, **changes), windows=((DAY,), (DAY,), (DAY,)))
    (found,) = compose(plan, Partial(counts, micros, earliest_ms), TICK_MS)
    return found


# ── values and samples ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "expected", "samples"),
    [
        (COUNT, 8, 8),
        (SUM, 6.0, 8),
        (Constant(2.5), 2.5, 0),
        (plus(Constant(2), Constant(3)), 5, 0),
        (plus(COUNT, OTHER), 12, 4),
        (Calculation("-", OTHER, COUNT), -4, 4),
        (Calculation("*", SUM, OTHER), 24.0, 4),
        (plus(COUNT, Constant(1)), 9, 8),
        (minus(COUNT), -8, 8),
        (plus(over(COUNT, OTHER), THIRD), 4.0, 2),
        (plus(over(THIRD, OTHER), COUNT), 8.5, 2),
        (plus(over(OTHER, Constant(2)), COUNT), 10.0, 4),
        (minus(over(THIRD, OTHER)), -0.5, 2),
        (plus(MEAN, Constant(1)), 1.75, 8),
    ],
)
def test_values_that_are_no_ratio(value, expected, samples):
    """Arithmetic over terms; samples are the smallest among the terms, numbers left out."""
    assert Reading(expected, None, None, samples, 1.0, None) == read(value)


@pytest.mark.parametrize(
    ("value", "expected", "samples"),
    [
        (MEAN, (0.75, 6.0, 8), 8),
        (over(OTHER, COUNT), (0.5, 4, 8), 8),
        (over(COUNT, OTHER), (2.0, 8, 4), 4),
        (over(COUNT, plus(OTHER, THIRD)), (8 / 6, 8, 6), 2),
        (over(OTHER, over(COUNT, THIRD)), (1.0, 4, 4.0), 2),
        (over(over(COUNT, THIRD), OTHER), (1.0, 4.0, 4), 4),
        (over(COUNT, Constant(4)), (2.0, 8, 4), 8),
        (over(Constant(1), OTHER), (0.25, 1, 4), 4),
        (over(Constant(1), Constant(4)), (0.25, 1, 4), 0),
        (over(MEAN, OTHER), (0.1875, 0.75, 4), 4),
    ],
)
def test_a_ratio_keeps_both_sides(value, expected, samples):
    """With a division at the top both sides are there, and samples are the denominator's."""
    assert Reading(*expected, samples, 1.0, None) == read(value)


@pytest.mark.parametrize(
    ("value", "numerator", "denominator", "samples"),
    [
        (over(COUNT, OTHER), 8, 0, 0),
        (over(COUNT, Constant(0)), 8, 0, 8),
        (over(over(COUNT, OTHER), THIRD), None, 2, 2),
        (over(COUNT, over(THIRD, OTHER)), 8, None, 0),
        (plus(over(COUNT, OTHER), THIRD), None, None, 0),
        (plus(THIRD, over(COUNT, OTHER)), None, None, 0),
        (Calculation("*", Constant(0), over(COUNT, OTHER)), None, None, 0),
        (minus(over(COUNT, OTHER)), None, None, 0),
    ],
)
def test_a_division_by_zero_makes_the_whole_none(value, numerator, denominator, samples):
    """None, never 0; the sides of a ratio that are known stay known."""
    expected = Reading(None, numerator, denominator, samples, 1.0, None)
    assert expected == read(value, counts=(8, 0, 2))


HUGE = Constant(1e200)


@pytest.mark.parametrize(
    ("value", "numerator", "denominator"),
    [
        (Calculation("*", HUGE, HUGE), None, None),
        (plus(Calculation("*", HUGE, Constant(1.7e108)), Calculation("*", HUGE, Constant(1e108))),
         None, None),
        (minus(Calculation("*", HUGE, HUGE)), None, None),
        (over(HUGE, Constant(1e-200)), 1e200, 1e-200),
        (over(COUNT, Calculation("*", HUGE, HUGE)), 8, None),
    ],
)  # fmt: skip
def test_what_is_beyond_a_double_is_none(value, numerator, denominator):
    """No gauge ever says infinity, and nothing goes on from there."""
    found = read(value)
    assert (None, numerator, denominator) == (found.value, found.numerator, found.denominator)


def test_products_of_counts_are_doubles_beyond_64_bits():
    """What takes readings on, to JSON or to disk, has no whole numbers larger than that."""
    squares = [metric(Calculation("*", OfMetric(at), OfMetric(at)), f"m{at}") for at in range(8)]
    plan = plan_of(metric(COUNT, "count"), *squares, windows=((DAY,),))
    found = compose(plan, Partial((10**9,), (0,), 0), TICK_MS)
    values = [reading.value for reading in found]
    assert values == pytest.approx([1e9, 1e18, 1e36, 1e72, 1e144, 1e288, None, None, None])
    assert [type(value) for value in values[:3]] == [int, int, float]


def test_a_mean_of_nothing_is_none_and_a_sum_of_nothing_is_zero():
    """Without any value there is no mean, but a sum and a count there are."""
    nothing = {"counts": (0, 0, 0), "micros": (0, 0, 0)}
    assert Reading(None, 0.0, 0, 0, 1.0, None) == read(MEAN, **nothing)
    assert Reading(0.0, None, None, 0, 1.0, None) == read(SUM, **nothing)
    assert Reading(0, None, None, 0, 1.0, None) == read(COUNT, **nothing)


def test_sums_are_exact_where_doubles_would_not_be():
    """Millionths are whole numbers of any size until they are divided once."""
    assert read(SUM, micros=(300_000, 0, 0)).value == 0.3
    assert read(SUM, micros=(10**24 + 10**6, 0, 0)).value == (10**24 + 10**6) / 10**6


def test_a_metric_over_metrics_takes_their_values_samples_and_coverage():
    """Readings go on to the metrics after them, none included."""
    plan = plan_of(
        metric(over(COUNT, OTHER), "ratio"),
        metric(Constant(3), "number"),
        metric(plus(OfMetric(0), OfMetric(1)), "both"),
        metric(over(OfMetric(0), OfMetric(1)), "share"),
        windows=((DAY,), (WEEK,)),
    )
    whole = Partial((8, 4), (0, 0), TICK_MS - 2 * DAY_MS)
    ratio, number, both, share = compose(plan, whole, TICK_MS)
    assert (ratio.value, ratio.numerator, ratio.denominator, ratio.samples) == (2.0, 8, 4, 4)
    assert (ratio.coverage, number.coverage) == (2 / 7, 1.0)
    assert Reading(5.0, None, None, 0, 2 / 7, None) == both
    assert Reading(2 / 3, 2.0, 3, 0, 2 / 7, None) == share
    none = compose(plan, Partial((8, 0), (0, 0), 0), TICK_MS)
    assert [reading.value for reading in none] == [None, 3, None, None]


# ── residual ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "formula", "expected"),
    [
        (COUNT, plus(OTHER, OTHER), 0.0),
        (COUNT, OTHER, 4.0),
        (OTHER, COUNT, -4.0),
        (COUNT, over(COUNT, Constant(0)), None),
        (over(COUNT, Constant(0)), COUNT, None),
        (COUNT, None, None),
    ],
)
def test_the_residual_is_value_less_formula(value, formula, expected):
    """It is None without a formula, and where either side is not known."""
    assert expected == read(value, formula=formula).residual


# ── coverage ─────────────────────────────────────────────────────────────────────────────────────

MONTH = Calendar(Unit.MONTH, "UTC", 0)
LAST_MONTH = Calendar(Unit.MONTH, "UTC", 0, last=True)
MARCH_MS, APRIL_MS = 1_740_787_200_000, 1_743_465_600_000  # 2025-03-01 and 2025-04-01


@pytest.mark.parametrize(
    ("windows", "tick_ms", "earliest_ms", "expected"),
    [
        ([DAY], TICK_MS, None, 0.0),
        ([DAY], TICK_MS, TICK_MS, 0.0),
        ([DAY], TICK_MS, TICK_MS + 1, 0.0),
        ([DAY], TICK_MS, TICK_MS - 1, 1 / DAY_MS),
        ([DAY], TICK_MS, TICK_MS - 6 * HOUR_MS, 0.25),
        ([DAY], TICK_MS, TICK_MS - DAY_MS, 1.0),
        ([DAY], TICK_MS, 0, 1.0),
        ([DAY], TICK_MS + 1, TICK_MS - DAY_MS + 1, 1 - 1 / (DAY_MS + 1)),  # from a whole minute
        ([DAY, WEEK], TICK_MS, TICK_MS - DAY_MS, 1 / 7),
        ([WEEK, DAY], TICK_MS, TICK_MS - DAY_MS, 1 / 7),
        ([MONTH], APRIL_MS, APRIL_MS - 1, 1.0),  # just begun, and watched before
        ([MONTH], APRIL_MS + 1, APRIL_MS, 1.0),
        ([MONTH], APRIL_MS + 2, APRIL_MS + 1, 0.5),
        ([MONTH], APRIL_MS, APRIL_MS, 0.0),
        ([LAST_MONTH], APRIL_MS + DAY_MS, MARCH_MS, 1.0),
        ([LAST_MONTH], APRIL_MS + DAY_MS, (MARCH_MS + APRIL_MS) // 2, 0.5),
        ([LAST_MONTH], APRIL_MS + DAY_MS, APRIL_MS, 0.0),
        ([LAST_MONTH], APRIL_MS + DAY_MS, APRIL_MS + HOUR_MS, 0.0),
        ([], TICK_MS, None, 1.0),
        ([], TICK_MS, TICK_MS, 1.0),
        ([], TICK_MS, 0, 1.0),
    ],
)
def test_coverage_is_the_share_of_the_window_that_was_watched(
    windows, tick_ms, earliest_ms, expected
):
    """From the first visible event on, of the least covered window, and 1 where nothing is."""
    assert expected == coverage(windows, tick_ms, earliest_ms)


def test_an_empty_window_is_covered_only_if_it_was_watched_from_its_start():
    """At the start of a month the running one is empty: known to be so if we were there."""
    assert coverage([MONTH], APRIL_MS, MARCH_MS) == 1.0
    assert coverage([MONTH, DAY], APRIL_MS, APRIL_MS - 6 * HOUR_MS) == 0.25


@given(st.integers(0, 2 * DAY_MS), st.integers(1, DAY_MS))
def test_coverage_never_falls_while_time_goes_on(watched_ms, later_ms):
    """A trailing window only ever gets better covered."""
    earliest = TICK_MS - watched_ms
    before = coverage([DAY], TICK_MS, earliest)
    assert 0 <= before <= coverage([DAY], TICK_MS + later_ms // 60_000 * 60_000, earliest) <= 1


def test_coverage_of_a_metric_is_the_smallest_of_its_terms():
    """Numbers are always covered, terms as their windows are."""
    plan = plan_of(
        metric(over(COUNT, OTHER)), metric(plus(COUNT, Constant(1))), windows=((DAY,), (WEEK,))
    )
    readings = compose(plan, Partial((1, 1), (0, 0), TICK_MS - 2 * DAY_MS), TICK_MS)
    assert [reading.coverage for reading in readings] == [2 / 7, 1.0]


def test_a_term_is_covered_from_when_it_is_known():
    """The later of that moment and the first event; the other terms are as they would be."""
    plan = plan_of(metric(COUNT), metric(OTHER), metric(plus(COUNT, OTHER)), windows=((DAY,),) * 2)
    whole = Partial((1, 1), (0, 0), TICK_MS - 18 * HOUR_MS)

    def coverages(*since_ms):
        return [reading.coverage for reading in compose(plan, whole, TICK_MS, since_ms)]

    assert coverages(TICK_MS - 12 * HOUR_MS, TICK_MS - 36 * HOUR_MS) == [0.5, 0.75, 0.5]
    assert coverages(TICK_MS + 1, TICK_MS - 6 * HOUR_MS) == [0.0, 0.25, 0.0]
    assert coverages() == coverages(0, 0) == [0.75, 0.75, 0.75]


# ── surveys and indices ──────────────────────────────────────────────────────────────────────────

NPS = Survey(SurveyKind.NPS, COUNT, OTHER, THIRD)
CSAT = Survey(SurveyKind.CSAT, COUNT, OTHER, None)


def test_a_survey_has_an_interval_about_its_value():
    """Of eight scores four are favourable and two are not."""
    found = read(NPS)
    assert (found.value, found.samples, found.numerator) == (25.0, 8, None)
    assert found.low is not None
    assert found.high is not None
    assert found.high - 25 == pytest.approx(25 - found.low)
    satisfied = read(CSAT)
    assert (satisfied.value, satisfied.numerator, satisfied.denominator) == (0.5, 4, 8)
    assert satisfied.low == pytest.approx(1 - satisfied.high)


@pytest.mark.parametrize("value", [NPS, CSAT])
def test_a_survey_without_answers_says_nothing(value):
    """No value, no interval."""
    found = read(value, counts=(0, 0, 0))
    assert (found.value, found.low, found.high, found.samples) == (None, None, None, 0)


def indexed(counts, *, skips_missing):
    """An index of two counts and a quotient, whose last part has no value where the third is 0."""
    parts = (metric(COUNT, "one"), metric(OTHER, "two"), metric(over(COUNT, THIRD), "three"))
    index = Index((OfMetric(0), OfMetric(1), OfMetric(2)), (1.0, 2.0, 1.0), skips_missing)
    plan = plan_of(*parts, metric(index, "all"), windows=((DAY,), (WEEK,), (DAY,)))
    return compose(plan, Partial(counts, (0, 0, 0), TICK_MS - 7 * DAY_MS // 2), TICK_MS)[-1]


@pytest.mark.parametrize("skips_missing", [True, False])
def test_an_index_is_the_weighted_mean_of_its_parts(skips_missing):
    """(8 + 2 x 4 + 8 / 2) / 4; the smallest samples and coverage of any."""
    found = indexed((8, 4, 2), skips_missing=skips_missing)
    assert (found.value, found.samples, found.coverage, found.missing) == (5.0, 2, 0.5, ())


def test_an_index_without_a_part_refuses_or_says_so():
    """(8 + 2 x 4) / 3 of the two that are there."""
    refused = indexed((8, 4, 0), skips_missing=False)
    assert (refused.value, refused.samples, refused.missing) == (None, 0, ("three",))
    skipped = indexed((8, 4, 0), skips_missing=True)
    assert (skipped.value, skipped.samples, skipped.missing) == (16 / 3, 4, ("three",))
