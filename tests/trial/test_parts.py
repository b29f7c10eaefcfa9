"""What a trial asks, one question after the other, with numbers worked out by hand."""

import doctest
import math
import pkgutil
from importlib import import_module

import numpy as np
import pytest

from pipeline import trial
from pipeline.core.windows import DAY_MS, Anchored, Calendar, Trailing, Unit, Units
from pipeline.trial.lags import NOTHING, Lag, Pearson, best, lagged, pearson
from pipeline.trial.outcome import looks_back_ms
from pipeline.trial.overlap import Overlap, overlap
from pipeline.trial.sensitivity import Level, level

MODULES = [name for _, name, _ in pkgutil.walk_packages(trial.__path__, f"{trial.__name__}.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name):
    """Every example gives what stands beneath it."""
    assert doctest.testmod(import_module(name)).failed == 0


def ids(*numbers):
    """Hashed ids."""
    return np.array(numbers, np.uint64)


def test_overlap_counts_each_once():
    """Of 1 2 3 4 and 3 4 5 both have two; five there are in all."""
    found = overlap(ids(4, 1, 3, 2), ids(5, 3, 4))
    assert found == Overlap(both=2, only_candidate=2, only_present=1)
    assert found.jaccard == 2 / 5


def test_nobody_has_no_jaccard():
    """Nothing divided by nothing is not known."""
    assert overlap(ids(), ids()) == Overlap(0, 0, 0)
    assert Overlap(0, 0, 0).jaccard is None
    assert Overlap(0, 3, 0).jaccard == 0


DAYS = [number * DAY_MS for number in range(20_000, 20_031)]  # from 2024-10-04 on


@pytest.mark.parametrize(
    ("window", "days"),
    [
        (Trailing(DAY_MS), 1),
        (Trailing(7 * DAY_MS), 7),
        (Calendar(Unit.DAY, "UTC", 0), 0),
        (Calendar(Unit.DAY, "UTC", 0, last=True), 1),
        (Calendar(Unit.WEEK, "UTC", 0), 6),
        (Units(Calendar(Unit.DAY, "UTC", 0), 7), 6),
        (Anchored("joined", 3 * DAY_MS, is_session=False, cohort=Trailing(DAY_MS),
                  is_matured=True), 4),
    ],
    ids=str,
)  # fmt: skip
def test_neighbouring_days_share_what_a_window_sees_beyond_one(window, days):
    """Habits and windows of entities' own do as trailing ones do; single days share nothing."""
    assert looks_back_ms(window, DAYS) == days * DAY_MS


def test_pearson_is_the_known_one():
    """With 1..9 against 5 9 2 8 3 7 1 6 4: -16 of 60, and Fisher's interval about it."""
    found = pearson(list(enumerate((5, 9, 2, 8, 3, 7, 1, 6, 4), start=1)))
    assert found.value == pytest.approx(-16 / 60)
    wide = 1.96 / math.sqrt(6)
    assert found.low == pytest.approx(math.tanh(math.atanh(-16 / 60) - wide))
    assert found.high == pytest.approx(math.tanh(math.atanh(-16 / 60) + wide))


def test_a_line_has_no_width():
    """Points on a line are at 1; there is nothing to make an interval of."""
    assert pearson([(each, 3 * each) for each in range(8)]) == Pearson(1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    "pairs",
    [
        [(each, each) for each in range(7)],  # one too few
        [(each, 5) for each in range(20)],  # a side that never moves
        [],
    ],
)
def test_too_little_is_nothing(pairs):
    """Too few points, or a constant, are no correlation rather than one of 0."""
    assert pearson(pairs) == NOTHING


def test_a_lag_looks_at_later_results():
    """The result of the next step is the candidate's own value: 1 at lag 1, with a point less."""
    series = [5.0, 9.0, 2.0, 8.0, 3.0, 7.0, 1.0, 6.0, 4.0, 10.0]
    rising = [float(each) for each in range(10)]
    result = [None, *series[:-1]]
    found = lagged(series, rising, result, steps=1)
    assert (found.points, found.candidate.value) == (9, 1.0)
    assert found.present.value == pytest.approx(-16 / 60)
    assert lagged(series, rising, result, steps=0).points == 9


def test_both_are_held_against_the_same_steps():
    """Where one of the two is not known, the other is left out as well."""
    rising = [float(each) for each in range(12)]
    gaps = [None, None, *rising[2:]]
    found = lagged(gaps, rising, rising, steps=0)
    assert (found.points, found.candidate.value, found.present.value) == (10, 1.0, 1.0)


def test_a_lag_beyond_the_series_has_no_points():
    """Nothing is later than the last step."""
    assert lagged([1.0], [1.0], [1.0], steps=5) == Lag(5, 0, NOTHING, NOTHING)


def test_the_best_lag_is_the_furthest_from_nothing():
    """A strong opposite counts as much; of equals the shortest lag; of none there is none."""
    weak, strong = Pearson(0.5, 0.1, 0.9), Pearson(-0.8, -0.9, -0.1)
    lags = [Lag(0, 9, weak, NOTHING), Lag(1, 9, strong, NOTHING), Lag(2, 9, strong, NOTHING)]
    assert best(lags) == lags[1]
    assert best(lags, of_present=True) is None


def test_levels_leave_out_what_is_not_known():
    """The mean is of the known steps, and the last value is not known where that step is not."""
    assert level([None, 4, 8]) == Level(last=8, mean=6.0, steps=2)
    assert level([4, 8, None]) == Level(last=None, mean=6.0, steps=2)
    assert level([None]) == Level(last=None, mean=None, steps=0)
