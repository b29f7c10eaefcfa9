"""Judge: the matrix of verdicts, the reasons to know nothing, and the memory of baselines."""

from statistics import median

import pytest
from hypothesis import given, strategies as st

from pipeline.core.baselines import (
    Fixed,
    Previous,
    SameWeekday,
    TrailingMedian,
    looked_at,
)
from pipeline.core.compose import Reading
from pipeline.core.formula import Constant
from pipeline.core.grid import grid_step_ms
from pipeline.core.judge import (
    NOT_JUDGED,
    History,
    Published,
    State,
    judge,
)
from pipeline.core.tree import Better
from pipeline.core.windows import DAY_MS, HOUR_MS, MINUTE_MS
from tests.core.plans import guard, metric, plan_of

GREEN, YELLOW, RED, UNKNOWN = State
TICK_MS = 1_000 * DAY_MS
WEEK = Previous(7 * DAY_MS)


def reading(value, samples=10, coverage=1.0):
    """A reading with nothing but what judging needs."""
    return Reading(value, None, None, samples, coverage, None)


def verdict(value, past=None, tick_ms=TICK_MS, samples=10, coverage=1.0, **changes):
    """The verdict on one guardrail."""
    plan = plan_of(metric(Constant(0), guard=guard(**changes)))
    history = History({} if past is None else {0: past})
    (found,) = judge(plan, [reading(value, samples, coverage)], history, tick_ms)
    return found


def between(low, high):
    """A guard of a corridor."""
    return {"better": Better.BETWEEN, "low": low, "high": high, "baseline": None}


LOWER, HIGHER = {"better": Better.LOWER}, {"better": Better.HIGHER}
NEGATIVE = {"baseline": Fixed(-100.0)}
EXACT = {"warn": 0.25, "breach": 0.5}  # shares that doubles hold exactly

MATRIX = [
    (LOWER, 0, GREEN),
    (LOWER, 100, GREEN),
    (LOWER, 125, GREEN),  # at the limit is within it
    (LOWER, 125.001, YELLOW),
    (LOWER, 150, YELLOW),
    (LOWER, 150.001, RED),
    (HIGHER, 1_000, GREEN),
    (HIGHER, 75, GREEN),
    (HIGHER, 74.999, YELLOW),
    (HIGHER, 50, YELLOW),
    (HIGHER, 49.999, RED),
    (LOWER | NEGATIVE, -100, GREEN),
    (LOWER | NEGATIVE, -75, GREEN),
    (LOWER | NEGATIVE, -74.999, YELLOW),
    (LOWER | NEGATIVE, -49.999, RED),
    (HIGHER | NEGATIVE, -125, GREEN),
    (HIGHER | NEGATIVE, -125.001, YELLOW),
    (HIGHER | NEGATIVE, -150.001, RED),
    (between(100, 200), 150, GREEN),
    (between(100, 200), 100, GREEN),
    (between(100, 200), 75, GREEN),
    (between(100, 200), 74.999, YELLOW),
    (between(100, 200), 50, YELLOW),
    (between(100, 200), 49.999, RED),
    (between(100, 200), 250, GREEN),
    (between(100, 200), 250.001, YELLOW),
    (between(100, 200), 300, YELLOW),
    (between(100, 200), 300.001, RED),
    (between(-4, 4), -5, GREEN),
    (between(-4, 4), -5.001, YELLOW),
    (between(-4, 4), 6.001, RED),
    (between(0, 4), 0, GREEN),
    (between(0, 4), -0.001, RED),
    (between(-4, 0), 0.001, RED),
]


@pytest.mark.parametrize(("changes", "value", "expected"), MATRIX)
def test_a_verdict_says_on_which_side_of_the_limits_a_value_lies(changes, value, expected):
    """Beyond warn is yellow, beyond breach red, on the worse side only; the limits are green."""
    found = verdict(value, **(EXACT | changes))
    assert (expected, "") == (found.state, found.reason)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (LOWER, (100.0, 125.0, 150.0)),
        (HIGHER, (100.0, 75.0, 50.0)),
        (LOWER | NEGATIVE, (-100.0, -75.0, -50.0)),
        (between(90, 200), (90, 67.5, 45.0)),
        (between(0, 100), (100, 125.0, 150.0)),
        (between(80, 120), (120, 150.0, 180.0)),  # just in the middle: the upper one
    ],
)
def test_a_verdict_shows_what_it_rests_on(changes, expected):
    """Baseline and limits are there in the metric's own unit."""
    found = verdict(100, **(EXACT | changes))
    assert expected == (found.baseline, found.warn_at, found.breach_at)


PAST = {TICK_MS - 7 * DAY_MS: Published(100.0, 1.0)}
WITH_PAST = {"baseline": WEEK, "past": PAST}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"value": None}, "no value"),
        ({"value": None, **between(1, 2)}, "no value"),
        ({"value": 100, "coverage": 0.999}, "the window is not covered yet"),
        ({"value": 100, "samples": 9}, "9 samples, fewer than 10"),
        ({"value": 100, "baseline": Fixed(0.0)}, "a baseline of 0 has no percentages"),
        ({"value": 100, "baseline": WEEK}, "no reading one period ago"),
        (
            {"value": 100, "baseline": WEEK, "past": {TICK_MS - 6 * DAY_MS: Published(1, 1.0)}},
            "no reading one period ago",
        ),
        (
            {"value": 100, "baseline": WEEK, "past": {min(PAST): Published(None, 1.0)}},
            "no reading one period ago",
        ),
        (
            {"value": 100, "baseline": WEEK, "past": {min(PAST): Published(100.0, 0.0)}},
            "no reading one period ago",
        ),
        (
            {"value": 100, "baseline": WEEK, "past": {min(PAST): Published(100.0, 0.5)}},
            "the reading one period ago did not cover its window",
        ),
        (
            {"value": 100, "baseline": WEEK, "past": {min(PAST): Published(0.0, 1.0)}},
            "a baseline of 0 has no percentages",
        ),
        ({"value": None, **WITH_PAST}, "no value"),
        ({"value": 100, "coverage": 0.5, **between(1, 2)}, "the window is not covered yet"),
        ({"value": 1.5, "samples": 0, **between(1, 2)}, "0 samples, fewer than 10"),
    ],
)
def test_unknown_has_a_reason(given, reason):
    """Whatever is missing, the verdict is unknown and says why; it is never an all-clear."""
    found = verdict(**given)
    assert (UNKNOWN, reason) == (found.state, found.reason)


def test_enough_samples_are_enough():
    """The minimum itself will do, and a minimum of 0 asks for none."""
    assert verdict(100, samples=10).state == GREEN
    assert verdict(100, samples=0, min_samples=0).state == GREEN


def test_a_metric_without_a_guard_is_never_judged():
    """Its verdict is unknown, however clear the numbers are."""
    plan = plan_of(metric(Constant(0)), metric(Constant(0), guard=guard()))
    assert judge(plan, [reading(5), reading(5)], History(), TICK_MS)[0] == NOT_JUDGED
    assert (NOT_JUDGED.state, NOT_JUDGED.reason) == (UNKNOWN, "no guard")


def test_a_guard_without_a_baseline_and_without_bounds_is_our_own_mistake():
    """The plan promises one or the other, so nobody is told that the metric is fine."""
    with pytest.raises(AssertionError, match="two bounds"):
        verdict(1, better=Better.BETWEEN, baseline=None, low=1.0, high=None)


# ── previous ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("period_ms", "expected_ms"),
    [
        (MINUTE_MS, MINUTE_MS),
        (1_000 * MINUTE_MS - 1, MINUTE_MS),
        (1_000 * MINUTE_MS, 10 * MINUTE_MS),
        (DAY_MS, 10 * MINUTE_MS),
        (100 * HOUR_MS - 1, 10 * MINUTE_MS),
        (100 * HOUR_MS, HOUR_MS),
        (7 * DAY_MS, HOUR_MS),
        (25 * DAY_MS - 1, HOUR_MS),
        (25 * DAY_MS, 6 * HOUR_MS),
        (100 * DAY_MS - 1, 6 * HOUR_MS),
        (100 * DAY_MS, DAY_MS),
        (400 * DAY_MS, DAY_MS),
    ],
)
def test_the_step_of_a_baseline_is_the_longest_of_no_more_than_a_hundredth(period_ms, expected_ms):
    """Steps change exactly where a hundredth of the period reaches them."""
    assert expected_ms == grid_step_ms(period_ms)


@given(st.integers(1, 400 * 1_440), st.integers(0, 5_000_000_000_000))
def test_a_baseline_looks_back_to_the_last_step_at_or_before_a_period_ago(minutes, tick_ms):
    """The greatest multiple of the step at or before T - P."""
    baseline = Previous(minutes * MINUTE_MS)
    step, found = grid_step_ms(baseline.period_ms), looked_at(baseline, tick_ms)[0]
    assert found % step == 0
    assert found <= tick_ms - baseline.period_ms < found + step


@given(
    st.lists(
        st.tuples(
            st.one_of(st.sampled_from([1, 2, 2, 10, 20, 200, 2_000]), st.integers(1, 300)),
            st.none() | st.integers(1, 9),
        ),
        max_size=60,
    ),
    st.sampled_from([5 * MINUTE_MS, 100 * MINUTE_MS, 1_000 * MINUTE_MS]),
)
def test_a_guardrail_is_held_against_its_own_past_as_it_was_published(steps, period_ms):
    """Whichever ticks were made, the baseline is the one of a period ago, or there is none."""
    baseline = Previous(period_ms)
    plan = plan_of(metric(Constant(0)), metric(Constant(0), guard=guard(baseline=baseline)))
    history, published, tick = History(), {}, TICK_MS
    for half_minutes, value in steps:
        tick += half_minutes * MINUTE_MS // 2
        found = judge(plan, [reading(5), reading(value)], history, tick)[1]
        expected = published.get(looked_at(baseline, tick)[0])
        assert expected == found.baseline
        published[tick] = value
        kept = history.readings[1]
        assert all(at >= looked_at(baseline, tick)[0] for at in kept)
        assert all(at % grid_step_ms(period_ms) == 0 for at in kept)
    assert len(history.readings.get(1, {})) <= period_ms // grid_step_ms(period_ms) + 2
    assert 0 not in history.readings


def test_a_reading_comes_back_as_the_baseline_a_period_later():
    """Ticks off the step are held against the last one on it."""
    plan = plan_of(metric(Constant(0), guard=guard(baseline=Previous(5 * MINUTE_MS))))
    history, found = History(), []
    for number in range(13):  # every half minute
        (made,) = judge(plan, [reading(number + 1)], history, TICK_MS + number * MINUTE_MS // 2)
        found.append(made.baseline)
    assert found == [None] * 10 + [1, 1, 3]


def test_a_baseline_that_never_moves_keeps_no_history():
    """Only metrics with a `previous` baseline are remembered."""
    history = History()
    plan = plan_of(
        metric(Constant(0), guard=guard()), metric(Constant(0), guard=guard(**between(1, 2)))
    )
    judge(plan, [reading(5), reading(5)], history, TICK_MS)
    assert history.readings == {}


# ── medians ──────────────────────────────────────────────────────────────────────────────────────


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 12, 24, 24, 24 * 7]), st.none() | st.integers(1, 9)),
        max_size=80,
    ),
    st.sampled_from([SameWeekday(1), SameWeekday(4), TrailingMedian(4), TrailingMedian(9)]),
)
def test_a_median_is_that_of_the_readings_that_were_published(steps, baseline):
    """Whichever ticks were made: of four one may be missing, and nothing older is kept."""
    plan = plan_of(metric(Constant(0), guard=guard(baseline=baseline)))
    history, published, tick = History(), {}, TICK_MS
    for hours, value in steps:
        tick += hours * HOUR_MS
        (found,) = judge(plan, [reading(value)], history, tick)
        past = [published.get(at) for at in looked_at(baseline, tick)]
        known = [each for each in past if each is not None]
        enough = len(past) - len(known) <= len(past) // 4
        assert found.baseline == (median(known) if enough else None)
        published[tick] = value
        assert all(at >= looked_at(baseline, tick)[-1] for at in history.readings[0])


def test_a_median_says_how_many_readings_it_lacks():
    """Those that were not covered are missing too."""
    plan = plan_of(metric(Constant(0), guard=guard(baseline=TrailingMedian(4))))
    history = History()
    for day in range(4):
        judge(plan, [reading(5, coverage=day / 3)], history, TICK_MS + day * DAY_MS)
    (found,) = judge(plan, [reading(5)], history, TICK_MS + 4 * DAY_MS)
    assert (found.state, found.baseline) == (UNKNOWN, None)
    assert found.reason == "3 of 4 earlier readings are missing or not covered"
