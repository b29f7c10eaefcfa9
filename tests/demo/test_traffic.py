"""The demo's traffic: the same for a seed, and like a real product's."""

import re
from collections import Counter
from datetime import datetime

import numpy as np
import pytest

from pipeline.core.deployment import Deployment
from pipeline.core.records import Filtered, Reason
from pipeline.core.windows import DAY_MS, HOUR_MS, MINUTE_MS
from pipeline.demo.definition import demo_plan
from pipeline.demo.season import LIVE_MS, START_MS, growth
from pipeline.demo.traffic import EVENTS_A_DAY, PARTITIONS, Traffic
from pipeline.engine.local import LocalEngine
from tests.demo import streams

WEEK_MS = 7 * DAY_MS
FAULTS = {
    Reason.INVALID_JSON,
    Reason.NOT_OBJECT,
    Reason.BAD_TIME,
    Reason.FUTURE,
    Reason.BAD_ID,
    Reason.FIELD_TYPE,
    Reason.OUT_OF_RANGE,
}


@pytest.fixture(scope="module")
def week():
    """The events of the week before the demo goes live, with their arrivals."""
    return [*streams.events(Traffic(), LIVE_MS - WEEK_MS, LIVE_MS)]


@pytest.fixture(scope="module")
def counts():
    """What decode and match make of the whole history."""
    engine = LocalEngine(demo_plan(), Deployment())
    for pieces in streams.read_live(Traffic(), 50_000, 0).values():
        for records in pieces:
            engine.feed(records)
    return engine.counts


def time_ms(event):
    """When an event happened."""
    return int(datetime.fromisoformat(event["timestamp"]).timestamp() * 1000)


def test_the_same_seed_makes_the_same_records():
    """Nothing but seed, rate, partition and hour goes into a record."""
    number = LIVE_MS // HOUR_MS

    assert Traffic(7).hour(1, number).values == Traffic(7).hour(1, number).values
    assert Traffic(7).hour(1, number).values != Traffic(8).hour(1, number).values
    assert Traffic(7).hour(1, number).values != Traffic(7).hour(2, number).values


def test_records_arrive_in_order():
    """Arrivals rise within an hour and stay in it, so hours can be put one after the other."""
    for number in range(LIVE_MS // HOUR_MS, LIVE_MS // HOUR_MS + 5):
        arrivals_ms = Traffic(3).hour(0, number).arrivals_ms

        assert (np.diff(arrivals_ms) >= 0).all()
        assert (arrivals_ms // HOUR_MS == number).all()


def test_a_rate_with_empty_hours_is_no_trouble():
    """The smallest product has hours in which nobody does anything."""
    night = LIVE_MS // HOUR_MS - 7
    sizes = [len(Traffic(1, 100).hour(partition, night).values) for partition in range(PARTITIONS)]

    assert sizes == [0] * PARTITIONS


def test_as_many_events_as_asked_for(week):
    """The rate is the mean of a week when the demo goes live; it was lower before."""
    mean = len(week) / 7

    assert mean == pytest.approx(EVENTS_A_DAY * growth(LIVE_MS - WEEK_MS // 2), rel=0.02)
    assert growth(START_MS) < growth(LIVE_MS) < growth(LIVE_MS + WEEK_MS)


def test_days_and_weeks_have_their_shape(week):
    """Offices are busy by day and from Monday to Friday, and never quite empty."""
    by_hour = Counter(time_ms(event) // HOUR_MS for event, _ in week)
    tuesday_ms = LIVE_MS - 8 * HOUR_MS - WEEK_MS
    days = [
        sum(by_hour[(tuesday_ms + day * DAY_MS) // HOUR_MS + hour] for hour in range(24))
        for day in range(7)
    ]
    noon, night = by_hour[tuesday_ms // HOUR_MS + 33], by_hour[tuesday_ms // HOUR_MS + 26]

    assert noon > 20 * night > 0
    assert days[1] > 4 * days[4] > 0  # Wednesday, Saturday


def test_few_do_most_of_it(week):
    """Users and charts are heavy-tailed: a tenth has as much as all others, most have little."""
    for of in (
        Counter(event["userId"] for event, _ in week),
        Counter(event["properties"].get("chart_id") for event, _ in week),
    ):
        of.pop(None, None)
        sizes = sorted(of.values(), reverse=True)

        assert len(sizes) > 2_000
        assert sum(sizes[: len(sizes) // 10]) > 0.45 * sum(sizes)
        assert sizes[len(sizes) // 2] < np.mean(sizes) / 2


def test_ids_tell_nothing(week):
    """Ids look like hashes."""
    for event, _ in week[:1000]:
        ids = {event["userId"], event["messageId"], event["context"]["groupId"]}
        ids |= {text for key, text in event["properties"].items() if key.endswith("_id")}

        assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ids)


def test_some_events_are_late(week):
    """One to two in a hundred arrive minutes to hours after they happened, all others in time."""
    delays_ms = np.array([arrival_ms - time_ms(event) for event, arrival_ms in week])
    late = delays_ms > MINUTE_MS

    assert 0.01 < late.mean() < 0.02
    assert delays_ms.max() <= 6 * HOUR_MS + MINUTE_MS
    assert (delays_ms >= 0).all()
    assert np.median(delays_ms[late]) > 15 * MINUTE_MS


def test_the_engine_finds_what_was_put_in(counts):
    """Late, duplicate, unknown and broken records have their shares, and every fault is there."""
    of = counts.consumed

    assert counts.balanced
    assert 0.004 < counts.duplicate / of < 0.006
    assert 0.01 < counts.late / of < 0.02
    assert 0.003 < counts.filtered[Filtered.UNKNOWN_NAME] / of < 0.007
    assert 0 < counts.filtered[Filtered.TOMBSTONE] / of < 0.001
    assert set(counts.rejected) == FAULTS
    assert 0.0005 < counts.rejected.total() / of < 0.0015


def test_bad_stretches_come_and_go():
    """The first one live brings many times the usual tickets, and is over in half a day."""

    def tickets(first_ms, hours):
        found = streams.events(Traffic(), first_ms, first_ms + hours * HOUR_MS)
        names = Counter(event["event"] for event, _ in found)
        return names["support_ticket_opened"] / names.total()

    begin_ms = LIVE_MS + 22 * HOUR_MS

    assert tickets(LIVE_MS, 20) < 0.025
    assert tickets(begin_ms + 4 * HOUR_MS, 4) > 0.06
    assert tickets(begin_ms + 13 * HOUR_MS, 20) < 0.025
