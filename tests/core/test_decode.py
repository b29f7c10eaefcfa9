"""Decode: what becomes of every record, and that neither neighbours nor batches matter."""

import json
import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.core.decode import LONG_AGO, VALUE_MAX, Decoder, EventBatch
from pipeline.core.deployment import Deployment
from pipeline.core.hopeless import RECORD_BYTES_MAX
from pipeline.core.identity import ABSENT, Identity
from pipeline.core.match import Matcher
from pipeline.core.plan import At, IdMode, IdSource, Kind
from pipeline.core.records import Counts, Filtered, Reason
from pipeline.core.snapshot import pack, unpack
from pipeline.core.wanted import leaves, record_names
from pipeline.core.windows import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from tests.core.plans import AT_MS, SUITE, compiled, iso, record, records

DEPLOYMENT = Deployment()
LATENESS_MS = DEPLOYMENT.lateness_ms
FUTURE_MS = DEPLOYMENT.future_max_ms
INGESTED_MS = AT_MS + MINUTE_MS
GOOD = record()


def decoded(values, plan=SUITE, state=None, **of_records):
    """What records come to in one batch."""
    decoder = Decoder(plan, DEPLOYMENT)
    return decoder.decode(records(values, **of_records), state or decoder.fresh())


def counted(values, plan=SUITE, **of_records):
    """What became of records in one batch, after match."""
    found = decoded(values, plan, **of_records)
    found.counts.add(Matcher(plan, DEPLOYMENT).match(found.batch).counts)
    return found.counts


def rows(batch, plan=SUITE):
    """A batch as a list of rows, free of the batch's own codes for texts."""
    if not len(batch):
        return []
    words = {code: text for text, code in batch.dictionary.items()}
    columns = [batch.names.tolist(), batch.times_ms.tolist(), batch.visible_ms.tolist()]
    columns += [batch.ids[source].tolist() for source in sources(plan)]
    for number, event in enumerate(plan.events):
        for value in event.values:
            column = batch.values[number, value.name].tolist()
            columns.append(said(column, value.kind, words))
    for leaf in wheres(plan):
        columns.append(said(batch.columns[leaf].tolist(), leaf.kind, words))
    return list(zip(*columns, strict=True))


def said(column, kind, words):
    """A column's values with None where absent."""
    if kind is Kind.TEXT:
        return [words[code] for code in column]
    return [None if value == -1 or math.isnan(value) else value for value in column]


def sources(plan):
    """Every place of an id, once."""
    return list(dict.fromkeys(source for event in plan.events for _, source in event.ids))


def wheres(plan):
    """Every leaf of an event's condition, once."""
    found = [leaf for event in plan.events if event.where for leaf in leaves(event.where)]
    return list(dict.fromkeys(found))


# ── reasons ──────────────────────────────────────────────────────────────────────────────────────

DEEP = b"[" * 64 + b"]" * 64
REJECTED = {
    "over a mebibyte": (Reason.TOO_LARGE, GOOD + b" " * (RECORD_BYTES_MAX - len(GOOD) + 1)),
    "cut": (Reason.INVALID_JSON, GOOD[:-1]),
    "two of them": (Reason.INVALID_JSON, GOOD + GOOD),
    "NaN": (Reason.INVALID_JSON, b'{"event": "chart_viewed", "properties": {"ms": NaN}}'),
    "Infinity": (Reason.INVALID_JSON, b'{"event": "chart_viewed", "other": -Infinity}'),
    "beyond a double": (Reason.INVALID_JSON, b'{"properties": {"ms": 1e309}}'),
    "beyond a double, in digits": (
        Reason.INVALID_JSON,
        b'{"event": "chart_viewed", "properties": {"ms": 1' + b"0" * 400 + b"}}",
    ),
    "lone surrogate": (Reason.INVALID_JSON, b'{"event": "chart_viewed", "userId": "\\ud800"}'),
    "no UTF-8": (Reason.INVALID_JSON, b'{"event": "chart_viewed", "userId": "\xff"}'),
    "half a character": (Reason.INVALID_JSON, b'{"event": "chart_viewed", "userId": "\xc3"}'),
    "an encoded surrogate": (Reason.INVALID_JSON, b'{"userId": "\xed\xa0\x80"}'),
    "UTF-16": (Reason.INVALID_JSON, GOOD.decode().encode("utf-16")),
    "65 levels": (Reason.TOO_DEEP, b'{"other": ' + DEEP + b"}"),
    "an array": (Reason.NOT_OBJECT, b"[1, 2]"),
    "a text": (Reason.NOT_OBJECT, b'"chart_viewed"'),
    "null": (Reason.NOT_OBJECT, b"null"),
    "blank": (Reason.INVALID_JSON, b" "),
    "a name that is no text": (Reason.FIELD_TYPE, record(name=7)),
    "a name that is an object": (Reason.FIELD_TYPE, record(name={"name": "chart_viewed"})),
    "no time": (Reason.BAD_TIME, record(timestamp=None)),
    "a time that is a number": (Reason.BAD_TIME, record(timestamp=AT_MS)),
    "a time without a zone": (Reason.BAD_TIME, record(timestamp="2024-01-20T10:00:00")),
    "a 30 February": (Reason.BAD_TIME, record(timestamp="2024-02-30T10:00:00Z")),
    "a time before 2000": (Reason.BAD_TIME, record(timestamp="1999-12-31T23:59:59Z")),
    "a time from 2100 on": (Reason.BAD_TIME, record(timestamp="2100-01-01T00:00:00Z")),
    "an id that is true": (Reason.FIELD_TYPE, record(userId=True)),
    "an id that is a fraction": (Reason.FIELD_TYPE, record(userId=1.5)),
    "an id that is 1.0": (Reason.FIELD_TYPE, record(userId=1.0)),
    "an id that is an array": (Reason.FIELD_TYPE, record(chart=[])),
    "a message id that is an object": (Reason.FIELD_TYPE, record(messageId={})),
    "a number that is text": (Reason.FIELD_TYPE, record(ms="5000")),
    "a number that is true": (Reason.FIELD_TYPE, record(ms=True)),
    "a text that is a number": (Reason.FIELD_TYPE, record(plan=5)),
    "a truth that is a number": (Reason.FIELD_TYPE, record(paid=1)),
    "a truth that is text": (Reason.FIELD_TYPE, record(paid="true")),
    "a place in where that is a number": (Reason.FIELD_TYPE, record("order_paid", app=5)),
    "an empty id": (Reason.BAD_ID, record(userId="")),
    "a blank id": (Reason.BAD_ID, record(userId=" \t")),
    "a long id": (Reason.BAD_ID, record(chart="x" * 513)),
    "an id with a control character": (Reason.BAD_ID, record(chart="a\u0085")),
    "an id of 0": (Reason.BAD_ID, record(userId=0)),
    "an id of 2^53": (Reason.BAD_ID, record(userId=2**53)),
    "an id of 31 digits": (Reason.BAD_ID, record(userId=10**30)),
    "a placeholder": (Reason.BAD_ID, record(userId="N/A")),
    "a placeholder in place of the first id": (
        Reason.BAD_ID,
        record(userId=None, anonymousId="guest"),
    ),
    "below min": (Reason.OUT_OF_RANGE, record(ms=-0.001)),
    "above max": (Reason.OUT_OF_RANGE, record(ms=600_000.001)),
    "below a min of its own": (Reason.OUT_OF_RANGE, record("order_paid", amount=-100.01)),
    "above what sums hold": (Reason.OUT_OF_RANGE, record("order_paid", amount=VALUE_MAX + 1)),
    "the largest double": (Reason.OUT_OF_RANGE, record("order_paid", amount=1.7e308)),
    "ahead of its arrival": (Reason.FUTURE, record(at_ms=INGESTED_MS + FUTURE_MS + 1)),
}
FILTERED = {
    "nothing": (Filtered.TOMBSTONE, None),
    "an empty value": (Filtered.TOMBSTONE, b""),
    "no name": (Filtered.UNKNOWN_NAME, record(event=None)),
    "a null name": (Filtered.UNKNOWN_NAME, b'{"event": null}'),
    "another name": (Filtered.UNKNOWN_NAME, record("page_seen", userId=1.5, timestamp=7)),
    "a where that is false": (Filtered.WHERE, record("order_paid", app="shop", test=False)),
    "a where that is unknown": (Filtered.WHERE, record("order_paid", app="suite")),
}
MATCHED = {
    "in order": GOOD,
    "a where that is true": record("order_paid", test=False),
    "no user": record(userId=None),
    "nothing but name and time": record(userId=None, chart=None, ms=None),
    "properties that are no object": json.dumps(
        {"event": "chart_viewed", "timestamp": iso(AT_MS), "properties": "none"}
    ).encode(),
    "a whole number as an id": record(userId=42),
    "the largest id": record(userId=2**53 - 1),
    "the longest id": record(userId="x" * 512),
    "at the bounds": record(ms=600_000),
    "at the lower bound": record("order_paid", amount=-100, test=False),
    "at the bound of sums": record("order_paid", amount=VALUE_MAX, test=False),
    "64 levels": GOOD[:-1] + b', "other": ' + DEEP[1:-1] + b"}",
    "brackets in a text": record(other="[" * 1_000),
    "a mebibyte": GOOD + b" " * (RECORD_BYTES_MAX - len(GOOD)),
    "as early as can be": record(at_ms=INGESTED_MS + FUTURE_MS),
    "unread fields of any kind": record(name="team_joined", ms="5", paid=1, plan=[], chart=1.5),
    "an unread number beyond a double": GOOD[:-1] + b', "other": 1e999}',
    "an absent part of an id together": record(userId=None, watched="c2"),
    "two days late": record(at_ms=AT_MS - 2 * DAY_MS),
}
ONE_OF_ALL = (
    [value for _, value in REJECTED.values()]
    + [value for _, value in FILTERED.values()]
    + [*MATCHED.values()]
)
neighbours = pytest.mark.parametrize("before", [[], [GOOD]], ids=["alone", "among others"])


@neighbours
@pytest.mark.parametrize(("reason", "value"), REJECTED.values(), ids=[*REJECTED])
def test_a_record_is_rejected_for_its_reason_and_nobody_else_is(reason, value, before):
    """One bad record has one reason, and leaves the good ones before and after it exact."""
    found = decoded([*before, value, GOOD])
    assert Counter({reason: 1}) == found.counts.rejected
    assert found.counts.filtered == Counter()
    assert rows(decoded([*before, GOOD]).batch) == rows(found.batch)
    assert counted([*before, value, GOOD]).balanced


@neighbours
@pytest.mark.parametrize(("kind", "value"), FILTERED.values(), ids=[*FILTERED])
def test_a_record_that_is_none_of_our_events_is_filtered(kind, value, before):
    """Tombstones, unknown names and unmet conditions are in order, and counted by kind."""
    counts = counted([*before, value, GOOD])
    assert Counter({kind: 1}) == counts.filtered
    assert counts.rejected == Counter()
    assert len(before) + 1 == counts.matched
    assert counts.balanced


@neighbours
@pytest.mark.parametrize("value", MATCHED.values(), ids=[*MATCHED])
def test_a_record_in_order_is_matched(value, before):
    """What lies within every bound and type counts."""
    counts = counted([*before, value])
    assert len(before) + 1 == counts.matched == counts.consumed
    assert counts.balanced


def test_every_record_is_accounted_for():
    """All kinds of records in one batch come to exactly what they come to one by one (P7)."""
    counts = counted(ONE_OF_ALL)
    assert counts.balanced
    assert Counter(reason for reason, _ in REJECTED.values()) == counts.rejected
    assert Counter(kind for kind, _ in FILTERED.values()) == counts.filtered
    assert len(MATCHED) == counts.matched
    assert len(ONE_OF_ALL) == counts.consumed


def test_no_zeros_are_counted():
    """A reason that was not met has no entry."""
    counts = counted([GOOD])
    assert counts.rejected == Counter() == counts.filtered
    assert not {*counts.rejected} | {*counts.filtered}


@pytest.mark.parametrize("values", [[], [None], [b""], [b"{"], [None, b"[1]"]], ids=repr)
def test_batches_without_a_row_are_empty_batches(values):
    """Nothing, or nothing that can be read, comes to no rows and to no watermark."""
    found = decoded(values)
    assert len(found.batch) == 0
    assert found.watermark_ms == LONG_AGO
    assert counted(values).balanced


# ── which of several reasons ─────────────────────────────────────────────────────────────────────

FUTURE = iso(INGESTED_MS + FUTURE_MS + 1)
ORDER = [
    (Reason.TOO_LARGE, b"\xff" * (RECORD_BYTES_MAX + 1)),
    (Reason.INVALID_JSON, b"\xff" + DEEP + DEEP),
    (Reason.TOO_DEEP, b"[" + DEEP + b"]"),
    (Reason.FIELD_TYPE, record(name=7, timestamp="never")),
    (Reason.BAD_TIME, record(timestamp="never", userId=True, chart="", ms=-1)),
    (Reason.FIELD_TYPE, record(userId="", paid=5, ms=-1)),
    (Reason.FIELD_TYPE, record(messageId=True, userId="guest", ms=-1, timestamp=FUTURE)),
    (Reason.BAD_ID, record(userId="", ms=-1, timestamp=FUTURE)),
    (Reason.OUT_OF_RANGE, record(ms=-1, timestamp=FUTURE)),
]


@pytest.mark.parametrize(("reason", "value"), ORDER)
def test_of_several_faults_the_first_in_the_reference_counts(reason, value):
    """The order of the checks is that of `definitions/README.md`."""
    assert Counter({reason: 1}) == decoded([GOOD, value]).counts.rejected


def test_a_record_that_is_too_old_and_a_duplicate_is_too_old():
    """Step 7 comes before step 8, and step 8 before step 9."""
    week = record("order_paid", AT_MS - 8 * DAY_MS, messageId="m")
    counts = counted([record(messageId="m"), week])
    assert Counter({Reason.TOO_OLD: 1}) == counts.rejected
    met = record("order_paid", messageId="m", app="shop")
    counts = counted([met, met])
    assert (counts.duplicate, counts.filtered[Filtered.WHERE]) == (1, 1)


# ── places read in several ways ──────────────────────────────────────────────────────────────────


def reading(envelope, where, values="properties.ms", more=""):
    """A plan that reads its records at these places."""
    return compiled(
        f"""
        version: 1
        product: places
        source: {{topics: [events], envelope: {envelope}}}
        events:
          viewed:
            name: chart_viewed
            ids: {{user: userId}}
            values: {{seconds: {values}}}
            where: {where}
          {more}
        metrics:
          seconds: {{role: north_star, value: sum(viewed.seconds), window: trailing 7d, owner: me}}
          users: {{value: distinct(viewed.user), window: trailing 7d}}
        """
    )


OWN = "{name: event, time: timestamp, id: messageId}"
AMBIGUOUS = {
    "an id that is also a number": (
        reading(OWN, "userId > 3"),
        {record(userId=7): None, record(userId="ann"): Reason.FIELD_TYPE},
    ),
    "an id that is also a text": (
        reading(OWN, 'userId != "x"'),
        {record(): None, record(userId=7): Reason.FIELD_TYPE, record(userId=""): Reason.BAD_ID},
    ),
    "an id that is also an object": (
        reading(OWN, "userId.paying"),
        {
            record(userId="ann"): Filtered.WHERE,
            record(userId={"paying": True}): Reason.FIELD_TYPE,
            record(userId=None): Filtered.WHERE,
        },
    ),
    "a name that is also a number": (
        reading(OWN, "event != 3"),
        {record(): Reason.FIELD_TYPE, record(name=7): Reason.FIELD_TYPE},
    ),
    "a name that is also an object": (
        reading(OWN, 'not event.kind == "x"'),
        {record(): Filtered.WHERE, record(name={"kind": "a"}): Reason.FIELD_TYPE},
    ),
    "a time that is also a number": (
        reading(OWN, "timestamp > 3"),
        {record(): Reason.FIELD_TYPE, record(timestamp=7): Reason.BAD_TIME},
    ),
    "a time that is also an object": (
        reading(OWN, "timestamp.exact"),
        {record(): Filtered.WHERE, record(timestamp={"exact": True}): Reason.BAD_TIME},
    ),
    "a time in numbers that is also a text": (
        reading("{name: event, time: {from: ts, unit: ms}}", 'ts != "x"'),
        {
            record()[:-1] + f', "ts": {AT_MS}}}'.encode(): Reason.FIELD_TYPE,
            record()[:-1] + b', "ts": "x"}': Reason.BAD_TIME,
        },
    ),
    "a message id that is also a truth": (
        reading(OWN, "messageId"),
        {record(messageId="m"): Reason.FIELD_TYPE, record(messageId=True): Reason.FIELD_TYPE},
    ),
}


@pytest.mark.parametrize(("plan", "cases"), AMBIGUOUS.values(), ids=[*AMBIGUOUS])
def test_a_place_read_in_several_ways_must_fit_all_of_them(plan, cases):
    """Regression: such places once broke the decoder, or let pass what one use cannot read."""
    for value, outcome in cases.items():
        counts = counted([value], plan)
        expected = Counter() if outcome is None else Counter({outcome: 1})
        assert expected == counts.rejected + counts.filtered
    counts = counted([*cases], plan)
    expected = Counter(outcome for outcome in cases.values() if outcome is not None)
    assert expected == counts.rejected + counts.filtered
    assert counts.balanced


def test_a_wrong_type_comes_before_other_faults_where_a_place_is_read_in_several_ways():
    """Regression: another event's bad id or range was once found first."""
    more = "bought: {name: chart_viewed, ids: {chart: properties.chart}, where: userId > 3}"
    plan = reading(OWN, "properties.chart > 2", more=more)
    faults = record(userId="", chart="x", ms=-1, timestamp=FUTURE)
    assert Counter({Reason.FIELD_TYPE: 1}) == counted([faults], plan).rejected


def test_a_place_that_another_event_reads_in_another_way_does_not_matter():
    """Only the uses of the events that bear the record's name are asked for."""
    plan = reading(OWN, "userId > 3", more="paid: {name: order_paid, ids: {user: userId}}")
    counts = counted([record("order_paid", userId="ann"), record(userId="ann")], plan)
    assert Counter({Reason.FIELD_TYPE: 1}) == counts.rejected
    assert counts.matched == 1


# ── times ────────────────────────────────────────────────────────────────────────────────────────


def visible(values, **of_records):
    """When the rows of a batch become visible, since AT."""
    return (decoded(values, **of_records).batch.visible_ms - AT_MS).tolist()


def at(seconds, **parts):
    """A record some seconds after AT."""
    return record(at_ms=AT_MS + seconds * SECOND_MS, **parts)


def test_an_event_is_visible_at_its_time_or_at_the_watermark_it_meets():
    """Out of order within the lateness is in time; beyond, the watermark before it counts."""
    found = visible([at(0), at(60), at(1), at(0), at(-1), at(61), at(0)])
    assert found == [0, 60_000, 1_000, 0, 0, 61_000, 1_000]


@pytest.mark.parametrize(
    "mover",
    [
        at(100, event="page_seen"),
        at(100, event=7),
        at(100, userId="guest"),
        at(100, userId=True),
        at(100, ms=-1),
        at(100, messageId="m"),
        at(100, event="order_paid", app="shop"),
        at(100, event=None),
    ],
    ids=["unknown", "no name", "bad id", "type", "range", "duplicate", "where", "nameless"],
)
def test_every_record_with_a_time_moves_the_watermark(mover):
    """Filtered, rejected or duplicate: it has shown how far the partition has come."""
    assert visible([at(0, messageId="m"), mover, at(0)])[-1] == 40_000


@pytest.mark.parametrize(
    "value",
    [
        at(100)[:-1],
        at(100)[:-1] + b', "deep": ' + DEEP + b"}",
        b"[" + at(100) + b"]",
        record(timestamp="never"),
        at(FUTURE_MS // SECOND_MS + 61),
    ],
    ids=["broken", "deep", "array", "bad time", "future"],
)
def test_a_record_without_a_time_and_one_from_the_future_move_no_watermark(value):
    """What cannot be read has no time, and a clock that runs ahead is not believed."""
    assert visible([at(0), value, at(0)])[-1] == 0
    assert decoded([at(0), value]).watermark_ms == AT_MS - LATENESS_MS


def test_the_watermark_goes_on_over_batches():
    """A batch meets the watermark that those before it left."""
    decoder = Decoder(SUITE, DEPLOYMENT)
    state = decoder.fresh()
    assert decoder.watermark_ms(state) == LONG_AGO
    assert decoder.decode(records([at(100)]), state).watermark_ms == AT_MS + 40_000
    late = decoder.decode(records([at(0)]), state)
    assert late.batch.visible_ms.tolist() == [AT_MS + 40_000]
    assert late.watermark_ms == AT_MS + 40_000


@pytest.mark.parametrize(
    ("name", "reach_ms"),
    [("order_paid", 7 * DAY_MS + 10 * MINUTE_MS), ("chart_viewed", 8 * DAY_MS)],
)
def test_a_record_is_too_old_beyond_the_longest_reach_of_its_events(name, reach_ms):
    """At the reach it still counts; a millisecond later nothing could see it."""
    ahead = AT_MS + LATENESS_MS
    just = record(name, AT_MS - reach_ms, test=False)
    over = record(name, AT_MS - reach_ms - 1, test=False)
    counts = counted([record(at_ms=ahead), just, over], ingested_ms=ahead)
    assert Counter({Reason.TOO_OLD: 1}) == counts.rejected
    assert counts.matched == 2


def test_an_event_that_teaches_an_attribute_is_never_too_old():
    """A chart that was shared ten years ago still has its owner."""
    old = [record("chart_shared", AT_MS - 3_650 * DAY_MS), record("team_joined", 946_684_800_000)]
    assert counted([at(0), *old]).matched == 3


def test_a_repeat_is_a_duplicate_in_its_partition_only():
    """The same message id in one partition counts once; other partitions know nothing of it."""
    decoder = Decoder(SUITE, DEPLOYMENT)
    values = [record(messageId="m")] * 2
    found = [
        decoder.decode(records(values, partition=partition), decoder.fresh()).counts.duplicate
        for partition in (0, 1)
    ]
    assert found == [1, 1]


def test_only_accepted_records_are_remembered_as_seen():
    """A rejected record leaves its id to the next one; a filtered one keeps it."""
    bad = record(messageId="m", userId="guest")
    counts = counted([bad, record(messageId="m"), record(messageId="m")])
    assert (counts.matched, counts.duplicate) == (1, 1)
    counts = counted([record("page_seen", messageId="m"), record(messageId="m")])
    assert counts.matched == 1


def test_a_number_and_its_digits_are_one_message_id():
    """Message ids are compared as text; absent and empty ones never are."""
    values = [record(messageId=mid) for mid in (7, "7", "", "", None, None)]
    assert counted(values).duplicate == 1


def test_without_an_id_in_the_envelope_nothing_is_a_duplicate():
    """A definition that names no id is taken at its word."""
    plan = reading("{name: event, time: timestamp}", "properties.ms > 1")
    assert counted([record(messageId="m")] * 3, plan).matched == 3


# ── columns ──────────────────────────────────────────────────────────────────────────────────────


def test_a_batch_holds_ids_values_and_places_in_order():
    """Every row has its ids by where they were read, and its values by event and name."""
    values = [
        record(userId=42, plan="pro", paid=True),
        record("chart_shared", userId="bob", plan=5),
        record("order_paid", AT_MS + 1, userId=None, anonymousId="x", chart=None, test=False),
    ]
    batch = decoded(values).batch
    identity = Identity(0)
    assert isinstance(batch, EventBatch)
    assert [record_names(SUITE)[code] for code in batch.names] == [
        "chart_viewed",
        "chart_shared",
        "order_paid",
    ]
    assert batch.times_ms.tolist() == [AT_MS, AT_MS, AT_MS + 1]
    plain = IdSource(IdMode.FIRST, (("userId",),))
    visitor = dict(SUITE.events[2].ids)["visitor"]
    viewing = dict(SUITE.events[2].ids)["viewing"]
    users = identity.hashes(plain, [["42", "bob", None]]).tolist()
    assert users == batch.ids[plain].tolist()
    assert [*users[:2], identity.hashes(visitor, [[None], ["x"]])[0]] == batch.ids[visitor].tolist()
    together = identity.hashes(viewing, [["42", "bob", None], ["c1", "c1", None]]).tolist()
    assert together == batch.ids[viewing].tolist()
    assert together[2] == ABSENT
    assert batch.values[2, "seconds"].tolist()[:1] == [5.0]
    assert batch.dictionary["pro"] == batch.values[2, "plan"][0]
    assert batch.values[2, "paid"].tolist()[0] == 1
    app, test = (leaf for leaf in leaves(SUITE.events[3].where) if isinstance(leaf, At))
    assert [batch.dictionary["suite"]] * 3 == batch.columns[app].tolist()
    assert batch.columns[test].tolist() == [-1, -1, 0]


def test_a_value_that_is_a_number_as_written_is_the_same_in_every_row():
    """An expression without a place fills its column."""
    plan = reading(OWN, "properties.ms > 1", values="2 * 3")
    batch = decoded([GOOD, GOOD], plan).batch
    assert batch.values[0, "seconds"].tolist() == [6.0, 6.0]
    assert counted([GOOD, GOOD], plan).matched == 2


def test_a_time_in_numbers_is_read_in_its_unit():
    """An envelope may keep seconds or milliseconds since 1970."""
    for unit, time in (("s", AT_MS / 1000), ("ms", AT_MS)):
        plan = reading(f"{{name: event, time: {{from: ts, unit: {unit}}}}}", "properties.ms > 1")
        value = GOOD[:-1] + f', "ts": {time}}}'.encode()
        assert decoded([value], plan).batch.times_ms.tolist() == [AT_MS]
        text = GOOD[:-1] + f', "ts": "{time}"}}'.encode()
        assert Counter({Reason.BAD_TIME: 1}) == decoded([text], plan).counts.rejected


# ── batches ──────────────────────────────────────────────────────────────────────────────────────


def drawn_stream(seed, size):
    """A partition of mostly good records, out of order, some late, old or twice."""
    random = Random(seed)  # noqa: S311 - a stream of records, no secret
    found, now = [], AT_MS - 3 * HOUR_MS
    for _ in range(size):
        now += random.choice([0, 100, 5_000, 60_000])
        if random.random() < 0.2:
            found.append(random.choice(ONE_OF_ALL))
            continue
        found.append(
            record(
                random.choice([*record_names(SUITE), "page_seen"]),
                now - random.choice([0, 0, 0, 30_000, 120_000, HOUR_MS, 9 * DAY_MS]),
                messageId=random.choice([None, *(f"m{n}" for n in range(20))]),
                userId=random.choice(["ann", "bob", 7, None]),
                anonymousId=random.choice(["ann", "x", None]),
                chart=random.choice(["c1", "c2", None]),
                plan=random.choice(["pro", "free", None, f"plan {now}"]),
                paid=random.choice([True, False, None]),
                test=random.choice([True, False, None]),
                ms=random.choice([0, 0.5, 1234, 599_999, None]),
            )
        )
    return found


def in_batches(values, bounds, *, saved=False):
    """Rows, counts and watermark of records that come in several batches."""
    decoder = Decoder(SUITE, DEPLOYMENT)
    matcher = Matcher(SUITE, DEPLOYMENT)
    state, counts, found = decoder.fresh(), Counts(), []
    for start, end in pairwise(bounds):
        if saved:
            arrays, _ = unpack(pack(state.dump(), {}))
            decoder = Decoder(SUITE, DEPLOYMENT)
            state = decoder.fresh()
            state.load(arrays)
        piece = records(values[start:end], first_offset=start)
        result = decoder.decode(piece, state)
        counts.add(result.counts)
        counts.add(matcher.match(result.batch).counts)
        found += rows(result.batch)
    return found, counts, decoder.watermark_ms(state)


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_batches_do_not_matter(size):
    """Records one by one, by sevens, by thousands or all at once give the same rows and counts."""
    values = drawn_stream(size, 1_500)
    whole = in_batches(values, [0, len(values)])
    assert whole == in_batches(values, [*range(0, len(values), size), len(values)])
    counts = whole[1]
    assert counts.balanced
    assert min(counts.matched, counts.duplicate, counts.late) > 0
    assert {*Filtered} == {*counts.filtered}
    assert {*Reason} == {*counts.rejected}


@given(st.integers(0, 2**32), st.integers(0, 40), st.lists(st.integers(0, 40), max_size=6))
def test_any_cut_with_a_restart_at_every_batch_gives_the_same(seed, size, cuts):
    """However records are cut, and though every batch comes after a restart."""
    values = drawn_stream(seed, size)
    bounds = [0, *sorted(cut % (size + 1) for cut in cuts), size]
    assert in_batches(values, [0, size]) == in_batches(values, bounds, saved=True)


def test_the_salt_of_the_deployment_seeds_the_ids():
    """Two deployments with other salts have no hash in common."""
    salted = Decoder(SUITE, replace(DEPLOYMENT, salt=5))
    batch = salted.decode(records([GOOD]), salted.fresh()).batch
    source = SUITE.events[0].ids[0][1]
    assert batch.ids[source].tolist() != decoded([GOOD]).batch.ids[source].tolist()


def test_a_batch_without_text_or_loss_is_handed_on_as_it_is():
    """Where nothing is refused no column is copied, and where something is, all are cut alike."""
    batch = decoded([GOOD, GOOD]).batch
    assert len(batch) == 2
    short = decoded([GOOD, record(userId="guest"), GOOD]).batch
    lengths = {len(column) for column in (*short.ids.values(), *short.values.values())}
    assert lengths == {2}
    assert isinstance(short.names, np.ndarray)
