"""The oracle's own tests of verdicts, with numbers worked by hand."""

from typing import Any

import pytest

from tests.oracle.worked_case import definition, event, run, series


def guarded(**guard: Any) -> str:
    """Write a guardrail on the number of opens in 10 s."""
    return definition(
        {
            "m": {
                "value": "count(open)",
                "window": "trailing 10s",
                "role": "guardrail",
                "guard": {"warn": "10%", "breach": "50%", "min_samples": 1, **guard},
            }
        }
    )


def opens(count: int, since: float = 10) -> list[dict[str, object]]:
    """Open once in the past, so that the window is covered, and so many times now."""
    return [event(0), *[event(since)] * count]


@pytest.mark.parametrize(
    ("count", "lower", "higher"),
    [
        (1, "green", "red"),
        (2, "green", "yellow"),
        (3, "green", "yellow"),
        (4, "green", "green"),
        (5, "yellow", "green"),
        (6, "yellow", "green"),
        (7, "red", "green"),
    ],
)
def test_a_fixed_baseline_is_judged_on_the_side_that_is_worse(count, lower, higher):
    """Around 4, with 10 % and 50 %: red beyond 6 or below 2, and the bounds themselves are not."""
    for better, state in (("lower", lower), ("higher", higher)):
        text = guarded(better=better, baseline="fixed(4)")
        assert series(run(text, opens(count), [11]), part="state") == [state]


@pytest.mark.parametrize(
    ("count", "state"),
    [
        (1, "red"),
        (2, "yellow"),
        (4, "green"),
        (6, "green"),
        (8, "green"),
        (9, "yellow"),
        (13, "red"),
    ],
)
def test_between_is_judged_by_the_nearer_bound(count, state):
    """Between 4 and 8: red below 2 or above 12."""
    text = guarded(better={"between": [4, 8]})
    assert series(run(text, opens(count), [11]), part="state") == [state]


def test_the_past_is_a_baseline_once_it_was_covered():
    """Two opens at 20, one at 10: before second 10 nothing was covered, so nothing is judged."""
    text = guarded(better="lower", baseline="previous(10s)")
    bodies = [event(0), event(10), event(20), event(20.5)]
    found = run(text, bodies, [10.5, 19, 20, 21, 32])
    assert series(found, part="state") == ["unknown", "unknown", "green", "red", "unknown"]


def test_the_past_is_looked_up_at_the_resolution_of_its_distance():
    """Two hours have a resolution of 5 s: at 7214 the baseline is the reading of second 10."""
    text = guarded(better="lower", baseline="previous(2h)")
    bodies = [event(0), *[event(11)] * 5, event(7210), event(7210)]
    assert series(run(text, bodies, [7214, 7215]), part="state") == ["red", "green"]


def test_nothing_is_judged_without_coverage_samples_or_baseline():
    """Each lack alone makes a verdict unknown, and so does a baseline of 0."""
    enough = guarded(better="lower", baseline="fixed(1)")
    assert series(run(enough, opens(2), [11]), part="state") == ["red"]
    assert series(run(enough, opens(2, since=8), [9]), part="state") == ["unknown"]
    few = guarded(better="lower", baseline="fixed(1)", min_samples=3)
    assert series(run(few, opens(2), [11]), part="state") == ["unknown"]
    zero = guarded(better="lower", baseline="fixed(0)")
    assert series(run(zero, opens(2), [11]), part="state") == ["unknown"]


def test_a_negative_baseline_has_its_margin_outside_too():
    """Around -4 a value of -1 is worse than -4 + 2 where lower is better."""
    text = definition(
        {
            "m": {
                "value": "0 - count(open)",
                "window": "trailing 10s",
                "guard": {
                    "better": "lower",
                    "baseline": "fixed(-4)",
                    "warn": "10%",
                    "breach": "50%",
                },
            }
        }
    )
    found = [series(run(text, opens(n), [11]), part="state") for n in (1, 2, 3, 4)]
    assert found == [["red"], ["yellow"], ["yellow"], ["green"]]


def test_a_metric_without_guard_is_never_judged():
    """Unknown is all that may be said of it."""
    found = run(definition({"m": "count(open)"}), opens(2), [11])
    assert series(found, part="state") == ["unknown"]
