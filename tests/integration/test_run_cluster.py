"""A cluster of three whose brokers go and come back: `run` goes on, exactly."""

import time

import pytest

from pipeline.cli.exits import Exit
from tests.integration import collaboration_log as collaboration
from tests.integration.local_cluster import LocalCluster
from tests.integration.northstar_process import (
    COLLABORATION,
    Northstar,
    accounted,
    consumed,
    counters,
)
from tests.integration.services import present
from tests.integration.shown import Truth, of_metrics
from tests.integration.waiting import wait_until
from tests.oracle.oracle import Settings

pytestmark = pytest.mark.services

CUTS = (2_000, 4_000, 6_000, 8_000)  # how many records there are after each part
AWAY_S = 10.0
MOVE_TIMEOUT_S = 60.0


@pytest.fixture
def cluster(tmp_path_factory):
    """Three brokers."""
    folder = tmp_path_factory.mktemp("cluster")
    made = present(lambda: LocalCluster(folder))
    try:
        made.start()
        yield made
    finally:
        made.kill()


@pytest.fixture
def northstar(cluster, tmp_path):
    """A run on a topic with a replica on each broker, not started yet."""
    topic = collaboration.create_topic(cluster)
    where = ("--kafka-bootstrap", cluster.bootstrap, "--state", str(tmp_path / "state"))
    flags = (*where, "--lateness", collaboration.LATENESS, "--port", "0")
    environment = {"KAFKA__TOPICS": topic, "TIME__IDLE_AFTER": "10m"}
    with Northstar(tmp_path / "northstar.log", environment, str(COLLABORATION), *flags) as run:
        run.topic = topic
        yield run


def test_brokers_that_go_and_come_back_change_no_number(cluster, northstar):
    """One is away, leaders move, all are away for ten seconds: each tick is what it must be."""
    topic, shown = northstar.topic, {}

    def follow(part):
        first, last = (0, *CUTS)[part], CUTS[part]
        collaboration.produce(cluster, topic, collaboration.log()[first:last])
        northstar.wait_until_tick(collaboration.newest_tick_ms(last))
        shown[last] = northstar.get("/metrics").text

    northstar.begin()
    follow(0)
    first_leader = cluster.leader(topic, 0)
    cluster.kill([first_leader])
    follow(1)
    assert cluster.leader(topic, 0) != first_leader
    cluster.start([first_leader])
    wait_until(lambda: leads_again(cluster, topic, first_leader), "the leader", MOVE_TIMEOUT_S)
    follow(2)
    cluster.kill()
    away_until_s = time.monotonic() + AWAY_S
    while time.monotonic() < away_until_s:
        assert northstar.shown_tick_ms() == collaboration.newest_tick_ms(CUTS[2])
    cluster.start()
    follow(3)
    assert northstar.end()[0] == Exit.OK

    settings = Settings(lateness_ms=collaboration.LATENESS_MS)
    truth = Truth(collaboration.DEFINITION, collaboration.log()[: CUTS[-1]], settings)
    expected, _ = truth.at(map(collaboration.newest_tick_ms, CUTS))
    for count, metrics in shown.items():
        tick = collaboration.newest_tick_ms(count)
        assert of_metrics(metrics) == (tick, expected[tick])
        assert consumed(counters(metrics)) == accounted(counters(metrics)) == count


def leads_again(cluster, topic, broker):
    """Ask for the broker to lead again; it may not have caught up yet."""
    cluster.prefer(topic, 0)
    return cluster.leader(topic, 0) == broker
