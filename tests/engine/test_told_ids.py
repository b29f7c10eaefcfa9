"""Ids of those who are told of: known whenever their entity is, however records were polled."""

import json

import pytest

from pipeline.core.deployment import Deployment
from pipeline.core.windows import HOUR_MS, MINUTE_MS, SECOND_MS
from pipeline.engine.local import LocalEngine
from tests.core.plans import AT_MS, compiled, iso, records
from tests.engine.both_engines import bytewax, until_exhausted
from tests.engine.memory_source import MemorySource
from tests.oracle.oracle import Record

TEXT = """
version: 1
product: shop
source: {topics: [events], envelope: segment}
events:
  viewed: {name: viewed, ids: {user: userId}}
sets:
  busy: {of: user, when: count(viewed) >= 1, window: trailing 1m, transitions: true}
metrics:
  north: {role: north_star, value: size(busy), unit: users}
  all: {value: count(viewed), window: trailing 7d}
"""
PLAN = compiled(TEXT)
DEPLOYMENT = Deployment(shards=1, tick_ms=5 * SECOND_MS, lateness_ms=MINUTE_MS)


def viewed(user, after_ms, event="viewed"):
    """A record."""
    body = {"event": event, "timestamp": iso(AT_MS + after_ms), "userId": user}
    return json.dumps(body).encode()


# Ann's first is visible at once, and too late for her window; her row goes before her second.
RECORDS = [viewed("bob", 0), viewed("ann", -HOUR_MS), viewed("ann", 30 * SECOND_MS)]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_who_enters_has_an_id_whatever_was_polled_at_once(size):
    """The row that an id came with first need not be the one that its entity is remembered by."""
    engine = LocalEngine(PLAN, DEPLOYMENT)
    for start in range(0, len(RECORDS), size):
        batch = records(RECORDS[start : start + size], AT_MS + HOUR_MS, first_offset=start)
        engine.feed(batch)
    ticks = range(AT_MS - 55 * SECOND_MS, AT_MS + MINUTE_MS, DEPLOYMENT.tick_ms)
    told = [each.id for at in ticks for each in engine.evaluate(at).transitions]
    assert told == ["bob", "ann"]


MORE = compiled(
    TEXT.replace("events:\n", "events:\n  bought: {name: bought, ids: {user: userId}}\n").replace(
        "metrics:\n",
        "  buyers: {of: user, when: count(bought) >= 1, window: trailing 1h, transitions: true}\n"
        "metrics:\n  sold: {value: count(bought), window: trailing 1h}\n",
    )
)
SECOND_SET = [viewed("bob", 0), viewed("ann", 1, "bought"), viewed("cy", 70 * SECOND_MS)]
SECOND_SET += [viewed("dan", 3 * MINUTE_MS)]


@pytest.mark.parametrize("deleted", [0, 1])
def test_ids_of_the_past_are_filled_for_a_second_set_of_an_entity(tmp_path, deleted):
    """With those that were known before, also where the log has them no more."""
    store = {"store": tmp_path / "store", "store_parts": 1}

    def source(number, start=0):
        log = [Record(0, at, AT_MS + HOUR_MS, value) for at, value in enumerate(SECOND_SET)]
        return MemorySource(log[:number], partitions=[0], live=True, from_end=bool(start))

    def history(slot, _):
        return source(3, deleted).open(slot, {0: deleted})

    first = source(3)
    bytewax(PLAN, DEPLOYMENT, first, stop=until_exhausted(first), **store)
    rest = source(4)
    ticks = bytewax(MORE, DEPLOYMENT, rest, stop=until_exhausted(rest), **store, history=history)
    told = {(each.set, each.id, each.change.value) for tick in ticks for each in tick.transitions}
    assert ("buyers", "ann", "entered") in told
    assert ("busy", "bob", "left") in told
