"""Targets and proxies through whole engines: the closes they look back on are never passed over."""

from random import Random
from threading import Event

import pytest

from pipeline.core.deployment import Deployment
from pipeline.core.windows import DAY_MS, HOUR_MS
from tests.engine.both_engines import bytewax, compiled, local, same, until_exhausted
from tests.engine.memory_source import MemorySource
from tests.oracle.oracle import Record

PLAN = compiled("""\
version: 1
product: shop
source: {topics: [events], envelope: {name: n, time: {from: t, unit: ms}}}
events:
  read: {name: read, ids: {user: user}}
  ordered: {name: ordered, ids: {user: user}}
metrics:
  orders: {role: north_star, value: count(ordered), window: trailing 2d}
  reads:
    value: distinct(read.user)
    window: trailing 1d
    proxy_for: orders
    since: 2024-01-05
    targets: [{by: 2024-01-20, value: 30}, {by: 2024-03-01, value: 40}]
""")
START_MS = 1_704_067_200_000
DEPLOYMENT = Deployment(tick_ms=HOUR_MS, lateness_ms=0, shards=2)


@pytest.fixture(scope="module")
def records():
    """45 days on one partition."""
    luck = Random(5)  # noqa: S311 - a made-up stream keeps no secret
    times = sorted(START_MS + luck.randrange(45 * DAY_MS) for _ in range(900))
    kinds = ("read", "ordered")
    return [
        Record(0, at, time, f'{{"n": "{kind}", "user": "u{at % 31}", "t": {time}}}'.encode())
        for at, time in enumerate([START_MS, *times])
        for kind in [luck.choice(kinds)]
    ]


def stopped_after(source, polls):
    """A request to stop that comes with a poll."""
    stop, seen = Event(), []
    source.on_poll = lambda _: (seen.append(1), stop.set() if len(seen) > polls else None)
    return stop


@pytest.mark.parametrize("polls", [4, 11, 25])
def test_catching_up_and_stopping_change_no_outlook(records, tmp_path, polls):
    """Stopped once, and with few of the ticks made, each says what all ticks in a row say."""
    published = []
    for run in (polls, None):
        source = MemorySource(records, slots=1, live=True)
        stop = until_exhausted(source) if run is None else stopped_after(source, run)
        more = {"store": tmp_path / "store", "store_parts": 1, "poll_records": 23}
        bytewax(PLAN, DEPLOYMENT, source, stop=stop, published=published, catch_up_ticks=12, **more)
    every = range(START_MS + HOUR_MS, max(tick.at_ms for tick in published) + 1, HOUR_MS)
    expected = {tick.at_ms: tick for tick in local(PLAN, DEPLOYMENT, records, every)}
    assert same((expected[tick.at_ms] for tick in published), published)
    outlooks = [tick.outlooks[1] for tick in published]
    assert any(one.pace is not None and one.correlation is not None for one in outlooks)
