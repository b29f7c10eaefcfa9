"""One open slot of Kafka: its consumer, its partitions, and how far it has come in each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Final

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipeline.core.records import Records
from pipeline.edges.faults import AuthFailedError, DataLossError
from pipeline.edges.kafka_carried import carried_of
from pipeline.edges.kafka_client import OFFSET_GONE, ErrorLog, connect, is_refusal, without_secrets
from pipeline.edges.kafka_watch import Watch, is_mark
from pipeline.settings import KafkaSettings, OnDataLoss, Start
from pipeline.telemetry import Telemetry

RECORDS_MAX: Final = 1_000_000  # librdkafka's limit for one call
FIGURES_INTERVAL_S: Final = 1.0
QUIET_INTERVAL_S: Final = 0.05  # the same while nothing comes, and somebody may wait for the end
CLOSE_TIMEOUT_S: Final = 5.0

log = structlog.get_logger()


@dataclass(slots=True)
class _Partition:
    """How far one partition has come.

    `position` is the next offset that was not handed out. `end` is the newest known end of the log,
    `end_at_open` that of when the slot was opened. `ingested_ms` is of the newest record read.
    """

    topic: str
    number: int
    position: int
    end_at_open: int
    end: int
    ingested_ms: int | None = None

    @property
    def lag(self) -> int:
        return max(0, self.end - self.position)

    def at(self, offset: int) -> TopicPartition:
        return TopicPartition(self.topic, self.number, offset)


class KafkaReader:
    """An open slot."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a source hands to its slots
        self,
        settings: KafkaSettings,
        watch: Watch,
        slot: int,
        positions: Mapping[int, int],
        telemetry: Telemetry,
        on_close: Callable[[], None],
        *,
        keeps_originals: bool = False,
        carries: bool = False,
    ) -> None:
        self._settings = settings
        self._watch = watch
        self._slot = slot
        self._telemetry = telemetry
        self._on_close = on_close
        self._keeps_originals = keeps_originals
        self._carries = carries
        self._partitions: dict[int, _Partition] = {}
        self._numbers: dict[tuple[str, int], int] = {}
        self._consumer: Consumer | None = None
        self._errors: list[Message] = []
        self._figures_due_s = 0.0
        self._open(positions)

    # ── which partitions ─────────────────────────────────────────────────────────────────────────

    def partitions(self) -> Sequence[int]:
        """Those this slot owns now; more may come."""
        return tuple(self._partitions)

    def positions(self) -> Mapping[int, int]:
        """The next offset of every partition, also of those that nothing was read from yet.

        Saving these keeps a partition that was empty from being taken for a new one later, which
        `start: latest` would skip to its end.
        """
        read = {number: of.position for number, of in self._partitions.items()}
        return {**self._watch.marks, **read}

    def _open(self, saved: Mapping[int, int]) -> None:
        self._marks = {number: mark for number, mark in saved.items() if is_mark(number)}
        positions = {number: at for number, at in saved.items() if number not in self._marks}
        self._refuse(self._watch.anew(self._marks))
        gone = [number for number in positions if number not in self._watch.at_first]
        for number in gone:
            topic, partition = self._watch.name(number)
            if number not in self._watch.new:
                raise DataLossError(
                    f"{topic} has no partition {partition}, which was read up to offset "
                    f"{positions[number]}: the topic was made anew"
                )
        at_first = self._mine(self._watch.at_first | positions.keys())
        self._own({number: self._opened(number, positions.get(number)) for number in at_first})
        self._take_new()

    @staticmethod
    def _refuse(told: str | None) -> None:
        if told is not None:
            raise DataLossError(told)

    def _mine(self, numbers: Iterable[int]) -> list[int]:
        return sorted(n for n in numbers if n % self._settings.slots == self._slot)

    def _opened(self, number: int, position: int | None) -> _Partition:
        topic, partition = self._watch.name(number)
        low, high = self._watch.span(number)
        if position is None:
            came_later = self._watch.mark_of(number) in self._marks
            latest = self._settings.start is Start.LATEST and not came_later
            position = high if latest else low
        elif not low <= position <= high:
            position = self._after_loss(number, position, low, high)
        return _Partition(topic, partition, position, end_at_open=high, end=high)

    def _take_new(self) -> None:
        """Own partitions that came since the slot was opened."""
        new = self._watch.new
        fresh = [number for number in self._mine(new) if number not in self._partitions]
        self._own(
            {n: _Partition(*self._watch.name(n), new[n], end_at_open=0, end=new[n]) for n in fresh}
        )

    def _own(self, partitions: Mapping[int, _Partition]) -> None:
        if not partitions:
            return
        self._partitions |= partitions
        self._numbers |= {(of.topic, of.number): number for number, of in partitions.items()}
        if self._consumer is None:
            self._consumer = connect(
                self._settings, ErrorLog(self._settings), on_commit=self._log_commit
            )
        self._consumer.incremental_assign([of.at(of.position) for of in partitions.values()])

    # ── records ──────────────────────────────────────────────────────────────────────────────────

    def poll(self, limit: int) -> Sequence[Records]:
        """Up to `limit` records that librdkafka has read ahead, by partition.

        Waits for an answer only once records are found to be lost.

        Raises:
            DataLossError: Records are gone, and settings say to stop; or the topic is gone or was
                made anew.
            AuthFailedError: The cluster refuses us a topic.
        """
        self._refuse(self._watch.over)
        self._take_new()
        self._face_errors()
        if self._consumer is None:
            return ()
        messages = self._consumer.consume(min(limit, RECORDS_MAX), timeout=0)
        self._refresh_figures(quiet=not messages)
        if any(map(Message.error, messages)):
            # What came with it is handed out first.
            self._errors = [message for message in messages if message.error() is not None]
            messages = [message for message in messages if message.error() is None]
        return [self._records(*group) for group in self._grouped(messages)]

    def _grouped(self, messages: list[Message]) -> Iterable[tuple[int, list[Message]]]:
        """The messages of each partition. They come in long runs, so runs are what costs."""
        if not messages:
            return ()
        groups: dict[int, list[Message]] = {}
        topics = list(map(Message.topic, messages))
        of_one_topic = topics.count(topics[0]) == len(topics)
        partitions = np.fromiter(map(Message.partition, messages), np.int64, len(messages))
        turns = partitions[1:] != partitions[:-1]
        if not of_one_topic:
            turns |= [topic != before for before, topic in pairwise(topics)]
        bounds = [0, *(np.flatnonzero(turns) + 1).tolist(), len(messages)]
        for start, end in pairwise(bounds):
            number = self._numbers[topics[start], int(partitions[start])]
            groups.setdefault(number, []).extend(messages[start:end])
        return groups.items()

    def _records(self, number: int, messages: list[Message]) -> Records:
        count = len(messages)
        values = list(map(Message.value, messages))
        offsets = np.fromiter(map(Message.offset, messages), np.int64, count)
        ingested_ms = np.fromiter(map(_time_ms, map(Message.timestamp, messages)), np.int64, count)
        if ingested_ms.min() <= 0:  # a record without a timestamp, as old producers write
            ingested_ms[ingested_ms <= 0] = _now_ms()
        of = self._partitions[number]
        of.position = int(offsets[-1]) + 1
        of.end = max(of.end, of.position)
        of.ingested_ms = int(ingested_ms[-1])
        originals = messages if self._keeps_originals else ()
        carried = carried_of(messages) if self._carries else None
        return Records(number, values, offsets, ingested_ms, originals, carried)

    # ── ends and figures ─────────────────────────────────────────────────────────────────────────

    def finished(self, partition: int) -> bool:  # noqa: ARG002
        """Never: a topic has no end."""
        return False

    def at_end(self, partition: int) -> bool:
        """Whether all records that are known of were handed out."""
        return self._partitions[partition].lag == 0

    def caught_up(self, partition: int) -> bool:
        """Whether all records that were there when the slot was opened were handed out."""
        of = self._partitions[partition]
        return of.position >= of.end_at_open

    def _refresh_figures(self, *, quiet: bool) -> None:
        now_s = time.monotonic()
        if now_s < self._figures_due_s - (FIGURES_INTERVAL_S - QUIET_INTERVAL_S) * quiet:
            return
        self._figures_due_s = now_s + FIGURES_INTERVAL_S
        assert self._consumer is not None
        partitions = list(self._partitions.items())
        positions = self._consumer.position([of.at(0) for _, of in partitions])
        for (number, of), found in zip(partitions, positions, strict=True):
            _, end = self._consumer.get_watermark_offsets(found, cached=True)
            # A transaction's end takes an offset that no record has, and librdkafka passes it.
            of.position = max(of.position, found.offset)
            of.end = max(of.end, end, of.position)
            figures = self._telemetry.partition(number)
            figures.lag_messages = of.lag
            figures.lag_ms = _lag_ms(of)

    # ── trouble ──────────────────────────────────────────────────────────────────────────────────

    def _face_errors(self) -> None:
        errors, self._errors = self._errors, []
        for message in errors:
            error = message.error()
            text = without_secrets(error.str(), self._settings)
            if error.code() == OFFSET_GONE:
                self._go_on_after_loss(self._numbers[message.topic(), message.partition()])
            elif is_refusal(error):
                raise AuthFailedError(f"Kafka refuses us topic {message.topic()}: {text}")
            else:
                place = {"topic": message.topic(), "partition": message.partition()}
                log.warning("partition error", kind=error.name(), error=text, **place)

    def _go_on_after_loss(self, number: int) -> None:
        assert self._consumer is not None
        of = self._partitions[number]
        low, high = self._watch.span(number)
        if not low <= of.position <= high:
            of.position = self._after_loss(number, of.position, low, high)
        # Seeking is refused in this state: take the partition back and give it out again.
        self._consumer.incremental_unassign([of.at(0)])
        self._consumer.incremental_assign([of.at(of.position)])

    def _after_loss(self, number: int, wanted: int, low: int, high: int) -> int:
        """Where to go on, if settings and the loss allow it."""
        topic, partition = self._watch.name(number)
        told = (
            f"{topic} partition {partition}: offset {wanted} is gone, the log has {low} to {high}"
        )
        if wanted > high:
            raise DataLossError(
                f"{told}: the topic was made anew or cut short, and what was counted is no longer "
                "its content; start with empty state"
            )
        if self._settings.on_data_loss is OnDataLoss.STOP:
            raise DataLossError(
                f"{told}: {low - wanted} records were deleted before they were read; "
                "kafka.on_data_loss: continue goes on without them"
            )
        self._telemetry.partition(number).lost_messages += low - wanted
        log.error("records lost", topic=topic, partition=partition, wanted=wanted, first=low)
        return low

    # ── the group, and the end ───────────────────────────────────────────────────────────────────

    def durable(self, positions: Mapping[int, int]) -> None:
        """Tell the consumer group, without waiting, for tools that show lag."""
        if self._settings.group is None or self._consumer is None:
            return
        known = [self._partitions[n].at(at) for n, at in positions.items() if n in self._partitions]
        if not known:
            return
        try:
            self._consumer.commit(offsets=known, asynchronous=True)
        except KafkaException as error:
            self._log_commit(error.args[0], known)

    def _log_commit(self, error: KafkaError | None, _: list[TopicPartition]) -> None:
        if error is not None:
            text = without_secrets(error.str(), self._settings)
            log.warning("group not told", group=self._settings.group, error=text)

    def close(self) -> None:
        """Let go of the partitions; a cluster that does not answer is not waited for."""
        consumer, self._consumer = self._consumer, None
        self._partitions = {}
        if consumer is not None:
            # It waits for the answer to the last commit, for minutes if the cluster is away.
            closing = threading.Thread(target=consumer.close, name="kafka-close", daemon=True)
            closing.start()
            closing.join(CLOSE_TIMEOUT_S)
        self._on_close()


_time_ms: Final = itemgetter(1)  # of what kind it is and the time


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _lag_ms(of: _Partition) -> int | None:
    """How old the newest record read is, while newer ones wait; the true lag is no more."""
    if of.lag == 0:
        return 0
    return None if of.ingested_ms is None else max(0, _now_ms() - of.ingested_ms)
