"""From an event to the scrape that shows it: `northstar run` under a steady stream.

Late by a second at the most, a tick a second, a scrape every quarter of a second.
"""

import re
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from confluent_kafka import Producer

from pipeline import names
from tests.bench.catalogue import CATALOGUE
from tests.bench.child import call
from tests.bench.setting import KEY, Setting
from tests.bench.stream import PARTITIONS, load
from tests.integration.northstar_process import Northstar

EVENTS_PER_S: Final = 100_000
_BEAT_S: Final = 0.02
_SCRAPE_S: Final = 0.25
_NOT_DUE_S: Final = 4.0  # of the last ticks nobody knows whether they will come
_WARM_UP_S: Final = 2.0
_CATCH_UP_S: Final = 30.0
_STAMP: Final = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_SHOWN: Final = re.compile(rf"^{names.METRIC_EVALUATED_AT}\{{[^}}]*\}} ([0-9.e+]+)$", re.MULTILINE)


def steady(log: str, bootstrap: str, topic: str, seconds: float) -> dict[str, float]:
    """Produce a log's events at the rate, each stamped with the moment it is sent."""
    values = [value for part in load(Path(log)).values for value in part if value]
    halves = [_STAMP.split(value, maxsplit=1) for value in values]
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 20,
            "batch.size": 500_000,
            "queue.buffering.max.messages": 2_000_000,
        }
    )
    sent, began_s = 0, time.monotonic()
    while (now_s := time.monotonic()) < began_s + seconds:
        due = int((now_s - began_s) * EVENTS_PER_S)
        at_ms = time.time_ns() // 1_000_000
        stamp = f"{np.datetime64(at_ms, 'ms')}Z".encode()
        for number in range(sent, min(due, len(halves))):
            head, tail = halves[number]
            producer.produce(topic, head + stamp + tail, KEY, number % PARTITIONS, timestamp=at_ms)
        sent = max(sent, min(due, len(halves)))
        producer.poll(0)
        time.sleep(max(0.0, now_s + _BEAT_S - time.monotonic()))
    producer.flush()
    return {"events": sent, "wall_s": time.monotonic() - began_s}


def measure(setting: Setting) -> dict[str, float]:
    """How old an event is when a scrape first shows the tick that it is part of."""
    seconds = 5.0 if setting.quick else 20.0
    log = setting.log(events=int(EVENTS_PER_S * seconds))
    topic = setting.broker().create_topic(partitions=PARTITIONS)
    environment = {"KAFKA__TOPICS": topic, "KAFKA__SLOTS": str(PARTITIONS)}
    flags = ["--kafka-bootstrap", setting.broker().bootstrap, "--lateness", "1s", "--tick", "1s"]
    sent: dict[str, float] = {}

    def produce() -> None:
        place = {"bootstrap": setting.broker().bootstrap, "topic": topic}
        sent.update(call("latency", "steady", log=log, seconds=seconds, **place))

    with Northstar(
        setting.folder / "northstar.log", environment, str(CATALOGUE), *flags, "--port", "0"
    ) as northstar:
        northstar.begin()
        producing = threading.Thread(target=produce)
        producing.start()
        shown = _watched(northstar, producing)
        producing.join()
    return {"latency_p99_s": _p99(shown), "latency_eps": sent["events"] / sent["wall_s"]}


def _watched(northstar: Northstar, producing: threading.Thread) -> dict[int, float]:
    """When each tick was first seen, until all that was produced is shown or long overdue."""
    shown: dict[int, float] = {}
    ended_s = float("inf")
    while time.time() < ended_s + _CATCH_UP_S:
        began_s = time.monotonic()
        found = _SHOWN.search(northstar.get("/metrics").text)
        if found:
            shown.setdefault(round(float(found[1]) * 1000), time.time())
        if not producing.is_alive():
            ended_s = min(ended_s, time.time())
            if max(shown, default=0) / 1000 > ended_s - _NOT_DUE_S:
                break
        time.sleep(max(0.0, began_s + _SCRAPE_S - time.monotonic()))
    return shown


def _p99(shown: dict[int, float]) -> float:
    """The age of events at their first scrape; they are spread evenly between shown ticks."""
    ticks = sorted(shown)
    ages: list[float] = []
    for before_ms, at_ms in pairwise(ticks):
        if before_ms / 1000 > ticks[0] / 1000 + _WARM_UP_S:
            happened_s = np.linspace(before_ms, at_ms, 100, endpoint=False) / 1000
            ages.extend(shown[at_ms] - happened_s)
    return float(np.percentile(ages, 99)) if ages else float("inf")
