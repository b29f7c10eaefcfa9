"""Two processes beside one, from memory: each reads its share of the slots, rows change places.

    python -m tests.bench.processes NUMBER ADDRESSES LOG

is one process of the cluster; the answer is the last line of standard output, a JSON object.
"""

import gc
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from pipeline.core.deployment import Deployment
from pipeline.engine.runtime import Place
from tests.bench.catalogue import catalogue, plan_of
from tests.bench.child import ROOT, TIMEOUT_S, told
from tests.bench.memory_log import MemoryLog
from tests.bench.setting import Setting
from tests.bench.stopwatch import timed_run
from tests.bench.stream import load
from tests.bench.throughput import TIMES
from tests.bench.turns import Figures, fastest
from tests.integration.ports import LOOPBACK, free_port

_EVENTS_MIN: Final = 150_000  # in fewer, nothing but the start is seen


def cluster(log: str, count: int) -> Figures:
    """Run a log through so many processes: from the first poll of any to the end of the last."""
    addresses = ";".join(f"{LOOPBACK}:{free_port()}" for _ in range(count))
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.processes", str(number), addresses, log],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(count)
    ]  # fmt: skip
    found = []
    for process in running:
        out, errors = process.communicate(timeout=TIMEOUT_S)
        if process.returncode:
            raise RuntimeError(f"a process of the cluster failed:\n{told(errors)}")
        found.append(json.loads(out.splitlines()[-1]))
    return {
        "wall_s": max(each["ended_s"] for each in found) - min(each["began_s"] for each in found),
        "cpu_s": max(each["cpu_s"] for each in found),
        "events": sum(each["events"] for each in found),
    }


def main(number: str, addresses: str, log: str) -> None:
    """Run this process's share of the flow to its end."""
    source, plan = MemoryLog(load(Path(log))), plan_of(catalogue())
    gc.freeze()
    listed = tuple(addresses.split(";"))
    place = Place(int(number), listed) if len(listed) > 1 else None
    figures = timed_run(plan, source, Deployment(**TIMES), place=place)
    ended_s = time.time()
    sys.stdout.write(
        json.dumps(figures | {"ended_s": ended_s, "began_s": ended_s - figures["wall_s"]}) + "\n"
    )


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


if __name__ == "__main__":
    main(*sys.argv[1:])
