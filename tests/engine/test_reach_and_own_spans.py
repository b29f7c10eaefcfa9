"""Windows of entities' own, and reach through three levels, in a stream where all goes wrong.

Stopped on the way and resumed, on threads, the engine gives the local engine's ticks.
"""

import tempfile
from itertools import count
from pathlib import Path
from threading import Event

import pytest

from tests.engine import deep_product
from tests.engine.both_engines import bytewax, compiled, local, same, until_exhausted
from tests.engine.deep_product import DEPLOYMENT, stream
from tests.engine.memory_source import MemorySource

METRICS = """
  quick_docs:
    of: doc
    when: distinct(viewed.user, other_than=author) >= 2
    window: first 20s after viewed
    matured: trailing 2m
  quick_teams:
    of: team
    when: count(quick_docs.team) >= 1 or sum(viewed.seconds) > 2
    window: first session after made
    gap: 4s
    started: trailing 3m
  late_teams:
    of: team
    when: count(viewed) >= 2 and not count(made, where=plan == "pro") >= 3
    window: first session after joined
    gap: 4s
    matured: trailing 30s
  pro_readers:
    of: user
    when: >-
      distinct(viewed.doc, where=user.plan == "pro") >= 2
      and count(viewed, where=user.plan != "free") >= 2
    window: trailing 20s
metrics:
  pro_seconds:
    value: 'sum(viewed.seconds, where=user.plan == "pro" and seconds > 1)'
    window: trailing 1m
  pro_users: {value: 'distinct(viewed.user, where=not user.plan == "free")', window: calendar day}
  pro_reading: {value: size(pro_readers)}
  companies: {role: north_star, value: size(learning_companies)}
  quick: {value: size(quick_docs) / cohort(quick_docs)}
  teams: {value: size(quick_teams)}
  begun: {value: cohort(quick_teams)}
  late: {value: size(late_teams)}
  over: {value: cohort(late_teams)}
  readers: {value: "distinct(viewed.user, within=quick_docs)", window: trailing 1m}
  readings: {value: "sum_distinct(viewed.user, within=quick_docs)", window: trailing 1m}
  of_teams: {value: "distinct(viewed.user, within=learning_teams)", window: trailing 30s}
  docs_of_teams:
    value: 'sum_distinct(viewed.doc, within=learning_teams, where=plan == "pro")'
    window: calendar day
"""
HEAD = deep_product.DEFINITION.partition("metrics:\n")[0]
PLAN = compiled(
    f"{HEAD}{METRICS}".replace("  user: {team:", "  user: {plan: {from: made.plan}, team:").replace(
        "made: {name: made, ids: {user: user, doc: doc, team: team}}",
        "made: {name: made, ids: {user: user, doc: doc, team: team}, values: {plan: plan}}",
    )
)


@pytest.fixture(scope="module", params=[3, 8])
def records(request):
    """A stream of five minutes."""
    return stream(request.param)


@pytest.fixture(scope="module")
def expected(records):
    """What the local engine makes of it, by tick."""
    ticks = range(deep_product.START_MS, deep_product.last_tick_ms(records) + 1, DEPLOYMENT.tick_ms)
    return {tick.at_ms: tick for tick in local(PLAN, DEPLOYMENT, records, ticks)}


def test_the_stream_says_something(expected):
    """Every metric takes several values."""
    assert PLAN.levels == 4
    for number, metric in enumerate(PLAN.metrics):
        values = {tick.readings[number].value for tick in expected.values()}
        assert len(values) > 2, (metric.name, values)


@pytest.mark.parametrize(("workers", "stops"), [(1, (4, 9)), (2, (6,)), (2, ())])
def test_stopped_and_resumed_every_tick_is_the_local_engines(records, expected, workers, stops):
    """Whatever each shard has handed up, and whose windows have ended, is there again."""
    published = []
    with tempfile.TemporaryDirectory() as directory:
        for run, polls in enumerate([*stops, None]):
            source = MemorySource(records, slots=2, live=True, luck=run)
            bytewax(
                PLAN,
                DEPLOYMENT,
                source,
                stop=until_exhausted(source) if polls is None else until_polled(source, polls),
                published=published,
                store=Path(directory) / "store",
                store_parts=1,
                workers=workers,
                poll_records=20,
            )
    made = [tick for tick in published if tick.at_ms in expected]
    assert made[-1].at_ms == max(expected)
    assert same((expected[tick.at_ms] for tick in made), made)


def until_polled(source, polls):
    """A request to stop that comes with a poll of any slot."""
    stop, polled = Event(), count()
    source.on_poll = lambda _: stop.set() if next(polled) >= polls else None
    return stop
