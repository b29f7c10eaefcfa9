"""The Kafka source on a real broker: every record once, and no gap passed over in silence."""

import logging
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import Producer

from pipeline.edges.faults import AuthFailedError, DataLossError, UnreachableError
from pipeline.edges.kafka import KafkaSource
from pipeline.edges.kafka_client import OnceAMinute, check_reachable, librdkafka_logger
from pipeline.edges.kafka_reader import CLOSE_TIMEOUT_S
from pipeline.edges.kafka_watch import PARTITIONS_PER_TOPIC, Watch
from pipeline.settings import load
from pipeline.telemetry import Telemetry
from tests.integration.local_broker import SASL_PASSWORD, SASL_USER
from tests.integration.ports import LOOPBACK, free_port
from tests.integration.waiting import wait_until

pytestmark = pytest.mark.services

TIMEOUT_S = 30.0
YEAR_2001_MS = 978_307_200_000


def settings(bootstrap, **flags):
    """Kafka settings of one slot, unless told otherwise."""
    given = {"kafka.bootstrap": bootstrap, "kafka.slots": 1}
    given |= {f"kafka.{name}": value for name, value in flags.items()}
    return load(environment={}, flags=given).kafka


@pytest.fixture
def telemetry():
    """Telemetry of one process."""
    return Telemetry()


@pytest.fixture
def start(telemetry):
    """Opens slots of sources; they are closed with the test."""
    with ExitStack() as ends:

        def run(broker, topics, positions=None, slot=0, **flags):
            topics = [topics] if isinstance(topics, str) else topics
            source = KafkaSource(settings(broker.bootstrap, **flags), topics, telemetry)
            reader = source.open(slot, positions or {})
            ends.callback(reader.close)
            return reader

        yield run


def collect(reader, count, limit=1_000, timeout_s=TIMEOUT_S):
    """Records by partition, as (offset, value), until there are `count`."""
    got = defaultdict(list)
    deadline_s = time.monotonic() + timeout_s
    while sum(map(len, got.values())) < count and time.monotonic() < deadline_s:
        polled = reader.poll(limit)
        for records in polled:
            got[records.partition] += zip(records.offsets.tolist(), records.values, strict=True)
        if not polled:
            time.sleep(0.005)
    return dict(got)


def nothing_more(reader, for_s=0.5):
    """Whether no record comes for a while."""
    return collect(reader, 1, timeout_s=for_s) == {}


def of_partitions(reader):
    """The positions that are those of partitions, without what marks the topic."""
    return {number: at for number, at in reader.positions().items() if at <= 1_000_000}


def numbered(count, partitions=1):
    """Records whose value is their number, dealt out over partitions."""
    return [(n % partitions, None, str(n), YEAR_2001_MS + n, None) for n in range(count)]


def test_every_record_of_every_partition_comes_once_and_in_order(kafka, start):
    """Four partitions, ten thousand records, none missing, none twice."""
    topic = kafka.create_topic(partitions=4)
    kafka.produce(topic, numbered(10_000, partitions=4))

    reader = start(kafka, topic)
    got = collect(reader, 10_000)

    assert got == {
        partition: list(enumerate(str(n).encode() for n in range(partition, 10_000, 4)))
        for partition in range(4)
    }
    assert nothing_more(reader)
    assert reader.partitions() == (0, 1, 2, 3)
    assert not reader.finished(0)


def test_a_poll_gives_no_more_than_its_limit(kafka, start):
    """However much is read ahead, the engine sets the size of a batch."""
    topic = kafka.create_topic(partitions=2)
    kafka.produce(topic, numbered(1_000, partitions=2))
    reader = start(kafka, topic)

    sizes = []
    while sum(sizes) < 1_000:
        sizes.append(sum(len(records.values) for records in reader.poll(300)))

    assert max(sizes) <= 300


def test_a_record_brings_the_time_it_reached_the_log(kafka, start):
    """The record's own timestamp is its ingestion time."""
    topic = kafka.create_topic(partitions=1)
    kafka.produce(topic, [(0, None, b"a", YEAR_2001_MS, None)])
    reader = start(kafka, topic)

    polled = []
    while not polled:
        polled += reader.poll(10)

    assert polled[0].ingested_ms.tolist() == [YEAR_2001_MS]


def test_a_tombstone_is_a_record_without_value(kafka, start):
    """It is passed on as None, so that it is counted."""
    topic = kafka.create_topic(partitions=1)
    kafka.produce(topic, [(0, "k", None, None, None), (0, "k", b"", None, None)])

    assert collect(start(kafka, topic), 2) == {0: [(0, None), (1, b"")]}


def test_reading_goes_on_at_positions(kafka, start):
    """Partitions with a position go on there, others begin at their start."""
    topic = kafka.create_topic(partitions=3)
    kafka.produce(topic, numbered(300, partitions=3))

    got = collect(start(kafka, topic, {0: 98, 1: 100}), 102)

    assert [offset for offset, _ in got[0]] == [98, 99]
    assert 1 not in got
    assert len(got[2]) == 100


def test_slots_share_the_partitions_out(kafka, start):
    """Each partition belongs to the slot of its number, and to no other."""
    topic = kafka.create_topic(partitions=5)
    kafka.produce(topic, numbered(500, partitions=5))

    readers = [start(kafka, topic, slot=slot, slots=3) for slot in range(3)]

    assert [reader.partitions() for reader in readers] == [(0, 3), (1, 4), (2,)]
    got = [collect(reader, 100 * len(reader.partitions())) for reader in readers]
    assert [sorted(part) for part in got] == [[0, 3], [1, 4], [2]]


def test_a_slot_without_partitions_is_quiet(kafka, start):
    """More slots than partitions cost nothing and give nothing."""
    topic = kafka.create_topic(partitions=1)

    reader = start(kafka, topic, slot=2, slots=3)

    assert reader.partitions() == ()
    assert list(reader.poll(10)) == []
    reader.durable({})


def test_partitions_of_several_topics_have_numbers_of_their_own(kafka, start):
    """The second topic's partitions begin at 100,000."""
    first, second = kafka.create_topic(partitions=1), kafka.create_topic(partitions=2)
    kafka.produce(first, numbered(10))
    kafka.produce(second, numbered(20, partitions=2))

    got = collect(start(kafka, [first, second]), 30)

    assert {number: len(records) for number, records in got.items()} == {
        0: 10,
        PARTITIONS_PER_TOPIC: 10,
        PARTITIONS_PER_TOPIC + 1: 10,
    }


def test_latest_begins_at_the_end_for_partitions_without_position(kafka, start):
    """Only what comes after the slot was opened is read, and a position goes before."""
    topic = kafka.create_topic(partitions=2)
    kafka.produce(topic, numbered(20, partitions=2))
    reader = start(kafka, topic, {1: 9}, start="latest")

    assert of_partitions(reader) == {0: 10, 1: 9}
    kafka.produce(topic, [(0, None, b"new", None, None)])

    assert collect(reader, 2) == {0: [(10, b"new")], 1: [(9, b"19")]}


@pytest.mark.parametrize("policy", ["stop", "continue"])
def test_records_deleted_before_they_were_read_are_data_loss(kafka, start, telemetry, policy):
    """The slot does not open, and says what is gone; or it counts what is gone and goes on."""
    topic = kafka.create_topic(partitions=1)
    kafka.produce(topic, numbered(100))
    kafka.delete_before(topic, 0, 60)

    if policy == "stop":
        with pytest.raises(DataLossError, match=r"offset 50 is gone, the log has 60 to 100: 10 re"):
            start(kafka, topic, {0: 50})
        assert telemetry.partition(0).lost_messages == 0
    else:
        got = collect(start(kafka, topic, {0: 50}, on_data_loss=policy), 40)
        assert [offset for offset, _ in got[0]] == list(range(60, 100))
        assert telemetry.partition(0).lost_messages == 10


@pytest.mark.parametrize("policy", ["stop", "continue"])
def test_records_deleted_while_running_are_data_loss(kafka, start, telemetry, monkeypatch, policy):
    """What the broker no longer has when it is asked for is found then, by the same rule."""
    topic = kafka.create_topic(partitions=2)
    kafka.produce(topic, numbered(200, partitions=2))
    kafka.delete_before(topic, 0, 60)
    with monkeypatch.context() as before:  # as it was when the slot was opened
        before.setattr(Watch, "span", lambda *_: (0, 100))
        reader = start(kafka, topic, {0: 50, 1: 90}, on_data_loss=policy)

    if policy == "stop":
        with pytest.raises(DataLossError, match=r"partition 0: offset 50 is gone"):
            collect(reader, 50)
    else:
        got = collect(reader, 50)
        assert [offset for offset, _ in got[0]] == list(range(60, 100))
        assert [offset for offset, _ in got[1]] == list(range(90, 100))
        assert telemetry.partition(0).lost_messages == 10


def test_a_position_beyond_the_log_stops_whatever_settings_say(kafka, start):
    """A topic that was made anew is not read as if it were the old one."""
    topic = kafka.create_topic(partitions=1)
    kafka.produce(topic, numbered(5))

    with pytest.raises(DataLossError, match="made anew or cut short"):
        start(kafka, topic, {0: 6}, on_data_loss="continue")


def test_a_topic_made_anew_is_known_by_its_id(kafka, start):
    """It holds more records than were read of the old one, and is still not taken for it."""
    topic = kafka.create_topic(partitions=1)
    kafka.produce(topic, numbered(10))
    reader = start(kafka, topic)
    collect(reader, 5, limit=5)
    saved = {**reader.positions()}
    start(kafka, topic, saved)

    kafka.delete_topic(topic)
    kafka.create_topic(topic, partitions=1)
    kafka.produce(topic, numbered(20))

    with pytest.raises(DataLossError, match=f"topic {topic} was made anew: .* empty state"):
        start(kafka, topic, saved, on_data_loss="continue")


def test_a_topic_made_anew_while_running_stops(kafka, start):
    """It is found without a restart, however many records it has."""
    topic = kafka.create_topic(partitions=1)
    kafka.produce(topic, numbered(10))
    reader = start(kafka, topic, refresh="200ms")
    collect(reader, 10)

    kafka.delete_topic(topic)
    kafka.create_topic(topic, partitions=1)

    with pytest.raises(DataLossError, match=f"topic {topic} was made anew"):
        collect(reader, 1)


def test_a_topic_that_is_deleted_while_running_stops(kafka, start):
    """What was not read of it is lost, and figures do not go stale without a word."""
    topic = kafka.create_topic(partitions=1)
    kafka.produce(topic, numbered(10))
    reader = start(kafka, topic, refresh="200ms")
    collect(reader, 10)

    kafka.delete_topic(topic)

    with pytest.raises(DataLossError, match=f"topic {topic} is gone: it was deleted"):
        collect(reader, 1)


def test_a_partition_added_while_nobody_ran_is_read_from_its_start(kafka, start):
    """Where `start` says latest that is meant for topics, not for what a known one grows by."""
    topic = kafka.create_topic(partitions=1)
    saved = {**start(kafka, topic, start="latest").positions()}
    kafka.grow(topic, 3)
    kafka.produce(topic, numbered(30, partitions=3))

    got = collect(start(kafka, topic, saved, start="latest"), 30)

    assert {number: len(records) for number, records in got.items()} == {0: 10, 1: 10, 2: 10}


def test_a_partition_that_is_gone_stops(kafka, start):
    """Fewer partitions than were read before prove that the topic was made anew."""
    topic = kafka.create_topic(partitions=1)

    with pytest.raises(DataLossError, match=r"no partition 3.*made anew"):
        start(kafka, topic, {3: 6})


def test_a_new_partition_is_read_while_running(kafka, start):
    """It is found without a restart and read from its start, even where `start` says latest."""
    topic = kafka.create_topic(partitions=1)
    reader = start(kafka, topic, refresh="200ms", start="latest")

    kafka.grow(topic, 3)
    kafka.produce(topic, numbered(30, partitions=3))

    got = collect(reader, 30)
    assert {number: [offset for offset, _ in records] for number, records in got.items()} == {
        number: [*range(10)] for number in range(3)
    }
    assert nothing_more(reader)
    assert reader.partitions() == (0, 1, 2)


def test_offsets_may_have_gaps(kafka, start, telemetry):
    """Aborted transactions are not read, and the offsets their ends take are no lag."""
    topic = kafka.create_topic(partitions=1)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions()
    for number in range(6):
        producer.begin_transaction()
        producer.produce(topic, str(number))
        producer.flush()
        if number % 2:
            producer.abort_transaction()
        else:
            producer.commit_transaction()

    reader = start(kafka, topic)

    assert collect(reader, 3) == {0: [(0, b"0"), (4, b"2"), (8, b"4")]}
    wait_until(lambda: not reader.poll(10) and reader.at_end(0), "the end", TIMEOUT_S)
    assert reader.caught_up(0)
    wait_until(
        lambda: not reader.poll(10) and telemetry.partition(0).lag_messages == 0, "lag", TIMEOUT_S
    )
    assert of_partitions(reader) == {0: 12}


def test_what_is_durable_is_seen_by_lag_tools(kafka, start):
    """The group's offsets are those that were saved, no more."""
    topic = kafka.create_topic(partitions=2)
    kafka.produce(topic, numbered(20, partitions=2))
    reader = start(kafka, topic, group=f"group-{topic}")
    collect(reader, 20)

    reader.durable({0: 7, 1: 4})

    def committed():
        reader.poll(10)
        return kafka.committed(f"group-{topic}", topic, partitions=2)

    wait_until(lambda: committed() == [7, 4], "the group's offsets", TIMEOUT_S)
    assert committed() == [7, 4]


def test_without_a_group_nothing_is_committed(kafka, tmp_path):
    """`group: null` keeps the cluster's offsets untouched."""
    file = tmp_path / "settings.yaml"
    file.write_text("kafka: {group: null}")
    topic = kafka.create_topic(partitions=1)
    given = {"kafka.bootstrap": kafka.bootstrap, "kafka.slots": 1}
    source = KafkaSource(load(file, {}, given).kafka, [topic], Telemetry())
    reader = source.open(0, {})

    reader.durable({0: 0})
    reader.close()

    (offset,) = kafka.committed("northstar-no-group", topic, partitions=1)
    assert offset < 0


def test_lag_is_told_in_messages_and_seconds(kafka, start, telemetry):
    """What waits is counted, and how old the newest record read is; at the end both are 0."""
    topic = kafka.create_topic(partitions=1)
    kafka.produce(topic, numbered(100))
    reader = start(kafka, topic)
    figures = telemetry.partition(0)

    collect(reader, 10, limit=10)
    reader._figures_due_s = 0.0
    reader.poll(10)

    assert figures.lag_messages is not None
    assert 80 <= figures.lag_messages <= 90
    assert figures.lag_ms is not None
    assert figures.lag_ms > YEAR_2001_MS / 2
    assert not reader.at_end(0)
    assert not reader.caught_up(0)
    collect(reader, 80)
    wait_until(lambda: not reader.poll(10) and figures.lag_messages == 0, "no lag", TIMEOUT_S)
    assert figures.lag_ms == 0
    assert reader.at_end(0)
    assert reader.caught_up(0)


def threads():
    """How many threads this process has, librdkafka's among them."""
    return len(list(Path("/proc/self/task").iterdir()))


def test_many_partitions_cost_few_threads(kafka, telemetry):
    """64 partitions in 8 slots take a handful of threads a slot."""
    topic = kafka.create_topic(partitions=64)
    kafka.produce(topic, numbered(640, partitions=64))
    before = threads()

    source = KafkaSource(settings(kafka.bootstrap, slots=8), [topic], telemetry)
    readers = [source.open(slot, {}) for slot in range(8)]
    for reader in readers:
        assert sum(map(len, collect(reader, 80).values())) == 80
    grown = threads() - before
    for reader in readers:
        reader.close()

    assert grown <= 8 * 5 + 6  # on one broker: 4 for each consumer, and those of the watch


def test_a_broker_that_goes_and_comes_back_is_survived(own_kafka, start):
    """`kill -9` of the broker while reading: afterwards every record has come exactly once."""
    topic = own_kafka.create_topic(partitions=2)
    own_kafka.produce(topic, numbered(200, partitions=2))
    reader = start(own_kafka, topic)
    got = collect(reader, 100, limit=10)

    own_kafka.kill()
    rest = collect(reader, 100, timeout_s=3.0)
    own_kafka.start()
    own_kafka.produce(topic, [(n % 2, None, str(n), None, None) for n in range(200, 400)])
    after = collect(reader, 300 - sum(map(len, rest.values())), timeout_s=60.0)

    for number in range(2):
        offsets = [offset for part in (got, rest, after) for offset, _ in part.get(number, ())]
        assert offsets == list(range(200))


def test_closing_does_not_wait_for_a_broker_that_is_away(own_kafka, start):
    """A commit that nobody answers holds up the end for some seconds at most."""
    topic = own_kafka.create_topic(partitions=1)
    own_kafka.produce(topic, numbered(10))
    reader = start(own_kafka, topic)
    collect(reader, 10)
    own_kafka.kill()
    reader.durable({0: 10})

    started_s = time.monotonic()
    reader.close()

    assert time.monotonic() - started_s < CLOSE_TIMEOUT_S + 1


def test_what_librdkafka_says_goes_to_the_log(own_kafka, start, caplog, capfd, monkeypatch):
    """A broker that is away shows as a line of each kind, and standard error stays clean."""
    # A filter of our own, which has had no line of this minute yet. At no moment is there none:
    # clients of tests before may still be on their way out, and have much to say.
    monkeypatch.setattr(librdkafka_logger(), "filters", [OnceAMinute()])
    topic = own_kafka.create_topic(partitions=1)
    reader = start(own_kafka, topic)
    capfd.readouterr()
    own_kafka.kill()

    with caplog.at_level(logging.INFO):
        wait_until(
            lambda: not reader.poll(10) and "librdkafka" in {r.name for r in caplog.records},
            "a line of librdkafka's",
            TIMEOUT_S,
        )

    said = [r.getMessage().partition(" ")[0] for r in caplog.records if r.name == "librdkafka"]
    assert sorted(said) == sorted(set(said))
    assert "%3|" not in capfd.readouterr().err


def test_a_cluster_that_is_down_is_told_within_ten_seconds():
    """One clear line that names the address and the cause, and no hang."""
    nobody = f"{LOOPBACK}:{free_port()}"
    started_s = time.monotonic()

    with pytest.raises(UnreachableError) as told:
        check_reachable(settings(nobody), ["events"])

    assert time.monotonic() - started_s < 11
    assert str(told.value).startswith(f"Kafka at {nobody}: ")
    assert "Connection refused" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_cluster_that_is_up_is_reachable(kafka):
    """With its topics there, the check returns at once."""
    topic = kafka.create_topic(partitions=1)
    started_s = time.monotonic()

    check_reachable(settings(kafka.bootstrap), [topic])

    assert time.monotonic() - started_s < 5


def test_a_topic_that_is_not_there_is_named(kafka):
    """The first thing to check is the spelling, so the line has the name."""
    with pytest.raises(UnreachableError, match="there is no topic orderz"):
        check_reachable(settings(kafka.bootstrap), ["orderz"], timeout_s=1)


def secured(broker, password):
    """Settings for the broker's listener that wants a password."""
    return settings(
        broker.sasl_bootstrap,
        **{
            "properties.security.protocol": "SASL_PLAINTEXT",
            "properties.sasl.mechanism": "PLAIN",
            "properties.sasl.username": SASL_USER,
            "properties.sasl.password": password,
        },
    )


def test_a_wrong_password_is_told_at_once(own_kafka):
    """The cluster's refusal is final, is told without waiting, and does not show the password."""
    topic = own_kafka.create_topic(partitions=1)
    started_s = time.monotonic()

    with pytest.raises(AuthFailedError, match="refuses us") as told:
        check_reachable(secured(own_kafka, "not-the-password"), [topic])

    assert time.monotonic() - started_s < 5
    assert "not-the-password" not in str(told.value)
    check_reachable(secured(own_kafka, SASL_PASSWORD), [topic])


def test_tls_where_there_is_none_is_told(kafka):
    """A listener that does not speak TLS is one clear line."""
    flags = {"properties.security.protocol": "SSL"}

    with pytest.raises(UnreachableError, match=r"SSL|TLS|ssl"):
        check_reachable(settings(kafka.bootstrap, **flags), ["x"], timeout_s=3)
