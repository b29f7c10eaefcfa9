"""Transitions as records on a topic: who entered a set and who left it, tick by tick.

The value is the line that the file has (`transitions.py`). The key is `product/set/hash`, so that
what is said of an entity in a set stays in order, and a compacted topic keeps the newest of it.
A header says which transition it is, whoever tells it and however often:

    __northstar.transitions.id     product/set/at/hash

All records of a tick are taken by the cluster before the engine may save that it is past it. So
each is there at least once, and a crash can leave those of the last ticks twice.
"""

from __future__ import annotations

import time
from typing import Final

import orjson
from confluent_kafka import KafkaError, KafkaException, Message

from pipeline.core.plan import Plan
from pipeline.core.publish import Tick, transition_rows
from pipeline.edges.faults import UnreachableError
from pipeline.edges.kafka_client import ErrorLog, producer, without_secrets
from pipeline.settings import Settings

ID_HEADER: Final = "__northstar.transitions.id"
PATIENCE_S: Final = 30.0  # without a record being taken; less than a process may seem to hang
_TURN_S: Final = 0.2

Row = dict[str, str | None]


class TransitionsTopic:
    """Sends the transitions of ticks to the topic that settings name."""

    def __init__(self, plan: Plan, settings: Settings, patience_s: float = PATIENCE_S) -> None:
        """Connect, without waiting for the cluster.

        Raises:
            SettingsError: librdkafka refuses a property.
        """
        assert settings.transitions.topic is not None
        self._plan = plan
        self._topic = settings.transitions.topic
        self._settings = settings.kafka
        self._patience_s = patience_s
        self._producer = producer(settings.kafka, ErrorLog(settings.kafka))
        self._taken = 0
        self._refused: KafkaError | None = None
        self.fault: UnreachableError | None = None

    def write(self, tick: Tick) -> None:
        """Return when the cluster has taken all of a tick's transitions.

        Raises:
            UnreachableError: It does not, for longer than we wait; `fault` says so as well.
        """
        if not tick.transitions:
            return
        self._taken, self._refused = 0, None
        sent = 0
        for row in transition_rows(self._plan, tick):
            self._send(row)
            sent += 1
        self._wait_until(sent)

    def _send(self, row: Row) -> None:
        """Put one on its way; wait where the queue is full."""
        key = f"{row['product']}/{row['set']}/{row['hash']}"
        said = f"{row['product']}/{row['set']}/{row['at']}/{row['hash']}"
        deadline_s = time.monotonic() + self._patience_s
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    orjson.dumps(row),
                    key.encode(),
                    headers=[(ID_HEADER, said.encode())],
                    on_delivery=self._delivered,
                )
            except BufferError:
                self._producer.poll(_TURN_S)
                self._check(deadline_s)
            except KafkaException as refused:
                self._fail(refused.args[0].str())
            else:
                self._producer.poll(0)
                return

    def _wait_until(self, sent: int) -> None:
        taken, deadline_s = self._taken, time.monotonic() + self._patience_s
        while self._taken < sent:
            self._producer.flush(_TURN_S)
            if self._taken > taken:
                taken, deadline_s = self._taken, time.monotonic() + self._patience_s
            if self._taken < sent:
                self._check(deadline_s)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self._taken += 1
        else:
            self._refused = error

    def _check(self, deadline_s: float) -> None:
        if self._refused is not None:
            self._fail(self._refused.str())
        if time.monotonic() > deadline_s:
            self._fail(f"not taken within {self._patience_s:g} s")

    def _fail(self, why: str) -> None:
        text = without_secrets(why, self._settings)
        self.fault = UnreachableError(f"transitions to topic {self._topic}: {text}")
        raise self.fault
