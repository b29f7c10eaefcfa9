"""What becomes of every record, alone and among others, and which of several faults counts."""

from collections import Counter

import pytest

from pipeline.core.decode import LONG_AGO, Decoder
from pipeline.core.hopeless import RECORD_BYTES_MAX
from pipeline.core.records import Filtered, Reason
from pipeline.core.windows import DAY_MS
from tests.core.decode.cases import (
    DEEP,
    FILTERED,
    FUTURE_MS,
    GOOD,
    INGESTED_MS,
    MATCHED,
    ONE_OF_ALL,
    REJECTED,
)
from tests.core.decode.decoded import DEPLOYMENT, counted, decoded, rows
from tests.core.plans import AT_MS, SUITE, iso, record

neighbours = pytest.mark.parametrize("before", [[], [GOOD]], ids=["alone", "among others"])


@neighbours
@pytest.mark.parametrize(("reason", "value"), REJECTED.values(), ids=[*REJECTED])
def test_a_record_is_rejected_for_its_reason_and_nobody_else_is(reason, value, before):
    """One bad record has one reason, and leaves the good ones before and after it exact."""
    found = decoded([*before, value, GOOD])
    assert Counter({reason: 1}) == found.counts.rejected
    assert [(reason, [len(before)])] == [(why, at.tolist()) for why, at in found.rejected]
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


def test_each_rejected_record_is_told_with_its_place():
    """Among records of every kind, those that are told are those that are rejected alone."""
    alone = [decoded([value]).counts.rejected for value in ONE_OF_ALL]
    found = decoded(ONE_OF_ALL)
    told = {place: reason for reason, places in found.rejected for place in places.tolist()}
    assert told == {place: reason for place, each in enumerate(alone) for reason in each}
    assert found.rejected.counts() == found.counts.rejected
    assert not decoded([GOOD, GOOD]).rejected


@pytest.mark.parametrize(
    ("reason", "value", "place"),
    [
        (Reason.FIELD_TYPE, record(name=7), ("event",)),
        (Reason.FIELD_TYPE, record(userId=1.5), ("userId",)),
        (Reason.BAD_TIME, record(timestamp=0), ("timestamp",)),
        (Reason.BAD_ID, record(userId=""), None),
        (Reason.FIELD_TYPE, b"nonsense", None),
        (Reason.FIELD_TYPE, b"[7]", None),
        (Reason.FIELD_TYPE, None, None),
        (Reason.FIELD_TYPE, GOOD, None),
    ],
)
def test_the_place_at_fault_is_told_where_it_is_known(reason, value, place):
    """A wrong type and a bad time have a place; other reasons do not say which it was."""
    assert place == Decoder(SUITE, DEPLOYMENT).place_at_fault(value, reason)


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
    """The order of the checks is that of `definitions/LANGUAGE.md`."""
    assert Counter({reason: 1}) == decoded([GOOD, value]).counts.rejected


def test_a_record_that_is_too_old_and_a_duplicate_is_too_old():
    """Step 7 comes before step 8, and step 8 before step 9."""
    week = record("order_paid", AT_MS - 8 * DAY_MS, messageId="m")
    counts = counted([record(messageId="m"), week])
    assert Counter({Reason.TOO_OLD: 1}) == counts.rejected
    met = record("order_paid", messageId="m", app="shop")
    counts = counted([met, met])
    assert (counts.duplicate, counts.filtered[Filtered.WHERE]) == (1, 1)
