"""The Kafka source without a Kafka: librdkafka's mock cluster, and what needs no cluster."""

import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import KafkaError, Message, Producer

from pipeline.core.match import place
from pipeline.edges import kafka_watch
from pipeline.edges.faults import AuthFailedError, UnreachableError
from pipeline.edges.kafka import KafkaSource
from pipeline.edges.kafka_client import (
    ErrorLog,
    OnceAMinute,
    check_producer_properties,
    check_properties,
    check_reachable,
    connect,
)
from pipeline.edges.kafka_watch import PARTITIONS_PER_TOPIC, Watch
from pipeline.settings import TOPICS_MAX, SettingsError, load
from pipeline.telemetry import Telemetry
from tests.integration.ports import LOOPBACK, free_port
from tests.integration.waiting import wait_until

TIMEOUT_S = 10.0
SECRET = "hunter22-and-more"  # noqa: S105 - shows where it must not


def settings(**flags):
    """Kafka settings of one slot, unless told otherwise."""
    given = {"kafka.slots": 1} | {f"kafka.{name}": value for name, value in flags.items()}
    return load(environment={}, flags=given).kafka


@pytest.fixture
def cluster():
    """A producer that carries a mock cluster within itself, and the cluster's address."""
    producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = producer.list_topics(timeout=TIMEOUT_S).brokers.values()
    return producer, f"{broker.host}:{broker.port}"


@pytest.fixture
def reader(cluster):
    """An open slot over a topic with three records on the mock cluster."""
    producer, bootstrap = cluster
    for value in (b"a", b"b", None):
        producer.produce("events", value, partition=0, timestamp=1_700_000_000_000)
    assert producer.flush(TIMEOUT_S) == 0
    opened = KafkaSource(settings(bootstrap=bootstrap), ["events"], Telemetry()).open(0, {})
    yield opened
    opened.close()


def values(reader, count):
    """The first records' values."""
    got = []

    def enough():
        for records in reader.poll(100):
            got.extend(records.values)
        return len(got) >= count

    wait_until(enough, f"{count} records", TIMEOUT_S)
    return got


def test_records_of_a_mock_cluster_are_read(reader):
    """The source speaks the protocol: values, a tombstone, and their order."""
    assert values(reader, 3) == [b"a", b"b", None]


class Mixed:
    """A consumer that gives some messages once, and passes everything else on."""

    def __init__(self, consumer, messages):
        self._consumer = consumer
        self._messages = messages

    def consume(self, _, timeout):
        """The messages, then what there really is."""
        messages, self._messages = self._messages, []
        return messages or self._consumer.consume(100, timeout)

    def __getattr__(self, name):
        return getattr(self._consumer, name)


def message(offset, value, error=None):
    """A message of partition 0."""
    return Message(
        topic="events", partition=0, offset=offset, value=value, error=error, timestamp=(1, 5)
    )


def test_an_error_among_records_loses_none_of_them(reader):
    """Good records around an error are handed out, and the error is faced afterwards."""
    broken = message(4, None, KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    reader._consumer = Mixed(
        reader._consumer, [message(3, b"before"), broken, message(5, b"after")]
    )

    (records,) = reader.poll(100)

    assert records.values == [b"before", b"after"]
    assert records.offsets.tolist() == [3, 5]
    with pytest.raises(AuthFailedError, match="topic events"):
        reader.poll(100)


def test_a_passing_error_is_only_logged(reader):
    """What librdkafka tries again by itself stops nothing."""
    broken = message(4, None, KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION))
    reader._consumer = Mixed(reader._consumer, [broken])

    assert list(reader.poll(100)) == []
    assert values(reader, 3) == [b"a", b"b", None]


def test_a_record_without_timestamp_arrived_now(reader):
    """Old producers write none; the moment of reading stands in."""
    bare = Message(topic="events", partition=0, offset=3, value=b"x", timestamp=(0, -1))
    reader._consumer = Mixed(reader._consumer, [message(2, b"y"), bare])

    (records,) = reader.poll(100)

    assert records.ingested_ms[0] == 5
    assert records.ingested_ms[1] > 1_700_000_000_000


def test_a_partition_has_a_name_for_telemetry():
    """Numbers of several topics become topic and partition again."""
    source = KafkaSource(settings(slots=8), ["orders", "refunds"], Telemetry())

    assert source.slots == 8
    assert source.partition_name(7) == ("orders", "7")
    assert source.partition_name(PARTITIONS_PER_TOPIC + 7) == ("refunds", "7")


def test_a_topic_that_is_not_there_is_named_when_a_slot_opens(cluster):
    """Opening says what is wrong too, should the check at start have been passed over."""
    _, bootstrap = cluster
    source = KafkaSource(settings(bootstrap=bootstrap), ["orderz"], Telemetry())

    with pytest.raises(UnreachableError, match=r"topic orderz: .*Unknown topic"):
        source.open(0, {})


def test_a_cluster_that_is_down_is_one_line():
    """The address, the cause, and how long was waited."""
    nobody = f"{LOOPBACK}:{free_port()}"

    with pytest.raises(UnreachableError, match=rf"^Kafka at {nobody}: .*refused.* \(1 s\)$"):
        check_reachable(settings(bootstrap=nobody), ["events"], timeout_s=1)


def test_a_host_that_does_not_exist_is_one_line():
    """A slip in the name shows as such."""
    with pytest.raises(UnreachableError, match="resolve"):
        check_reachable(settings(bootstrap="no-such-host.invalid:9092"), ["x"], timeout_s=1)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("fetch.min.bites", "1", 'No such configuration property: "fetch.min.bites"'),
        ("fetch.min.bytes", "many", "fetch.min.bytes"),
        ("security.protocol", SECRET, "security.protocol"),
    ],
)
def test_a_property_librdkafka_refuses_is_a_problem_of_settings(name, value, words):
    """`validate` tells it without a cluster, in one line."""
    flags = {f"properties.{name}": value, "properties.sasl.password": SECRET}

    with pytest.raises(SettingsError) as refused:
        check_properties(settings(**flags))

    (problem,) = refused.value.problems
    assert words in problem.message
    assert SECRET not in str(refused.value)


def test_properties_that_librdkafka_knows_pass():
    """They are handed on as they are."""
    check_properties(settings(**{"properties.fetch.min.bytes": "10"}))


def test_what_contradicts_a_producer_is_a_problem_of_settings():
    """A run with dead letters once ended in a traceback for it."""
    chosen = settings(**{"properties.acks": "1"})
    check_properties(chosen)

    with pytest.raises(SettingsError, match=r"acks"):
        check_producer_properties(chosen)


def test_the_last_partition_of_the_last_topic_has_a_place():
    """Topics are limited so that its number can be packed with an offset into 64 bits."""
    last = TOPICS_MAX * PARTITIONS_PER_TOPIC - 1

    assert place(last, 0) < 1 << 63


def test_a_watch_that_does_not_begin_leaves_no_consumer(cluster, monkeypatch):
    """Whatever it fails with, also when it asks for topic ids."""
    closed = []

    class Closing:
        def __init__(self, consumer):
            self._consumer = consumer

        def close(self):
            closed.append(self)
            self._consumer.close()

        def __getattr__(self, name):
            return getattr(self._consumer, name)

    def fail(_):
        raise UnreachableError

    producer, bootstrap = cluster
    producer.list_topics("events", timeout=TIMEOUT_S)
    monkeypatch.setattr(kafka_watch, "connect", lambda *given: Closing(connect(*given)))
    monkeypatch.setattr(Watch, "_told_marks", fail)

    with pytest.raises(UnreachableError):
        Watch(settings(bootstrap=bootstrap), ["events"])

    assert len(closed) == 1


def test_a_watch_serves_its_client_for_topic_ids(cluster):
    """What librdkafka reports is queued until it is polled, for ever if it is not."""
    producer, bootstrap = cluster
    producer.list_topics("events", timeout=TIMEOUT_S)
    watch = Watch(settings(bootstrap=bootstrap, refresh="100ms"), ["events"])
    polled = threading.Event()

    class Polled:
        def __init__(self, client):
            self._client = client

        def poll(self, timeout):
            polled.set()
            return self._client.poll(timeout)

        def __getattr__(self, name):
            return getattr(self._client, name)

    watch._admin = Polled(watch._admin)

    assert polled.wait(TIMEOUT_S)
    watch.close()


def test_an_error_that_repeats_is_logged_once_a_minute(capsys):
    """A broker that is away for an hour does not fill the disk."""
    errors = ErrorLog(settings(**{"properties.sasl.password": SECRET}))
    for _ in range(100):
        errors(KafkaError(KafkaError.NETWORK_EXCEPTION, f"lost\n{SECRET}"))
    errors(KafkaError(KafkaError.BROKER_NOT_AVAILABLE))

    out = capsys.readouterr().out
    assert out.count("kafka error") == 2
    assert "lost ***" in out


def test_of_lines_of_one_kind_that_come_together_one_is_shown():
    """However many clients say that a broker is away at the same moment, in as many threads."""
    line = logging.makeLogRecord({"msg": "FAIL [northstar#consumer-1]: Connection refused"})
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            for _ in range(50):
                once = OnceAMinute()
                assert sum(pool.map(once.filter, [line] * 32)) == 1
    finally:
        sys.setswitchinterval(before)
