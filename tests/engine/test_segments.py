"""Segments on the Bytewax engine: the local engine's, stopped and resumed, hashed with a salt."""

from dataclasses import replace

import pytest

from tests.engine.both_engines import bytewax, compiled, local, same, until_exhausted
from tests.engine.deep_product import DEFINITION, DEPLOYMENT, START_MS, last_tick_ms, stream
from tests.engine.memory_source import MemorySource
from tests.engine.test_resume import until_polled
from tests.oracle.oracle import Settings, expected as expected_of

TEXT = (
    DEFINITION.replace(
        "user: {team: {is: team, from: joined.team}}",
        "user: {team: {is: team, from: joined.team}, plan: {from: joined.plan}}",
    )
    .replace(
        "joined: {name: joined, ids: {user: user, team: team}}",
        "joined: {name: joined, ids: {user: user, team: team}, values: {plan: plan}}",
    )
    .replace(
        "metrics:\n",
        "metrics:\n"
        "  viewers_by_plan: {value: distinct(viewed.user), window: trailing 1m, by: plan, cap: 1}\n"
        "  teachers_by_plan: {value: size(teachers), by: plan}\n"
        "  seconds_by_plan: {value: mean(viewed.seconds), window: calendar day, by: plan}\n"
        "  seconds_by_plan_then:\n"
        "    value: mean(viewed.seconds)\n"
        "    window: trailing 1m\n"
        "    by: user.plan\n"
        "  viewers_by_plan_then:\n"
        "    value: distinct(viewed.user)\n"
        "    window: trailing 40s\n"
        "    by: user.plan\n"
        "  longest_by_plan_then:\n"
        "    value: max(viewed.seconds) - min(viewed.seconds)\n"
        "    window: trailing 50s\n"
        "    by: [user.plan, plan]\n"
        "  typical_by_plan: {value: median(viewed.seconds), window: trailing 50s, by: plan}\n"
        "  pros_by_plan_then:\n"
        "    value: count(viewed, where=user.plan == 'pro') / count(viewed)\n"
        "    window: trailing 1m\n"
        "    by: user.plan\n"
        "  long_views_by_plan:\n"
        "    value: count(viewed, where=seconds > 2) / count(viewed)\n"
        "    window: trailing 30s\n"
        "    by: plan\n"
        "    cap: 1\n",
    )
)
PLAN = compiled(TEXT)
SALTED = replace(DEPLOYMENT, salt=11)
TICK_MS = SALTED.tick_ms


@pytest.fixture(scope="module")
def records():
    """A stream of four partitions."""
    return stream(5, number=500)


@pytest.fixture(scope="module")
def expected(records):
    """What the local engine makes of it."""
    span = range(START_MS - 4 * TICK_MS, last_tick_ms(records) + TICK_MS, TICK_MS)
    return {tick.at_ms: tick for tick in local(PLAN, SALTED, records, span)}


def test_the_stream_says_something(expected):
    """Segments of all of them change."""
    by_name = {metric.name: number for number, metric in enumerate(PLAN.metrics)}
    for name in (
        *("viewers_by_plan", "teachers_by_plan", "seconds_by_plan"),
        *("viewers_by_plan_then", "seconds_by_plan_then", "pros_by_plan_then"),
    ):
        segments = [tick.segments[by_name[name]] for tick in expected.values()]
        assert len({each.text for each in segments[-1]}) > 2
        assert len(set(segments)) > 3


@pytest.mark.parametrize("seed", [0, 1])
def test_the_oracle_says_the_same(seed):
    """What each segment comes to at a few ticks, by plain SQL over all records."""
    records, ticks = stream(seed, number=300), range(START_MS, START_MS + 66 * TICK_MS, 9 * TICK_MS)
    settings = Settings(SALTED.lateness_ms, SALTED.future_max_ms, SALTED.dedup_horizon_ms)
    answer = expected_of(TEXT, records, settings, [*ticks])
    compared = 0
    for tick in local(PLAN, SALTED, records, ticks):
        for metric, segments in zip(PLAN.metrics, tick.segments, strict=True):
            for each in segments:
                said = answer.readings[metric.name, tick.at_ms].segments[each.dimension, each.text]
                value = each.reading.value
                is_near = metric.name == "typical_by_plan" and value is not None
                near = pytest.approx(value, rel=0.011) if is_near else pytest.approx(value)
                assert said.value == near, (metric.name, tick.at_ms, each)
                compared += 1
    assert compared > 90


@pytest.mark.parametrize("workers", [1, 2])
def test_stopped_and_resumed_the_segments_are_the_same(records, expected, tmp_path, workers):
    """Names and figures are saved and found again, at whatever poll a run ends."""
    store = {"store": tmp_path / "store", "store_parts": 2, "poll_records": 25}
    published = []
    for turn, polls in enumerate((9, 4, None)):
        source = MemorySource(records, slots=2, live=True, luck=turn)
        stop = until_exhausted(source) if polls is None else until_polled(source, polls)
        running = {**store, "workers": workers}
        published += bytewax(PLAN, SALTED, source, stop=stop, **running)
    ticks = [tick.at_ms for tick in published]
    assert {at for at in expected if at > START_MS} <= set(ticks)
    assert same((expected[at] for at in ticks), published)
