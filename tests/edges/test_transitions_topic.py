"""Transitions as records on a topic: librdkafka's mock cluster, and one that is not there."""

import json

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from pipeline.core.publish import Tick
from pipeline.core.transitions import Change, Transition
from pipeline.edges.faults import UnreachableError
from pipeline.edges.transitions_topic import ID_HEADER, TransitionsTopic
from pipeline.settings import load
from tests.edges.mock_cluster import MockCluster
from tests.edges.told_shop import LINES, PLAN, TICK
from tests.integration.ports import LOOPBACK, free_port
from tests.integration.waiting import wait_until

TOPIC = "told"
TIMEOUT_S = 20.0
MANY = 25_000  # more than a producer's queue holds


@pytest.fixture
def cluster():
    """A broker with the topic."""
    with MockCluster(1) as cluster:
        cluster.create_topic(TOPIC)
        yield cluster


def told_to(bootstrap, patience_s=TIMEOUT_S):
    """Transitions of the shop to a cluster."""
    flags = {"kafka.bootstrap": bootstrap, "transitions.topic": TOPIC}
    return TransitionsTopic(PLAN, load(environment={}, flags=flags), patience_s)


def received(cluster, count):
    """The topic's first records in their order, as key, value and headers."""
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "reader"})
    consumer.assign([TopicPartition(TOPIC, 0, OFFSET_BEGINNING)])
    got = []

    def enough():
        found = consumer.consume(10_000, timeout=0.1)
        got.extend(message for message in found if message.error() is None)
        return len(got) >= count

    wait_until(enough, f"{count} transitions", TIMEOUT_S)
    consumer.close()
    return [(message.key().decode(), message.value(), message.headers()) for message in got]


def test_a_record_is_the_line_of_the_file(cluster):
    """By entity and set, with a header that says which transition it is."""
    told_to(cluster.bootstrap).write(TICK)
    found = received(cluster, 2)
    assert [json.loads(value) for _, value, _ in found] == LINES
    assert [key for key, _, _ in found] == ["shop/busy/0b", "shop/busy/0a"]
    at = "1970-01-01T00:01:00Z"
    assert [headers for _, _, headers in found] == [
        [(ID_HEADER, f"shop/busy/{at}/{who}".encode())] for who in ("0b", "0a")
    ]


def test_a_tick_told_again_is_the_same(cluster):
    """Whoever reads knows by the header; a tick without any sends nothing."""
    for _ in range(2):
        told = told_to(cluster.bootstrap)
        told.write(TICK)
        told.write(TICK.without_transitions())
    found = received(cluster, 4)
    assert found[:2] == found[2:]


def test_more_than_the_queue_holds(cluster):
    """The tick waits for room, and loses none."""
    many = tuple(
        Transition("busy", "user", f"u{n}", f"{n:016x}", Change.ENTERED) for n in range(MANY)
    )
    told_to(cluster.bootstrap).write(Tick(60_000, (), (), transitions=many))
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "reader"})
    _, end = consumer.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=TIMEOUT_S)
    consumer.close()
    assert end == MANY


def test_what_passes_by_is_waited_for(cluster):
    """A broker that answers badly for a moment costs nothing but the moment."""
    cluster.fail(0, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.REQUEST_TIMED_OUT)
    told_to(cluster.bootstrap).write(TICK)
    assert len(received(cluster, 2)) == 2


def test_a_refusal_is_a_fault_at_once(cluster):
    """It is raised, so that nothing is saved past the tick, and kept to be told."""
    told = told_to(cluster.bootstrap)
    cluster.refuse_topic(TOPIC, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(UnreachableError, match="transitions to topic told: "):
        told.write(TICK)
    assert told.fault is not None


def test_a_cluster_that_is_away_is_a_fault_in_the_end():
    """Nobody waits for ever."""
    told = told_to(f"{LOOPBACK}:{free_port()}", patience_s=0.5)
    with pytest.raises(UnreachableError, match="not taken within"):
        told.write(TICK)
