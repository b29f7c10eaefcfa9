"""The oracle's own tests of segments, targets and baselines, with numbers worked by hand."""

import pytest

from tests.oracle.targets import Progress
from tests.oracle.worked_case import definition, event, run, series

DAY = 86_400


def segmented(value, dimension="plan", **about):
    """Write a definition with one metric in segments."""
    return definition(
        {"m": {"value": value, "window": "trailing 100s", "by": [dimension], **about}}
    )


def plans(found):
    """Give the segments of the last reading, without their dimension."""
    cut = series(found, part="segments")[-1]
    return {name: measure.value for (_, name), measure in cut.items()}


BODIES = [
    event(0, plan="pro", n=1, user="a"),
    event(1, plan="free", n=2, user="b"),
    event(2, plan="team", n=4, user="a"),
    event(3, n=8, user="a"),
]


def test_segments_of_a_sum_add_up():
    """Two texts keep their names; the third is other, and the absent one none."""
    found = plans(run(segmented("sum(open.n)", cap=2), BODIES, [4]))
    assert found == {"pro": 1, "free": 2, "__other__": 4, "__none__": 8}


def test_the_total_is_not_a_sum_of_segments():
    """User a was seen in three segments and is one user."""
    found = run(segmented("distinct(open.user)"), BODIES, [4])
    assert series(found) == [2]
    assert plans(found) == {"free": 1, "pro": 1, "team": 1, "__none__": 1, "__other__": 0}


def test_of_texts_seen_at_once_the_smaller_keeps_its_name():
    """Both are of second 0 and there is room for one."""
    bodies = [event(0, plan="pro"), event(0, plan="free")]
    found = plans(run(segmented("count(open)", cap=1), bodies, [1]))
    assert found == {"free": 1, "__other__": 1, "__none__": 0}


def test_ratios_divide_within_a_segment():
    """Of pro's two opens one has a value of over 1; free has none."""
    bodies = [event(0, plan="pro", n=1), event(0, plan="pro", n=2), event(1, plan="free", n=0)]
    found = plans(run(segmented("count(open, where=n > 1) / count(open)"), bodies, [2]))
    assert found == {"pro": 0.5, "free": 0, "__other__": None, "__none__": None}


def test_members_are_of_the_segment_that_they_are_in_now():
    """User a changed from free to pro at 5, from when on there is such a segment."""
    events = {
        "open": {"name": "open", "ids": {"user": "user"}},
        "change": {"name": "change", "ids": {"user": "user"}, "values": {"to": "to"}},
    }
    text = definition(
        {
            "size": {"value": "size(s)", "by": "tier"},
        },
        events=events,
        entities={"user": {"tier": {"from": "change.to"}}},
        sets={"s": {"of": "user", "when": "count(open) >= 1", "window": "trailing 100s"}},
    )
    bodies = [
        event(0, "change", user="a", to="free"),
        event(1, user="a"),
        event(2, user="b"),
        event(5, "change", user="a", to="pro"),
        event(6, user="a"),
    ]
    before, after = series(run(text, bodies, [5, 7]), "size", "segments")
    assert {name: m.value for (_, name), m in before.items()} == {
        "free": 1,
        "__other__": 0,
        "__none__": 1,
    }
    assert {name: m.value for (_, name), m in after.items()} == {
        "free": 0,
        "pro": 1,
        "__other__": 0,
        "__none__": 1,
    }


def test_a_target_is_approached_along_a_line():
    """From 2 on the 15th to 12 at the end of the 24th: half of the way is 7; there are 4."""
    metrics = {
        "m": {
            "value": "count(open)",
            "window": "trailing 100d",
            "since": "2025-01-15",
            "targets": [{"by": "2025-01-24", "value": 12}],
        }
    }
    bodies = [event(-101 * DAY), event(-5), event(-4), event(DAY), event(DAY)]
    found = run(definition(metrics), bodies, [5 * DAY, 11 * DAY])
    assert series(found, part="progress") == [Progress(4 / 12, 4 / 7), Progress(None, None)]


def guarded(baseline):
    """Write a guardrail over opens in 10 s that is red above twice its baseline."""
    guard = {"better": "lower", "baseline": baseline, "warn": "10%", "breach": "100%"}
    return definition({"m": {"value": "count(open)", "window": "trailing 10s", "guard": guard}})


@pytest.mark.parametrize(("now", "state"), [(3, "yellow"), (4, "yellow"), (5, "red")])
def test_the_same_weekday_is_a_baseline(now, state):
    """Three of the last four weeks are known, with 1, 2 and 9: their median is 2."""
    counts = {21: 1, 14: 9, 7: 2}
    bodies = [event(-22 * DAY)]
    bodies += [event(-d * DAY - 1) for d, number in counts.items() for _ in range(number)]
    bodies += [event(-1)] * now
    text = guarded("median(same_weekday, weeks=4)")
    assert series(run(text, bodies, [0]), part="state") == [state]


def test_the_same_weekday_needs_three_of_four():
    """Two weeks are known."""
    bodies = [
        event(-15 * DAY),
        event(-14 * DAY - 1),
        event(-7 * DAY - 1),
        event(-1),
        event(-1),
        event(-1),
    ]
    text = guarded("median(same_weekday, weeks=4)")
    assert series(run(text, bodies, [0]), part="state") == ["unknown"]


def test_a_trailing_median_is_that_of_days():
    """Of the last five midnights four had 1 and one had 9: 3 is more than twice that."""
    bodies = [
        event(-d * DAY - 1)
        for d, number in [(5, 1), (4, 1), (3, 9), (2, 1), (1, 1)]
        for _ in range(number)
    ]
    bodies += [event(-1)] * 3
    assert series(run(guarded("trailing_median(5d)"), bodies, [0]), part="state") == ["red"]
    assert series(run(guarded("trailing_median(28d)"), bodies, [0]), part="state") == ["unknown"]
