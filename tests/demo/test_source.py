"""The demo's traffic as a source: however it is read, the same records."""

import numpy as np
import pytest

from pipeline.core.windows import HOUR_MS
from pipeline.demo.season import LIVE_MS, START_MS
from pipeline.demo.source import SLOTS, Pace, TrafficSource
from pipeline.demo.traffic import PARTITIONS, Traffic
from tests.demo import streams

RATE = 2_000
HOURS_LIVE = 3


def whole(found):
    """Values, offsets and arrivals of each partition, pieces joined."""
    return {
        partition: (
            [value for records in pieces for value in records.values],
            np.concatenate([records.offsets for records in pieces]).tolist(),
            np.concatenate([records.ingested_ms for records in pieces]).tolist(),
        )
        for partition, pieces in found.items()
    }


@pytest.fixture(scope="module")
def read():
    """Everything until three hours after the demo went live."""
    return whole(streams.read_live(Traffic(1, RATE), 16_384, HOURS_LIVE))


def test_partitions_and_their_order(read):
    """Four partitions; offsets and arrivals rise; nothing is handed out before it arrived."""
    assert sorted(read) == [*range(PARTITIONS)]
    for values, offsets, arrivals_ms in read.values():
        assert len(values) == len(offsets) == len(arrivals_ms)
        assert (np.diff(offsets) > 0).all()
        assert (np.diff(arrivals_ms) >= 0).all()
        assert arrivals_ms[0] >= START_MS
        assert LIVE_MS + 2 * HOUR_MS < arrivals_ms[-1] < LIVE_MS + 4 * HOUR_MS


@pytest.mark.parametrize("limit", [7, 1_000])
def test_the_size_of_polls_changes_nothing(read, limit):
    """Small bites and large ones give the same records at the same offsets."""
    bites = whole(streams.read_live(Traffic(1, RATE), limit, HOURS_LIVE))

    for partition, columns in read.items():
        common = min(len(columns[0]), len(bites[partition][0]))
        assert common > 5_000
        assert [column[:common] for column in columns] == [
            column[:common] for column in bites[partition]
        ]


def test_reading_goes_on_at_any_position(read):
    """Opened where another reader left off, a partition goes on with its next record."""
    at = {partition: 3_000 + 100 * partition for partition in read}
    positions = {partition: read[partition][1][at[partition]] for partition in read}

    rest = whole(streams.read_live(Traffic(1, RATE), 16_384, HOURS_LIVE, positions))

    for partition, columns in read.items():
        expected = [column[at[partition] :] for column in columns]
        common = min(len(expected[0]), len(rest[partition][0]))
        assert common > 1_000
        assert [column[:common] for column in expected] == [
            column[:common] for column in rest[partition]
        ]


def test_polls_keep_about_to_their_limit():
    """A poll hands out no more than asked for, but for records of one millisecond."""
    reader = TrafficSource(Traffic(1, 50_000), Pace(1)).open(0, {})

    for _ in range(20):
        assert 1 <= sum(len(records.values) for records in reader.poll(500)) <= 505


def test_the_clock_starts_when_every_slot_is_through_the_history():
    """A slot that is done waits for the other; then wall time says what has arrived."""
    watch = streams.Watch()
    pace = Pace(3600, watch)
    source = TrafficSource(Traffic(1, RATE), pace)
    first, second = (source.open(slot, {}) for slot in range(SLOTS))

    while not first.caught_up(0):
        first.poll(100_000)
    watch.now_s += 10
    assert pace.now_ms() == LIVE_MS
    assert first.at_end(0)
    assert not second.caught_up(1)
    assert first.poll(100) == []

    while not second.caught_up(1):
        second.poll(100_000)
    watch.now_s += 2
    assert pace.now_ms() == LIVE_MS + 2 * HOUR_MS
    assert not first.at_end(0)
    arrived = [records.ingested_ms for records in first.poll(100_000)]
    assert np.concatenate(arrived).min() >= LIVE_MS
    assert np.concatenate(arrived).max() < LIVE_MS + 2 * HOUR_MS
    assert first.at_end(0)


def test_the_traffic_never_ends():
    """No partition is ever finished, and each slot owns its own."""
    source = TrafficSource(Traffic(1, RATE), Pace(3600))
    readers = [source.open(slot, {}) for slot in range(source.slots)]

    assert sorted(one for reader in readers for one in reader.partitions()) == [0, 1, 2, 3]
    assert not any(reader.finished(one) for reader in readers for one in reader.partitions())
    assert source.partition_name(3) == ("demo-traffic", "3")
