"""Terms that merge by laws of their own: on both engines, cut and stopped anywhere."""

from random import Random
from threading import Event

import pytest

from tests.engine.both_engines import bytewax, compiled, local, same, until_exhausted
from tests.engine.deep_product import DEFINITION, DEPLOYMENT, START_MS, last_tick_ms, stream
from tests.engine.memory_source import MemorySource

TICK_MS = DEPLOYMENT.tick_ms
METRICS = """metrics:
  least: {value: min(viewed.seconds), window: trailing 30s}
  most_today: {value: max(viewed.seconds), window: calendar day}
  usual: {value: median(viewed.seconds), window: trailing 1m}
  slow: {value: "quantile(viewed.seconds, 0.9)", window: calendar day}
  about_docs: {value: approx_distinct(viewed.doc), window: trailing 1m}
  about_users: {value: approx_distinct(viewed.user), window: calendar day}
  busiest: {value: "top_share(viewed, by=user, top=10%)", window: trailing 1m}
  busiest_today: {value: "top_share(viewed, by=doc, top=20%)", window: calendar day}
  happy: {value: "csat(viewed.seconds, top=2)", window: trailing 1m}
  recommend: {value: nps(viewed.seconds), window: trailing 1m}
  health: {value: "index(happy=2, usual=1, teams_per_company=1)", missing: skip_and_say}
"""
PLAN = compiled(DEFINITION.replace("metrics:\n", METRICS))


@pytest.fixture(scope="module")
def records():
    """A stream of three partitions in which everything goes wrong."""
    return stream(11, number=400, partitions=3)


@pytest.fixture(scope="module")
def expected(records):
    """What the local engine makes of it, at every tick there is."""
    span = range(START_MS - TICK_MS, last_tick_ms(records) + TICK_MS, TICK_MS)
    return {tick.at_ms: tick for tick in local(PLAN, DEPLOYMENT, records, span)}


def test_every_measure_says_something(expected):
    """Each has a value at some tick, or the test below would hold nothing."""
    names = [metric.name for metric in PLAN.metrics]
    for number, name in enumerate(names):
        assert any(tick.readings[number].value is not None for tick in expected.values()), name
    health = names.index("health")
    assert any(tick.readings[health].missing for tick in expected.values())


def test_stopping_anywhere_changes_nothing(records, expected, tmp_path):
    """Parts of ticks are saved and found again, whatever they are made of."""
    luck, published = Random(3), []  # noqa: S311
    stops = [luck.randrange(1, 12) for _ in range(6)]
    for life, polls in enumerate([*stops, None]):
        source = MemorySource(records, slots=2, live=True, luck=life)
        stop = until_exhausted(source) if polls is None else _until_polled(source, polls)
        running = {"store": tmp_path / "store", "store_parts": 2, "poll_records": 25}
        bytewax(PLAN, DEPLOYMENT, source, stop=stop, published=published, **running)
    ticks = {tick.at_ms for tick in published if tick.at_ms > START_MS}
    assert ticks == {at for at in expected if at > START_MS}
    assert same((expected[tick.at_ms] for tick in published), published)


def test_shards_change_nothing(records, expected):
    """One shard says what four say."""
    alone = Random(5).sample(sorted(expected), 5)  # noqa: S311
    single = type(DEPLOYMENT)(
        tick_ms=TICK_MS,
        lateness_ms=DEPLOYMENT.lateness_ms,
        dedup_horizon_ms=DEPLOYMENT.dedup_horizon_ms,
        shards=1,
    )
    assert same((expected[at] for at in sorted(alone)), local(PLAN, single, records, alone))


def _until_polled(source, polls):
    """A request to stop that comes with a poll of any slot."""
    stop, seen = Event(), iter(range(polls))

    def ask(_):
        if next(seen, None) is None:
            stop.set()

    source.on_poll = ask
    return stop
