"""A server process that a test starts, and that ends with the test whatever happens."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.integration.waiting import wait_until

LOG_TAIL_BYTES = 4_000
STOP_TIMEOUT_S = 30.0
KILL_TIMEOUT_S = 10.0


class ServerProcess:
    """One command, started and ended any number of times; its output is appended to a file."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.command = command
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while the process runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, answers: Callable[[], bool], timeout_s: float) -> None:
        """Start the process and return when it `answers`; end it if it does not in time."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*_ended_with_us(), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for pytest, which then stops us in order
            )
        try:
            wait_until(lambda: self.pid is None or answers(), self.command[0], timeout_s)
        except TimeoutError as error:
            self.kill()
            raise RuntimeError(f"{error}; its log ends with:\n{self.log_tail()}") from error
        if self.pid is None:
            raise RuntimeError(f"{self.command[0]} ended at start; its log:\n{self.log_tail()}")

    def stop(self) -> None:
        """Ask the process to end in order and wait for it; kill it if it takes too long."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process at once, as `kill -9` does."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(KILL_TIMEOUT_S)

    def log_tail(self) -> str:
        """The end of what the process has written."""
        return self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")


def _ended_with_us() -> list[str]:
    """The prefix that makes the kernel end a process when we are killed; empty off Linux.

    The signal comes when the thread that started the process ends, so start servers from a
    thread that lives as long as they shall.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
