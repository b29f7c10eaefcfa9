"""The Bytewax engine gives the local engine's ticks, however it is cut and dealt out."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from pipeline.core.baselines import looked_at
from pipeline.core.clock import baselines
from tests.engine.both_engines import bytewax, compiled, deployed, local, same, until_exhausted
from tests.engine.deep_product import DEPLOYMENT, PLAN, START_MS, last_tick_ms, stream
from tests.engine.memory_source import MemorySource
from tests.oracle.strategies import Case, cases

TICK_MS = DEPLOYMENT.tick_ms

several_cases = settings(
    max_examples=60 if settings.get_current_profile_name() == "ci" else 10,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # what threads did once is not shrunk
)


@pytest.fixture(scope="module", params=[1, 2])
def records(request):
    """A stream of four partitions."""
    return stream(request.param)


@pytest.fixture(scope="module")
def expected(records):
    """What the local engine makes of it, at every tick there is and some before anything was."""
    span = range(START_MS - 4 * TICK_MS, last_tick_ms(records) + TICK_MS, TICK_MS)
    return {tick.at_ms: tick for tick in local(PLAN, DEPLOYMENT, records, span)}


def assert_every_tick(expected, published):
    """Every tick since something was there to see, in order, once, and as expected."""
    ticks = [tick.at_ms for tick in published]
    assert ticks == sorted(set(ticks))
    assert [at for at in ticks if at > START_MS] == [at for at in expected if at > START_MS]
    assert same((expected[at] for at in ticks), published)


def test_the_stream_says_something(expected):
    """Every metric changes, sets of all levels have members, and the guardrail has verdicts."""
    ticks = expected.values()
    for number, metric in enumerate(PLAN.metrics):
        assert len({tick.readings[number].value for tick in ticks}) > 2, metric.name
    assert PLAN.levels == 4
    assert len({tick.verdicts[-1].state for tick in ticks}) > 2


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize(("slots", "poll_records"), [(1, 16_384), (2, 7), (4, 100)])
def test_every_tick_is_the_local_engines(records, expected, workers, slots, poll_records):
    """All ticks of a four-level plan, once each and in order, on any number of threads."""
    source = MemorySource(records, slots=slots, live=True, luck=poll_records)
    stop = until_exhausted(source)
    published = bytewax(
        PLAN, DEPLOYMENT, source, stop=stop, workers=workers, poll_records=poll_records
    )
    assert_every_tick(expected, published)


def test_ticks_that_are_passed_over_change_no_other(records, expected):
    """Catching up in leaps makes fewer ticks, and all of them are among those made one by one."""
    source = MemorySource(records, slots=2, live=True, luck=1)
    stop = until_exhausted(source)
    published = bytewax(PLAN, DEPLOYMENT, source, stop=stop, poll_records=100, catch_up_ticks=1)
    assert len(published) < len(expected)
    assert same((expected[tick.at_ms] for tick in published), published)


@pytest.mark.parametrize("shards", [1, 32])
def test_the_number_of_shards_changes_no_tick(records, expected, shards):
    """One shard and thirty-two give what four give."""
    source = MemorySource(records, slots=2, live=True, luck=2)
    deployment = replace(DEPLOYMENT, shards=shards)
    stop = until_exhausted(source)
    published = bytewax(PLAN, deployment, source, stop=stop, workers=2)
    assert_every_tick(expected, published)


def test_partitions_that_end_hold_nobody_back():
    """A partition that ends early lets the others' ticks be made, and an engine ends with all."""
    records = stream(3, number=300)
    early = [r for r in records if r.partition != 1 or r.offset < 10]
    source = MemorySource(early, slots=2, luck=3)
    published = bytewax(PLAN, DEPLOYMENT, source, poll_records=20)
    ticks = [tick.at_ms for tick in published]
    assert ticks[-1] > last_tick_ms(early)
    assert same(local(PLAN, DEPLOYMENT, early, ticks), published)
    assert sorted(source.closed) == [0, 1]


@several_cases
@given(cases(), st.integers(1, 3), st.integers(1, 3), st.integers(0, 99))
def test_drawn_cases_give_the_local_engines_ticks(case: Case, workers, slots, luck):
    """At every tick that the Bytewax engine makes of a drawn case, the local engine says the same.

    Drawn histories are too long for every tick to be made, so it catches up in leaps; a verdict on
    the way is compared if the tick that it looks back on was made.
    """
    plan, deployment = compiled(case.definition), deployed(case)
    source = MemorySource(case.records, slots=slots, live=True, luck=luck)
    published = bytewax(
        plan,
        deployment,
        source,
        stop=until_exhausted(source),
        workers=workers,
        poll_records=30,
        catch_up_ticks=12,
    )
    made = [tick.at_ms for tick in published]
    assert made == sorted(set(made))
    expected = local(plan, deployment, case.records, made)

    def comparable(tick):
        looked = {at for baseline in baselines(plan) for at in looked_at(baseline, tick.at_ms)}
        return tick if looked <= set(made) else replace(tick, verdicts=())

    assert same(map(comparable, expected), map(comparable, published))
