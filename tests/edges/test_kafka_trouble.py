"""Trouble with Kafka, made to order: whatever a cluster does, every record comes exactly once.

librdkafka's mock cluster does here what a real one seldom does; real ones stand in
`tests/integration/`.
"""

from collections import Counter
from contextlib import ExitStack

import pytest
from confluent_kafka import KafkaError, Producer

from pipeline.edges import kafka_watch
from pipeline.edges.dead_letters import DeadLetters
from pipeline.edges.faults import AuthFailedError, UnreachableError
from pipeline.edges.kafka import KafkaSource
from pipeline.edges.kafka_client import check_reachable
from pipeline.edges.kafka_watch import GONE_AFTER_LOOKS, Watch
from pipeline.settings import load
from pipeline.telemetry import LetterOutcome, Telemetry
from tests.edges.letters import nowhere, polled, rejected
from tests.edges.mock_cluster import FETCH, LIST_OFFSETS, PRODUCE, MockCluster
from tests.integration.waiting import wait_until

TIMEOUT_S = 30.0
TOPIC = "events"


@pytest.fixture
def cluster():
    """Three brokers, and a topic of two partitions that the first of them leads."""
    with MockCluster() as mock:
        mock.create_topic(TOPIC, partitions=2)
        yield mock


@pytest.fixture
def telemetry():
    """Telemetry of one process."""
    return Telemetry()


def settings(cluster, **flags):
    """Settings for the cluster, with quick retries."""
    given = {
        "kafka.bootstrap": cluster.bootstrap,
        "kafka.slots": 1,
        "kafka.properties.topic.metadata.refresh.interval.ms": "200",
        "kafka.properties.topic.metadata.refresh.fast.interval.ms": "20",
        "kafka.properties.reconnect.backoff.ms": "20",
        "kafka.properties.reconnect.backoff.max.ms": "200",
        "kafka.properties.fetch.error.backoff.ms": "20",
        "kafka.properties.fetch.wait.max.ms": "20",
        "kafka.properties.retry.backoff.ms": "20",
        "kafka.properties.retry.backoff.max.ms": "200",
    }
    return load(environment={}, flags=given | flags)


@pytest.fixture
def start(cluster, telemetry):
    """Opens the topic's only slot."""
    with ExitStack() as ends:

        def run(positions=None, **flags):
            source = KafkaSource(settings(cluster, **flags).kafka, [TOPIC], telemetry)
            reader = source.open(0, positions or {})
            ends.callback(reader.close)
            return reader

        yield run


@pytest.fixture
def produce(cluster):
    """Produces numbered records to both partitions, and returns when they are stored."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 0})

    def run(first, last):
        for number in range(first, last):
            producer.produce(TOPIC, str(number), partition=number % 2)
        assert producer.flush(TIMEOUT_S) == 0

    return run


def read(reader, count, got):
    """Add what comes to `got`, by partition as (offset, value), until there are `count`."""

    def enough():
        for records in reader.poll(7):
            pairs = zip(records.offsets.tolist(), records.values, strict=True)
            got.setdefault(records.partition, []).extend(pairs)
        return sum(map(len, got.values())) >= count

    wait_until(enough, f"{count} records", TIMEOUT_S, interval_s=0.005)


def exactly(count):
    """All of so many numbered records, each once and in order."""
    return {
        partition: [(n // 2, str(n).encode()) for n in range(partition, count, 2)]
        for partition in range(2)
    }


def test_a_leader_that_moves_is_followed(cluster, start, produce):
    """From one broker to the next while records are read, and back."""
    produce(0, 100)
    reader, got = start(), {}
    read(reader, 50, got)

    for count, leader in ((200, 2), (300, 3), (400, 1)):
        cluster.lead(TOPIC, 0, leader)
        produce(count - 100, count)
        read(reader, count, got)

    assert got == exactly(400)


def test_one_of_three_brokers_that_is_away_is_done_without(cluster, start, produce):
    """Its partitions are led by others, and those of others are read as ever."""
    produce(0, 100)
    reader, got = start(), {}
    read(reader, 50, got)

    cluster.take_down(1)
    cluster.lead(TOPIC, 0, 2)
    cluster.lead(TOPIC, 1, 3)
    produce(100, 200)
    read(reader, 200, got)
    cluster.bring_up(1)
    cluster.lead(TOPIC, 0, 1)
    produce(200, 300)
    read(reader, 300, got)

    assert got == exactly(300)


def test_brokers_that_are_all_away_are_waited_for(cluster, start, produce):
    """Polls give nothing meanwhile, and raise nothing."""
    produce(0, 100)
    reader, got = start(), {}
    read(reader, 100, got)

    cluster.take_down(*cluster.brokers)
    for _ in range(200):
        assert list(reader.poll(7)) == []
    cluster.bring_up(*cluster.brokers)
    produce(100, 200)
    read(reader, 200, got)

    assert got == exactly(200)


PASSING = {
    "leaders that moved": [KafkaError.NOT_LEADER_FOR_PARTITION] * 2,
    "no leader": [KafkaError.LEADER_NOT_AVAILABLE] * 2,
    "a replica behind": [KafkaError.REPLICA_NOT_AVAILABLE, KafkaError.OFFSET_NOT_AVAILABLE],
    "an epoch that changed": [KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH],
    "a slow broker": [KafkaError.REQUEST_TIMED_OUT] * 2,
    "a topic that is not known yet": [KafkaError.UNKNOWN_TOPIC_OR_PART] * 2,
    "a broken disk": [KafkaError.KAFKA_STORAGE_ERROR] * 2,
    "connections that break": [KafkaError._TRANSPORT] * 2,
    "a range that is in order": [KafkaError.OFFSET_OUT_OF_RANGE],
}


@pytest.mark.parametrize("codes", PASSING.values(), ids=[*PASSING])
def test_errors_that_pass_lose_nothing(cluster, start, produce, telemetry, codes):
    """Whatever a fetch is answered with for a while, what follows is complete."""
    produce(0, 50)
    reader, got = start(), {}
    read(reader, 20, got)

    cluster.fail(FETCH, *codes)
    produce(50, 150)
    read(reader, 150, got)

    assert got == exactly(150)
    assert telemetry.partition(0).lost_messages == 0


def test_a_permission_that_is_taken_away_ends_in_words(cluster, start, produce):
    """Waiting would not bring it back."""
    produce(0, 10)
    reader, got = start(), {}
    read(reader, 10, got)

    cluster.fail(FETCH, *[KafkaError.TOPIC_AUTHORIZATION_FAILED] * 2)

    with pytest.raises(AuthFailedError, match=f"Kafka refuses us topic {TOPIC}: "):
        read(reader, 11, got)


def test_a_slot_opens_while_leaders_move(cluster, start, produce):
    """A partition has no leader for a moment: it is asked for again."""
    produce(0, 10)
    cluster.fail(LIST_OFFSETS, *[KafkaError.NOT_LEADER_FOR_PARTITION] * 4)
    reader, got = start(), {}

    read(reader, 10, got)

    assert got == exactly(10)


def test_a_partition_that_nobody_leads_is_told_when_a_slot_opens(cluster, start, monkeypatch):
    """Not for ever: after a while it is one line, which names it."""
    monkeypatch.setattr(kafka_watch, "ASK_TIMEOUT_S", 1.0)
    cluster.take_down(1)

    with pytest.raises(UnreachableError, match=f"{TOPIC} partition 0: "):
        start()


def test_a_topic_is_gone_when_looks_in_a_row_have_not_found_it(cluster):
    """One broker may not have heard of it yet; between two that have not, one that has tells."""
    watch = Watch(settings(cluster, **{"kafka.refresh": "10m"}).kafka, [TOPIC])

    def look(times):
        cluster.refuse_topic(TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART)
        for _ in range(times):
            with pytest.raises(UnreachableError, match=f"topic {TOPIC}: "):
                watch._refresh()
        cluster.refuse_topic(TOPIC, KafkaError.NO_ERROR)

    look(GONE_AFTER_LOOKS - 1)
    watch._refresh()
    look(GONE_AFTER_LOOKS - 1)
    assert watch.over is None
    look(1)
    assert watch.over is not None
    assert watch.over.startswith(f"topic {TOPIC} is gone: it was deleted")
    watch.close()


def test_a_topic_that_we_may_not_read_is_told_at_start(cluster):
    """As a refusal, since no waiting helps."""
    cluster.refuse_topic(TOPIC, KafkaError.TOPIC_AUTHORIZATION_FAILED)

    with pytest.raises(AuthFailedError, match=f"Kafka refuses us topic {TOPIC}: "):
        check_reachable(settings(cluster).kafka, [TOPIC], timeout_s=10)


@pytest.mark.parametrize(
    ("codes", "outcome"),
    [
        ([KafkaError.NOT_ENOUGH_REPLICAS] * 2, LetterOutcome.SENT),
        ([KafkaError.NOT_LEADER_FOR_PARTITION] * 2, LetterOutcome.SENT),
        ([KafkaError._TRANSPORT] * 2, LetterOutcome.SENT),
        ([KafkaError.INVALID_RECORD], LetterOutcome.FAILED),
        ([KafkaError.MSG_SIZE_TOO_LARGE], LetterOutcome.FAILED),
    ],
)
def test_a_letter_is_tried_again_where_that_can_help(cluster, telemetry, codes, outcome):
    """What passes is outlasted; what does not has failed, and the next letter goes out."""
    cluster.create_topic("rejected")
    chosen = settings(cluster, **{"dead_letters.topic": "rejected"})
    with DeadLetters(chosen, "suite", lambda number: (TOPIC, str(number)), telemetry) as letters:
        cluster.fail(PRODUCE, *codes)
        letters.take(polled(b"x"), rejected(not_object=[0]), nowhere)
        wait_until(lambda: telemetry.dead_letters[outcome] == 1, outcome, TIMEOUT_S)
        letters.take(polled(b"y"), rejected(not_object=[0]), nowhere)

    assert telemetry.dead_letters == Counter([outcome, LetterOutcome.SENT])
