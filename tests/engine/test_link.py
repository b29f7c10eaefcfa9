"""What travels between a supervisor and its processes comes out as it went in."""

import os
import socket
from threading import Thread

import pytest

from pipeline.core.clock import HOLDS_NOBODY_BACK
from pipeline.core.compose import Reading
from pipeline.core.decode import LONG_AGO
from pipeline.core.judge import State, Verdict
from pipeline.core.publish import Tick
from pipeline.engine.link import (
    Assignment,
    Frames,
    Link,
    Status,
    Ticked,
    decoded,
    framed,
    status_of,
)
from pipeline.telemetry import Telemetry

READINGS = (
    Reading(1.0, None, 3, 4, 0.1 + 0.2, None),
    Reading(1 << 70, -0.0, 3.0, 4, 1.0, 1e-300),
    Reading(None, None, None, 0, 0.0, None),
)
TICK = Tick(
    5_000, READINGS, (Verdict(State.RED, 1.5, 2.0, 3.0), Verdict(State.UNKNOWN, reason="x"))
)
STATUS = Status(7, {0: (LONG_AGO, 3), 1: (HOLDS_NOBODY_BACK, LONG_AGO)}, 12, stopping=True)


@pytest.fixture
def ends():
    """The supervisor's end of a link and the process's."""
    ours, theirs = socket.socketpair()
    link = Link(os.dup(theirs.fileno()))
    theirs.close()
    with ours:
        yield ours, link


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 1_000])
def test_messages_come_out_as_they_went_in(cut):
    """Whatever the pieces; to the last digit and type, since 1 is not 1.0, nor is -0.0 0.0."""
    sent = [STATUS, Ticked(TICK), STATUS]
    stream = b"".join(map(framed, sent))
    frames = Frames()

    pieces = [stream[at : at + cut] for at in range(0, len(stream), cut)]
    received = [decoded(body) for piece in pieces for body in frames.take(piece)]

    assert list(map(repr, received)) == list(map(repr, sent))


def test_a_process_hears_its_assignment_and_answers(ends):
    """The assignment may come in pieces; what the process sends arrives whole."""
    ours, link = ends
    assignment = Assignment(1, ("127.0.0.1:1", "127.0.0.1:2"), "abc")
    sent = framed(assignment)
    ours.sendall(sent[:3])
    Thread(target=ours.sendall, args=(sent[3:],)).start()

    assert link.assignment() == assignment
    link.send(STATUS)
    assert [*map(decoded, Frames().take(ours.recv(1_000)))] == [STATUS]


def test_a_process_notices_that_its_supervisor_is_gone(ends):
    """Waiting ends, and so does asking."""
    ours, link = ends
    ours.close()

    link.wait_until_gone()
    with pytest.raises(ConnectionError):
        link.assignment()


def test_a_status_tells_what_telemetry_knows():
    """Polls, who has caught up, and the records of all partitions."""
    telemetry = Telemetry(polls=7, caught_up_ms={3: (1, 2)})
    telemetry.partition(0).counts.consumed = 5
    telemetry.partition(1).counts.consumed = 7

    assert status_of(telemetry, stopping=False) == Status(7, {3: (1, 2)}, 12, stopping=False)
