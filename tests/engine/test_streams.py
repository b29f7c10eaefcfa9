"""Streams through the whole engine: how records are cut, mixed and resumed is no matter."""

import pytest

from pipeline.engine.local import LocalEngine, replay
from tests.engine.both_engines import bytewax, compiled, local, same, until_exhausted
from tests.engine.deep_product import DEPLOYMENT, START_MS, last_tick_ms, stream
from tests.engine.memory_source import MemorySource
from tests.engine.test_resume import until_polled

PLAN = compiled(
    """
version: 1
product: streams
source: {topics: [events], envelope: {name: kind, time: {from: ts, unit: ms}, id: id}}
events:
  made: {name: made, ids: {user: user, doc: doc, team: team}}
  joined: {name: joined, ids: {user: user, team: team}}
  viewed:
    name: viewed
    ids: {user: user, doc: doc, team: team}
    values: {seconds: {from: ms / 1000, max: 600}, plan: plan}
  unseen:
    name: made
    ids: {user: user, doc: doc, team: team}
    values: {seconds: {from: ms / 1000, max: 600}, plan: plan}
    undone_by: {event: viewed, by: doc, within: 20s}
streams:
  reading: {pair: [made, viewed], by: doc, within: 30s, keep: matched, at: second}
  unread: {pair: [made, viewed], by: doc, within: 30s, keep: unmatched}
  way: {sequence: [joined, made, viewed], by: team, within: 2m}
  sessions: {session: [made, viewed], by: user, gap: 8s}
  visits: {session: [viewed], by: user, id: doc, gap: 8s}
  rests: {gap: [viewed, made], by: user, same: [team], within: 1m}
  beginners: {first: [viewed, joined], by: user}
sets:
  regulars: {of: user, when: count(sessions) >= 2 and sum(rests.elapsed) > 3, window: trailing 1m}
  makers:
    of: user
    when: distinct(unseen.doc) >= 2 and sum(unseen.seconds) < 9
    window: trailing 1m
metrics:
  unseen_docs: {value: count(unseen), window: trailing 40s}
  unseen_seconds: {value: "mean(unseen.seconds, where=seconds > 1)", window: trailing 1m}
  unseen_by: {value: distinct(unseen.user), window: trailing 1m}
  unseen_by_plan: {value: count(unseen) / distinct(unseen.user), window: trailing 1m, by: plan}
  longest_unseen: {value: max(unseen.seconds), window: trailing 1m, by: plan}
  makers_now: {value: size(makers)}
  read:
    role: north_star
    value: count(reading, where=viewed.plan == "pro" or elapsed < 9)
    window: trailing 40s
  unread_now: {value: count(unread), window: trailing 1m}
  far: {value: "reached(way, 2) / count(way)", window: trailing 2m}
  seconds: {value: sum(way.viewed.seconds), window: trailing 2m}
  length: {value: "mean(sessions.length, where=ended)", window: trailing 40s}
  new_ones: {value: "count(sessions, where=is_first)", window: trailing 40s}
  docs: {value: "count(visits, where=viewed.seconds > 2)", window: trailing 1m}
  between: {value: mean(rests.elapsed), window: trailing 1m}
  beginners_now: {value: distinct(beginners.user), window: trailing 1m}
  beginners_by_plan: {value: count(beginners), window: trailing 2m, by: [plan, viewed.plan]}
  read_by_plan: {value: max(reading.elapsed), window: trailing 1m, by: viewed.plan, cap: 1}
  their_seconds: {value: sum(beginners.seconds), window: trailing 5m}
  regular: {value: size(regulars)}
"""
)
TICK_MS = DEPLOYMENT.tick_ms


@pytest.fixture(scope="module")
def records():
    """A stream of four partitions."""
    return stream(11, number=500)


@pytest.fixture(scope="module")
def expected(records):
    """What the local engine makes of it, at every tick there is."""
    span = range(START_MS - 4 * TICK_MS, last_tick_ms(records) + TICK_MS, TICK_MS)
    ticks = local(PLAN, DEPLOYMENT, records, span)
    values = [{reading.value for reading in tick.readings} for tick in ticks]
    assert len(set().union(*values)) > 30  # of something
    return {tick.at_ms: tick for tick in ticks}


@pytest.mark.parametrize("limit", [1, 13])
def test_records_may_be_cut_anywhere(records, expected, limit):
    """Polls of so many records, in any mixture of partitions, give the same ticks."""
    source = MemorySource(records, luck=limit).open(0, {})
    engine = LocalEngine(PLAN, DEPLOYMENT)
    found = list(replay(engine, source, sorted(expected), limit=limit))
    assert same(expected.values(), found)


def test_stopped_and_resumed_the_engine_goes_on_exactly(records, expected, tmp_path):
    """Whatever polls an engine is stopped after, its ticks are those of one that never was."""
    published = []
    for polls in (5, 9, 12, None):
        source = MemorySource(records, slots=2, live=True)
        stop = until_exhausted(source) if polls is None else until_polled(source, polls)
        running = {"store": tmp_path / "store", "store_parts": 2, "poll_records": 25}
        bytewax(PLAN, DEPLOYMENT, source, stop=stop, published=published, **running)
    assert len({tick.at_ms for tick in published}) > 20
    assert same([expected[tick.at_ms] for tick in published], published)
