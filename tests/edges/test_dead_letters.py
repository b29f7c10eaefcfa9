"""Dead letters without a Kafka: librdkafka's mock cluster, and a cluster that is not there."""

import time
from collections import Counter
from dataclasses import replace

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)

from pipeline.edges import dead_letters
from pipeline.edges.dead_letters import SETTLE_TIMEOUT_S, Budget, DeadLetters
from pipeline.settings import load
from pipeline.telemetry import LetterOutcome, Telemetry
from tests.edges.letters import nowhere, polled, rejected
from tests.integration.ports import LOOPBACK, free_port
from tests.integration.waiting import wait_until

TIMEOUT_S = 20.0
TOPIC = "rejected"


@pytest.fixture
def telemetry():
    """Telemetry of one process."""
    return Telemetry()


@pytest.fixture
def bootstrap():
    """The address of a mock cluster, which a producer carries within itself."""
    producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = producer.list_topics(timeout=TIMEOUT_S).brokers.values()
    producer.list_topics(TOPIC, timeout=TIMEOUT_S)
    yield f"{broker.host}:{broker.port}"
    producer.flush(0)


def letters_to(bootstrap, telemetry, **flags):
    """Dead letters of a product to a cluster."""
    given = {"kafka.bootstrap": bootstrap, "dead_letters.topic": TOPIC}
    given |= {f"dead_letters.{name}": value for name, value in flags.items()}
    settings = load(environment={}, flags=given)
    return DeadLetters(settings, "suite", lambda number: ("events", str(number)), telemetry)


def received(bootstrap, count):
    """The topic's first letters by key, as key, value and headers."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader"})
    partitions = consumer.list_topics(TOPIC, timeout=TIMEOUT_S).topics[TOPIC].partitions
    consumer.assign([TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in partitions])
    got = []

    def enough():
        got.extend(
            message for message in consumer.consume(100, timeout=0.1) if message.error() is None
        )
        return len(got) >= count

    wait_until(enough, f"{count} letters", TIMEOUT_S)
    consumer.close()
    return sorted((message.key(), message.value(), message.headers()) for message in got)


def test_a_letter_is_the_record_and_what_was_wrong_with_it(bootstrap, telemetry):
    """Key, value and headers are as they were; further headers say where it was and why."""
    with letters_to(bootstrap, telemetry) as letters:
        letters.take(
            polled(b"good", b"\xff{", b'{"at": 7}'),
            rejected(invalid_json=[1], bad_time=[2]),
            lambda value, _: ("at", "time") if value == b'{"at": 7}' else None,
        )

    own = [("trace", b"\x00\xff"), ("trace", None)]
    where = {"product": b"suite", "topic": b"events", "partition": b"3"}
    first = where | {"offset": b"11", "timestamp": b"99", "reason": b"invalid_json"}
    second = where | {"offset": b"12", "timestamp": b"99", "reason": b"bad_time"}
    second |= {"path": b"at.time"}
    assert received(bootstrap, 2) == [
        (key, value, own + [(f"__northstar.errors.{name}", text) for name, text in said.items()])
        for key, value, said in ((b"k1", b"\xff{", first), (b"k2", b'{"at": 7}', second))
    ]
    assert telemetry.dead_letters == Counter({LetterOutcome.SENT: 2})


class Unnamed:
    """A record with a header whose name is not UTF-8, as the client has it."""

    def __init__(self, fault):
        self._fault = fault

    def key(self):
        """A key that can be told."""
        return b"k"

    def headers(self):
        """Fail, as the client does."""
        raise self._fault


@pytest.mark.parametrize(
    "fault", [SystemError("no result"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")]
)
def test_a_header_that_cannot_be_told_is_left_out(bootstrap, telemetry, fault):
    """One such record once ended the pipeline, and again at each start."""
    records = replace(polled(b"x"), originals=[Unnamed(fault)])
    with letters_to(bootstrap, telemetry) as letters:
        letters.take(records, rejected(not_object=[0]), nowhere)

    ((key, value, headers),) = received(bootstrap, 1)
    assert (key, value) == (b"k", b"x")
    assert {name.removeprefix("__northstar.errors.") for name, _ in headers} == {
        "product", "topic", "partition", "offset", "timestamp", "reason",
    }  # fmt: skip


def test_a_letter_that_cannot_be_written_stops_nobody(bootstrap, telemetry, capsys):
    """It has failed, whatever it was; the next one goes out, and the log has one line."""

    def place_at_fault(value, _):
        if value == b"bad":
            raise RuntimeError(value)

    with letters_to(bootstrap, telemetry) as letters:
        letters.take(polled(b"bad", b"bad", b"x"), rejected(not_object=[0, 1, 2]), place_at_fault)

    assert telemetry.dead_letters == Counter({LetterOutcome.SENT: 1, LetterOutcome.FAILED: 2})
    assert capsys.readouterr().out.count("a dead letter cannot be written") == 1


def test_beyond_the_budget_letters_are_counted_and_not_sent(bootstrap, telemetry):
    """A topic of garbage does not become a second one."""
    with letters_to(bootstrap, telemetry, burst=5, per_second_max=1) as letters:
        letters.take(polled(*[b"x"] * 1_000), rejected(not_object=range(1_000)), nowhere)

    assert telemetry.dead_letters == Counter(
        {LetterOutcome.SENT: 5, LetterOutcome.OVER_BUDGET: 995}
    )
    assert [value for _, value, _ in received(bootstrap, 5)] == [b"x"] * 5


@pytest.mark.parametrize(("processes", "sent"), [(2, 3), (8, 1)])
def test_processes_share_the_budget_out(bootstrap, telemetry, processes, sent):
    """Together they send no more than the settings say, and each can send at least one."""
    flags = {"kafka.bootstrap": bootstrap, "dead_letters.topic": TOPIC, "dead_letters.burst": 6}
    settings = load(environment={}, flags=flags | {"engine.processes": processes})
    with DeadLetters(settings, "suite", lambda _: ("events", "0"), telemetry) as letters:
        letters.take(polled(*[b"x"] * 10), rejected(not_object=range(10)), nowhere)

    assert telemetry.dead_letters == Counter(
        {LetterOutcome.SENT: sent, LetterOutcome.OVER_BUDGET: 10 - sent}
    )


def test_a_budget_grows_with_time_up_to_its_burst():
    """It starts full, and what is not spent is not saved up beyond the burst."""
    budget = Budget(per_second=10, burst=20, now_s=0.0)

    assert [budget.take(15, at_s) for at_s in (0.0, 0.0, 0.5, 0.5, 60.0, 60.0)] == [
        15, 5, 5, 0, 15, 5,
    ]  # fmt: skip


def test_a_report_comes_while_nothing_more_is_rejected(bootstrap, telemetry):
    """What became of the last letter is known without a next one."""
    with letters_to(bootstrap, telemetry) as letters:
        letters.take(polled(b"x"), rejected(not_object=[0]), nowhere)

        wait_until(lambda: telemetry.dead_letters.total() > 0, "the report", TIMEOUT_S)
        assert telemetry.dead_letters == Counter({LetterOutcome.SENT: 1})


def test_a_snapshot_waits_for_letters_under_way(bootstrap, telemetry):
    """Positions are not saved before the letters that lie before them are delivered."""
    with letters_to(bootstrap, telemetry) as letters:
        letters.take(polled(*[b"x"] * 100), rejected(not_object=range(100)), nowhere)
        letters.settle()

        assert len(letters._producer) == 0


def test_a_cluster_that_is_away_stops_nobody(telemetry, monkeypatch):
    """Nothing waits but the first snapshot, a second; what does not fit has failed."""
    monkeypatch.setattr(dead_letters, "FLUSH_TIMEOUT_S", 0.2)
    count = 12_000
    letters = letters_to(f"{LOOPBACK}:{free_port()}", telemetry, burst=count)
    records, all_of_them = polled(*[b"x"] * count), rejected(bad_id=range(count))
    took_s = [
        took(lambda: letters.take(records, all_of_them, nowhere)),
        *(took(letters.settle) for _ in range(20)),
    ]
    failed_at_once = telemetry.dead_letters[LetterOutcome.FAILED]
    closed_s = took(letters.close)

    assert sum(took_s) < SETTLE_TIMEOUT_S + 5
    assert failed_at_once == 2_000
    assert closed_s < 5
    assert telemetry.dead_letters == Counter({LetterOutcome.FAILED: count})


class Flowing:
    """A producer that has a letter under way at every snapshot; it counts who waits for it."""

    def __init__(self):
        self.left, self.flushes = 1, 0

    def flush(self, _):
        """Say how many are left."""
        self.flushes += 1
        return self.left

    def __len__(self):
        return 1

    def __getattr__(self, name):
        return lambda *_: 0


def test_snapshots_wait_again_when_an_outage_is_over(bootstrap, telemetry):
    """It was over only when nothing was under way, which may never be."""
    with letters_to(bootstrap, telemetry) as letters:
        own, letters._producer = letters._producer, Flowing()
        letters.settle()
        letters.settle()
        waited_while_away = letters._producer.flushes

        letters._delivered(None, None)
        letters._producer.left = 0
        letters.settle()
        letters.settle()
        waited, letters._producer = letters._producer.flushes, own

    assert waited_while_away == 1
    assert waited == 3


def took(work):
    """How long something takes, in seconds."""
    started_s = time.monotonic()
    work()
    return time.monotonic() - started_s


class Broken:
    """A producer that will not go on."""

    def __init__(self, error):
        self._error = error

    def produce(self, *_, **__):
        """Refuse."""
        raise KafkaException(self._error)

    def __getattr__(self, name):
        return lambda *_: 0

    def __len__(self):
        return 0


@pytest.mark.parametrize("fatal", [False, True])
def test_after_a_fatal_error_letters_go_on(bootstrap, telemetry, fatal):
    """A letter that is refused has failed; a producer beyond repair is replaced by a new one."""
    with letters_to(bootstrap, telemetry) as letters:
        error = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "lost", fatal)
        own, letters._producer = letters._producer, Broken(error)
        letters.take(polled(b"x"), rejected(not_object=[0]), nowhere)
        if not fatal:
            letters._producer = own
        letters.take(polled(b"y"), rejected(not_object=[0]), nowhere)

    assert telemetry.dead_letters == Counter({LetterOutcome.SENT: 1, LetterOutcome.FAILED: 1})
    assert [value for _, value, _ in received(bootstrap, 1)] == [b"y"]
