"""When events become visible, when they are too old, and when they came before."""

from collections import Counter

import pytest

from pipeline.core.decode import LONG_AGO, Decoder
from pipeline.core.records import Reason
from pipeline.core.windows import DAY_MS, MINUTE_MS, SECOND_MS
from tests.core.decode.cases import DEEP, FUTURE_MS, GOOD
from tests.core.decode.decoded import DEPLOYMENT, counted, decoded, reading
from tests.core.plans import AT_MS, SUITE, record, records

LATENESS_MS = DEPLOYMENT.lateness_ms


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


def test_a_time_in_numbers_is_read_in_its_unit():
    """An envelope may keep seconds or milliseconds since 1970."""
    for unit, time in (("s", AT_MS / 1000), ("ms", AT_MS)):
        plan = reading(f"{{name: event, time: {{from: ts, unit: {unit}}}}}", "properties.ms > 1")
        value = GOOD[:-1] + f', "ts": {time}}}'.encode()
        assert decoded([value], plan).batch.times_ms.tolist() == [AT_MS]
        text = GOOD[:-1] + f', "ts": "{time}"}}'.encode()
        assert Counter({Reason.BAD_TIME: 1}) == decoded([text], plan).counts.rejected
