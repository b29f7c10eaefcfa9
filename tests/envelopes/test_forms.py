"""What only some envelopes have: names from the log or from nowhere, many events in a record."""

import json
from collections import Counter

import numpy as np

from pipeline.core.carried import Carried
from pipeline.core.decode import Decoder
from pipeline.core.deployment import Deployment
from pipeline.core.fence import Fence
from pipeline.core.match import Matcher, place
from pipeline.core.records import Filtered, Reason, Records
from pipeline.core.unwrap import EVENTS_MAX
from pipeline.spec import read_text
from tests.envelopes.test_envelopes import plan_for

AT_MS = 1_714_986_000_250


def plan_of(envelope):
    """A plan of two events, of which only one reads a number."""
    text = f"""
version: 1
product: forms
source: {{topics: [events], envelope: {envelope}}}
events:
  order: {{name: order, ids: [user], values: {{total: total}}}}
  view: {{name: view, ids: [user]}}
metrics:
  total: {{role: north_star, value: sum(order.total), window: trailing 1d, owner: me}}
  users: {{value: distinct(order.user) + distinct(view.user), window: trailing 1d}}
"""
    result = read_text(text, "forms")
    assert result.plan is not None, [problem.message for problem in result.problems]
    return result.plan


def records(values, headers=()):
    """Records of one partition, with headers where there are any."""
    count = len(values)
    carried = Carried(
        [b"u-1"] * count,
        [*headers] or [()] * count,
        ["orders"] * count,
        [0] * count,
        [*range(count)],
        [AT_MS] * count,
    )
    offsets = np.arange(count)
    return Records(0, values, offsets, np.full(count, AT_MS), carried=carried)


def decoded(plan, given):
    """What decode makes of records."""
    decoder = Decoder(plan, Deployment())
    found = decoder.decode(given, decoder.fresh())
    found.counts.add(Matcher(plan, Deployment()).match(found.batch).counts)
    assert found.counts.balanced
    return found


def test_names_may_stand_in_a_header():
    """A wrong type matters only to the name that reads it, also where the log has the name."""
    kinds = [b"order", b"view", b"order", b"other", b"\xff", None]
    values = [
        b'{"total": 5}',
        b'{"total": "x"}',
        b'{"total": "x"}',
        b'{"total": "x"}',
        b"{}",
        b"{}",
    ]
    headers = [[("kind", kind)] for kind in kinds]
    found = decoded(plan_of("{preset: kafka, name: kafka.header.kind}"), records(values, headers))
    assert found.batch.offsets.tolist() == [0, 1]
    assert found.counts.rejected == Counter({Reason.FIELD_TYPE: 2})
    assert found.counts.filtered == Counter({Filtered.UNKNOWN_NAME: 2})


def test_every_record_may_have_one_name():
    """A constant is the name of whatever comes; what it reads has to fit."""
    plan = plan_of("{preset: kafka, name: {constant: order}}")
    found = decoded(plan, records([b'{"total": 5}', b'{"total": "x"}', b'{"kind": "view"}']))
    assert found.batch.offsets.tolist() == [0, 2]
    assert found.counts.rejected == Counter({Reason.FIELD_TYPE: 1})


def batch_of(events, **shared):
    """A record of so many events."""
    event = {"event_name": "Song Played", "timestamp_unixtime_ms": AT_MS}
    return json.dumps({"events": [{"data": event}] * events, "mpid": 7, **shared}).encode()


def test_a_record_of_too_many_events_is_too_large():
    """Up to the limit each is counted; beyond it the record is one that is refused."""
    plan = plan_for("mparticle")
    given = records([batch_of(EVENTS_MAX), batch_of(EVENTS_MAX + 1), batch_of(1)])
    found = decoded(plan, given)
    assert found.counts.matched == EVENTS_MAX + 1
    assert found.counts.consumed == EVENTS_MAX + 2
    assert [(reason, at.tolist()) for reason, at in found.rejected] == [(Reason.TOO_LARGE, [1])]


def test_what_events_share_counts_for_each_of_them():
    """A small record cannot become a large one by being taken apart."""
    large = {"user_identities": {"customer_id": "c", "note": "x" * 100_000}}
    found = decoded(plan_for("mparticle"), records([batch_of(100, **large), batch_of(5, **large)]))
    assert found.counts.rejected == Counter({Reason.TOO_LARGE: 1})
    assert found.counts.matched == 5


def test_all_events_of_a_record_enter_together_or_not_at_all():
    """They stand at one offset: the fence lets all of them in once, and none twice."""
    plan = plan_for("mparticle")
    batch = decoded(plan, records([batch_of(3), batch_of(2)])).batch
    assert batch.offsets.tolist() == [0, 0, 0, 1, 1]
    (rows,) = Matcher(plan, Deployment(shards=1)).match(batch).rows.values()
    feed, all_rows = next(iter(rows.items()))
    fence = Fence()
    assert len(fence.admit({0: (0, 1)}, {feed: all_rows.take(np.arange(5) < 3)})[feed]) == 3
    admitted = fence.admit({0: (0, 2)}, {feed: all_rows})[feed]
    assert admitted.places.tolist() == [place(0, 1)] * 2


def test_a_field_of_the_record_named_kafka_is_not_taken_for_the_logs():
    """What the log has cannot be forged by what a record says."""
    plan = plan_of("{preset: kafka, name: kafka.header.kind}")
    forged = b'{"kafka": {"header": {"kind": "order"}, "key": "mallory"}}'
    found = decoded(plan, records([forged]))
    assert found.counts.filtered == Counter({Filtered.UNKNOWN_NAME: 1})
