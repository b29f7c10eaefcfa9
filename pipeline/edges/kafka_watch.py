"""Which partitions the topics have, now and later, what lies in them, and whether they are new.

A topic that was deleted is told from a broker that has not heard of it yet by its being missing in
`GONE_AFTER_LOOKS` answers in a row.

A topic made anew has the old one's name and may have as many records, so that every saved position
lies within it. Only its id tells. It is saved among the positions, as that of the topic's *mark*:
the last number of its row, which no partition has. A mark also says that state was saved while the
topic was read: a partition of it without a position came later.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition, Uuid
from confluent_kafka.admin import ClusterMetadata

from pipeline.edges.faults import AuthFailedError, UnreachableError
from pipeline.edges.kafka_client import (
    NO_SUCH_TOPIC,
    ErrorLog,
    admin,
    connect,
    is_refusal,
    without_secrets,
)
from pipeline.settings import KafkaSettings

GONE_AFTER_LOOKS: Final = 3  # by default, a minute
ASK_TIMEOUT_S: Final = 10.0
IDS_TIMEOUT_S: Final = 5.0
AGAIN_S: Final = 0.2
# Partitions of all topics are numbered in one row: the topic's place times this, and its own.
# Ten times what a cluster can hold, and a multiple of most counts of slots. Settings' `TOPICS_MAX`
# follows from it.
PARTITIONS_PER_TOPIC: Final = 100_000
_ID_BITS: Final = (1 << 62) - 1

log = structlog.get_logger()


class Watch:
    """Knows the partitions of the topics, by number, and asks for new ones in a thread.

    It has a consumer of its own, so that nobody who reads has to wait for an answer. `over` says
    why nothing of the topics may be read any more, None while it may.
    """

    def __init__(self, settings: KafkaSettings, topics: Sequence[str]) -> None:
        """Ask for the partitions there are now.

        Raises:
            UnreachableError: The cluster does not tell.
            SettingsError: librdkafka refuses a property.
        """
        self._settings = settings
        self._topics = topics
        self._refresh_s = settings.refresh_ms / 1000
        self._consumer = connect(settings, ErrorLog(settings))
        self._stopping = threading.Event()
        self._new: Mapping[int, int] = {}
        self._missed: Counter[str] = Counter()
        self.over: str | None = None
        try:
            self._admin = admin(settings, ErrorLog(settings))
            self._known = set(self._listed())
            self._marks = self._told_marks()
        except BaseException:
            self._consumer.close()
            raise
        self.at_first = frozenset(self._known)
        self._thread = threading.Thread(target=self._run, name="kafka-watch", daemon=True)
        self._thread.start()

    def name(self, number: int) -> tuple[str, int]:
        """Topic and partition of a number."""
        place, partition = divmod(number, PARTITIONS_PER_TOPIC)
        return self._topics[place], partition

    def mark_of(self, number: int) -> int:
        """The mark of a partition's topic."""
        return number - number % PARTITIONS_PER_TOPIC + PARTITIONS_PER_TOPIC - 1

    @property
    def marks(self) -> Mapping[int, int]:
        """What tells each topic from another of its name; none where the cluster does not say."""
        return self._marks

    def anew(self, marks: Mapping[int, int]) -> str | None:
        """A line for the first topic that is not the one these marks are of."""
        for mark, known in marks.items():
            if self._marks.get(mark, known) != known:
                return (
                    f"topic {self.name(mark)[0]} was made anew: what was counted is no longer its "
                    "content; start with an empty state directory"
                )
        return None

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
            found = self._told(topic).topics[topic]
            self._note_missing(topic, found.error)
            if found.error is not None:
                raise self._unreachable(found.error, f"topic {topic}: ")
            numbers += [place * PARTITIONS_PER_TOPIC + number for number in found.partitions]
        return numbers

    def _note_missing(self, topic: str, error: KafkaError | None) -> None:
        if error is None or error.code() != NO_SUCH_TOPIC:
            self._missed[topic] = 0
            return
        self._missed[topic] += 1
        if self._missed[topic] >= GONE_AFTER_LOOKS:
            self.over = self.over or (
                f"topic {topic} is gone: it was deleted, and what was not read of it is lost. To "
                "begin anew, make it again and start with an empty state directory"
            )

    def _told_marks(self) -> Mapping[int, int]:
        told = self._told(self._topics[0])
        if told.controller_id not in told.brokers:  # nobody who could be asked
            return {}
        asked = TopicCollection(list(self._topics))
        try:
            answers = self._admin.describe_topics(asked, request_timeout=IDS_TIMEOUT_S)
            ids = [answers[topic].result().topic_id for topic in self._topics]
        except KafkaException as error:
            text = without_secrets(error.args[0].str(), self._settings)
            log.info("topic ids are not told", error=text)
            return {}
        return {
            self.mark_of(place * PARTITIONS_PER_TOPIC): mark
            for place, mark in enumerate(map(_as_position, ids))
            if mark
        }

    def _told(self, topic: str) -> ClusterMetadata:
        try:
            return self._consumer.list_topics(topic, timeout=ASK_TIMEOUT_S)
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
        self._admin.poll(0)
        before, self._marks = self._marks, {**self._marks, **self._told_marks()}
        self.over = self.over or self.anew(before)
        for number in self._listed():
            if number not in self._known:
                start, _ = self.span(number)
                self._known.add(number)
                self._new = {**self._new, number: start}
                topic, partition = self.name(number)
                log.info("new partition", topic=topic, partition=partition, start=start)


def is_mark(number: int) -> bool:
    """Whether a number is no partition's but stands for a topic."""
    return number % PARTITIONS_PER_TOPIC == PARTITIONS_PER_TOPIC - 1


def _as_position(topic_id: Uuid) -> int:
    """An id as a number that may stand among positions; 0 where the cluster has none."""
    both = topic_id.get_most_significant_bits() ^ topic_id.get_least_significant_bits()
    return int(both) & _ID_BITS
