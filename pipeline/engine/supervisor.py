"""The supervisor: runs a flow as several processes of this machine, and keeps them running.

Processes of one flow live and die together: when one dies the others cannot go on, and it cannot
come back to them. So all are ended, the store is made ready again, and all are started anew.
Nothing is shown from the moment that a start has failed until the next has restored its state and
read what was there.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Final

import structlog

from pipeline.core.publish import Tick
from pipeline.engine.cluster import Cluster
from pipeline.engine.link import Status, Ticked
from pipeline.engine.recovery import Store
from pipeline.engine.restarts import Failure, Pulse, Restarts, cause
from pipeline.telemetry import ProcessFigures, Telemetry

LOOK_S: Final = 0.1  # how late we hear of a signal
# For the peers of a process that has died to fail by themselves, so that their logs are whole.
DYING_S: Final = 0.5
# The same where all were asked to end: the last of them may still be closing its readers.
ENDING_S: Final = 10.0

log = structlog.get_logger()


class NotKept(Exception):
    """The processes cannot be kept running. `code` is that of the last `Failure`."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Orders:
    """What a supervisor is to run, and when it is to interfere.

    `command` starts a process, which links itself to us. `open_store` makes the store ready and
    holds it for one start. Exit codes in `telling` have a meaning; after those in `final` it is no
    use to try again.
    """

    command: Sequence[str]
    processes: int
    slots: int
    agreement: str
    open_store: Callable[[], Store | None]
    telling: Collection[int] = ()
    final: Collection[int] = ()
    hung_after_s: float = 120.0
    stop_within_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Showing:
    """Where what the processes make is shown: ticks, and `forget` to show none of them any more.

    `gate` says what is waited for, and which ticks may be shown.
    """

    publish: Callable[[Tick], None]
    forget: Callable[[], None]
    gate: Telemetry
    figures: ProcessFigures


class Supervisor:
    """Runs processes until it is asked to stop."""

    def __init__(self, orders: Orders, showing: Showing, stop: Event) -> None:
        self._orders = orders
        self._showing = showing
        self._stop = stop
        self._restarts = Restarts(random.random)
        self._pulses: list[Pulse] = []
        self._consumed: dict[int, int] = {}
        self._asked_s: float | None = None
        self._one_stops = False

    @property
    def consumed(self) -> int:
        """The records that the processes of the last start have read."""
        return sum(self._consumed.values())

    def run(self) -> None:
        """Start the processes, again and again if need be, and return when they have stopped.

        Raises:
            NotKept: They have failed in a way that another start does not change, or too often.
            StoreRefused: The saved state cannot be used.
        """
        self._hide("the processes to start")
        while not self._stop.is_set():
            failure = self._live()
            if failure is None:
                return
            self._hide(f"the processes to start again: {failure.text}")
            self._face(failure)

    def _face(self, failure: Failure) -> None:
        """Wait before the next start, or raise if there shall be none."""
        if self._stop.is_set():
            raise NotKept(
                f"while stopping, {failure.text}; what came after the last snapshot is read again",
                failure.code,
            )
        if failure.code in self._orders.final:
            raise NotKept(f"{failure.text}; another start would not change that", failure.code)
        wait_s = self._restarts.wait_s(time.monotonic())
        if wait_s is None:
            raise NotKept(
                f"given up: {self._restarts.given_up()}; at last, {failure.text}", failure.code
            )
        self._showing.figures.restarts += 1
        log.error("starting all processes again", cause=failure.text, wait_s=round(wait_s, 1))
        start_s = time.monotonic() + wait_s
        # `stop.wait` takes a lock, which the handler of a signal could then find taken.
        while not self._stop.is_set() and (left_s := start_s - time.monotonic()) > 0:
            time.sleep(min(LOOK_S, left_s))

    # ── what is shown ────────────────────────────────────────────────────────────────────────────

    def _hide(self, reason: str) -> None:
        """Show nothing, and what is waited for."""
        gate = self._showing.gate
        gate.waiting_for = {reason}
        self._showing.forget()
        gate.caught_up_ms = {}

    def _wait_for_slots(self) -> None:
        """Wait for every slot instead of what was waited for; at no moment for nothing."""
        gate = self._showing.gate
        reasons = set(gate.waiting_for)
        gate.wait_for_slots(range(self._orders.slots))
        gate.waiting_for -= reasons

    # ── one start ────────────────────────────────────────────────────────────────────────────────

    def _live(self) -> Failure | None:
        """From one start to the end of its processes: how they failed, None if in order."""
        orders, now_s = self._orders, time.monotonic()
        store = orders.open_store()
        self._asked_s, self._one_stops = None, False
        self._consumed = {}
        self._pulses = [Pulse(now_s, orders.hung_after_s) for _ in range(orders.processes)]
        self._wait_for_slots()
        lent = [] if store is None else [store.lock]
        try:
            with Cluster(orders.command, orders.processes, orders.agreement, lent) as cluster:
                log.info("processes started", pids=cluster.pids)
                return self._watch(cluster)
        finally:
            self._showing.figures.up = 0
            if store is not None:
                store.close()

    def _watch(self, cluster: Cluster) -> Failure | None:
        while True:
            self._hear(cluster)
            self._showing.figures.up = cluster.up
            if any(end.code for end in cluster.ended()):
                return self._failure(cluster)
            if not cluster.up:
                return self._over(cluster)
            if self._stop.is_set() or self._one_stops:
                self._ask_to_end(cluster)
            overdue = self._overdue(cluster)
            if overdue is not None:
                return Failure(overdue)

    def _hear(self, cluster: Cluster) -> None:
        for number, message in cluster.messages(LOOK_S):
            if isinstance(message, Ticked):
                self._showing.publish(message.tick)
            else:
                self._take_in(number, message)

    def _take_in(self, number: int, status: Status) -> None:
        self._pulses[number].feel(status.polls, time.monotonic())
        self._consumed[number] = status.consumed
        self._one_stops |= status.stopping
        gate = self._showing.gate
        if not gate.waiting_for:
            return
        for slot, (watermark_ms, newest_ms) in status.caught_up_ms.items():
            gate.slot_caught_up(slot, watermark_ms, newest_ms)
        if not gate.waiting_for:
            log.info("caught up")
            self._restarts.ready()

    def _ask_to_end(self, cluster: Cluster) -> None:
        if self._asked_s is None:
            log.info("stopping all processes")
            self._asked_s = time.monotonic()
            cluster.ask_to_end()

    def _failure(self, cluster: Cluster) -> Failure | None:
        ends = cluster.ended_within(DYING_S if self._asked_s is None else ENDING_S)
        if self._stop.is_set() and not any(pulse.has_begun for pulse in self._pulses):
            return None  # too early to be asked in order, and nothing was read that could be lost
        return cause(ends, self._orders.telling)

    def _over(self, cluster: Cluster) -> Failure | None:
        until_s = time.monotonic() + ENDING_S
        while cluster.is_heard and time.monotonic() < until_s:
            self._hear(cluster)
        if self._stop.is_set():
            return None
        return Failure("all processes have ended, though nobody asked us to stop")

    def _overdue(self, cluster: Cluster) -> str | None:
        """What has taken too long, if anything has."""
        now_s = time.monotonic()
        if self._asked_s is not None:
            patience_s = self._orders.stop_within_s
            slow = now_s - self._asked_s > patience_s
            return f"the processes had not ended after {patience_s:g} s" if slow else None
        ended = {end.process for end in cluster.ended()}
        for number, pulse in enumerate(self._pulses):
            stopped = pulse.stopped(now_s)
            if stopped is not None and number not in ended:
                return f"process {number} {stopped}"
        return None
