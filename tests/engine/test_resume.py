"""Stopped and resumed at any point, the engine says what it says if it is never stopped."""

from itertools import pairwise
from random import Random
from threading import Event

import pytest

from pipeline.telemetry import Telemetry
from tests.engine.both_engines import bytewax, local, same, until_exhausted
from tests.engine.deep_product import DEPLOYMENT, PLAN, START_MS, last_tick_ms, stream
from tests.engine.memory_source import MemorySource

TICK_MS = DEPLOYMENT.tick_ms


@pytest.fixture(scope="module")
def records():
    """A stream of four partitions."""
    return stream(4, number=600)


@pytest.fixture(scope="module")
def expected(records):
    """What the local engine makes of it, at every tick there is and some before anything was."""
    span = range(START_MS - 4 * TICK_MS, last_tick_ms(records) + TICK_MS, TICK_MS)
    return {tick.at_ms: tick for tick in local(PLAN, DEPLOYMENT, records, span)}


@pytest.fixture
def engine(records, tmp_path):
    """Runs the engine on, from where the last run left off."""
    return Engine(records, tmp_path / "store")


class Engine:
    """Runs over one log and one store, one after the other."""

    def __init__(self, records, store):
        self.records = records
        self.running = {"store": store, "store_parts": 2, "poll_records": 25}
        self.published = []
        self.telemetry = Telemetry()
        self.source = None

    def run(self, *, polls=None, luck=0, slots=2, **running):
        """Run until all is read, or for so many polls; give what this run published."""
        self.source = MemorySource(self.records, slots=slots, live=True, luck=luck)
        stop = until_exhausted(self.source) if polls is None else until_polled(self.source, polls)
        return self.go_on(stop, **running)

    def go_on(self, stop, **running):
        """Run on the source as it is."""
        self.telemetry = Telemetry()
        first = len(self.published)
        bytewax(
            PLAN,
            DEPLOYMENT,
            self.source,
            stop=stop,
            telemetry=self.telemetry,
            published=self.published,
            **{**self.running, **running},
        )
        return self.published[first:]


def until_polled(source, polls):
    """A request to stop that comes with a poll of any slot."""
    stop = Event()
    seen = iter(range(polls))

    def ask(_):
        if next(seen, None) is None:
            stop.set()

    source.on_poll = ask
    return stop


def assert_as_never_stopped(expected, published):
    """All ticks since something was there to see, the same content each time one is published."""
    ticks = {tick.at_ms for tick in published}
    assert {at for at in ticks if at > START_MS} == {at for at in expected if at > START_MS}
    assert same((expected[tick.at_ms] for tick in published), published)


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("epoch_s", [10.0, 0.02])
def test_stopping_anywhere_changes_nothing(engine, expected, workers, epoch_s):
    """Stopped after any number of polls, again and again, with rows that wait for their tick."""
    luck = Random(f"{workers}/{epoch_s}")  # noqa: S311
    pending = []
    while engine.source is None or not engine.source.exhausted:
        polls = luck.randint(0, 25)
        engine.run(polls=polls, luck=luck.random(), workers=workers, epoch_s=epoch_s)
        pending.append(engine.telemetry.pending_rows)
    engine.run(workers=workers)
    assert len(pending) > 3
    assert max(pending) > 20
    assert_as_never_stopped(expected, engine.published)


def test_the_number_of_workers_may_change_from_run_to_run(engine, expected):
    """State goes to whichever worker has its key now: 1, 3, 2, 1."""
    for workers in (1, 3, 2):
        engine.run(polls=12, luck=workers, workers=workers)
    assert not engine.source.exhausted
    engine.run()
    assert_as_never_stopped(expected, engine.published)


def test_a_run_that_reads_nothing_changes_nothing(engine, expected):
    """Stopped before the first poll, at the first start and later, a run leaves state as it is."""
    for polls in (0, 20, 0, 0):
        engine.run(polls=polls)
    engine.run()
    assert_as_never_stopped(expected, engine.published)


def test_nothing_is_read_twice(engine):
    """Every run opens its partitions where the one before it stopped reading."""
    for polls in (10, 20, 15):
        engine.run(polls=polls)
        reached = dict(engine.source.handed_out)
        engine.run(polls=0)
        opened = {}
        for _, positions in engine.source.opened_at:
            opened |= positions
        assert opened == {number: at for number, at in reached.items() if at}


def test_the_last_tick_is_given_once_more_after_a_restart(engine, expected):
    """In a quiet stream nobody has to wait for the next tick to see a number."""
    engine.run()
    last = engine.published[-1]
    again = engine.run()
    assert same([last], again)
    assert same([expected[last.at_ms]], again)


def test_a_first_start_has_no_last_tick_to_give(engine):
    """Where nothing was ever published, nothing is published again."""
    engine.run(polls=0)
    assert engine.run(polls=0) == []


def test_a_partition_that_was_empty_is_not_taken_for_a_new_one(engine, expected):
    """A source that starts at the end does so once: what comes while the engine is down counts."""
    for there in ([], engine.records):
        engine.source = MemorySource(there, partitions=range(4), slots=2, live=True, from_end=True)
        engine.go_on(until_exhausted(engine.source))
    assert_as_never_stopped(expected, engine.published)


def test_what_is_told_durable_is_what_a_restart_goes_on_from(engine):
    """Positions told to a reader grow, and none is past where the next run starts reading."""
    engine.run(epoch_s=0.0)
    told = engine.source.told_durable
    engine.run()
    opened = {number: at for _, of in engine.source.opened_at for number, at in of.items()}
    assert told
    for slot in (0, 1):
        positions = [positions for number, positions in told if number == slot]
        for earlier, later in pairwise(positions):
            assert all(later[number] >= at for number, at in earlier.items())
    assert all(at <= opened[number] for _, of in told for number, at in of.items())


# ── readers that fail ────────────────────────────────────────────────────────────────────────────


class Lost(Exception):
    """What a reader raises when it cannot go on."""


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("slot", [0, 1])
def test_a_reader_that_fails_ends_the_run_and_the_next_resumes(engine, expected, slot, workers):
    """What the reader raised comes out of `run`; what was read is neither lost nor read again."""
    fault = Lost("the broker is gone")
    left = iter(range(9))

    def fail(polled):
        if polled == slot and next(left, None) is None:
            raise fault

    engine.run(polls=3, workers=workers)
    engine.source = MemorySource(engine.records, slots=2, live=True, luck=3, on_poll=fail)
    stop = Event()
    with pytest.raises(Lost) as raised:
        engine.go_on(stop, workers=workers)
    assert raised.value is fault
    assert stop.is_set()
    assert sorted(engine.source.closed) == [0, 1]
    engine.run(workers=workers)
    assert_as_never_stopped(expected, engine.published)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("first", [True, False])
def test_a_slot_that_cannot_be_opened_ends_the_run_and_the_next_resumes(
    engine, expected, first, workers
):
    """Its state stays as it was saved, also when it has none yet."""
    fault = Lost("the topic is gone")

    class HalfOpen(MemorySource):
        def open(self, slot, positions):
            if slot == 1:
                raise fault
            return super().open(slot, positions)

    if not first:
        engine.run(polls=20, workers=workers)
    engine.source = HalfOpen(engine.records, slots=2, live=True, luck=3)
    with pytest.raises(Lost) as raised:
        engine.go_on(Event(), workers=workers)
    assert raised.value is fault
    engine.run(workers=workers)
    assert_as_never_stopped(expected, engine.published)


def test_a_reader_may_fail_time_and_again(engine, expected):
    """Ten runs in a row that fail after a few polls each lose nothing."""
    for run in range(10):
        left = iter(range(2 + run))

        def fail(_, left=left):
            if next(left, None) is None:
                raise Lost

        engine.source = MemorySource(engine.records, slots=2, live=True, luck=run, on_poll=fail)
        with pytest.raises(Lost):
            engine.go_on(Event())
    engine.run()
    assert_as_never_stopped(expected, engine.published)
