"""The collaboration events as a topic: four partitions by file, in the order of arrival."""

import functools
import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from zlib import crc32

from tests.integration import brokers
from tests.integration.brokers import Kafka
from tests.integration.northstar_process import COLLABORATION
from tests.oracle.oracle import Record
from tests.scenarios.scenario import moment_ms

PARTITIONS = 4
LATENESS = "1d"
LATENESS_MS = 86_400_000
TICK_MS = 5_000  # northstar's default
# Records bear their own time of years ago: by it, Kafka would cut the log into hundreds of files.
SEGMENT_MS = 1 << 50

DEFINITION = (COLLABORATION / "collaboration.yaml").read_text(encoding="utf-8")


@functools.cache
def log() -> tuple[Record, ...]:
    """All 65,826 records, in the order that they arrived in over all partitions."""
    offsets: Counter[int] = Counter()
    found = []
    with gzip.open(COLLABORATION / "events.jsonl.gz") as lines:
        for line in lines:
            event = json.loads(line)
            partition = crc32(event["properties"]["file"].encode()) % PARTITIONS
            arrived_ms = moment_ms(event["receivedAt"])
            found.append(Record(partition, offsets[partition], arrived_ms, line.rstrip(b"\n")))
            offsets[partition] += 1
    return tuple(found)


def create_topic(kafka: Kafka, **config: object) -> str:
    """A topic for the log; settings as `Kafka.create_topic` takes them."""
    return kafka.create_topic(partitions=PARTITIONS, segment_ms=SEGMENT_MS, **config)


def produce(kafka: Kafka, topic: str, records: Iterable[Record]) -> None:
    """Produce records as they are, and hold the broker to their offsets."""
    together = list(records)
    offsets = kafka.produce(topic, _as_produced(together))
    assert offsets == [record.offset for record in together]


def _as_produced(records: Iterable[Record]) -> Iterator[brokers.Record]:
    for record in records:
        yield record.partition, None, record.value, record.ingested_ms, None


def newest_tick_ms(count: int) -> int:
    """The newest tick that every partition has passed once the log's first `count` are read."""
    return (_slowest_ms()[count - 1] - LATENESS_MS) // TICK_MS * TICK_MS


@functools.cache
def _slowest_ms() -> list[int]:
    """After each record of the log, the newest event time of the partition that has the oldest."""
    newest = [0] * PARTITIONS
    found = []
    for record in log():
        assert record.value is not None
        time_ms = moment_ms(json.loads(record.value)["timestamp"])
        newest[record.partition] = max(newest[record.partition], time_ms)
        found.append(min(newest))
    return found
