"""Readings are shown once they are made of all that was there when the engine started."""

import time
from threading import Event

import pytest

from pipeline.core.clock import HOLDS_NOBODY_BACK
from pipeline.core.decode import LONG_AGO
from pipeline.core.windows import SECOND_MS
from pipeline.engine.slots import Intake, Slot, Slots
from pipeline.telemetry import Telemetry
from tests.engine.both_engines import bytewax, until_exhausted
from tests.engine.deep_product import DEPLOYMENT, PLAN, START_MS, last_tick_ms, stream
from tests.engine.memory_source import MemorySource
from tests.oracle.oracle import Record

TICK_MS = DEPLOYMENT.tick_ms


@pytest.fixture(scope="module")
def records():
    """A stream of four partitions."""
    return stream(9, number=400)


def slot_of(source, number=0, poll_records=1):
    """An open slot, and the figures it writes to."""
    telemetry = Telemetry()
    intake = Intake(PLAN, DEPLOYMENT, source, telemetry, Event(), poll_records=poll_records)
    slot = Slots(intake).build_part("decode", f"slot-{number:03d}", None)
    assert isinstance(slot, Slot)
    return slot, telemetry


def views(partition, seconds, first_offset=0):
    """Records in order at these seconds."""
    body = '{{"kind":"viewed","ts":{},"user":"u1","doc":"d1"}}'
    times = [START_MS + second * SECOND_MS for second in seconds]
    return [
        Record(partition, first_offset + place, at_ms, body.format(at_ms).encode())
        for place, at_ms in enumerate(times)
    ]


def test_a_slot_is_waited_for_until_it_has_read_what_was_there():
    """What comes in the meantime does not prolong the wait; the watermark is then noted."""
    source = MemorySource(views(0, [20, 21]), live=True)
    slot, telemetry = slot_of(source)
    assert telemetry.waiting_for == {"slot 0 to catch up"}
    source.grow(views(0, [22, 23], first_offset=2))
    slot.next_batch()
    assert telemetry.waiting_for == {"slot 0 to catch up"}
    slot.next_batch()
    assert telemetry.waiting_for == set()
    caught_up_ms = START_MS + 21 * SECOND_MS - DEPLOYMENT.lateness_ms
    assert telemetry.caught_up_ms == {0: (caught_up_ms, caught_up_ms)}
    slot.next_batch()
    assert telemetry.caught_up_ms == {0: (caught_up_ms, caught_up_ms)}


def test_a_slot_without_partitions_has_nothing_to_catch_up():
    """It is ready with its first poll, and says nothing of when that was."""
    slot, telemetry = slot_of(MemorySource([], live=True))
    slot.next_batch()
    assert telemetry.waiting_for == set()
    assert telemetry.caught_up_ms == {0: (HOLDS_NOBODY_BACK, LONG_AGO)}


@pytest.mark.parametrize(
    ("waiting_for", "caught_up", "shown"),
    [
        ({"slot 1 to catch up"}, [(100_000, 100_000)], False),
        (set(), [(100_000, 100_000)], True),
        (set(), [(104_999, 300_000)], True),
        (set(), [(105_000, 105_000)], False),
        (set(), [(200_000, 200_000), (104_999, 104_999)], True),
        (set(), [(HOLDS_NOBODY_BACK, 100_000), (105_000, 105_000)], False),
        (set(), [(LONG_AGO, LONG_AGO), (105_000, 105_000)], False),
        (set(), [(HOLDS_NOBODY_BACK, LONG_AGO), (LONG_AGO, LONG_AGO)], True),
        (set(), [(HOLDS_NOBODY_BACK, 104_999), (HOLDS_NOBODY_BACK, 90_000)], True),
        (set(), [(HOLDS_NOBODY_BACK, 105_000), (HOLDS_NOBODY_BACK, 90_000)], False),
        (set(), [], True),
    ],
)
def test_a_tick_is_shown_if_the_next_one_was_not_yet_reached(waiting_for, caught_up, shown):
    """The tick of second 100 holds all there was if the slowest slot caught up before 105.

    Idle slots matter only if all are; then the furthest does. Empty ones never do.
    """
    telemetry = Telemetry(waiting_for=waiting_for, caught_up_ms=dict(enumerate(caught_up)))
    assert telemetry.shows(100_000, tick_ms=5_000) is shown


@pytest.mark.parametrize("workers", [1, 2])
def test_no_slot_reads_before_all_are_waited_for(records, workers):
    """However slowly a slot opens, there is no moment at which the others look like all."""

    class SlowToOpen(MemorySource):
        def open(self, slot, positions):
            if slot == 1:
                time.sleep(0.2)
            return super().open(slot, positions)

    source, telemetry, seen = SlowToOpen(records, slots=4, live=True), Telemetry(), []
    stop = until_exhausted(source)
    ask = source.on_poll
    source.on_poll = lambda slot: (seen.append(len(source.opened_at)), ask(slot))
    bytewax(PLAN, DEPLOYMENT, source, stop=stop, telemetry=telemetry, workers=workers)
    assert set(seen) == {4}
    assert telemetry.waiting_for == set()


@pytest.mark.parametrize("workers", [1, 2])
def test_only_what_holds_all_that_was_there_is_shown(records, tmp_path, workers):
    """Of all ticks on the way only the last is shown; after a restart it is shown once more."""
    running = {"store": tmp_path / "store", "store_parts": 1, "workers": workers}
    for _ in range(2):
        source, telemetry = MemorySource(records, slots=2, live=True, luck=9), Telemetry()
        stop = until_exhausted(source)
        published = bytewax(
            PLAN, DEPLOYMENT, source, stop=stop, telemetry=telemetry, poll_records=50, **running
        )
        shown = [tick.at_ms for tick in published if telemetry.shows(tick.at_ms, TICK_MS)]
        assert shown == [last_tick_ms(records)]
        assert telemetry.waiting_for == set()
        assert telemetry.ticks == len(published)
        assert telemetry.evaluated_ms == shown[0]


def test_the_figures_of_a_run_account_for_every_record(records):
    """Counts of all partitions add up to the records; tables hold entities, queues what waits."""
    source, telemetry = MemorySource(records, slots=2, live=True, luck=9), Telemetry()
    bytewax(PLAN, DEPLOYMENT, source, stop=until_exhausted(source), telemetry=telemetry, workers=2)
    totals = telemetry.totals()
    assert totals.consumed == len(records)
    assert totals.balanced
    assert totals.late > 0
    assert sorted(telemetry.partitions) == [0, 1, 2, 3]
    assert telemetry.entities["company"] == 2
    assert telemetry.entities["user"] >= 12
    assert telemetry.pending_rows > 0
