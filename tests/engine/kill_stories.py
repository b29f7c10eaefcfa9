"""Stories of one store, killed at random moments or at failpoints, and what they came to.

Kill times are drawn uniformly over how long an unkilled run takes, which is measured first. All
draws come from one seed.
"""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import count
from pathlib import Path
from random import Random, SystemRandom
from tempfile import TemporaryDirectory
from typing import Any, Self

from pipeline.core.publish import iso
from tests.engine.against_the_oracle import differences
from tests.engine.both_engines import fed
from tests.engine.every_memory import DEFINITION, DEPLOYMENT, PLAN, START_MS, stream
from tests.engine.forked_lives import FILES_READ_AT_MS, NUMBER, Ended, Life
from tests.engine.kill_tally import Tally
from tests.oracle.oracle import Record, Settings
from tests.oracle.strategies import Case

TICK_MS = DEPLOYMENT.tick_ms
SPAN_MS = 8 * 60_000  # with room for all ticks that there may be
EPOCHS_S = (0.03, 0.1, 0.5)
STREAMS = 1_000
LUCK_MAX = 1_000
OFTEN_S = 0.03  # at failpoints, so that there is much to die in


def drawn_seed() -> int:
    """The seed that `NORTHSTAR_TEST_SEED` gives, or one by luck."""
    given = os.environ.get("NORTHSTAR_TEST_SEED")
    return int(given) if given else SystemRandom().randrange(1_000_000)


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder for stores, in memory where that can be had: kills do not lose what is written."""
    memory = Path("/dev/shm")  # noqa: S108 - a place that Linux has
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


class Kind(StrEnum):
    """What is read: memory that never ends, as Kafka; memory that does; files."""

    LIVE = "live memory"
    MEMORY = "memory"
    FILES = "files"


PROCESSES = {Kind.LIVE: (1,), Kind.MEMORY: (1, 2), Kind.FILES: (1, 2)}
"""Who asks several processes to end, where nothing else does, is another test's matter."""


@dataclass(frozen=True)
class Die:
    """One life in a story: so many processes, and a failpoint or else a random moment."""

    processes: int = 1
    failpoint: str = ""


class Nursery:
    """The process that lives are forked off, for who wants them lived."""

    def __enter__(self) -> Self:
        # A process with threads is better not forked.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.forked_lives"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def live(self, life: Life) -> Ended:
        """Have a life lived, to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(dataclasses.asdict(life)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the nursery has ended"
        return Ended(**json.loads(answer))


class Truth:
    """What must be published of a kind of source, as Python shows it."""

    def __init__(self, kind: Kind, seed: int, folder: Path) -> None:
        self.records = stream(seed, number=NUMBER)
        self.files: list[str] = []
        if kind is Kind.FILES:
            self.records = [*_as_lines(self.records)]
            self.files = _written(self.records, folder)

    @cached_property
    def ticks(self) -> dict[str, int]:
        """Every tick that there may be, by its looks: the local engine's, which is the oracle's."""
        engine = fed(PLAN, DEPLOYMENT, self.records)
        moments = range(START_MS - 4 * TICK_MS, START_MS + SPAN_MS, TICK_MS)
        ticks = engine.ticks_at(moments)
        settings = Settings(
            DEPLOYMENT.lateness_ms, DEPLOYMENT.future_max_ms, DEPLOYMENT.dedup_horizon_ms
        )
        case = Case(DEFINITION, self.records, settings, [*moments], TICK_MS)
        assert differences(case, PLAN, ticks, engine.counts) == []
        return {repr(tick): tick.at_ms for tick in ticks}


def _as_lines(records: Sequence[Record]) -> Iterator[Record]:
    """Those that a line of a file can hold, each at its line's number."""
    lines = {record.partition: count() for record in records}
    for record in records:
        if record.value:
            number = next(lines[record.partition])
            yield Record(record.partition, number, FILES_READ_AT_MS, record.value)


def _written(records: Sequence[Record], folder: Path) -> list[str]:
    partitions = sorted({record.partition for record in records})
    files = [folder / f"partition-{number}.jsonl" for number in partitions]
    for number, file in zip(partitions, files, strict=True):
        values = (record.value or b"" for record in records if record.partition == number)
        file.write_bytes(b"".join(value + b"\n" for value in values))
    return [*map(str, files)]


class Stories:
    """Tells stories in a folder, one after the other, and keeps the tally."""

    def __init__(self, nursery: Nursery, folder: Path, seed: int) -> None:
        self.seed = seed
        self.tally = Tally()
        self._told = count(1)
        self.nursery = nursery
        self._folder = folder
        self._draw = Random(seed)  # noqa: S311 - to be had again
        self._truths: dict[Kind, Truth] = {}
        self._unkilled: dict[tuple[Kind, int], tuple[float, set[int]]] = {}

    def truth(self, kind: Kind) -> Truth:
        """What must be published of this kind."""
        if kind not in self._truths:
            folder = self._folder / kind.name.lower()
            folder.mkdir(parents=True)
            self._truths[kind] = Truth(kind, self.seed % STREAMS, folder)
        return self._truths[kind]

    def unkilled(self, kind: Kind, processes: int) -> tuple[float, set[int]]:
        """How long a run takes that nobody kills, and the moments of the ticks that it makes."""
        if (kind, processes) not in self._unkilled:
            store = self.store(kind)
            ended = store.live(processes, self._draw.randrange(LUCK_MAX))
            moments = {self.truth(kind).ticks.get(line) for line in store.lines()}
            assert not any(ended.codes), store.log_tail()
            assert None not in moments
            made = {at for at in moments if at is not None and at > START_MS}
            assert made == {*range(START_MS + TICK_MS, max(made) + TICK_MS, TICK_MS)}
            self._unkilled[kind, processes] = (ended.took_s, made)
        return self._unkilled[kind, processes]

    def tell(self, kind: Kind, deeds: Sequence[Die]) -> Path | None:
        """Let one store live through all of that and then to the end; take the tally.

        Gives the folder of a store that is not as it must be.
        """
        store = self.store(kind, often=any(die.failpoint for die in deeds))
        for die in deeds:
            self._die(store, die, len(deeds))
        store.live_to_the_end(deeds[-1].processes, self._draw.randrange(LUCK_MAX))
        if self.take(store, deeds[-1].processes):
            shutil.rmtree(store.folder)
            return None
        return store.folder

    def store(self, kind: Kind, *, often: bool = True) -> "StoreOfAStory":
        """A new store; how often it is saved is drawn, or so that there is `often` a snapshot."""
        name = f"story-{next(self._told):05d}"
        epoch_s = OFTEN_S if often else self._draw.choice(EPOCHS_S)
        return StoreOfAStory(self._folder / name, self, kind, epoch_s)

    def _die(self, store: "StoreOfAStory", die: Die, lives: int) -> None:
        luck, where = self._draw.randrange(LUCK_MAX), f"{store.kind} in {die.processes}"
        if die.failpoint:
            ended = store.live(die.processes, luck, failpoint=die.failpoint)
            if -signal.SIGKILL in ended.codes:
                self.tally.kills[f"{where} at {die.failpoint.partition(':')[0]}"] += 1
                return
        else:
            span_s, _ = self.unkilled(store.kind, die.processes)
            victims = self._draw.choice([[0], [1], [0, 1]]) if die.processes > 1 else [0]
            # Of several on one store, each is to find something to do.
            after_s = self._draw.uniform(0, span_s) * 2 / (lives + 1)
            ended = store.live(die.processes, luck, kill_after_s=after_s, victims=victims)
            if ended.killed:
                self.tally.kills[f"{where} at random"] += 1
                return
        store.note(ended)

    def take(self, store: "StoreOfAStory", processes: int) -> bool:
        """Take the tally of a store, which so many processes left last; whether all is well."""
        expected = self.truth(store.kind).ticks
        told = f"{store.folder.name} of seed {self.seed}, {store.kind}: {store.told}"
        lines = store.lines()
        known = {expected[line] for line in lines if line in expected}
        _, due = self.unkilled(store.kind, processes)
        self.tally.lives += len(store.told)
        self.tally.ticks += len(lines)
        return self.tally.take_story(
            wrong=[f"{told}: {line}" for line in lines if line not in expected],
            missing=[f"{told}: no tick at {iso(at)}" for at in sorted(due - known)],
            failed=[f"{told}: {failure}" for failure in store.failed],
        )


class StoreOfAStory:
    """One store and all that was published over it.

    `told` says in a few words what was done in each life; `failed` how processes ended that were
    not killed.
    """

    def __init__(self, folder: Path, stories: Stories, kind: Kind, epoch_s: float) -> None:
        self.folder = folder
        self.kind = kind
        self.told: list[str] = []
        self.failed: list[str] = []
        self._stories = stories
        self._epoch_s = epoch_s
        folder.mkdir()

    def live(self, processes: int, luck: int, **how: Any) -> Ended:
        """Have one more life lived."""
        number = len(self.told)
        life = Life(
            store=str(self.folder / "store"),
            outs=[str(self.folder / f"ticks-{number}-{one}") for one in range(processes)],
            log=str(self.folder / "log"),
            seed=self._stories.seed % STREAMS,
            luck=luck,
            epoch_s=self._epoch_s,
            files=self._stories.truth(self.kind).files,
            live=self.kind is Kind.LIVE,
            **how,
        )
        ended = self._stories.nursery.live(life)
        self.told.append(f"{how} {ended}")
        return ended

    def live_to_the_end(self, processes: int, luck: int) -> Ended:
        """Have the last life lived."""
        ended = self.live(processes, luck)
        self.note(ended)
        return ended

    def note(self, ended: Ended) -> None:
        """Note how a life has ended that was not killed."""
        if any(ended.codes):
            codes = ", ".join(map(str, ended.codes))
            self.failed.append(f"life {len(self.told)} ended with {codes}\n{self.log_tail()}")

    def lines(self) -> list[str]:
        """The ticks published so far; one that was cut short was never all there."""
        found = []
        for out in sorted(self.folder.glob("ticks-*")):
            found += out.read_text(encoding="utf-8").split("\n")[:-1]
        return found

    def log_tail(self) -> str:
        """The end of what the processes have said."""
        log = self.folder / "log"
        return log.read_text(encoding="utf-8", errors="replace")[-2_000:] if log.exists() else ""


@contextmanager
def stories_of_a_seed() -> Iterator[Stories]:
    """Stories in a folder of their own; the seed is printed, for who wants them again."""
    seed = drawn_seed()
    sys.stdout.write(f"NORTHSTAR_TEST_SEED={seed}\n")
    with Nursery() as nursery, quick_folder() as folder:
        yield Stories(nursery, folder, seed)
