"""Who is waited for: every partition that may still bring something, and no other."""

from threading import Event

import pytest
from bytewax.run import cli_main

from pipeline.core.clock import HOLDS_NOBODY_BACK
from pipeline.core.decode import LONG_AGO
from pipeline.core.windows import SECOND_MS
from pipeline.engine.dataflow import build
from pipeline.engine.messages import Delivery, Watermark
from pipeline.engine.operators import Steps
from pipeline.engine.slots import Intake, Slot
from pipeline.telemetry import Telemetry
from tests.engine.both_engines import EVERY_TICK, bytewax, local, same, until_exhausted
from tests.engine.deep_product import DEPLOYMENT, PLAN, START_MS, last_tick_ms, stream
from tests.engine.memory_source import MemorySource
from tests.oracle.oracle import Record

IDLE_AFTER_S = 30.0
TICK_MS = DEPLOYMENT.tick_ms


class Watch:
    """A clock that a test turns."""

    def __init__(self):
        self.now_s = 1_000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def watch():
    """What the slot takes for the time."""
    return Watch()


@pytest.fixture
def open_slot(watch):
    """Open slot 0 of a live log with these partitions and records."""

    def open_it(records=(), partitions=(0, 1), **changes):
        source = MemorySource(records, partitions=partitions, live=True)
        intake = Intake(
            PLAN,
            DEPLOYMENT,
            source,
            Telemetry(),
            Event(),
            idle_after_s=IDLE_AFTER_S,
            monotonic_s=watch,
            **changes,
        )
        return source, Slot(intake, 0, None), intake.telemetry

    return open_it


def view(partition, offset, second):
    """A record in order."""
    at_ms = START_MS + second * SECOND_MS
    body = f'{{"kind":"viewed","ts":{at_ms},"user":"u1","doc":"d1"}}'
    return Record(partition, offset, at_ms, body.encode())


def watermark(second):
    """The watermark after an event of that second."""
    return START_MS + second * SECOND_MS - DEPLOYMENT.lateness_ms


def told(slot):
    """The watermark that a poll tells clock and shards alike, None if it tells nothing."""
    messages = [message for _, message in slot.next_batch()]
    watermarks = {message.watermark_ms for message in messages}
    assert len(watermarks) <= 1
    assert not messages or {type(message) for message in messages} == {Delivery, Watermark}
    return watermarks.pop() if watermarks else None


# ── one slot ─────────────────────────────────────────────────────────────────────────────────────


def test_a_slot_is_as_far_as_its_slowest_partition(open_slot):
    """Of two partitions the one that is behind decides, until it has caught up."""
    source, slot, _ = open_slot([view(0, 0, 20), view(1, 0, 15)])
    assert told(slot) == watermark(15)
    assert told(slot) is None
    source.grow([view(1, 1, 18)])
    assert told(slot) == watermark(18)
    source.grow([view(1, 2, 90)])
    assert told(slot) == watermark(20)


def test_a_silent_partition_is_waited_for_until_it_is_idle(open_slot, watch):
    """After `idle_after_s` without a record it holds nobody back, and not a moment before."""
    source, slot, telemetry = open_slot([view(0, 0, 10), view(1, 0, 12)])
    assert told(slot) == watermark(10)
    watch.now_s += IDLE_AFTER_S - 0.1
    source.grow([view(1, 1, 60)])
    assert told(slot) == watermark(10)
    watch.now_s += 0.1
    assert told(slot) == watermark(60)
    assert telemetry.partitions[0].idle
    assert not telemetry.partitions[1].idle


def test_an_idle_partition_that_comes_back_is_waited_for_again(open_slot, watch):
    """Its watermark counts from its first new record on, though it is lower."""
    source, slot, telemetry = open_slot([view(0, 0, 10), view(1, 0, 12)])
    told(slot)
    watch.now_s += IDLE_AFTER_S
    source.grow([view(1, 1, 60)])
    assert told(slot) == watermark(60)
    source.grow([view(0, 1, 30)])
    assert told(slot) == watermark(30)
    assert not telemetry.partitions[0].idle


def test_a_slot_whose_partitions_are_all_idle_holds_nobody_back(open_slot, watch):
    """Silence everywhere moves no tick by itself, and leaves those of other slots alone."""
    _, slot, _ = open_slot([view(0, 0, 10), view(1, 0, 12)])
    told(slot)
    watch.now_s += IDLE_AFTER_S
    assert told(slot) == HOLDS_NOBODY_BACK


def test_a_partition_with_records_left_is_never_idle(open_slot, watch):
    """However long the reader takes, what is known to be there is waited for."""
    source, slot, _ = open_slot([view(0, 0, 12), view(1, 0, 10)])
    assert told(slot) == watermark(10)
    source.held_back = {0}
    source.grow([view(0, 1, 40)])
    watch.now_s += 10 * IDLE_AFTER_S
    assert told(slot) == watermark(12)  # partition 1 is idle now, and partition 0 is not


def test_an_empty_partition_is_waited_for_like_any_other(open_slot, watch):
    """One that has never had a record may be about to: it is passed over once it is idle."""
    source, slot, _ = open_slot([view(0, 0, 20)])
    assert told(slot) == LONG_AGO
    watch.now_s += IDLE_AFTER_S
    source.grow([view(0, 1, 25)])
    assert told(slot) == watermark(25)
    source.grow([view(1, 0, 15)])
    assert told(slot) == watermark(15)


def test_a_partition_with_a_record_to_come_is_waited_for_from_the_start(open_slot):
    """As long as a partition's first records are known and not read, nothing is known."""
    source, slot, _ = open_slot([view(0, 0, 20), view(1, 0, 30)])
    source.held_back = {1}
    assert told(slot) == LONG_AGO
    source.held_back = set()
    assert told(slot) == watermark(20)


def test_a_slot_without_partitions_holds_nobody_back_and_goes_on(open_slot):
    """It waits for partitions to come, and takes in the first record of one that has."""
    source, slot, telemetry = open_slot(partitions=())
    assert told(slot) == HOLDS_NOBODY_BACK
    assert told(slot) is None
    source.grow([view(0, 0, 20)])
    assert told(slot) == watermark(20)
    assert telemetry.partitions[0].counts.matched == 1


def test_the_first_event_of_a_slot_is_the_earliest_of_its_partitions(open_slot):
    """Which partition happened to come first decides nothing.

    A regression: ticks began after the first poll's events, and a baseline that looked back on
    earlier ones found no reading.
    """
    source, slot, _ = open_slot([view(0, 0, 100)], partitions=(0,))
    told(slot)
    source.grow([view(1, 0, 5)])
    *_, (_, message) = slot.next_batch()
    assert message.first_ms == START_MS + 5 * SECOND_MS


# ── whole runs ───────────────────────────────────────────────────────────────────────────────────


def test_ticks_go_on_without_an_idle_partition(watch):
    """Once one of four partitions is idle, all ticks that the other three reach are made."""
    records = [r for r in stream(6, number=400) if r.partition != 1 or r.offset < 20]
    others = [record for record in records if record.partition != 1]
    source = MemorySource([r for r in records if r.offset < 20], slots=2, live=True)
    stop = Event()

    def fall_silent(_):
        """When the first twenty of each are read, half a minute passes, and the others go on."""
        if source.exhausted and len(source.logs[0]) > 20:
            stop.set()
        elif source.exhausted:
            watch.now_s += IDLE_AFTER_S
            source.grow(record for record in others if record.offset >= 20)

    source.on_poll = fall_silent
    telemetry = Telemetry()
    intake = Intake(PLAN, DEPLOYMENT, source, telemetry, stop, monotonic_s=watch)
    published = []
    cli_main(build(intake, Steps(PLAN, DEPLOYMENT, 2, telemetry, EVERY_TICK), published.append))
    ticks = [tick.at_ms for tick in published]
    assert telemetry.partitions[1].idle
    assert ticks[-1] == last_tick_ms(others) > last_tick_ms(records)
    assert same(local(PLAN, DEPLOYMENT, records, ticks), published)


@pytest.mark.parametrize("workers", [1, 2])
def test_slots_without_partitions_hold_nobody_back(workers):
    """Of five slots two have partitions: all ticks are made."""
    records = stream(7, number=200, partitions=2)
    source = MemorySource(records, slots=5, live=True)
    stop = until_exhausted(source)
    published = bytewax(PLAN, DEPLOYMENT, source, stop=stop, workers=workers, poll_records=50)
    ticks = [tick.at_ms for tick in published]
    assert [at for at in ticks if at > START_MS] == [
        *range(START_MS + TICK_MS, last_tick_ms(records) + TICK_MS, TICK_MS)
    ]
    assert same(local(PLAN, DEPLOYMENT, records, ticks), published)


def test_garbage_does_not_keep_a_partition_awake(open_slot, watch):
    """Records that show no time come without end, and the others are not held back by them."""
    source, slot, _ = open_slot([view(0, 0, 20), view(1, 0, 15)])
    assert told(slot) == watermark(15)
    for second in range(1, 4):
        watch.now_s += IDLE_AFTER_S / 2
        source.grow([view(0, second, 20 + second), Record(1, second, START_MS, b"{")])
        newest = told(slot)
    assert newest == watermark(23)
