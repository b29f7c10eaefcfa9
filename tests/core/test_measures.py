"""Measures: intervals as their formulas say, the top of entities, and none of nothing."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.core.formula import TermPart
from pipeline.core.measures import Measure, measure, of_the_top, score, wilson
from pipeline.core.summaries import IDS_MAX, Histogram, Range, Ranks


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (TermPart.COUNT, Measure(0, 0)),
        (TermPart.SUM, Measure(0.0, 0)),
        (TermPart.MEAN, Measure(None, 0, 0.0, 0)),
        (TermPart.MIN, Measure(None, 0)),
        (TermPart.MAX, Measure(None, 0)),
        (TermPart.QUANTILE, Measure(None, 0)),
        (TermPart.APPROX_DISTINCT, Measure(0, 0)),
        (TermPart.TOP_SHARE, Measure(None, 0, 0, 0)),
    ],
)
def test_nothing_is_none_where_0_would_be_a_claim(part, expected):
    """Counts and sums of nothing are 0; all else is not known."""
    assert expected == measure(part, 0.5, (0, 0, None))


def test_extremes_are_in_whole_units():
    """Millionths are ours alone."""
    found = Range(-2_500_000, 4_000_000)
    assert Measure(-2.5, 7) == measure(TermPart.MIN, None, (7, 0, found))
    assert Measure(4.0, 7) == measure(TermPart.MAX, None, (7, 0, found))


def test_few_ids_are_counted_and_many_are_estimated():
    """The ids themselves say how many there are, as long as they are kept."""
    ranks = np.zeros(4096, np.uint8)
    ranks[:200] = 1
    few = Ranks(np.arange(IDS_MAX, dtype=np.uint64), ranks)
    assert measure(TermPart.APPROX_DISTINCT, None, (0, 0, few)).value == IDS_MAX
    many = measure(TermPart.APPROX_DISTINCT, None, (0, 0, Ranks(None, ranks))).value
    assert isinstance(many, int)
    assert 195 <= many <= 215


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=30),
    st.sampled_from([0.01, 0.07, 0.1, 0.25, 0.5, 0.99, 1.0]),
)
def test_the_top_is_that_of_the_sorted_list(entities, share):
    """As many as asked, rounded up, in whole numbers: 7 % of a hundred are seven."""
    asked = math.ceil(round(share * 100) * len(entities) / 100)
    expected = sum(sorted(entities, reverse=True)[:asked])
    assert expected == of_the_top(Histogram.of(np.array(entities)), share)


def test_seven_percent_of_a_hundred_are_seven():
    """In doubles 0.07 x 100 is a little more than 7."""
    entities = Histogram.of(np.array([2] * 7 + [1] * 93))
    assert of_the_top(entities, 0.07) == 14


@given(st.integers(1, 500), st.data())
def test_an_interval_holds_its_value(scores, data):
    """And lies within what a share, or a score, can be."""
    promoters = data.draw(st.integers(0, scores))
    detractors = data.draw(st.integers(0, scores - promoters))
    low, high = wilson(promoters, scores)
    assert 0 <= low <= promoters / scores + 1e-12
    assert promoters / scores - 1e-12 <= high <= 1
    value, low, high = score(promoters, detractors, scores)
    assert low <= value <= high
    assert value == 100 * (promoters - detractors) / scores


def test_more_answers_make_a_narrower_interval():
    """Four times as many, half as wide."""
    _, low, high = score(60, 20, 100)
    _, lower, higher = score(240, 80, 400)
    assert math.isclose((high - low) / 2, higher - lower)
