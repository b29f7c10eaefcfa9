"""Publish: a tick is every metric at one moment, and rows are what is read of it."""

import pytest

from pipeline.core.baselines import Previous
from pipeline.core.formula import Calculation, Constant, OfTerm, TermPart
from pipeline.core.judge import History, State
from pipeline.core.partial import Partial
from pipeline.core.publish import iso, rows, tick
from pipeline.core.windows import DAY_MS, Anchored, Trailing
from tests.core.plans import guard, metric, plan_of

AT_MS = 1_705_744_800_000
COUNT = OfTerm(0, TermPart.COUNT)
PLAN = plan_of(
    metric(COUNT, "views"),
    metric(Calculation("/", COUNT, Constant(4)), "share", guard=guard(baseline=Previous(DAY_MS))),
    windows=((Trailing(DAY_MS),),),
)


def test_a_tick_has_a_reading_and_a_verdict_for_every_metric():
    """Readings and verdicts are those of one moment, and the history moves on with it."""
    history = History()
    first = tick(PLAN, Partial((400,), (0,), 0), history, AT_MS - DAY_MS)
    second = tick(PLAN, Partial((416,), (0,), 0), history, AT_MS)
    assert second.at_ms == AT_MS
    assert [reading.value for reading in first.readings] == [400, 100.0]
    assert [verdict.state for verdict in first.verdicts] == [State.UNKNOWN] * 2
    assert [verdict.state for verdict in second.verdicts] == [State.UNKNOWN, State.YELLOW]
    assert second.verdicts[1].baseline == 100.0


def test_rows_are_flat_and_in_the_order_of_the_plan():
    """One row for each metric, with its sides, its samples and its state."""
    made = tick(PLAN, Partial((0,), (0,), AT_MS - DAY_MS // 2), History(), AT_MS)
    shared = {
        "at": "2024-01-20T10:00:00Z",
        "product": "suite",
        "segment": None,
        "samples": 0,
        "coverage": 0.5,
        "low": None,
        "high": None,
        "missing": [],
        "unit": "things",
        "maturity": None,
        "residual": None,
        "state": "unknown",
        "baseline": None,
        "warn_at": None,
        "breach_at": None,
        "attainment": None,
        "pace": None,
        "correlation": None,
    }
    assert [*rows(PLAN, made)] == [
        {
            **shared,
            "metric": "views",
            "reason": "no guard",
            "value": 0,
            "numerator": None,
            "denominator": None,
        },
        {
            **shared,
            "metric": "share",
            "reason": made.verdicts[1].reason,
            "value": 0.0,
            "numerator": 0,
            "denominator": 4,
        },
    ]


def test_rows_say_what_a_state_is_made_of():
    """Baseline and limits are those of the verdict; where it is unknown there is a reason."""
    history = History()
    first = tick(PLAN, Partial((400,), (0,), 0), history, AT_MS - DAY_MS)
    second = tick(PLAN, Partial((416,), (0,), 0), history, AT_MS)
    before, now = ([*rows(PLAN, made)][1] for made in (first, second))
    verdict = second.verdicts[1]
    assert before["reason"]
    assert (now["state"], now["reason"], now["baseline"]) == ("yellow", "", 100.0)
    assert (now["warn_at"], now["breach_at"]) == (verdict.warn_at, verdict.breach_at)


def test_rows_say_whether_time_can_still_change_them():
    """Of a window of each entity's own a row is final or provisional, of all others neither."""
    started = Anchored("joined", DAY_MS, False, Trailing(DAY_MS), is_matured=False)
    plan = plan_of(
        metric(COUNT, "begun"),
        metric(OfTerm(1, TermPart.COUNT), "views"),
        windows=((started,), (Trailing(DAY_MS),)),
    )
    made = tick(plan, Partial((1, 2), (0, 0), 0), History(), AT_MS)
    assert [row["maturity"] for row in rows(plan, made)] == ["provisional", None]


@pytest.mark.parametrize(
    ("time_ms", "expected"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (AT_MS, "2024-01-20T10:00:00Z"),
        (AT_MS + 5, "2024-01-20T10:00:00.005Z"),
        (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
    ],
)
def test_moments_are_written_with_milliseconds_where_there_are_some(time_ms, expected):
    """ISO 8601 in UTC, as the envelope reads it."""
    assert expected == iso(time_ms)
