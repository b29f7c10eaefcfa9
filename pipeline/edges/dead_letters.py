"""Dead letters: rejected records on a topic of their own, as they were, and why.

Key, value and headers are the record's, byte for byte; what we say of it stands in further headers:

    __northstar.errors.product     the product whose run rejected it
    __northstar.errors.topic       where it was: topic, partition, offset
    __northstar.errors.partition
    __northstar.errors.offset
    __northstar.errors.timestamp   its own, in milliseconds; the letter's is that of its sending
    __northstar.errors.reason      as in `northstar_records_rejected_total{reason}`
    __northstar.errors.path        the place at fault, where it is known

The stream never waits for a letter to be taken: what the queue has no room for has failed. Beyond
the budget they are only counted, so that a topic of garbage does not become two; each of several
processes has an equal share of it, as none knows what the others send. Positions are
saved when the letters before them are delivered, or after `SETTLE_TIMEOUT_S`. So each letter that
is neither over budget nor failed is there at least once: a crash repeats those of the last seconds,
and loses some only where the cluster was away as well.

A header whose name is not UTF-8 cannot be had from the client: such a letter has ours alone. And no
letter is worth the stream: whatever goes wrong with one, it has failed, and the stream goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

import numpy as np
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipeline.core.expression import Path
from pipeline.core.records import Reason, Records, Rejected
from pipeline.edges.kafka_carried import headers_of
from pipeline.edges.kafka_client import ErrorLog, producer
from pipeline.settings import DeadLetterSettings, Settings
from pipeline.telemetry import LetterOutcome, Telemetry

HEADER_PREFIX: Final = "__northstar.errors."
SETTLE_TIMEOUT_S: Final = 1.0  # in each outage once, and everything waits
FLUSH_TIMEOUT_S: Final = 5.0
_REPORTS_INTERVAL_S: Final = 0.2

PartitionName = Callable[[int], tuple[str, str]]
PlaceAtFault = Callable[[bytes | None, Reason], Path | None]

log = structlog.get_logger()


class Budget:
    """So many at once, and so many a second after that.

    >>> budget = Budget(per_second=2, burst=3, now_s=0.0)
    >>> budget.take(5, now_s=0.0), budget.take(5, now_s=1.0), budget.take(5, now_s=99.0)
    (3, 2, 3)
    """

    def __init__(self, per_second: float, burst: float, now_s: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._at_s = now_s

    def take(self, wanted: int, now_s: float) -> int:
        """How many of those wanted may be had now."""
        grown = self._left + (now_s - self._at_s) * self._per_second
        self._left, self._at_s = min(self._burst, grown), now_s
        given = min(wanted, int(self._left))
        self._left -= given
        return given


def _share(all_of_it: DeadLetterSettings, processes: int) -> Budget:
    """What one of so many processes may send, so that together they keep to the settings."""
    burst = max(1.0, all_of_it.burst / processes)  # less than one would be none for ever
    return Budget(all_of_it.per_second_max / processes, burst, time.monotonic())


class DeadLetters:
    """Sends rejected records to the topic that settings name. Slots of several threads share it."""

    def __init__(
        self, settings: Settings, product: str, partition_name: PartitionName, telemetry: Telemetry
    ) -> None:
        """Connect, without waiting for the cluster.

        Raises:
            SettingsError: librdkafka refuses a property.
        """
        own = settings.dead_letters
        assert own.topic is not None
        self._settings = settings.kafka
        self._topic = own.topic
        self._product = product
        self._partition_name = partition_name
        self._outcomes = telemetry.dead_letters
        self._lock = threading.Lock()
        self._budget = _share(own, settings.engine.processes)
        self._error_log = ErrorLog(settings.kafka)
        self._producer = self._connected()
        self._is_away = False
        self._is_fault_told = False
        self._closing = threading.Event()
        # Outcomes are told to whoever asks for them, and rejected records may not come for long.
        self._reports = threading.Thread(target=self._hear, name="dead-letters", daemon=True)
        self._reports.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def take(self, records: Records, rejected: Rejected, place_at_fault: PlaceAtFault) -> None:
        """Send what was rejected of a poll, as far as the budget goes; neither waits nor raises."""
        for reason, all_places in rejected:
            places = np.unique(all_places)  # a record of many events is one letter
            with self._lock:
                affordable = self._budget.take(len(places), time.monotonic())
                self._outcomes[LetterOutcome.OVER_BUDGET] += len(places) - affordable
            for place in places[:affordable].tolist():
                try:
                    path = place_at_fault(records.values[place], reason)
                    self._send(records, place, [*self._said(records, place, reason, path)])
                except Exception as fault:  # noqa: BLE001 - whatever it is, it would come again
                    self._count_fault(fault)

    def _said(
        self, records: Records, place: int, reason: Reason, path: Path | None
    ) -> Iterator[tuple[str, bytes]]:
        """What we say of a record, as headers."""
        topic, partition = self._partition_name(records.partition)
        said = {
            "product": self._product,
            "topic": topic,
            "partition": partition,
            "offset": str(records.offsets[place]),
            "timestamp": str(records.ingested_ms[place]),
            "reason": reason.value,
        }
        if path is not None:
            said["path"] = ".".join(path)
        for name, text in said.items():
            yield f"{HEADER_PREFIX}{name}", text.encode(errors="replace")

    def _send(self, records: Records, place: int, said: list[tuple[str, bytes]]) -> None:
        original: Message = records.originals[place]
        headers = [*headers_of(original), *said]
        try:
            self._producer.produce(
                self._topic,
                records.values[place],
                original.key(),
                headers=headers,
                on_delivery=self._delivered,
            )
        except BufferError:
            self._count_failed(KafkaError(KafkaError._QUEUE_FULL))  # noqa: SLF001
        except KafkaException as refused:
            if refused.args[0].fatal():
                self._replace()
            self._count_failed(refused.args[0])

    def _connected(self) -> Producer:
        return producer(self._settings, self._error_log)

    def _replace(self) -> None:
        """Go on with another producer; what the one beyond repair still held has failed."""
        broken, self._producer = self._producer, self._connected()
        _give_up(broken)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._count_failed(error)
            return
        self._is_away = False
        with self._lock:
            self._outcomes[LetterOutcome.SENT] += 1

    def _count_failed(self, error: KafkaError) -> None:
        with self._lock:
            self._outcomes[LetterOutcome.FAILED] += 1
        self._error_log(error)

    def _count_fault(self, fault: Exception) -> None:
        """Count a letter that could not even be written; the first one's fault is logged."""
        with self._lock:
            self._outcomes[LetterOutcome.FAILED] += 1
            is_told, self._is_fault_told = self._is_fault_told, True
        if not is_told:
            log.error("a dead letter cannot be written", exc_info=fault)

    def _hear(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(_REPORTS_INTERVAL_S)

    def settle(self) -> None:
        """Before a snapshot: wait for the letters that are under way.

        In an outage only the first snapshot waits; it is over with the next letter that arrives.
        """
        if len(self._producer) == 0:
            self._is_away = False
        elif not self._is_away:
            self._is_away = self._producer.flush(SETTLE_TIMEOUT_S) > 0

    def close(self) -> None:
        """Wait for the letters that are under way, some seconds at most; the rest have failed."""
        self._closing.set()
        if self._producer.flush(FLUSH_TIMEOUT_S):
            _give_up(self._producer)
        self._reports.join()
        failed = self._outcomes[LetterOutcome.FAILED]
        if failed:
            log.warning("dead letters failed", topic=self._topic, failed=failed)


def _give_up(held: Producer) -> None:
    """Let all that a producer holds fail, and hear of it."""
    held.purge()
    held.flush(_REPORTS_INTERVAL_S)
