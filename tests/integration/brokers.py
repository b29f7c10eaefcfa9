"""A Kafka that tests make topics on and produce to, whoever started it."""

import uuid
from collections.abc import Iterable
from functools import cached_property

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from tests.integration.waiting import wait_until

Text = str | bytes | None
Headers = list[tuple[str, Text]]
# Partition (None lets the key choose), key, value, timestamp_ms (None is now), headers.
Record = tuple[int | None, Text, Text, int | None, Headers | None]

ANSWER_TIMEOUT_S = 2.0
TOPIC_TIMEOUT_S = 30.0
DELIVERY_TIMEOUT_S = 60.0
COORDINATOR_TIMEOUT_S = 60.0
QUEUE_FULL_WAIT_S = 0.1
PARTITION_BY_KEY = -1

# What a broker that has just come up says of a group; it knows better soon.
NOT_YET_COORDINATED = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError._TIMED_OUT,
}

CLIENT_SETTINGS = {
    "log_level": 0,  # a broker that is away is often the point of the test
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 200,  # librdkafka's 10 s would make each restart that slow
}


class Kafka:
    """A Kafka cluster that answers at `bootstrap`."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def create_topic(self, name: str | None = None, partitions: int = 4, **config: object) -> str:
        """Make a topic, ready to produce to, and return its name (a new one if none is given).

        Settings are Kafka's topic settings with underscores: `retention_ms=1000`.
        """
        topic = name or f"test-{uuid.uuid4().hex}"
        settings = {key.replace("_", "."): str(value) for key, value in config.items()}
        new = NewTopic(topic, num_partitions=partitions, config=settings)
        self._admin.create_topics([new])[topic].result(TOPIC_TIMEOUT_S)
        self._wait_for_leaders(topic, partitions)
        return topic

    def grow(self, topic: str, partitions: int) -> None:
        """Let a topic have so many partitions, ready to produce to."""
        self._admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(
            TOPIC_TIMEOUT_S
        )
        self._wait_for_leaders(topic, partitions)
        self.__dict__.pop("_producer", None)  # which would not hear of it for minutes

    def delete_topic(self, topic: str) -> None:
        """Delete a topic, and return when it is no more."""
        self._admin.delete_topics([topic])[topic].result(TOPIC_TIMEOUT_S)
        wait_until(
            lambda: topic not in self._admin.list_topics(timeout=ANSWER_TIMEOUT_S).topics,
            f"the end of {topic}",
            TOPIC_TIMEOUT_S,
        )

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Delete the records of a partition before an offset, as retention does."""
        place = TopicPartition(topic, partition, offset)
        self._admin.delete_records([place])[place].result(TOPIC_TIMEOUT_S)

    def committed(self, group: str, topic: str, partitions: int) -> list[int]:
        """The offsets that a group has committed, by partition; negative where there is none."""
        places = [TopicPartition(topic, number) for number in range(partitions)]
        found: list[TopicPartition] = []

        def ask() -> bool:
            try:
                found[:] = consumer.committed(places, timeout=ANSWER_TIMEOUT_S)
            except KafkaException as refused:
                error = refused.args[0]
                if error.code() not in NOT_YET_COORDINATED:
                    raise
            return bool(found)

        consumer = Consumer(self._client_settings() | {"group.id": group})
        try:
            wait_until(ask, f"the offsets of {group}", COORDINATOR_TIMEOUT_S)
        finally:
            consumer.close()
        return [place.offset for place in found]

    def produce(self, topic: str, records: Iterable[Record]) -> list[int]:
        """Produce the records, in order, and return the offset that each was stored at.

        A timestamp of 0 counts as none: librdkafka takes it for now.

        Raises:
            RuntimeError: The broker did not confirm every one of them.
        """
        deliveries = [_enqueue(self._producer, topic, record) for record in records]
        left = self._producer.flush(DELIVERY_TIMEOUT_S)
        errors = [delivery.error for delivery in deliveries if delivery.error is not None]
        if left or errors:
            del self._producer  # after an error an idempotent producer may refuse all that follows
            raise RuntimeError(
                f"not delivered: {left} unanswered, {len(errors)} refused: {errors[:1]}"
            )
        return [delivery.offset for delivery in deliveries if delivery.offset is not None]

    def answers(self) -> bool:
        """Whether the cluster tells its metadata now."""
        try:
            return bool(self._admin.list_topics(timeout=ANSWER_TIMEOUT_S).brokers)
        except KafkaException:
            return False

    def _client_settings(self) -> dict[str, object]:
        return {"bootstrap.servers": self.bootstrap, **CLIENT_SETTINGS}

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient(self._client_settings())

    @cached_property
    def _producer(self) -> Producer:
        """Idempotent, so that a retry after a broker's restart stores no record twice."""
        return Producer(self._client_settings() | {"enable.idempotence": True})

    def _wait_for_leaders(self, topic: str, partitions: int) -> None:
        wait_until(
            lambda: self._led_partitions(topic) == partitions,
            f"a leader of each partition of {topic}",
            TOPIC_TIMEOUT_S,
        )

    def _led_partitions(self, topic: str) -> int:
        found = self._admin.list_topics(topic, timeout=ANSWER_TIMEOUT_S).topics[topic].partitions
        return sum(1 for partition in found.values() if partition.leader >= 0)


class _Delivery:
    """What the broker said of one record."""

    def __init__(self) -> None:
        self.error: KafkaError | None = None
        self.offset: int | None = None

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        self.error = error
        self.offset = message.offset()


def _enqueue(producer: Producer, topic: str, record: Record) -> _Delivery:
    """Hand one record to the producer, waiting while its queue is full."""
    partition, key, value, timestamp_ms, headers = record
    delivery = _Delivery()
    while True:
        try:
            producer.produce(
                topic,
                value,
                key,
                PARTITION_BY_KEY if partition is None else partition,
                on_delivery=delivery,
                timestamp=timestamp_ms or 0,
                headers=headers or [],
            )
        except BufferError:
            producer.poll(QUEUE_FULL_WAIT_S)
            continue
        except KafkaException as error:
            delivery.error = error.args[0]
        producer.poll(0)
        return delivery
