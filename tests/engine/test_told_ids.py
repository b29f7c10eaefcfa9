"""Ids of those who are told of: known whenever their entity is, however records were polled."""

import json

import pytest

from pipeline.core.deployment import Deployment
from pipeline.core.windows import HOUR_MS, MINUTE_MS, SECOND_MS
from pipeline.engine.local import LocalEngine
from tests.core.plans import AT_MS, compiled, iso, records

PLAN = compiled(
    """
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
)
DEPLOYMENT = Deployment(shards=1, tick_ms=5 * SECOND_MS, lateness_ms=MINUTE_MS)


def viewed(user, after_ms):
    """A record."""
    body = {"event": "viewed", "timestamp": iso(AT_MS + after_ms), "userId": user}
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
