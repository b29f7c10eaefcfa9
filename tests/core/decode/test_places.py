"""Places that are read in several ways must fit all of them."""

from collections import Counter

import pytest

from pipeline.core.records import Filtered, Reason
from tests.core.decode.cases import FUTURE_MS, INGESTED_MS
from tests.core.decode.decoded import OWN, counted, reading
from tests.core.plans import AT_MS, iso, record

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
    faults = record(userId="", chart="x", ms=-1, timestamp=iso(INGESTED_MS + FUTURE_MS + 1))
    assert Counter({Reason.FIELD_TYPE: 1}) == counted([faults], plan).rejected


def test_a_place_that_another_event_reads_in_another_way_does_not_matter():
    """Only the uses of the events that bear the record's name are asked for."""
    plan = reading(OWN, "userId > 3", more="paid: {name: order_paid, ids: {user: userId}}")
    counts = counted([record("order_paid", userId="ann"), record(userId="ann")], plan)
    assert Counter({Reason.FIELD_TYPE: 1}) == counts.rejected
    assert counts.matched == 1
