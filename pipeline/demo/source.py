"""Traffic as a source: two weeks of history as fast as it is read, then a clock that runs fast.

The numbers depend on the traffic alone. Wall time decides only when a record is there to be read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.records import Records
from pipeline.core.windows import HOUR_MS
from pipeline.demo.season import LIVE_MS, START_MS
from pipeline.demo.traffic import PARTITIONS, Hour, Traffic

SLOTS: Final = 2
TOPIC: Final = "demo-traffic"

# An offset holds the hour since 1970 and the record's place in it, so that reading can go on
# anywhere without counting what came before.
_PLACE_BITS: Final = 32


class Pace:
    """How far event time has come: to the end of the history, and on from there by wall clock.

    The clock starts when every slot has handed out the history; `speed` is how many seconds of
    event time pass in one. Shared between slots, which may be read by different threads.
    """

    def __init__(self, speed: float, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._speed = speed
        self._monotonic_s = monotonic_s
        self._reading = set(range(SLOTS))
        self._lock = threading.Lock()
        self._started_s: float | None = None
        self._started_ms = LIVE_MS

    def now_ms(self) -> int:
        """The moment up to which records have arrived."""
        if self._started_s is None:
            return self._started_ms
        passed_s = self._monotonic_s() - self._started_s
        return self._started_ms + int(passed_s * self._speed * 1000)

    def caught_up(self, slot: int, at_ms: int) -> None:
        """A slot has handed out the history, and perhaps more: it is at `at_ms`."""
        with self._lock:
            if slot in self._reading:
                self._reading.remove(slot)
                self._started_ms = max(self._started_ms, at_ms)
                if not self._reading:
                    self._started_s = self._monotonic_s()


class TrafficSource:
    """The demo's topic: four partitions in two slots; it never ends."""

    def __init__(self, traffic: Traffic, pace: Pace) -> None:
        self._traffic = traffic
        self._pace = pace

    @property
    def slots(self) -> int:
        """Two, so that two workers have something to do."""
        return SLOTS

    def open(self, slot: int, positions: Mapping[int, int]) -> TrafficReader:
        """Read a slot's partitions, from their positions or from the start of the history."""
        return TrafficReader(self._traffic, self._pace, slot, positions)

    def partition_name(self, partition: int) -> tuple[str, str]:
        """Topic and number of a partition, as telemetry's labels."""
        return TOPIC, str(partition)


class TrafficReader:
    """One slot, open. Its partitions go through the hours together, side by side."""

    def __init__(
        self, traffic: Traffic, pace: Pace, slot: int, positions: Mapping[int, int]
    ) -> None:
        self._traffic = traffic
        self._pace = pace
        self._slot = slot
        self._done = {number: positions.get(number, 0) for number in range(slot, PARTITIONS, SLOTS)}
        first = min(self._done.values()) >> _PLACE_BITS
        self._number = max(first, START_MS // HOUR_MS)
        self._hours: dict[int, Hour] = {}
        self._waiting_ms: NDArray[np.int64] = np.empty(0, np.int64)  # arrivals not handed out
        self._load()

    def poll(self, limit: int) -> Sequence[Records]:
        """Up to about `limit` records that have arrived; as fast as asked for in the history."""
        now_ms = self._pace.now_ms()
        pieces: dict[int, list[Records]] = {number: [] for number in self._done}
        while limit > 0:
            ready = min(limit, int(np.searchsorted(self._waiting_ms, now_ms)))
            if ready:
                limit -= self._hand_out(int(self._waiting_ms[ready - 1]), pieces)
            elif not self._next_hour(now_ms):
                break
        if self._is_past(LIVE_MS):
            self._pace.caught_up(self._slot, self._number * HOUR_MS)
        return [_joined(found) for found in pieces.values() if found]

    def _hand_out(self, until_ms: int, pieces: dict[int, list[Records]]) -> int:
        """Pass on what has arrived up to and at `until_ms`; how many records that is."""
        before = len(self._waiting_ms)
        self._waiting_ms = self._waiting_ms[np.searchsorted(self._waiting_ms, until_ms, "right") :]
        for partition, hour in self._hours.items():
            first = max(self._done[partition] - (self._number << _PLACE_BITS), 0)
            end = int(np.searchsorted(hour.arrivals_ms, until_ms, "right"))
            if end > first:
                pieces[partition].append(self._records(partition, first, end))
                self._done[partition] = (self._number << _PLACE_BITS) + end
        return before - len(self._waiting_ms)

    def _records(self, partition: int, first: int, end: int) -> Records:
        hour, start = self._hours[partition], self._number << _PLACE_BITS
        offsets = np.arange(start + first, start + end, dtype=np.int64)
        return Records(partition, hour.values[first:end], offsets, hour.arrivals_ms[first:end])

    def _next_hour(self, now_ms: int) -> bool:
        """Go on to the next hour, if it has begun and all of this one is handed out."""
        if len(self._waiting_ms) or (self._number + 1) * HOUR_MS >= now_ms:
            return False
        self._number += 1
        self._load()
        return True

    def _load(self) -> None:
        start = self._number << _PLACE_BITS
        self._hours = {number: self._traffic.hour(number, self._number) for number in self._done}
        waiting = [
            hour.arrivals_ms[max(self._done[number] - start, 0) :]
            for number, hour in self._hours.items()
        ]
        self._waiting_ms = np.sort(np.concatenate(waiting))

    def partitions(self) -> Sequence[int]:
        """The slot's partitions."""
        return [*self._done]

    def positions(self) -> Mapping[int, int]:
        """None: what nothing was read from is read from its start."""
        return {}

    def finished(self, partition: int) -> bool:  # noqa: ARG002
        """Never: people go on using the product."""
        return False

    def at_end(self, partition: int) -> bool:  # noqa: ARG002
        """Whether everything that has arrived was handed out."""
        return self._is_past(self._pace.now_ms())

    def caught_up(self, partition: int) -> bool:  # noqa: ARG002
        """Whether the history was handed out."""
        return self._is_past(LIVE_MS)

    def _is_past(self, time_ms: int) -> bool:
        """Whether everything that had arrived before a moment was handed out."""
        return (self._number + 1) * HOUR_MS >= time_ms and not np.any(self._waiting_ms < time_ms)

    def durable(self, positions: Mapping[int, int]) -> None:
        """Nothing is kept that could be let go."""

    def close(self) -> None:
        """Nothing is held."""


def _joined(pieces: Sequence[Records]) -> Records:
    if len(pieces) == 1:
        return pieces[0]
    return Records(
        pieces[0].partition,
        [value for piece in pieces for value in piece.values],
        np.concatenate([piece.offsets for piece in pieces]),
        np.concatenate([piece.ingested_ms for piece in pieces]),
    )
