"""The main job: events on Kafka, `northstar run`, and the exact numbers in Prometheus."""

from itertools import pairwise

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
from tests.integration.shown import Truth, by_scrape, differences, of_metrics
from tests.integration.waiting import wait_until
from tests.oracle.oracle import Settings

pytestmark = pytest.mark.services

CUTS = (60_000, 64_000, 65_826)  # how many records there are when Prometheus is waited for
NOT_READY = f"\n{names.READY} 0.0\n"
GAUGES = '{__name__=~"northstar_metric_.*"}[1h]'  # a range: every scrape as it was


@pytest.fixture
def topic(kafka):
    """A topic with the records up to the first cut."""
    topic = collaboration.create_topic(kafka)
    collaboration.produce(kafka, topic, collaboration.log()[: CUTS[0]])
    return topic


@pytest.fixture
def northstar(kafka, topic, tmp_path):
    """A run on the topic, as a person would start it, not started yet."""
    where = ("--kafka-bootstrap", kafka.bootstrap, "--state", str(tmp_path / "state"))
    flags = (*where, "--lateness", collaboration.LATENESS, "--port", "0")
    # Idle partitions are another test's matter.
    environment = {"KAFKA__TOPICS": topic, "TIME__IDLE_AFTER": "10m"}
    with Northstar(tmp_path / "northstar.log", environment, str(COLLABORATION), *flags) as run:
        yield run


def test_what_prometheus_scrapes_is_what_the_oracle_says(
    kafka, prometheus, promtool, topic, northstar
):
    """65,826 events in four partitions: every metric of every scrape equals the oracle exactly."""
    log = collaboration.log()
    northstar.begin()
    waited_for, hidden = until_ready(northstar)
    server = prometheus([":".join(map(str, northstar.address))])
    ticks = [follow(server, kafka, topic, *span) for span in pairwise((CUTS[0], *CUTS))]
    scrapes = by_scrape(server.query(GAUGES))
    metrics = northstar.get("/metrics").text
    verdict = promtool(metrics)
    northstar.stop()

    truth = Truth(collaboration.DEFINITION, log, Settings(lateness_ms=collaboration.LATENESS_MS))
    expected, counts = truth.at(tick for tick, _ in scrapes)
    assert [wrong for tick, seen in scrapes for wrong in differences(expected[tick], seen)] == []
    assert ticks == sorted({tick for tick, _ in scrapes} & {*ticks})
    assert verdict == (0, "")
    assert "waiting for a first complete tick" in waited_for
    assert [text for text in hidden if of_metrics(text) or NOT_READY not in text] == []
    assert NOT_READY not in metrics
    counted = counters(metrics)
    assert consumed(counted) == accounted(counted) == len(log)
    assert counted["matched"] == {"": counts["matched"]}
    assert counted["rejected"] == counts["rejected"]


def until_ready(northstar):
    """What is waited for until readings may be shown, and the metrics meanwhile."""
    waited_for, metrics = set(), []

    def ready():
        text = northstar.get("/metrics").text  # before: it may get ready between the two
        answer = northstar.get("/readyz")
        if answer.status != 200:
            assert answer.status == 503
            metrics.append(text)
            waited_for.update(answer.text.splitlines())
        return answer.status == 200

    wait_until(ready, "northstar to be ready", READY_TIMEOUT_S)
    return waited_for, metrics


def follow(server, kafka, topic, first, last):
    """Produce records and return when Prometheus has the tick that they complete; that tick."""
    log = collaboration.log()
    collaboration.produce(kafka, topic, log[first:last])
    tick = collaboration.newest_tick_ms(last)
    server.wait_for(f"{names.METRIC_EVALUATED_AT} == {tick / 1000!r}", bool, READY_TIMEOUT_S)
    return tick
