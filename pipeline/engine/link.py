"""The link between a supervisor and each process that it has started: a pair of sockets.

The supervisor sends one `Assignment`. The process sends a `Status` about once a second, and every
`Tick` that is made in it. A message is JSON behind its length in four bytes: nothing is pickled,
and JSON has whole numbers of any size.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from threading import Lock
from typing import Final

import msgspec

from pipeline.core.publish import Tick
from pipeline.telemetry import Telemetry

_LENGTH_BYTES: Final = 4
CHUNK_BYTES: Final = 1 << 16


class Assignment(msgspec.Struct, frozen=True):
    """What a process is to be: its number, and the addresses of all of them, by number.

    `agreement` is what the supervisor was started with, and the process must find the same.
    """

    process: int
    addresses: tuple[str, ...]
    agreement: str


class Status(msgspec.Struct, frozen=True, tag="status"):
    """How a process is.

    `polls` grows while it is alive. `caught_up_ms` is that of its telemetry. `stopping`: it has
    been asked to end, or has to, and then so must the others.
    """

    polls: int
    caught_up_ms: dict[int, tuple[int, int]]
    consumed: int
    stopping: bool


class Ticked(msgspec.Struct, frozen=True, tag="tick"):
    """A tick was made."""

    tick: Tick


Message = Status | Ticked
_decoder: Final = msgspec.json.Decoder(Message)


def status_of(telemetry: Telemetry, *, stopping: bool) -> Status:
    """What a process has to say of itself."""
    caught_up_ms = dict(telemetry.caught_up_ms)
    return Status(telemetry.polls, caught_up_ms, telemetry.totals().consumed, stopping)


def framed(message: msgspec.Struct) -> bytes:
    """A message as it travels."""
    body = msgspec.json.encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class Frames:
    """Cuts what comes in back into messages."""

    def __init__(self) -> None:
        self._held = bytearray()

    def take(self, received: bytes) -> Iterator[bytes]:
        r"""The bodies that are complete with this.

        >>> frames = Frames()
        >>> list(frames.take(b"\0\0\0\2{}\0\0")), list(frames.take(b"\0\2[]"))
        ([b'{}'], [b'[]'])
        """
        self._held += received
        while len(self._held) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._held[:_LENGTH_BYTES], "big")
            if len(self._held) < end:
                return
            yield bytes(self._held[_LENGTH_BYTES:end])
            del self._held[:end]


def decoded(body: bytes) -> Message:
    """The message of a body."""
    message: Message = _decoder.decode(body)
    return message


class Link:
    """The end of a process that a supervisor has started.

    All methods raise OSError once the supervisor is gone.
    """

    def __init__(self, descriptor: int) -> None:
        """Take over a socket that was inherited."""
        self._socket = socket.socket(fileno=descriptor)
        self._socket.set_inheritable(False)
        self._sending = Lock()

    def assignment(self) -> Assignment:
        """What this process is to be. Asked once, before all else.

        Raises:
            ConnectionError: There is no supervisor.
        """
        frames = Frames()
        while received := self._socket.recv(CHUNK_BYTES):
            for body in frames.take(received):
                return msgspec.json.decode(body, type=Assignment)
        raise ConnectionError("the supervisor is gone")

    def send(self, message: Message) -> None:
        """Tell the supervisor; safe from any thread."""
        with self._sending:
            self._socket.sendall(framed(message))

    def wait_until_gone(self) -> None:
        """Return when the supervisor has ended, in whatever way."""
        while self._socket.recv(CHUNK_BYTES):
            pass
