"""Which partitions the topics have, now and later, and what lies in them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import TopicMetadata

from pipeline.edges.faults import AuthFailedError, UnreachableError
from pipeline.edges.kafka_client import ErrorLog, connect, is_refusal, without_secrets
from pipeline.settings import KafkaSettings

REFRESH_S: Final = 20.0  # with the asking itself, new partitions are read within 30 s
ASK_TIMEOUT_S: Final = 10.0
AGAIN_S: Final = 0.2
# Partitions of all topics are numbered in one row: the topic's place times this, and its own.
# Ten times what a cluster can hold, and a multiple of most counts of slots.
PARTITIONS_PER_TOPIC: Final = 100_000

log = structlog.get_logger()


class Watch:
    """Knows the partitions of the topics, by number, and asks for new ones in a thread.

    It has a consumer of its own, so that nobody who reads has to wait for an answer.
    """

    def __init__(
        self, settings: KafkaSettings, topics: Sequence[str], refresh_s: float = REFRESH_S
    ) -> None:
        """Ask for the partitions there are now.

        Raises:
            UnreachableError: The cluster does not tell.
        """
        self._settings = settings
        self._topics = topics
        self._refresh_s = refresh_s
        self._consumer = connect(settings, ErrorLog(settings))
        self._stopping = threading.Event()
        self._new: Mapping[int, int] = {}
        try:
            self._known = set(self._listed())
        except UnreachableError:
            self._consumer.close()
            raise
        self.at_first = frozenset(self._known)
        self._thread = threading.Thread(target=self._run, name="kafka-watch", daemon=True)
        self._thread.start()

    def name(self, number: int) -> tuple[str, int]:
        """Topic and partition of a number."""
        place, partition = divmod(number, PARTITIONS_PER_TOPIC)
        return self._topics[place], partition

    @property
    def new(self) -> Mapping[int, int]:
        """Partitions that came since the first look, and the offset that each begins at."""
        return self._new

    def span(self, number: int) -> tuple[int, int]:
        """The first offset that a partition has, and the one after its last. Waits for an answer.

        Raises:
            UnreachableError: There was none.
        """
        deadline_s = time.monotonic() + ASK_TIMEOUT_S
        while True:
            try:
                return self._asked(number, deadline_s - time.monotonic())
            except AuthFailedError:
                raise
            except UnreachableError:
                # A partition that is new, or is moving, has no leader for a moment.
                if time.monotonic() + AGAIN_S > deadline_s:
                    raise
                time.sleep(AGAIN_S)

    def _asked(self, number: int, timeout_s: float) -> tuple[int, int]:
        topic, partition = self.name(number)
        place = TopicPartition(topic, partition)
        try:
            low, high = self._consumer.get_watermark_offsets(place, timeout=timeout_s)
        except KafkaException as error:
            raise self._unreachable(error.args[0], f"{topic} partition {partition}: ") from None
        return low, high

    def close(self) -> None:
        """Stop asking. A question that is under way ends by itself."""
        self._stopping.set()

    def _listed(self) -> list[int]:
        numbers = []
        for place, topic in enumerate(self._topics):
            found = self._told(topic)
            if found.error is not None:
                raise self._unreachable(found.error, f"topic {topic}: ")
            numbers += [place * PARTITIONS_PER_TOPIC + number for number in found.partitions]
        return numbers

    def _told(self, topic: str) -> TopicMetadata:
        try:
            return self._consumer.list_topics(topic, timeout=ASK_TIMEOUT_S).topics[topic]
        except KafkaException as error:
            raise self._unreachable(error.args[0]) from None

    def _unreachable(self, error: KafkaError, what: str = "") -> UnreachableError:
        kind = AuthFailedError if is_refusal(error) else UnreachableError
        text = without_secrets(error.str(), self._settings)
        return kind(f"Kafka at {self._settings.bootstrap}: {what}{text}")

    def _run(self) -> None:
        while not self._stopping.wait(self._refresh_s):
            try:
                self._refresh()
            except UnreachableError as error:
                log.warning("partitions are not told", error=str(error))
        self._consumer.close()

    def _refresh(self) -> None:
        # A partition that came while we run is read from its start, whatever `start` says: what is
        # in it came after us.
        self._consumer.poll(0)  # serves logs and errors
        for number in self._listed():
            if number not in self._known:
                start, _ = self.span(number)
                self._known.add(number)
                self._new = {**self._new, number: start}
                topic, partition = self.name(number)
                log.info("new partition", topic=topic, partition=partition, start=start)
