"""`kill -9` and SIGTERM while events come in: nothing is shown that is not the truth."""

import json
import random
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.core.publish import iso
from tests.integration import collaboration_log as collaboration
from tests.integration.northstar_process import COLLABORATION, Northstar, counters, consumed
from tests.integration.ports import free_port
from tests.integration.shown import NOT_IN_READINGS, Truth, of_metrics, without
from tests.integration.waiting import wait_until
from tests.integration.watcher import Watcher
from tests.oracle.oracle import Settings

pytestmark = pytest.mark.services

SEED = 1
FIRST = 39_496  # 60 % of the log
LIVE = {"TIME__IDLE_AFTER": "10m", "ENGINE__EPOCH_INTERVAL": "500ms", "ENGINE__SHARDS": "8"}


def run(kafka, topic, folder, port):
    arguments = ("--kafka-bootstrap", kafka.bootstrap, "--state", str(folder / "state"))
    arguments += ("--lateness", collaboration.LATENESS, "--port", str(port))
    environment = LIVE | {"KAFKA__TOPICS": topic}
    return Northstar(folder / "northstar.log", environment, str(COLLABORATION), *arguments)


def test_kills(kafka, tmp_path):
    """x."""
    draw = random.Random(SEED)
    log = collaboration.log()
    topic = collaboration.create_topic(kafka)
    collaboration.produce(kafka, topic, log[:FIRST])
    port = free_port()
    northstar = run(kafka, topic, tmp_path, port)
    cuts = sorted(draw.sample(range(FIRST + 1, len(log)), 60))
    spans = list(pairwise([FIRST, *cuts, len(log)]))
    kills = sorted(draw.sample(range(5, len(spans) - 5), 3))
    t0 = time.time()
    try:
        with Watcher(port) as watcher:
            northstar.begin()
            northstar.wait_until_ready()
            print('ready', time.time() - t0)
            for number, (first, last) in enumerate(spans):
                collaboration.produce(kafka, topic, log[first:last])
                enough = len(watcher.looks) + draw.randrange(60)
                wait_until(lambda: len(watcher.looks) >= enough, "looks", 60)
                if number in kills:
                    northstar.kill()
                    watcher.life += 1
                    print('killed', number, time.time() - t0)
                    northstar.begin()
                    print('serving', number, time.time() - t0)
            print('produced', time.time() - t0)
            tick = collaboration.newest_tick_ms(log)
            wait_until(
                lambda: (of_metrics(northstar.get("/metrics").text) or (0,))[0] == tick, "the end", 60
            )
            print('end', time.time() - t0)
            metrics, readings = northstar.get("/metrics").text, northstar.get("/api/v1/readings")
    finally:
        northstar.stop()
    truth = Truth(collaboration.DEFINITION, log, Settings(lateness_ms=collaboration.LATENESS_MS))
    shown = []
    from collections import Counter
    c = Counter()
    for look in watcher.looks:
        if look.answer is None:
            c[look.life, look.path, None] += 1
            continue
        if look.path == "/metrics":
            s = of_metrics(look.answer.text); 
        elif look.path == "/api/v1/readings":
            s = truth.of_readings(look.answer.text)
        else:
            s = None if look.answer.status != 200 else True
        c[look.life, look.path, s is not None] += 1
        if s not in (None, True):
            shown.append((look.life, look.path, *s))
        if look.path == "/metrics" and s is None and "northstar_ready 1" in look.answer.text:
            c[look.life, "ready but nothing shown"] += 1
    print(time.time() - t0)
    ticks = {tick for _, _, tick, _ in shown}
    print(len(watcher.looks), len(shown), len(ticks), c)
    expected, counts = truth.at(ticks)
    print('oracle', time.time() - t0)
    wrong = [(life, path, tick) for life, path, tick, series in shown if series != (expected[tick] if path == "/metrics" else without(NOT_IN_READINGS, expected[tick]))]
    print('wrong', len(wrong), wrong[:5])
    ats = [t for _, _, t, _ in shown]
    print('monotone', ats == sorted(ats))
    for life in range(4):
        print(life, len({t for l, _, t, _ in shown if l == life}))
    off = 0; n = 0
    from tests.integration.northstar_process import accounted
    for look in watcher.looks:
        if look.answer and look.path == "/metrics" :
            m = counters(look.answer.text); n += 1
            off += consumed(m) != accounted(m)
    print('identity off', off, n)
    print(counters(metrics))
    print(northstar.log_tail()[-3000:])
