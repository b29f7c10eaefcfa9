"""The floors: what any consumer of this topic in Python pays before it computes anything.

Floor 1 takes records off librdkafka, 10,000 at a time, and looks at their bytes. Floor 2 also reads
the catalogue's fields with a typed msgspec decoder.
"""

import time
from typing import Final

import msgspec
from confluent_kafka import Consumer, TopicPartition

from tests.bench.stream import PARTITIONS

CONSUMED_AT_ONCE: Final = 10_000
_ANSWER_S: Final = 1.0


class Context(msgspec.Struct, gc=False):
    groupId: str | None = None  # noqa: N815 - as the record spells it


class Properties(msgspec.Struct, gc=False):
    chart_id: str | None = None
    ms: float | None = None


class Event(msgspec.Struct, gc=False):
    """The fields that the catalogue reads."""

    event: str | None = None
    timestamp: str | None = None
    messageId: str | None = None  # noqa: N815
    userId: str | None = None  # noqa: N815
    context: Context | None = None
    properties: Properties | None = None


def floor(bootstrap: str, topic: str, events: int, *, decoded: bool) -> dict[str, float]:
    """Read so many events, with or without decoding them."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "northstar-bench",
            "enable.auto.commit": False,
            # As the engine's own consumers: with librdkafka's 1 s a full queue starves us.
            "fetch.queue.backoff.ms": 20,
        }
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    decode = msgspec.json.Decoder(Event).decode
    left = events
    began: tuple[float, float, float] | None = None
    while left > 0:
        before = time.perf_counter(), time.process_time(), time.thread_time()
        messages = consumer.consume(CONSUMED_AT_ONCE, _ANSWER_S)
        if messages and began is None:
            began = before
        values = [message.value() for message in messages]
        if decoded:
            _rows = [decode(value) for value in values]
        left -= len(values)
    after = time.perf_counter(), time.process_time(), time.thread_time()
    consumer.close()
    assert began is not None
    wall_s, cpu_s, thread_s = (end - start for end, start in zip(after, began, strict=True))
    return {"wall_s": wall_s, "cpu_s": cpu_s, "thread_s": thread_s, "events": events - left}
