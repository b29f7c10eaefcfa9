"""How fast the catalogue runs, from Kafka beside the floors, and from memory beside itself."""

import gc
from pathlib import Path
from typing import Any, Final

from pipeline.core.deployment import Deployment
from pipeline.edges.kafka import KafkaSource
from pipeline.settings import KafkaSettings
from pipeline.telemetry import Telemetry
from tests.bench.catalogue import catalogue, grown, of_one_window, one_metric, plan_of
from tests.bench.child import call
from tests.bench.floors import floor
from tests.bench.memory_log import MemoryLog
from tests.bench.setting import Setting
from tests.bench.stopwatch import timed_run
from tests.bench.stream import PARTITIONS, Log, load
from tests.bench.turns import Figures, fastest, rate

# At 25,000 events/s of event time this is a tick every 125,000 events. Live at full speed there are
# more to a tick, so ticks weigh more here than they would.
TIMES: Final = {"lateness_ms": 5_000, "tick_ms": 5_000}

_FROM_KAFKA_MIN: Final = 200_000  # with fewer, the floors show how long one waits for a first fetch

DEFINITIONS: Final = {
    "catalogue": catalogue,
    "grown": grown,
    "single": lambda: one_metric("distinct(active.user)", "trailing 1d"),
    "counted": lambda: one_metric("count(active)", "trailing 1d"),
    "1d": lambda: of_one_window("1d"),
    "7d": lambda: of_one_window("7d"),
    "30d": lambda: of_one_window("30d"),
}


def from_kafka(
    definition: str, bootstrap: str, topic: str, events: int | None = None
) -> dict[str, float]:
    """A definition over a topic, from its start to its present end."""
    settings = KafkaSettings(bootstrap=bootstrap, group=None, slots=PARTITIONS)
    source = KafkaSource(settings, [topic], Telemetry())
    run = timed_run(plan_of(DEFINITIONS[definition]()), source, Deployment(**TIMES))
    assert events in (None, run["events"])
    return run


def beside_floors(bootstrap: str, topic: str, events: int, rounds: int) -> dict[str, Figures]:
    """Both floors and the catalogue over a topic, in turns; the quickest of each by the clock."""
    turns = {
        "floor_1": lambda: floor(bootstrap, topic, events, decoded=False),
        "floor_2": lambda: floor(bootstrap, topic, events, decoded=True),
        "kafka_25": lambda: from_kafka("catalogue", bootstrap, topic, events),
    }
    return fastest(turns, rounds, by="wall_s")


def from_memory(runs: dict[str, dict[str, Any]], rounds: int) -> dict[str, Figures]:
    """Definitions over logs in memory, in turns; the quickest of each by its thread's time.

    A run is `definition`, `log` and, if they are not the usual ones, times of the deployment.
    """
    logs = {run["log"]: load(Path(run["log"])) for run in runs.values()}
    gc.freeze()  # logs are not the engine's: its collector shall not walk them
    turns = {name: (lambda run=run: turn(logs, **run)) for name, run in runs.items()}
    return fastest(turns, rounds, by="thread_s")


def turn(logs: dict[str, Log], definition: str, log: str, **times: int) -> Figures:
    """One run of a definition over one of these logs; `times` are the deployment's."""
    plan = plan_of(DEFINITIONS[definition]())
    return timed_run(plan, MemoryLog(logs[log]), Deployment(**TIMES | times))


def measure_kafka(setting: Setting) -> dict[str, float]:
    """The catalogue on a real broker, as a share of what the floors reach beside it."""
    log = setting.log(events=max(setting.events, _FROM_KAFKA_MIN))
    place = {"bootstrap": setting.broker().bootstrap, "topic": setting.topic(log)}
    place["events"] = sum(map(len, load(Path(log)).values))
    found = call("throughput", "beside_floors", **place, rounds=setting.rounds)
    engine, floor = found["kafka_25"], found["floor_2"]
    return {
        "floor_1_eps": rate(found["floor_1"]),
        "floor_2_eps": rate(floor),
        "kafka_25_eps": rate(engine),
        "floor2_share_25": floor["wall_s"] / engine["wall_s"],
        "floor2_share_25_cpu": floor["cpu_s"] / engine["cpu_s"],
    }


def measure_memory(setting: Setting) -> dict[str, float]:
    """What changes the speed from memory, and what must not."""
    even, past = setting.log(), setting.log(history_ms=40 * 86_400_000)
    dense_s, dense_eps = (6, 30_000) if setting.quick else (16, 100_000)
    # Just past a tick of 5 s and their second of lateness: both kinds of ticks apply the same rows.
    dense = setting.log(events=int((dense_s + 0.2) * dense_eps), events_per_s=dense_eps)
    found = call(
        "throughput",
        "from_memory",
        rounds=setting.rounds,
        runs={
            "25": {"definition": "catalogue", "log": even},
            "75": {"definition": "grown", "log": even},
            "1": {"definition": "single", "log": even},
            "poison": {"definition": "catalogue", "log": setting.log(poison=0.01)},
            "skew": {"definition": "catalogue", "log": setting.log(one_org=0.5)},
            "1d": {"definition": "1d", "log": past},
            "7d": {"definition": "7d", "log": past},
            "30d": {"definition": "30d", "log": past},
            "tick_5s": {"definition": "catalogue", "log": dense, "lateness_ms": 1_000},
            "tick_1s": {
                "definition": "catalogue", "log": dense, "lateness_ms": 1_000, "tick_ms": 1_000,
            },
        },
    )  # fmt: skip
    taken = {name: run["thread_s"] / run["events"] for name, run in found.items()}
    return {
        "memory_1_eps": 1 / taken["1"],
        "memory_25_eps": 1 / taken["25"],
        "memory_75_eps": 1 / taken["75"],
        "metrics_75_over_25": taken["75"] / taken["25"],
        "window_7d_over_1d": taken["7d"] / taken["1d"],
        "window_30d_over_1d": taken["30d"] / taken["1d"],
        "tick_1s_over_5s": taken["tick_1s"] / taken["tick_5s"],
        "poison_1pct": taken["25"] / taken["poison"],
        "one_org_half": taken["25"] / taken["skew"],
    }
