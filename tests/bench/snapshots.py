"""What saving and restoring ten million entities costs."""

import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.core.deployment import Deployment
from pipeline.core.match import Rows
from pipeline.core.plan import Plan
from pipeline.core.roll import Shard
from pipeline.engine import operators
from pipeline.engine.epochs import epoch_s_for
from tests.bench.catalogue import catalogue, plan_of
from tests.bench.child import call
from tests.bench.memory_log import MemoryLog
from tests.bench.setting import Setting
from tests.bench.stopwatch import timed_run
from tests.bench.stream import START_MS, load

FULL: Final = 10_000_000
EPOCH_S: Final = 10.0  # the shortest
_QUICK_EPOCH_S: Final = 1.0  # so that a short run has one before its end
_EVENTS_MAX: Final = 200_000
_NEVER_S: Final = 3_600.0
_TIMES: Final = {"lateness_ms": 5_000, "tick_ms": 5_000}


def fill(shard: Shard, plan: Plan, level: int, entities: int, seed: int) -> None:
    """Teach a shard so many entities, as if each had had one event of every kind."""
    luck = np.random.default_rng(seed)
    known: dict[str, np.ndarray] = {}
    for number, feed in enumerate(plan.feeds):
        if feed.level != level or feed.entity is None:
            continue
        number_of = max(1, int(entities * _SHARE[feed.entity]))
        if feed.entity not in known:
            known[feed.entity] = luck.integers(2, 1 << 63, number_of).astype(np.uint64)
        times = START_MS - luck.integers(1, 3_600_000, number_of)
        others = [luck.integers(2, 1 << 63, number_of).astype(np.uint64) for _ in feed.others]
        values = [luck.integers(0, 100_000_000, number_of) for _ in feed.values]
        shard.queue({number: Rows(known[feed.entity], times, times, (*others, *values))})
    shard.settle(START_MS)


_SHARE: Final = {"user": 0.5, "learning": 0.48, "org": 0.02}


def at_work(log: str, entities: int, store: str | None, epoch_s: float) -> dict[str, float]:
    """The catalogue over a log in memory, with so many entities known before it starts."""
    each, seeds = entities // Deployment().shards, count()

    def make(plan: Plan, level: int, *further: object) -> Shard:
        shard = Shard(plan, level, *further)
        fill(shard, plan, level, each, next(seeds))
        return shard

    operators.Shard = make  # type: ignore[misc, assignment]
    saved: list[float] = []
    dump = operators.ClockLogic.snapshot
    operators.ClockLogic.snapshot = lambda self: (saved.append(time.perf_counter()), dump(self))[1]  # type: ignore[method-assign]
    figures = timed_run(
        plan_of(catalogue()), MemoryLog(load(Path(log))), Deployment(**_TIMES),
        store=None if store is None else Path(store), epoch_s=epoch_s,
    )  # fmt: skip
    return figures | {"epochs": len(saved)}


def restored(log: str, store: str) -> dict[str, float]:
    """Start on saved state with nothing left to read; how long until all of it is loaded.

    The end is left out: it saves everything once more.
    """
    source, plan = MemoryLog(load(Path(log))), plan_of(catalogue())
    loaded: list[float] = []
    take = operators.RollLogic._load
    operators.RollLogic._load = lambda *each: (take(*each), loaded.append(time.perf_counter()))[0]  # type: ignore[method-assign]
    began_s = time.perf_counter()
    timed_run(plan, source, Deployment(**_TIMES), store=Path(store))
    return {"wall_s": max(loaded) - began_s, "shards": len(loaded)}


def measure(setting: Setting) -> dict[str, float]:
    """Save at every epoch, and start again, beside a run that never saves.

    Quick runs have a fortieth of the entities and reckon by processor time, for the disk's share
    of a short run is luck.
    """
    entities, by = (FULL // 40, "cpu_s") if setting.quick else (FULL, "wall_s")
    # Where an epoch's barrier outlasts its interval, each poll waits for an epoch of its own.
    log = setting.log(events=min(setting.events, _EVENTS_MAX))
    epoch_s = _QUICK_EPOCH_S if setting.quick else EPOCH_S
    usual = {"log": log, "entities": entities}
    with tempfile.TemporaryDirectory(dir=setting.folder) as folder:
        store = str(Path(folder) / "store")
        plain = call("snapshots", "at_work", **usual, store=None, epoch_s=_NEVER_S)
        saving = call("snapshots", "at_work", **usual, store=store, epoch_s=epoch_s)
        size = sum(part.stat().st_size for part in Path(store).rglob("part-*.sqlite3"))
        back = call("snapshots", "restored", log=log, store=store)
    scale = FULL / entities
    # The run that does not save ends with an epoch, too, and packs for nobody.
    snapshot_s = (saving[by] - plain[by]) / saving["epochs"] * scale
    return {
        "snapshot_s_10m": snapshot_s,
        "snapshot_overhead_10m": snapshot_s / epoch_s_for(int(size * scale)),
        "restore_s_10m": back["wall_s"] * scale,
        "store_mb_10m": size * scale / 1e6,
    }
