"""What only some envelopes have: names from the log or from nowhere, many events in a record."""

import json
from collections import Counter

import numpy as np
import pytest

from pipeline.core.carried import Carried
from pipeline.core.decode import LONG_AGO, Decoder
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


@pytest.mark.parametrize("rows", [[], None, "x", 5])
def test_a_record_without_a_list_is_filtered_whatever_it_shares(rows):
    """A name and a time beside the list make no event of it, and move no watermark."""
    plan = plan_of("{name: kind, time: {from: ts, unit: ms}, each: rows, ids: {user: user}}")
    shared = {"kind": "order", "ts": AT_MS}
    decoder = Decoder(plan, Deployment())
    state = decoder.fresh()
    given = records([json.dumps(shared | {"rows": rows}).encode(), json.dumps(shared).encode()])
    found = decoder.decode(given, state)
    assert found.counts.filtered == Counter({Filtered.UNKNOWN_NAME: 2})
    assert found.counts.consumed == 2
    assert state.newest_ms == LONG_AGO


def test_an_item_that_is_nothing_is_an_event_by_what_it_shares():
    """One of a list that has it is no list of none."""
    plan = plan_of("{name: kind, time: {from: ts, unit: ms}, each: rows, ids: {user: user}}")
    body = {"kind": "order", "ts": AT_MS, "rows": [None, 5]}
    assert decoded(plan, records([json.dumps(body).encode()])).counts.matched == 2


@pytest.mark.parametrize("mpid", [-(2**63) - 1, 2**64, 2**70])
def test_what_64_bits_do_not_hold_is_no_exact_id(mpid):
    """The reference promises no more; two such numbers may be one to who wrote them."""
    value = json.loads(batch_of(1)) | {"mpid": mpid}
    found = decoded(plan_for("mparticle"), records([json.dumps(value).encode()]))
    assert found.counts.rejected == Counter({Reason.BAD_ID: 1})


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


def test_a_name_within_text_that_is_no_object_is_refused():
    """Nobody can say that such a record is none of our events."""
    plan = plan_of("{name: at.kind, time: {from: ts, unit: ms}, text: [at], ids: {user: user}}")
    texts = [json.dumps({"kind": "order"}), "no object", ""]
    values = [json.dumps({"ts": AT_MS, "at": text}).encode() for text in texts]
    found = decoded(plan, records(values))
    assert found.batch.offsets.tolist() == [0]
    assert found.counts.rejected == Counter({Reason.FIELD_TYPE: 1})
    assert found.counts.filtered == Counter({Filtered.UNKNOWN_NAME: 1})


def test_nothing_of_the_record_itself_need_be_read():
    """Once a poll with any record of a definition that reads Kafka's fields alone was a crash."""
    text = """
version: 1
product: forms
source: {topics: [orders], envelope: kafka}
events: {order: {name: orders, ids: [user]}}
metrics: {users: {role: north_star, value: distinct(order.user), window: trailing 1d, owner: me}}
"""
    plan = read_text(text, "forms").plan
    found = decoded(plan, records([b'{"total": 5}', b"{}", b"[1]", b"{", None]))
    assert found.counts.matched == 2
    assert found.counts.rejected == Counter({Reason.NOT_OBJECT: 1, Reason.INVALID_JSON: 1})


CLOUD = {
    "ce_specversion": b"1.0",
    "ce_type": b"order",
    "ce_source": b"here",
    "ce_id": b"1",
    "ce_time": b"2024-05-06T09:00:00Z",
    "ce_subject": b"u-1",
}


def in_binary_mode(*more, value=b"{}", written=str):
    """What becomes of one CloudEvent with these headers after its own."""
    headers = [(written(name), text) for name, text in CLOUD.items()]
    return decoded(plan_of("cloudevents"), records([value], [[*headers, *more]]))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ce_type", Reason.FIELD_TYPE),
        ("ce_subject", Reason.FIELD_TYPE),
        ("ce_id", Reason.FIELD_TYPE),
        ("ce_time", Reason.BAD_TIME),
        ("ce_other", None),
    ],
)
def test_an_attribute_that_is_no_utf8_is_refused_where_it_is_read(name, reason):
    """Once it was read with its bad bytes replaced: two users whose ids differ in them were one."""
    found = in_binary_mode((name, b"u\xff"))
    assert found.counts.rejected == Counter([reason] if reason else [])
    assert found.counts.matched == (reason is None)


def test_of_two_attributes_the_last_counts_also_where_it_is_null():
    """Once the one before it did."""
    assert in_binary_mode(("ce_type", None)).counts.filtered == {Filtered.UNKNOWN_NAME: 1}
    assert in_binary_mode(("ce_type", b"view")).batch.names.tolist() == [1]


@pytest.mark.parametrize("written", [str.upper, str.title, lambda name: name.replace("_", "-")])
def test_attributes_are_known_however_their_headers_are_written(written):
    """In any case, and as gateways hand them on from HTTP."""
    assert in_binary_mode(written=written).counts.matched == 1


def test_a_content_type_may_say_that_a_cloud_event_is_structured():
    """Once headers that were left over beside it were taken for its attributes."""
    value = json.dumps({"type": "view", "source": "a", "id": "2", "time": "2024-05-06T09:00Z"})
    says_so = ("Content-Type", b"Application/CloudEvents+json; charset=utf-8")
    assert in_binary_mode(says_so, value=value.encode()).batch.names.tolist() == [1]


def test_a_field_of_the_record_named_kafka_is_not_taken_for_the_logs():
    """What the log has cannot be forged by what a record says."""
    plan = plan_of("{preset: kafka, name: kafka.header.kind}")
    forged = b'{"kafka": {"header": {"kind": "order"}, "key": "mallory"}}'
    found = decoded(plan, records([forged]))
    assert found.counts.filtered == Counter({Filtered.UNKNOWN_NAME: 1})
