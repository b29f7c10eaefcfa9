"""A source that is timed: from the first records it hands out to the end of the run."""

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event
from typing import Any

from pipeline.core.deployment import Deployment
from pipeline.core.plan import Plan
from pipeline.core.publish import Tick
from pipeline.core.records import Records
from pipeline.engine.runtime import Running, run
from pipeline.engine.source import SlotReader, Source
from pipeline.telemetry import Telemetry
from tests.bench.memory_log import POLL_RECORDS


class Timed:
    """A source whose partitions end where the log does now, and that knows when it began."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.slots = source.slots
        self.began_s: float | None = None
        self.began_cpu_s = 0.0
        self.began_thread_s = 0.0
        self.ended_thread_s = 0.0

    def open(self, slot: int, positions: Mapping[int, int]) -> "TimedReader":
        """Open a slot."""
        return TimedReader(self._source.open(slot, positions), self)

    def begin(self, wall_s: float, cpu_s: float, thread_s: float) -> None:
        """Take the moments before the first poll that found something."""
        if self.began_s is None:
            self.began_s, self.began_cpu_s, self.began_thread_s = wall_s, cpu_s, thread_s


class TimedReader:
    """A reader that ends where its partitions did when it was opened."""

    def __init__(self, reader: SlotReader, timed: Timed) -> None:
        self._reader = reader
        self._timed = timed
        self.positions, self.partitions = reader.positions, reader.partitions
        self.at_end, self.caught_up = reader.at_end, reader.caught_up
        self.durable, self.finished = reader.durable, reader.caught_up

    def poll(self, limit: int) -> Sequence[Records]:
        before = time.perf_counter(), time.process_time(), time.thread_time()
        polled = self._reader.poll(limit)
        if polled:
            self._timed.begin(*before)
        return polled

    def close(self) -> None:
        self._reader.close()
        self._timed.ended_thread_s = time.thread_time()


def timed_run(
    plan: Plan,
    source: Source,
    deployment: Deployment | None = None,
    publish: Callable[[Tick], None] = lambda _: None,
    **running: Any,
) -> dict[str, float]:
    """Run a plan over a log to its end, on Bytewax in this process.

    Gives wall and processor seconds (`thread_s` of the engine's own thread), and events and ticks.
    """
    timed, telemetry = Timed(source), Telemetry()
    started = time.perf_counter(), time.process_time(), time.thread_time()
    settings = {"poll_records": POLL_RECORDS} | running
    run(
        plan, deployment or Deployment(), timed, publish,
        telemetry=telemetry, stop=Event(), running=Running(**settings),
    )  # fmt: skip
    wall_s, cpu_s, thread_s = time.perf_counter(), time.process_time(), time.thread_time()
    timed.begin(*started)  # unless there was something to read
    assert timed.began_s is not None
    counts = telemetry.totals()
    assert counts.balanced
    return {
        "wall_s": wall_s - timed.began_s,
        "cpu_s": cpu_s - timed.began_cpu_s,
        "thread_s": max(timed.ended_thread_s, thread_s) - timed.began_thread_s,
        "events": counts.consumed,
        "matched": counts.matched,
        "ticks": telemetry.ticks,
    }
