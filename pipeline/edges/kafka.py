"""Kafka as a source: every record of the topics once, and a gap is never passed over in silence.

A slot has one consumer, which owns the partitions whose number is the slot's modulo the number of
slots. One for each partition would cost six threads apiece; one for all slots of a process would
have to sort records into queues that nobody bounds when one slot is slower than the others. Slots
without partitions have none.

Partitions of several topics are numbered in one row: the topic's place in the list times 100,000,
and its own number. So the order of topics belongs to the saved state.

Positions come from the engine's saved state and from nowhere else. What is committed to the
consumer group is for tools that show lag.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from confluent_kafka import KafkaException, TopicPartition

from pipeline.edges.kafka_client import ErrorLog, connect, without_secrets
from pipeline.edges.kafka_reader import KafkaReader
from pipeline.edges.kafka_watch import PARTITIONS_PER_TOPIC, Watch, is_mark
from pipeline.settings import KafkaSettings, OnDataLoss, Start
from pipeline.telemetry import Telemetry

COMMIT_TIMEOUT_S: Final = 5.0

log = structlog.get_logger()


class KafkaSource:
    """The topics of a cluster, cut into slots.

    Where dead letters are wanted, `keeps_originals`: records then bring librdkafka's messages.
    Where the plan asks for keys, headers and the like, it `carries` those.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        telemetry: Telemetry,
        *,
        keeps_originals: bool = False,
        carries: bool = False,
    ) -> None:
        self._settings = settings
        self._topics = tuple(topics)
        self._telemetry = telemetry
        self._keeps_originals = keeps_originals
        self._carries = carries
        self._lock = threading.Lock()
        self._watch: Watch | None = None
        self._open = 0

    @property
    def slots(self) -> int:
        """How many slots there are."""
        return self._settings.slots

    def partition_name(self, partition: int) -> tuple[str, str]:
        """Topic and partition of a number, as telemetry's labels."""
        place, number = divmod(partition, PARTITIONS_PER_TOPIC)
        return self._topics[place], str(number)

    def open(self, slot: int, positions: Mapping[int, int]) -> KafkaReader:
        """Open a slot. Waits for the cluster's answers, some seconds at most.

        Raises:
            UnreachableError: The cluster does not answer.
            DataLossError: A position is not in the log any more.
        """
        return self._reader(slot, positions, self._settings, self._telemetry)

    def history(self, slot: int, positions: Mapping[int, int]) -> KafkaReader:
        """Open a slot at the earliest there is, whatever `start` says; figures stay as they are.

        Raises:
            UnreachableError: The cluster does not answer.
            DataLossError: A topic is not the one that the positions are of.
        """
        from_earliest = self._settings.model_copy(
            update={"start": Start.EARLIEST, "on_data_loss": OnDataLoss.STOP}
        )
        marks = {number: at for number, at in positions.items() if is_mark(number)}
        return self._reader(slot, marks, from_earliest, Telemetry())

    def _reader(
        self,
        slot: int,
        positions: Mapping[int, int],
        settings: KafkaSettings,
        telemetry: Telemetry,
    ) -> KafkaReader:
        watch = self._watched()
        try:
            return KafkaReader(
                settings,
                watch,
                slot,
                positions,
                telemetry,
                self._released,
                keeps_originals=self._keeps_originals,
                carries=self._carries,
            )
        except BaseException:
            self._released()
            raise

    def tell_group(self, positions: Mapping[int, int]) -> None:
        """Tell the consumer group where we have stopped; a cluster that is away is not waited for.

        While slots are open each tells of itself, and always of the epoch before the last.
        """
        if self._settings.group is None or not positions:
            return
        places = []
        for number, offset in positions.items():
            topic, partition = self.partition_name(number)
            places.append(TopicPartition(topic, int(partition), offset))
        telling = threading.Thread(target=self._commit, args=(places,), name="commit", daemon=True)
        telling.start()
        telling.join(COMMIT_TIMEOUT_S)

    def _commit(self, places: list[TopicPartition]) -> None:
        consumer = connect(self._settings, ErrorLog(self._settings))
        try:
            consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as refused:
            text = without_secrets(refused.args[0].str(), self._settings)
            log.warning("group not told", group=self._settings.group, error=text)
        finally:
            consumer.close()

    def _watched(self) -> Watch:
        with self._lock:
            if self._watch is None:
                self._watch = Watch(self._settings, self._topics)
            self._open += 1
            return self._watch

    def _released(self) -> None:
        """A slot is closed; with the last one, nobody watches for partitions any more."""
        with self._lock:
            self._open -= 1
            if not self._open and self._watch is not None:
                self._watch.close()
                self._watch = None
