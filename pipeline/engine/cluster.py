"""The processes of one start: they are started, listened to, and ended together.

A process that finds its link broken ends itself, so none outlives its supervisor.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Final, Self

from pipeline.engine.link import CHUNK_BYTES, Assignment, Frames, Message, decoded, framed
from pipeline.engine.restarts import End

LOOPBACK: Final = "127.0.0.1"
LINK_VARIABLE: Final = "NORTHSTAR_LINK"  # names a process' end of its link: a descriptor
_LOOK_AGAIN_S: Final = 0.01


class Cluster:
    """The processes of one start. At the end of a `with` none of them is left."""

    def __init__(
        self, command: Sequence[str], processes: int, agreement: str, lent: Sequence[int]
    ) -> None:
        """Start them. Each gets `LINK_VARIABLE`, and the descriptors `lent`."""
        self._selector = selectors.DefaultSelector()
        self._started: list[subprocess.Popen[bytes]] = []
        self._ended: list[End] = []
        addresses = _free_addresses(processes)
        try:
            for number in range(processes):
                self._start(command, Assignment(number, addresses, agreement), lent)
        except BaseException:
            self.kill()
            raise

    def _start(self, command: Sequence[str], assignment: Assignment, lent: Sequence[int]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            process = subprocess.Popen(  # noqa: S603 - the command is our own
                command,
                env=os.environ | {LINK_VARIABLE: str(number)},
                stdin=subprocess.DEVNULL,
                pass_fds=[number, *lent],
                start_new_session=True,  # Ctrl-C in a terminal is for the supervisor alone
            )
        self._started.append(process)
        self._selector.register(ours, selectors.EVENT_READ, (assignment.process, Frames()))
        with suppress(OSError):  # it has ended already, which is seen soon
            ours.sendall(framed(assignment))
        ours.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def messages(self, timeout_s: float) -> Iterator[tuple[int, Message]]:
        """What the processes say, each with its number; waits for it no longer than this."""
        if not self.is_heard:
            time.sleep(timeout_s)
            return
        for key, _ in self._selector.select(timeout_s):
            number, frames = key.data
            assert isinstance(key.fileobj, socket.socket)
            try:
                received = key.fileobj.recv(CHUNK_BYTES)
            except ConnectionError:  # ended with something of ours unread
                received = b""
            if not received:
                self._selector.unregister(key.fileobj)
                key.fileobj.close()
            for body in frames.take(received):
                yield number, decoded(body)

    @property
    def is_heard(self) -> bool:
        """Whether there may still be something that a process has said."""
        return bool(self._selector.get_map())

    def ended(self) -> list[End]:
        """Those that have ended by now, in the order in which that was seen."""
        seen = {end.process for end in self._ended}
        for number, process in enumerate(self._started):
            code = process.poll()
            if code is not None and number not in seen:
                self._ended.append(End(number, code))
        return self._ended

    @property
    def pids(self) -> list[int]:
        """Their process ids, by number."""
        return [process.pid for process in self._started]

    @property
    def up(self) -> int:
        """How many run."""
        return len(self._started) - len(self.ended())

    def ended_within(self, seconds: float) -> list[End]:
        """The same, after waiting for all of them no longer than this."""
        deadline_s = time.monotonic() + seconds
        while self.up and time.monotonic() < deadline_s:
            time.sleep(_LOOK_AGAIN_S)
        return self.ended()

    def ask_to_end(self) -> None:
        """Ask all to end in order. One alone would leave the others waiting for it."""
        for process in self._started:
            process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End those that are left, at once; none runs when this returns."""
        for process in self._started:
            process.kill()
        for process in self._started:
            process.wait()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()


def _free_addresses(count: int) -> tuple[str, ...]:
    """Addresses of loopback that nobody listens on.

    Another program may still be quicker: then the start fails, and the next one asks anew.
    """
    with ExitStack() as probes:
        ports = []
        for _ in range(count):
            probe = probes.enter_context(socket.socket())
            probe.bind((LOOPBACK, 0))
            ports.append(probe.getsockname()[1])
    return tuple(f"{LOOPBACK}:{port}" for port in ports)
