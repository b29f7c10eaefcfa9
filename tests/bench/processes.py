"""Two processes beside one, from memory: each reads its share of the slots, rows change places."""

import gc
import time
from pathlib import Path
from typing import Final

from pipeline.core.deployment import Deployment
from pipeline.engine.runtime import Place
from tests.bench.catalogue import catalogue, plan_of
from tests.bench.child import calls
from tests.bench.memory_log import MemoryLog
from tests.bench.setting import Setting
from tests.bench.stopwatch import timed_run
from tests.bench.stream import load
from tests.bench.throughput import TIMES
from tests.bench.turns import Figures, fastest
from tests.integration.ports import LOOPBACK, free_port

_EVENTS_MIN: Final = 200_000  # in fewer, nothing but the start is seen


def cluster(log: str, count: int) -> Figures:
    """Run a log through so many processes: from the first poll of any to the end of the last."""
    addresses = [f"{LOOPBACK}:{free_port()}" for _ in range(count)]
    each = [{"number": number, "addresses": addresses, "log": log} for number in range(count)]
    found = calls("processes", "member", each)
    return {
        "wall_s": max(each["ended_s"] for each in found) - min(each["began_s"] for each in found),
        "cpu_s": max(each["cpu_s"] for each in found),
        "events": sum(each["events"] for each in found),
    }


def member(number: int, addresses: list[str], log: str) -> Figures:
    """Run this process's share of the flow to its end."""
    source, plan = MemoryLog(load(Path(log))), plan_of(catalogue())
    gc.freeze()
    place = Place(number, tuple(addresses)) if len(addresses) > 1 else None
    figures = timed_run(plan, source, Deployment(**TIMES), place=place)
    ended_s = time.time()
    return figures | {"ended_s": ended_s, "began_s": ended_s - figures["wall_s"]}


def measure(setting: Setting) -> dict[str, float]:
    """How many times as fast two are as one. On a machine with two free cores, that is."""
    log = setting.log(events=max(setting.events, _EVENTS_MIN))
    found = fastest(
        {"one": lambda: cluster(log, 1), "two": lambda: cluster(log, 2)},
        1 if setting.quick else setting.rounds,
        by="wall_s",
    )
    one, two = found["one"], found["two"]
    return {
        "processes_2": one["wall_s"] / two["wall_s"],
        "processes_2_cpu": one["cpu_s"] / two["cpu_s"],
    }
