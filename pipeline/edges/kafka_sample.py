"""The newest records of a topic, for a look at them; nothing is committed and no group is told."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
from confluent_kafka import Message, TopicPartition

from pipeline.core.records import Records
from pipeline.edges.kafka_carried import carried_of
from pipeline.edges.kafka_client import ErrorLog, check_reachable, connect
from pipeline.settings import KafkaSettings

_ANSWER_S: Final = 5.0
_SILENCE_S: Final = 2.0  # after which there is no more to come
_PATIENCE_S: Final = 15.0


def newest_records(settings: KafkaSettings, topic: str, limit: int) -> list[Records]:
    """About `limit` records, from the ends of all partitions.

    Raises:
        UnreachableError: The cluster does not answer, or has no such topic.
    """
    check_reachable(settings, [topic])
    consumer = connect(settings, ErrorLog(settings))
    try:
        partitions = consumer.list_topics(topic, _ANSWER_S).topics[topic].partitions
        each = -(-limit // max(len(partitions), 1))
        starts = []
        for number in partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), _ANSWER_S)
            starts.append(TopicPartition(topic, number, max(low, high - each)))
        consumer.assign(starts)
        messages: list[Message] = []
        began = heard = time.monotonic()
        while len(messages) < limit and time.monotonic() < min(
            heard + _SILENCE_S + (0 if messages else _ANSWER_S), began + _PATIENCE_S
        ):
            found = consumer.consume(limit - len(messages), 0.2)
            heard = time.monotonic() if found else heard
            messages += [message for message in found if message.error() is None]
    finally:
        consumer.close()
    return [_records(messages)] if messages else []


def _records(messages: list[Message]) -> Records:
    values = [message.value() for message in messages]
    offsets = np.arange(len(messages), dtype=np.int64)
    ingested_ms = np.array([message.timestamp()[1] for message in messages], np.int64)
    return Records(0, values, offsets, ingested_ms, carried=carried_of(messages))
