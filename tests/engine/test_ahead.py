"""Slots that are far ahead wait for the others, and nothing but memory comes of it."""

from threading import Event

import pytest
from bytewax.run import cli_main

from pipeline.core.clock import HOLDS_NOBODY_BACK
from pipeline.core.windows import SECOND_MS
from pipeline.engine.dataflow import build
from pipeline.engine.operators import Steps
from pipeline.engine.slots import Intake, Slot
from pipeline.telemetry import ShardFigures, Telemetry
from tests.engine.both_engines import EVERY_TICK, local, same
from tests.engine.deep_product import DEPLOYMENT, PLAN, START_MS, stream
from tests.engine.memory_source import MemorySource
from tests.oracle.oracle import Record

PENDING_ROWS_MAX = 100
TICK_MS = DEPLOYMENT.tick_ms


@pytest.fixture
def slots():
    """Two slots of a live log of two partitions, and the figures that they go by."""
    telemetry = Telemetry()
    telemetry.shards[0] = ShardFigures()
    source = MemorySource([view(0, 0, 100), view(1, 0, 50)], slots=2, live=True)
    now_s = [0.0]
    intake = Intake(
        PLAN,
        DEPLOYMENT,
        source,
        telemetry,
        Event(),
        pending_rows_max=PENDING_ROWS_MAX,
        monotonic_s=lambda: now_s[0],
    )
    return source, Slot(intake, 0, None), Slot(intake, 1, None), telemetry, now_s


def view(partition, offset, second):
    """A record in order."""
    at_ms = START_MS + second * SECOND_MS
    body = f'{{"kind":"viewed","ts":{at_ms},"user":"u1","doc":"d1"}}'
    return Record(partition, offset, at_ms, body.encode())


def test_a_slot_waits_while_many_rows_wait_for_a_slower_one(slots):
    """It reads on when they are few enough again; the slowest always reads."""
    source, ahead, behind, telemetry, _ = slots
    ahead.next_batch()
    behind.next_batch()
    source.grow([view(0, 1, 101), view(1, 1, 51)])
    telemetry.shards[0].pending_rows = PENDING_ROWS_MAX + 1
    assert ahead.next_batch() == []
    assert ahead.next_awake() is not None
    assert behind.next_batch() != []
    telemetry.shards[0].pending_rows = PENDING_ROWS_MAX
    assert ahead.next_batch() != []
    assert source.exhausted


def test_a_slot_that_waits_does_not_fall_idle(slots):
    """While it does not read, silence says nothing: its reader may not know what has come.

    A regression: the others' ticks passed it by, and what it read then was late.
    """
    source, ahead, behind, telemetry, now_s = slots
    first = ahead.next_batch()
    behind.next_batch()
    telemetry.shards[0].pending_rows = PENDING_ROWS_MAX + 1
    now_s[0] += 1_000.0
    source.grow([view(1, 1, 60)])
    behind.next_batch()
    assert ahead.next_batch() == []
    assert telemetry.slot_watermarks[0] == first[-1][1].watermark_ms


def test_an_idle_slot_still_reads(slots):
    """One that holds nobody back is not ahead of anybody: what comes to it is read at once."""
    source, ahead, behind, telemetry, now_s = slots
    ahead.next_batch()
    behind.next_batch()
    now_s[0] += 1_000.0
    source.grow([view(1, 1, 60)])
    ahead.next_batch()
    behind.next_batch()
    assert telemetry.slot_watermarks[0] == HOLDS_NOBODY_BACK
    telemetry.shards[0].pending_rows = PENDING_ROWS_MAX + 1
    source.grow([view(0, 1, 102)])
    ahead.next_batch()
    assert source.exhausted


@pytest.mark.parametrize("workers", [1, 2])
def test_waiting_changes_no_tick(workers):
    """With little room three slots come to every tick there is; without a limit 1,600 rows wait."""
    records = stream(8)
    source = MemorySource(records, slots=3, luck=8)
    telemetry, published, pending = Telemetry(), [], []
    source.on_poll = lambda _: pending.append(telemetry.pending_rows)
    intake = Intake(
        PLAN,
        DEPLOYMENT,
        source,
        telemetry,
        Event(),
        pending_rows_max=PENDING_ROWS_MAX,
        poll_records=40,
    )
    steps = Steps(PLAN, DEPLOYMENT, source.slots, telemetry, EVERY_TICK)
    cli_main(build(intake, steps, published.append), workers_per_process=workers)
    ticks = [tick.at_ms for tick in published if tick.at_ms > START_MS]
    assert [*range(START_MS + TICK_MS, ticks[-1] + TICK_MS, TICK_MS)] == ticks
    assert len(ticks) > 40
    assert max(pending) < 1_000
    assert same(local(PLAN, DEPLOYMENT, records, ticks), published[-len(ticks) :])
