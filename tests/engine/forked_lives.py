"""Lives of the engine over one store, each in a process of its own or two, ended by `kill -9`.

    python -m tests.engine.forked_lives

Reads a `Life` a line from standard input, as JSON, and answers with how it `Ended`. Lives are
forked off this process, which has imported all that they need, so most take less than a second.
Every tick is written to the end of its process' file at once, as Python shows it.
"""

import dataclasses
import functools
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from pipeline.core.publish import Tick
from pipeline.edges.files import FileSource
from pipeline.engine.failpoints import dying_at, nowhere
from pipeline.engine.recovery import Store
from pipeline.engine.runtime import Place, Running, open_store, run
from pipeline.telemetry import Telemetry
from tests.engine.both_engines import EVERY_TICK, until_exhausted
from tests.engine.every_memory import DEPLOYMENT, PLAN, START_MS, stream
from tests.engine.memory_source import MemorySource
from tests.integration.ports import LOOPBACK, free_ports
from tests.oracle.oracle import Record

NUMBER = 300
FILES_READ_AT_MS = START_MS + 3_600_000
SLOTS = 2
STORE_PARTS = 4
POLL_RECORDS = 25
PAUSE_S = 0.006  # before every poll, so that a run lasts
LOOK_S = 0.001
DYING_S = 0.5  # for the peer of a process that has died to fail as well, as a supervisor gives it
HANGS_AFTER_S = 60.0
FAILED = 70
TAKEN = b"Address already in use"


@dataclass(frozen=True, kw_only=True)
class Life:
    """One start over a store, by as many processes as there are `outs`, to its end or before.

    It reads a stream by `seed`, of the product that has every kind of memory: from `files` if there
    are any, else from memory, where `live` partitions do not end. `victims` are killed
    `kill_after_s` after the start; who comes to the `failpoint` dies there by itself.
    """

    store: str
    outs: Sequence[str]
    log: str
    seed: int
    luck: int
    epoch_s: float
    files: Sequence[str] = ()
    live: bool = False
    kill_after_s: float | None = None
    victims: Sequence[int] = ()
    failpoint: str = ""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a life has ended: exit codes, or signals' numbers below 0, and how long it took.

    `killed` says that a victim was still alive when it was killed.
    """

    codes: Sequence[int]
    took_s: float
    killed: bool


def main() -> None:
    """Have one life lived after the other."""
    for line in sys.stdin:
        life = Life(**json.loads(line))
        _stream(life.seed)  # made before any is forked off
        ended = lived(life)
        sys.stdout.write(json.dumps(dataclasses.asdict(ended)) + "\n")
        sys.stdout.flush()


def lived(life: Life) -> Ended:
    """Have a life lived; again, at other addresses, where somebody else was quicker to take one."""
    while True:
        told = len(_log_of(life))
        ended = _lived_once(life)
        if FAILED not in ended.codes or TAKEN not in _log_of(life)[told:]:
            return ended


def _log_of(life: Life) -> bytes:
    log = Path(life.log)
    return log.read_bytes() if log.exists() else b""


def _lived_once(life: Life) -> Ended:
    """Start the processes of a life, kill those that are to be killed, and wait for all."""
    count = len(life.outs)
    addresses = tuple(f"{LOOPBACK}:{port}" for port in free_ports(count))
    with opened(life) if count > 1 else nullcontext():  # as a supervisor does
        started_s = time.monotonic()
        pids = [
            _forked(life, number, Place(number, addresses) if count > 1 else None)
            for number in range(count)
        ]
        codes, killed = _watched(life, pids, started_s)
    return Ended(codes=codes, took_s=time.monotonic() - started_s, killed=killed)


def opened(life: Life) -> AbstractContextManager[Store]:
    """The store, made ready and held while the processes of a life run."""
    slots = source_of(life, Telemetry()).slots
    store = open_store(PLAN, DEPLOYMENT, slots, running_of(life), Event())
    assert store is not None
    return closing(store)


def _forked(life: Life, number: int, place: Place | None) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        log = os.open(life.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, sys.stdout.fileno())
        os.dup2(log, sys.stderr.fileno())
        _live(life, number, place)
        os._exit(0)
    except BaseException as fault:  # noqa: BLE001 - a panic of Bytewax is no Exception
        os.write(log, f"process {number}: {fault!r}\n".encode())
    finally:
        os._exit(FAILED)


def _watched(life: Life, pids: Sequence[int], started_s: float) -> tuple[list[int], bool]:
    """Exit codes by number, and whether a victim was alive when its time had come."""
    codes: dict[int, int] = {}
    killed, kill_s, last_s = False, life.kill_after_s, HANGS_AFTER_S
    while len(codes) < len(pids):
        codes |= _reaped(pids, codes.keys())
        took_s = time.monotonic() - started_s
        if any(codes.values()):
            last_s = min(last_s, took_s + DYING_S)
        if kill_s is not None and took_s >= kill_s:
            kill_s = None
            killed = _kill(pids, {*life.victims} - codes.keys())
        if took_s >= last_s:
            _kill(pids, {*range(len(pids))} - codes.keys())
        time.sleep(LOOK_S)
    return [codes[number] for number in range(len(pids))], killed


def _reaped(pids: Sequence[int], known: Sequence[int]) -> dict[int, int]:
    waited = {n: os.waitpid(pid, os.WNOHANG) for n, pid in enumerate(pids) if n not in known}
    return {n: os.waitstatus_to_exitcode(status) for n, (pid, status) in waited.items() if pid}


def _kill(pids: Sequence[int], numbers: set[int]) -> bool:
    """Kill these, which were not waited for yet; whether there are any."""
    for number in numbers:
        os.kill(pids[number], signal.SIGKILL)
    return bool(numbers)


# ── in a life ────────────────────────────────────────────────────────────────────────────────────


def _live(life: Life, number: int, place: Place | None) -> None:
    out = os.open(life.outs[number], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    telemetry = Telemetry()
    source = source_of(life, telemetry)
    stop = _slowed(source, live=life.live) if isinstance(source, MemorySource) else Event()
    reach = dying_at(life.failpoint) if life.failpoint else nowhere
    running = dataclasses.replace(running_of(life), place=place, reach=reach)

    def publish(tick: Tick) -> None:
        os.write(out, f"{tick!r}\n".encode())

    run(PLAN, DEPLOYMENT, source, publish, telemetry=telemetry, stop=stop, running=running)


def running_of(life: Life) -> Running:
    """How the engine runs in a life."""
    return Running(
        store=Path(life.store),
        store_parts=STORE_PARTS,
        epoch_s=life.epoch_s,
        poll_records=POLL_RECORDS,
        catch_up_ticks=EVERY_TICK,
    )


def source_of(life: Life, telemetry: Telemetry) -> MemorySource | FileSource:
    """What a life reads."""
    if not life.files:
        return MemorySource(_stream(life.seed), slots=SLOTS, luck=life.luck, live=life.live)

    def watermark_ms(partition: int) -> int | None:
        time.sleep(PAUSE_S / len(life.files))  # at every poll, each file is asked for
        return telemetry.partition(partition).watermark_ms

    return FileSource(life.files, FILES_READ_AT_MS, watermark_ms)


@functools.cache
def _stream(seed: int) -> list[Record]:
    return stream(seed, number=NUMBER)


def _slowed(source: MemorySource, *, live: bool) -> Event:
    """A request to stop, which comes at the end of what never ends."""
    stop = until_exhausted(source) if live else Event()
    ask = source.on_poll

    def pause(slot: int) -> None:
        time.sleep(PAUSE_S)
        ask(slot)

    source.on_poll = pause
    return stop


if __name__ == "__main__":
    main()
