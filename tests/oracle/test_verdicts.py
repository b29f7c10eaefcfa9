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
    """At 60 the window was covered, at 0 it was not; at 180 there was nothing to compare with."""
    text = guarded(better="lower", baseline="previous(1m)")
    bodies = [event(0), event(55), event(115), event(119), event(239), event(299)]
    found = run(text, bodies, [60, 119, 120, 240, 300])
    assert series(found, part="state") == ["unknown", "unknown", "red", "unknown", "green"]


def test_the_past_is_looked_up_at_the_step_of_its_distance():
    """Two hours have a step of a minute: at 7379 the baseline is the reading of second 120."""
    text = guarded(better="lower", baseline="previous(2h)")
    bodies = [event(0), event(115), *[event(175)] * 5, event(7375), event(7375)]
    assert series(run(text, bodies, [7379, 7380]), part="state") == ["red", "green"]


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
