"""Failpoints: places in the engine where a test has the process end, as with `kill -9`.

    NORTHSTAR_FAILPOINT=commit:3 northstar run …

ends the process when it reaches `commit` for the third time. For tests of what survives: nothing
is flushed, closed or saved. Off unless that is set.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from enum import StrEnum
from itertools import count
from typing import Final

VARIABLE: Final = "NORTHSTAR_FAILPOINT"


class Failpoint(StrEnum):
    """Where a process can be made to end."""

    RESTORE = "restore"  # a slot or a keyed step has taken in part of its snapshot
    POLL = "poll"  # records were read, and nothing was made of them yet
    BATCH = "batch"  # a shard is about to take in one of several messages
    SNAPSHOT = "snapshot"  # a keyed step is asked for its snapshot
    SLOT_SNAPSHOT = "slot-snapshot"  # a slot has made its own, and nobody has it yet
    COMMIT = "commit"  # an epoch is on disk, and the source was not told so yet
    PUBLISH = "publish"  # a tick was published


Reach = Callable[[Failpoint], None]
"""Called where a failpoint is; does not return from the one that was asked for."""


def nowhere(_: Failpoint) -> None:
    """Go on: no failpoint was asked for."""


def asked_for(environment: Mapping[str, str]) -> Reach:
    """What an environment asks for; an empty variable asks for nothing.

    Raises:
        ValueError: There is no such failpoint, or how often to reach it is no count.
    """
    text = environment.get(VARIABLE)
    return dying_at(text) if text else nowhere


def dying_at(text: str) -> Reach:
    """Die at `name:n`, when the point of that name is reached for the n-th time in this process.

    >>> dying_at("commit:1")(Failpoint.POLL)
    >>> dying_at("commit")
    Traceback (most recent call last):
    ValueError: 'commit' is no failpoint; write its name and a count from 1, as commit:1

    Raises:
        ValueError: There is no such failpoint, or `n` is no count from 1.
    """
    name, _, times = text.partition(":")
    if name not in {*Failpoint}:
        raise ValueError(f"{name!r} is no failpoint; there are {', '.join(Failpoint)}")
    if not (times.isascii() and times.isdecimal() and int(times)):
        raise ValueError(
            f"{text!r} is no failpoint; write its name and a count from 1, as {name}:1"
        )
    chosen, last, reached = Failpoint(name), int(times), count(1)

    def reach(point: Failpoint) -> None:
        if point is chosen and next(reached) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    return reach
