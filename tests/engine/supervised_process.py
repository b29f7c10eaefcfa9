"""A process that behaves as it is told; started by the supervisor of `test_supervisor.py`.

    python -m tests.engine.supervised_process FOLDER BEHAVIOUR...

Of several behaviours each start takes the next, the last one ever after; a start is counted by a
file in FOLDER. Only process 1 behaves so: process 0 is well and ends when it is asked to.
"""

import os
import signal
import sys
import time
from pathlib import Path
from threading import Event

from pipeline.core.publish import Tick
from pipeline.engine.cluster import LINK_VARIABLE
from pipeline.engine.link import Link, Status, Ticked

BEAT_S = 0.05
POLLS = 5  # before it dies or quits


def main(folder: str, *behaviours: str) -> None:
    """Behave."""
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    link = Link(int(os.environ[LINK_VARIABLE]))
    number = link.assignment().process
    start = len([*Path(folder).glob(f"{number}-*")])
    (Path(folder) / f"{number}-{start}-{os.getpid()}").touch()
    while not [*Path(folder).glob(f"{1 - number}-{start}-*")]:
        time.sleep(BEAT_S)  # as in a real cluster, nothing happens before all are there
    behaviour = behaviours[min(start, len(behaviours) - 1)] if number else "well"
    if behaviour.isdecimal():
        sys.exit(int(behaviour))
    polls = 0
    while True:
        polls += behaviour != "hangs" or polls == 0
        told = Status(polls, {number: (1_000, 1_000)}, 3, stopping=stop.is_set())
        link.send(told)
        if number:
            link.send(Ticked(Tick(1_000 * (start + 1), (), ())))
        if stop.is_set() and behaviour != "stays":
            break
        time.sleep(BEAT_S)
        if polls == POLLS and behaviour == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if polls == POLLS and behaviour == "quits":
            stop.set()


if __name__ == "__main__":
    main(*sys.argv[1:])
