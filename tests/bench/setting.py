"""What measures share: how large to go, prepared logs, and a broker with topics."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Producer

from tests.bench import stream
from tests.bench.stream import Log, Traffic
from tests.integration.local_broker import LocalBroker

# Peers of ours that keep state by key are given a single one, which is the cheapest they can have.
KEY = b"all"

_PRODUCER = {
    "linger.ms": 50,
    "batch.size": 1_000_000,
    "queue.buffering.max.messages": 2_000_000,
    "queue.buffering.max.kbytes": 2_000_000,
}


@dataclass(slots=True)
class Setting:
    """One run of the benchmarks. Logs and topics are made when first asked for."""

    folder: Path
    quick: bool
    ends: ExitStack
    _broker: LocalBroker | None = None
    _topics: dict[str, str] = field(default_factory=dict)

    @property
    def events(self) -> int:
        """How many events a usual measurement reads."""
        return 50_000 if self.quick else 1_500_000

    @property
    def rounds(self) -> int:
        """How often each side of a comparison has its turn."""
        return 2 if self.quick else 3

    def log(self, **traffic: object) -> str:
        """The folder of a log of this traffic."""
        wanted = Traffic(**{"events": self.events} | traffic)  # type: ignore[arg-type]
        folder = self.folder / f"log-{hash(wanted) & 0xFFFFFFFFFFFF:012x}"
        if not folder.exists():
            stream.save(stream.made(wanted), folder)
        return str(folder)

    def broker(self) -> LocalBroker:
        """A Kafka broker of our own."""
        if self._broker is None:
            folder = self.folder / "kafka"
            folder.mkdir()
            self._broker = LocalBroker(folder)
            self.ends.callback(self._broker.stop)
            self._broker.start()
        return self._broker

    def topic(self, log: str) -> str:
        """A topic that holds a log."""
        if log not in self._topics:
            self._topics[log] = self.broker().create_topic(partitions=stream.PARTITIONS)
            produce(stream.load(Path(log)), self.broker().bootstrap, self._topics[log])
        return self._topics[log]


def produce(log: Log, bootstrap: str, topic: str) -> None:
    """Write a log to a topic, partition by partition."""
    producer = Producer({"bootstrap.servers": bootstrap} | _PRODUCER)
    for number, values in enumerate(log.values):
        for value, at_ms in zip(values, log.ingested_ms[number].tolist(), strict=True):
            producer.produce(topic, value, KEY, number, timestamp=at_ms)
        producer.poll(0)
    producer.flush()
