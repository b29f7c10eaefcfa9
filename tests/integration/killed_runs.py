"""`northstar run` on a topic, killed at random moments, with one state through all its lives.

A life begins with the start of the process. It is killed at a moment drawn uniformly over how long
a life takes until it shows what is there, which is measured; at another, before that, the next
part of the log comes in. With two processes, one of them is killed, and then their supervisor.
"""

import fcntl
import functools
import os
import signal
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

from pipeline.core.publish import iso
from tests.integration import collaboration_log as collaboration
from tests.integration.brokers import Kafka
from tests.integration.northstar_process import COLLABORATION, Northstar
from tests.integration.ports import free_port, is_free
from tests.integration.shown import (
    Series,
    Truth,
    differences,
    of_metrics,
)
from tests.integration.waiting import wait_until
from tests.integration.watcher import Look, Watcher
from tests.oracle.oracle import Settings

FIRST = 14_000  # records, there before the first start
LAST = 20_000
# At a leap of more than the 28 days that a guard looks back, ticks in between have no baseline.
LEAP_MS = 6 * 86_400_000
CAUGHT_UP_EVERY = 3  # lives: one leap more at once would be too much
TIMEOUT_S = 120.0
EPOCH_S = 0.5
ENVIRONMENT = {
    "TIME__IDLE_AFTER": "10m",  # longer than a story: idle partitions are another test's matter
    "ENGINE__EPOCH_INTERVAL": f"{EPOCH_S * 1000:.0f}ms",
    "ENGINE__SHARDS": "8",  # ticks are quicker than with 32, so more are seen
}


@functools.cache
def truth() -> Truth:
    """What the definition comes to over the log."""
    settings = Settings(lateness_ms=collaboration.LATENESS_MS)
    return Truth(collaboration.DEFINITION, collaboration.log()[:LAST], settings)


def leaps() -> Iterator[int]:
    """Counts of records whose newest ticks are as far apart as they may be."""
    number = FIRST
    while number < LAST:
        yield number
        limit_ms = collaboration.newest_tick_ms(number) + LEAP_MS
        reached = range(number + 1, LAST + 1)
        number += max(1, bisect_right(reached, limit_ms, key=collaboration.newest_tick_ms))
    yield LAST


class KilledRuns:
    """One topic and one state, through any number of lives; `kills` counts them by a few words.

    `spans_s` may be known from before: how long a life lasts, by the number of processes.
    """

    def __init__(
        self, kafka: Kafka, folder: Path, draw: Random, spans_s: dict[int, float] | None = None
    ) -> None:
        self.kills: Counter[str] = Counter()
        self.lives = 0
        self.watcher = Watcher(_free_port_and_two_above())
        self._kafka = kafka
        self._folder = folder
        self._draw = draw
        self._topic = collaboration.create_topic(kafka)
        self._parts = pairwise(leaps())
        self._produced = FIRST
        self._spans_s = {} if spans_s is None else spans_s
        self._runs: list[Northstar] = []
        collaboration.produce(kafka, self._topic, collaboration.log()[:FIRST])

    def close(self) -> None:
        """Let nothing run."""
        for run in self._runs:
            run.kill()

    def run(self, processes: int, **variables: str) -> Northstar:
        """A run of so many processes, started; who wants it to serve, waits."""
        where = ("--kafka-bootstrap", self._kafka.bootstrap, "--state", str(self._folder / "state"))
        how = ("--lateness", collaboration.LATENESS, "--port", str(self.watcher._port))
        environment = {**ENVIRONMENT, "KAFKA__TOPICS": self._topic, "KAFKA__GROUP": self._topic}
        arguments = (str(COLLABORATION), *where, *how, "--processes", str(processes))
        wait_until(self._is_let_go, "the state to be let go of", TIMEOUT_S)
        run = Northstar(self._folder / "northstar.log", environment | variables, *arguments)
        self._runs.append(run)
        run._log_start = run.log.stat().st_size if run.log.exists() else 0
        run.start(lambda: True, TIMEOUT_S)
        self.watcher.life += 1
        return run

    def _is_let_go(self) -> bool:
        """Whether nobody has the state any more; the last of several processes may be slow."""
        lock = self._folder / "state" / "lock"
        if not lock.exists():
            return True
        with lock.open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
        return True

    def produce(self) -> int:
        """Produce the next part of the log, if there is one; the newest tick there is then."""
        for first, last in self._parts:
            collaboration.produce(self._kafka, self._topic, collaboration.log()[first:last])
            self._produced = last
            break
        return self.newest_ms

    @property
    def newest_ms(self) -> int:
        """The tick that is shown when all that was produced is read."""
        return collaboration.newest_tick_ms(self._produced)

    def show(self, run: Northstar) -> None:
        """Return when the newest tick is shown; fail if the run has ended."""
        life = self.watcher.life
        wait_until(
            lambda: run.pid is None or shows(self.watcher.looks[-1:], life, self.newest_ms),
            f"the tick {iso(self.newest_ms)}",
            TIMEOUT_S,
            interval_s=0.005,
        )
        assert run.pid is not None, run.log_tail()

    def span_s(self, processes: int) -> float:
        """How long a life lasts: until it shows what there is, and an epoch more."""
        if processes not in self._spans_s:
            begun_s = time.monotonic()
            run = self.run(processes)
            self.show(run)
            self._spans_s[processes] = time.monotonic() - begun_s + EPOCH_S
            code, _ = run.end()
            assert code == 0, run.log_tail()
        return self._spans_s[processes]

    def live(self, processes: int) -> None:
        """One life, to its death."""
        span_s = self.span_s(processes)
        kill_s = self._draw.uniform(0, span_s)
        produce_s = self._draw.uniform(0, kill_s)
        self.lives += 1
        begun_s = time.monotonic()
        run = self.run(processes)
        if self.lives % CAUGHT_UP_EVERY == 0:
            self.show(run)
            begun_s = time.monotonic() - span_s / 2
        _sleep_until(begun_s + produce_s)
        self.produce()
        _sleep_until(begun_s + kill_s)
        assert run.pid is not None, run.log_tail()
        if processes > 1 and self._kill_one(run):
            _sleep_until(time.monotonic() + self._draw.uniform(0, span_s))
            assert run.pid is not None, run.log_tail()
        run.kill()
        self.kills[f"Kafka in {processes} at random"] += 1

    def _kill_one(self, run: Northstar) -> bool:
        """Kill one of the supervised processes, if there are any yet."""
        lines = [line["pids"] for line in run.told() if line["event"] == "processes started"]
        if not lines:
            return False
        pids = lines[-1]
        assert isinstance(pids, list)
        try:
            os.kill(self._draw.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.kills["Kafka, one of 2 at random"] += 1
        return True

    def shown(self) -> list[tuple[str, int, Series]]:
        """All that was ever shown: where, of which tick, and what."""
        found = []
        for look in self.watcher.looks:
            if look.answer is None or look.path == "/readyz":
                continue
            of_page = of_metrics if look.path == "/metrics" else truth().of_readings
            page = of_page(look.answer.text)
            if page is not None:
                found.append((f"{self._topic}, life {look.life}, {look.path}", *page))
        return found


def shows(looks: list[Look], life: int, tick_ms: int) -> bool:
    """Whether a life's answer shows this tick."""
    for look in looks:
        if look.life == life and look.path == "/metrics" and look.answer is not None:
            shown = of_metrics(look.answer.text)
            return shown is not None and shown[0] == tick_ms
    return False


def wrong(shown: list[tuple[str, int, Series]]) -> list[str]:
    """A line for whatever was shown that the oracle does not say of its tick."""
    expected, _ = truth().at(tick for _, tick, _ in shown)
    found = []
    for where, tick, series in shown:
        lines = differences(expected[tick], series)
        found += [f"in {where} at {iso(tick)}: {line}" for line in lines]
    return [*dict.fromkeys(found)]  # seen once, or many times


def _free_port_and_two_above() -> int:
    """For a supervisor and its two processes."""
    while True:
        port = free_port()
        if is_free(port + 1) and is_free(port + 2):
            return port


def _sleep_until(moment_s: float) -> None:
    time.sleep(max(0.0, moment_s - time.monotonic()))
