"""`northstar run` as a process of its own, and what it answers."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from pipeline import names
from pipeline.core.publish import iso
from tests.integration.ports import LOOPBACK
from tests.integration.processes import ServerProcess
from tests.integration.shown import of_metrics
from tests.integration.waiting import wait_until

ROOT = Path(__file__).parents[2]
COLLABORATION = ROOT / "definitions" / "collaboration"

SERVING_TIMEOUT_S = 60.0
READY_TIMEOUT_S = 60.0
REQUEST_TIMEOUT_S = 10.0
END_TIMEOUT_S = 60.0

Environment = Mapping[str, str]
# A test's own choice, so that no line of the log is about the salt that everyone knows.
OF_EVERY_RUN = {"SALT": "of-a-test-run", "KAFKA__GROUP": "test-run"}


def command(environment: Environment, *arguments: str) -> list[str]:
    """`northstar run` with these arguments and `NORTHSTAR_` variables, without the prefix."""
    given = OF_EVERY_RUN | dict(environment)
    variables = [f"NORTHSTAR_{name}={value}" for name, value in given.items()]
    program = [sys.executable, "-m", "pipeline", "run"]
    return ["env", *variables, *program, *arguments]


@dataclass(frozen=True)
class Answer:
    """What a request came to."""

    status: int
    text: str


class Northstar(ServerProcess):
    """A run that can be ended and started again; it is killed at the end of a `with`."""

    def __init__(self, log: Path, environment: Environment, *arguments: str) -> None:
        super().__init__(command(environment, *arguments), log)
        self._log_start = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def begin(self) -> None:
        """Start, and return when requests are answered; ready is another matter."""
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        self.start(lambda: self._served() is not None, SERVING_TIMEOUT_S)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that this start of the process says it serves on."""
        url = self._served()
        assert url is not None, self.log_tail()
        host, _, port = url.removeprefix("http://").partition(":")
        return host, int(port)

    def told(self) -> Iterator[dict[str, object]]:
        """The log's events since the last start; lines that are no event are left out."""
        written = self.log.read_bytes()[self._log_start :]
        for line in written.split(b"\n")[:-1]:
            if line.startswith(b"{"):
                yield json.loads(line)

    def get(self, path: str) -> Answer:
        """What the process answers now."""
        return ask(self.address[1], path)

    def is_ready(self) -> bool:
        """Whether readings may be shown; they may not where nobody answers."""
        try:
            return self.get("/readyz").status == http.client.OK
        except OSError:
            return False

    def wait_until_ready(self) -> None:
        """Return when it is; fail with the log where the process has ended."""
        wait_until(
            lambda: self.pid is None or self.is_ready(), "a ready northstar", READY_TIMEOUT_S
        )
        assert self.pid is not None, self.log_tail()

    def shown_tick_ms(self) -> int | None:
        """The tick that is shown now, None while none is or nobody answers."""
        try:
            shown = of_metrics(self.get("/metrics").text)
        except OSError:
            return None
        return None if shown is None else shown[0]

    def wait_until_tick(self, tick_ms: int) -> None:
        """Return when this tick is shown; fail with the log where the process has ended."""
        wait_until(
            lambda: self.pid is None or self.shown_tick_ms() == tick_ms,
            f"the tick {iso(tick_ms)}",
            READY_TIMEOUT_S,
        )
        assert self.pid is not None, self.log_tail()

    def end(self) -> tuple[int, float]:
        """Ask it to end (SIGTERM); its exit code and how long it took in seconds."""
        assert self._process is not None
        asked_s = time.monotonic()
        self._process.terminate()
        return self._process.wait(END_TIMEOUT_S), time.monotonic() - asked_s

    def _served(self) -> str | None:
        urls = [str(line["url"]) for line in self.told() if line["event"] == "serving"]
        return urls[-1] if urls else None


def ask(port: int, path: str) -> Answer:
    """What a server on this port answers.

    Raises:
        OSError: Nobody listens there, or the connection broke.
        http.client.HTTPException: The answer broke off.
    """
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=REQUEST_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return Answer(response.status, response.read().decode())
    finally:
        connection.close()


@dataclass(frozen=True)
class Ended:
    """A run that ended by itself."""

    code: int
    took_s: float
    text: str

    @property
    def words(self) -> list[str]:
        """The lines for people: all that are no event of the log."""
        return [line for line in self.text.splitlines() if line and not line.startswith("{")]


def run_to_end(environment: Environment, *arguments: str) -> Ended:
    """Run until it ends by itself, as it does when it cannot start."""
    started_s = time.monotonic()
    done = subprocess.run(
        command(environment, *arguments),
        check=False,
        timeout=END_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Ended(done.returncode, time.monotonic() - started_s, done.stdout)


Counters = dict[str, dict[str, int]]


def counters(metrics: str) -> Counters:
    """The records counted so far: by what became of them, by reason (empty where there is none).

    Those consumed are by partition.
    """
    of = {
        names.RECORDS_CONSUMED: (names.PARTITION, "consumed"),
        names.RECORDS_MATCHED: ("", "matched"),
        names.RECORDS_DUPLICATE: ("", "duplicate"),
        names.RECORDS_FILTERED: (names.REASON, "filtered"),
        names.RECORDS_REJECTED: (names.REASON, "rejected"),
    }
    found: Counters = {outcome: {} for _, outcome in of.values()}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name in of and sample.value:
                label, outcome = of[sample.name]
                found[outcome][sample.labels.get(label, "")] = int(sample.value)
    return found


def consumed(counted: Counters) -> int:
    """All records read."""
    return sum(counted["consumed"].values())


def accounted(counted: Counters) -> int:
    """All records of which it is known what became of them."""
    outcomes = ("matched", "filtered", "rejected", "duplicate")
    return sum(sum(counted[outcome].values()) for outcome in outcomes)
