"""The oracle's own tests of terms over values, with numbers worked by hand."""

import pytest

from tests.oracle.worked_case import OWNER, definition, event, run, series


def terms(*texts, numbers=(), **top):
    """Give the readings of terms over opens with these values of `n`."""
    bodies = [event(0, n=n, user=f"u{i}") for i, n in enumerate(numbers)]
    metrics = {f"m{i}": text for i, text in enumerate(texts)}
    return list(run(definition(metrics, **top), bodies, [1]).readings.values())


NUMBERED = {
    "open": {"name": "open", "ids": {"user": "user"}, "values": {"n": {"from": "n", "min": -9}}}
}


def test_extremes_and_ranks_are_values_that_there_are():
    """Of -2, 1, 3, 8: rank 1 of 0 to 3 is the median, rank 2 is at 0.9 of the way."""
    found = terms(
        *["min(open.n)", "max(open.n)", "median(open.n)", "quantile(open.n, 0.9)"],
        *["quantile(open.n, 0)", "quantile(open.n, 1)"],
        numbers=[8, -2, None, 3, 1],
        events=NUMBERED,
    )
    assert [r.value for r in found] == [-2, 8, 1, 3, -2, 8]
    assert {r.samples for r in found} == {4}


def test_nothing_has_no_extremes():
    """No value, no extreme, no score."""
    texts = ["min(open.n)", "median(open.n)", "nps(open.n)", "csat(open.n, top=4)"]
    found = terms(*texts, numbers=[None])
    assert [(r.value, r.samples, r.interval) for r in found] == [(None, 0, None)] * 4


def test_nps_is_promoters_less_detractors():
    """Three of 9 or more, one of 6 or less, of five: 40, give or take 1.96 x 71.6 / 2.236 x 100."""
    (found,) = terms("nps(open.n)", numbers=[10, 9, 9, 7, 6])
    assert found.value == 40
    # p + d - (p - d)^2 = 0.8 - 0.16 = 0.64; sqrt(0.64 / 5) = 0.357771
    assert found.interval == (pytest.approx(-30.12308), pytest.approx(110.12308))


def test_csat_is_a_share_with_wilsons_interval():
    """Eight of ten satisfied: 0.8, in between 0.490 and 0.943."""
    (found,) = terms("csat(open.n, top=4)", numbers=[4, 5, 4, 5, 4, 5, 4, 5, 1, 3])
    assert (found.value, found.numerator, found.denominator, found.samples) == (0.8, 8, 10, 10)
    assert found.interval == (pytest.approx(0.490162, abs=1e-5), pytest.approx(0.943318, abs=1e-5))


def test_the_top_share_rounds_the_number_of_entities_up():
    """Users with 5, 3, 1, 1 opens: the top quarter is one, of 26 % two."""
    bodies = [event(0, user=u) for u in "aaaaabbbcd"] + [event(0)]
    metrics = {"q": "top_share(open, by=user, top=25%)", "r": "top_share(open, by=user, top=0.26)"}
    found = list(run(definition(metrics), bodies, [1, 20]).readings.values())
    assert [(r.value, r.numerator, r.denominator, r.samples) for r in found] == [
        (0.5, 5, 10, 10),
        (0.8, 8, 10, 10),
        (None, 0, 0, 0),
        (None, 0, 0, 0),
    ]


def test_reach_is_counted_within_a_set():
    """Items c and d are shared; their openers are a, b and b: two users, three pairs."""
    sets = {"shared": {"of": "item", "when": "count(share) >= 1", "window": "trailing 10s"}}
    bodies = [
        *[event(0, "share", item=i) for i in "cd"],
        *[event(1, user=u, item=i) for u, i in ["ac", "bc", "bd", "ae", "bd"]],
    ]
    metrics = {
        "users": "distinct(open.user, within=shared)",
        "pairs": "sum_distinct(open.user, within=shared)",
        "all": "approx_distinct(open.item)",
    }
    text = definition(metrics, sets=sets, entities=OWNER)
    assert [r.value for r in run(text, bodies, [2]).readings.values()] == [2, 3, 3]


def test_an_index_weighs_what_there_is():
    """0.25 x 2 + 0.75 x 4 = 3.5; without the mean only the first is left, or nothing."""
    metrics = {
        "a": "count(open)",
        "b": "mean(open.n)",
        "whole": {"value": "index(a=0.25, b=0.75)"},
        "some": {"value": "index(a=0.25, b=0.75)", "missing": "skip_and_say"},
    }
    found = run(definition(metrics), [event(0, n=4), event(0)], [1])
    assert series(found, "whole") == series(found, "some") == [3.5]
    found = run(definition(metrics), [event(0), event(0)], [1])
    assert series(found, "whole") == [None]
    assert series(found, "some") == [2]
    assert series(found, "some", "missing") == [("b",)]
