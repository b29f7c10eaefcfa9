"""Kills for as long as asked, with what they came to: `make soak FOR=1h SEED=7`.

    python -m tests.soak --for 10m [--seed 7] [--without-kafka]

The stories of `tests/engine/test_kills.py`, at random and at failpoints, and those of
`tests/integration/test_run_kills.py` over a broker of its own, if that can be had. Exits 1 if a
number was wrong or missing, or a process failed; what it was, and its stores, are then kept.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random, SystemRandom

from pipeline.engine.failpoints import Failpoint
from pipeline.settings.sections import duration_ms
from tests.engine.kill_stories import PROCESSES, Die, Kind, Nursery, Stories, quick_folder
from tests.engine.kill_tally import Tally, at_most
from tests.integration.brokers import Kafka
from tests.integration.killed_runs import KilledRuns, wrong
from tests.integration.local_broker import LocalBroker
from tests.integration.services import ServiceMissingError

STORIES_OF_A_STREAM = 40
KAFKA_EVERY = 20  # stories: one over Kafka takes as long as that many others
KAFKA_LIVES = 5
KILLS_OF_A_STORE_MAX = 5
FAILPOINT_EVERY = 3  # deaths
REACHED_MAX = 8
TELL_EVERY_S = 10.0

Tell = Callable[[], None]


def main() -> int:
    """Soak, and say what came of it."""
    arguments = _arguments()
    seed = SystemRandom().randrange(1_000_000) if arguments.seed is None else arguments.seed
    _say(f"seed {seed}")
    tally = Tally()
    draw = Random(seed)  # noqa: S311 - to be had again
    begun_s = told_s = time.monotonic()
    until_s = begun_s + duration_ms(getattr(arguments, "for")) / 1000
    with ExitStack() as ends:
        kafka = None if arguments.without_kafka else _kafka(ends)
        for tell in _stories(ends, kafka, tally, draw):
            if time.monotonic() >= until_s:
                break
            bad = tally.bad_stories
            tell()
            now_s = time.monotonic()
            if tally.bad_stories > bad or now_s > told_s + TELL_EVERY_S:
                told_s = now_s
                _say(f"{now_s - begun_s:7.0f} s  {tally}")
    return _verdict(tally, seed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description="Kill, and look what is shown.")
    parser.add_argument("--for", default="10m", help="how long, as 90s, 10m, 8h")
    parser.add_argument("--seed", type=int, help="of all draws")
    parser.add_argument("--without-kafka", action="store_true", help="memory and files only")
    return parser.parse_args()


def _kafka(ends: ExitStack) -> Kafka | None:
    try:
        broker = LocalBroker(Path(ends.enter_context(tempfile.TemporaryDirectory())))
    except ServiceMissingError as missing:
        _say(f"without Kafka: {missing}")
        return None
    ends.callback(broker.stop)
    broker.start()
    return broker


def _stories(ends: ExitStack, kafka: Kafka | None, tally: Tally, draw: Random) -> Iterator[Tell]:
    """Stories without end, each to be told by a call; the tally is taken with it."""
    nursery = ends.enter_context(Nursery())
    spans_s: dict[int, float] = {}
    while True:
        with quick_folder() as folder:
            stories = Stories(nursery, folder, draw.randrange(1_000_000))
            stories.tally = tally
            for number in range(STORIES_OF_A_STREAM):
                yield lambda stories=stories: _keep(_tell(stories, draw))
                if kafka is not None and number % KAFKA_EVERY == 0:
                    yield lambda: _tell_over_kafka(kafka, tally, draw, spans_s)


def _keep(folder: Path | None) -> None:
    """Keep a store that is not as it must be, for who wants to know why."""
    if folder is not None:
        kept = Path(tempfile.mkdtemp(prefix="northstar-soak-"))
        shutil.copytree(folder, kept, dirs_exist_ok=True)
        _say(f"kept in {kept}")


def _tell(stories: Stories, draw: Random) -> Path | None:
    kind = draw.choice([*Kind])
    deaths = draw.randint(1, KILLS_OF_A_STORE_MAX)
    return stories.tell(kind, [_death(kind, draw) for _ in range(deaths)])


def _death(kind: Kind, draw: Random) -> Die:
    processes = draw.choice(PROCESSES[kind])
    if draw.randrange(FAILPOINT_EVERY):
        return Die(processes)
    return Die(processes, f"{draw.choice([*Failpoint])}:{draw.randint(1, REACHED_MAX)}")


def _tell_over_kafka(kafka: Kafka, tally: Tally, draw: Random, spans_s: dict[int, float]) -> None:
    begun = tally.kills.total()
    with tempfile.TemporaryDirectory() as folder:
        runs = KilledRuns(kafka, Path(folder), draw, spans_s)
        failed = []
        try:
            with runs.watcher:
                for _ in range(KAFKA_LIVES):
                    runs.live(draw.choice([1, 2]))
                runs.show(runs.run(1))
        except (AssertionError, OSError, RuntimeError) as fault:
            failed.append(f"Kafka after {begun} kills: {fault!r}")
        finally:
            runs.close()
        shown = runs.shown()
        newest = max((tick for _, tick, _ in shown), default=None)
        missing = [] if newest == runs.newest_ms else [f"Kafka: {newest} of {runs.newest_ms}"]
        tally.kills += runs.kills
        tally.lives += runs.lives + 1
        tally.ticks += len({tick for _, tick, _ in shown})
        if not tally.take_story(wrong(shown), missing, failed):
            _keep(Path(folder))


def _verdict(tally: Tally, seed: int) -> int:
    for fault in tally.faults:
        _say(fault)
    for kill, number in sorted(tally.kills.items()):
        _say(f"{number:7} {kill}")
    _say(f"{tally}; seed {seed}")
    kills = tally.kills.total()
    if not kills:
        return 1
    share = at_most(min(tally.bad_stories, kills), kills)
    _say(f"a kill leads to a wrong number in at most {share:.3%} of cases (95 % confidence)")
    return 1 if tally.faults else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
