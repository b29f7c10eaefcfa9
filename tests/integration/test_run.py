"""The main job: events on Kafka, `northstar run`, and the exact numbers in Prometheus."""

import pytest

from pipeline import names
from tests.integration import collaboration_log as collaboration
from tests.integration.northstar_process import (
    COLLABORATION,
    READY_TIMEOUT_S,
    Northstar,
    accounted,
    consumed,
    counters,
)
from tests.integration.shown import Truth, of_metrics, of_prometheus
from tests.integration.waiting import wait_until
from tests.oracle.oracle import Settings

pytestmark = pytest.mark.services

CUTS = (60_000, 64_000, 65_826)  # how many records are there when it is looked at
GAUGES = '{__name__=~"northstar_metric_.*"}'


def test_what_prometheus_scrapes_is_what_the_oracle_says(
    kafka, prometheus, promtool, tmp_path, monkeypatch
):
    """65,826 events in four partitions; every metric at every look equals the oracle, exactly."""
    log = collaboration.log()
    topic = collaboration.create_topic(kafka)
    arguments = ("--kafka-bootstrap", kafka.bootstrap, "--state", str(tmp_path / "state"))
    lateness = ("--lateness", collaboration.LATENESS)
    northstar = Northstar(
        tmp_path / "northstar.log",
        {"KAFKA__TOPICS": topic, "TIME__IDLE_AFTER": "10m"},
        *(str(COLLABORATION), *arguments, *lateness, "--port", "0"),
    )
    try:
        collaboration.produce(kafka, topic, log[: CUTS[0]])
        northstar.begin()
        waits, hidden = until_ready(northstar)
        server = prometheus([":".join(map(str, northstar.address))])
        scraped = {}
        for before, cut in zip((CUTS[0], *CUTS), CUTS, strict=False):
            collaboration.produce(kafka, topic, log[before:cut])
            tick = collaboration.newest_tick_ms(log[:cut])
            evaluated = f"{names.METRIC_EVALUATED_AT} == {tick / 1000!r}"
            server.wait_for(evaluated, bool, READY_TIMEOUT_S)
            scraped[tick] = of_prometheus(server.query(GAUGES))
        metrics, readings = northstar.get("/metrics").text, northstar.get("/api/v1/readings").text
        verdict = promtool(metrics)
    finally:
        northstar.stop()

    truth = Truth(
        collaboration.DEFINITION, log, Settings(lateness_ms=collaboration.LATENESS_MS)
    )
    expected, counts = truth.at(scraped)
    assert scraped == expected
    print(len(expected), [len(v) for v in expected.values()], counts, waits, verdict)


def until_ready(northstar):
    """What was waited for before it was ready, and every answer of `/metrics` until then."""
    waits, hidden = set(), []

    def ready():
        answer = northstar.get("/readyz")
        if answer.status == 200:
            return True
        assert answer.status == 503
        waits.update(answer.text.splitlines())
        hidden.append(northstar.get("/metrics").text)
        return False

    wait_until(ready, "northstar to be ready", READY_TIMEOUT_S)
    return waits, hidden
