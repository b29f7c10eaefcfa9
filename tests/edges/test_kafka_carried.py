"""What Kafka carries beside values reaches decode, from a cluster and from recorded lines alike."""

import json

import pytest
from confluent_kafka import Producer

from pipeline.core.carried import Beside
from pipeline.edges.files import FileSource, Lines
from pipeline.edges.kafka import KafkaSource
from pipeline.telemetry import Telemetry
from tests.edges.test_kafka import TIMEOUT_S, settings
from tests.integration.waiting import wait_until

AT_MS = 1_700_000_000_000
PATHS = [("kafka", "header", "kind"), *(("kafka", part) for part in ("key", "topic", "partition"))]
PATHS += [("kafka", "offset"), ("kafka", "time"), ("kafka", "header", "absent")]
EXPECTED = [
    ["order", "u-1", "events", 0, 0, AT_MS, None],
    ["last", None, "events", 0, 1, AT_MS + 1, None],
    [b"\xff", b"\xfe", "events", 0, 2, AT_MS + 2, None],
]


def told(records):
    """What is beside each record, path by path."""
    beside = Beside(records.carried, records.offsets)
    return [list(row) for row in zip(*map(beside.column, PATHS), strict=True)]


@pytest.fixture
def produced():
    """A mock cluster's address, with three records on its topic."""
    producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = producer.list_topics(timeout=TIMEOUT_S).brokers.values()
    sent = [
        (b"u-1", [("kind", b"order")]),
        (None, [("kind", b"first"), ("kind", b"last")]),
        (b"\xfe", [("kind", b"\xff"), ("other", None)]),
    ]
    for number, (key, headers) in enumerate(sent):
        producer.produce("events", b"{}", key, 0, headers=headers, timestamp=AT_MS + number)
    assert producer.flush(TIMEOUT_S) == 0
    yield f"{broker.host}:{broker.port}"
    del producer


def test_kafka_tells_key_headers_place_and_time(produced):
    """Of a header that comes twice the last counts; bytes that are no text stay bytes."""
    kafka = settings(bootstrap=produced)
    reader = KafkaSource(kafka, ["events"], Telemetry(), carries=True).open(0, {})
    got = []

    def enough():
        for records in reader.poll(100):
            got.extend(told(records))
        return len(got) >= 3

    wait_until(enough, "3 records", TIMEOUT_S)
    reader.close()
    assert got == EXPECTED


def test_lines_of_kcat_tell_the_same(tmp_path):
    """A topic that was recorded with `kcat -J` is read as the topic itself."""
    lines = [
        {"topic": "events", "partition": 0, "offset": 0, "ts": AT_MS, "broker": 1,
         "headers": ["kind", "order"], "key": "u-1", "payload": "{}"},
        {"topic": "events", "partition": 0, "offset": 1, "ts": AT_MS + 1,
         "headers": ["kind", "first", "kind", "last"], "key": None, "payload": None},
    ]  # fmt: skip
    path = tmp_path / "recorded.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\nno line of kcat's\n")
    (records,) = FileSource([str(path)], 5, lines=Lines.KCAT).open(0, {}).poll(100)
    assert records.values == [b"{}", None, b"no line of kcat's"]
    assert records.ingested_ms.tolist() == [AT_MS, AT_MS + 1, 5]
    assert told(records)[:2] == EXPECTED[:2]
    assert told(records)[2] == [None] * len(PATHS)


def test_without_kafka_all_of_it_is_absent(tmp_path):
    """Lines that are values have nothing beside them."""
    path = tmp_path / "values.jsonl"
    path.write_text("{}\n")
    (records,) = FileSource([str(path)], 5).open(0, {}).poll(100)
    assert told(records) == [[None] * len(PATHS)]
