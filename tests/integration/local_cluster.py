"""A real Kafka of three brokers as processes of this machine, each controller and broker in one.

Topics have a replica on each of them, and take records while two are there.
"""

import subprocess
from collections.abc import Collection
from pathlib import Path

from confluent_kafka import ElectionType, TopicPartition

from tests.integration import kafka_jars
from tests.integration.brokers import Kafka
from tests.integration.local_broker import (
    CLUSTER_ID,
    FORMAT_TIMEOUT_S,
    JVM_OPTIONS,
    SERVER_SETTINGS,
    START_TIMEOUT_S,
)
from tests.integration.ports import LOOPBACK, free_ports
from tests.integration.processes import ServerProcess
from tests.integration.waiting import wait_until

ALL = (1, 2, 3)
ASK_TIMEOUT_S = 10.0

SETTINGS: dict[str, object] = {
    name: value for name, value in SERVER_SETTINGS.items() if "sasl" not in name
} | {
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "default.replication.factor": len(ALL),
    "min.insync.replicas": len(ALL) - 1,
    "offsets.topic.replication.factor": len(ALL),
    "controller.quorum.election.timeout.ms": 500,
    "controller.quorum.fetch.timeout.ms": 1_000,
    "auto.leader.rebalance.enable": "false",  # leaders move when a test says so
}


class LocalCluster(Kafka):
    """Brokers 1, 2 and 3, which can be killed and started again one by one."""

    def __init__(self, folder: Path) -> None:
        """Lay out the brokers' folders; nothing runs yet.

        Raises:
            ServiceMissingError: Java or Kafka's jars are not to be had.
        """
        places = [f"{LOOPBACK}:{port}" for port in free_ports(2 * len(ALL))]
        clients = dict(zip(ALL, places, strict=False))
        controllers = dict(zip(ALL, places[len(ALL) :], strict=True))
        super().__init__(",".join(clients.values()))
        java = [kafka_jars.java(), *JVM_OPTIONS, "-Xmx256m", f"-Djava.io.tmpdir={folder}"]
        java += ["-cp", kafka_jars.classpath()]
        voters = ",".join(f"{number}@{place}" for number, place in controllers.items())
        files = {}
        for number in ALL:
            own = {
                "node.id": number,
                "log.dirs": folder / f"data-{number}",
                "controller.quorum.voters": voters,
                "listeners": f"PLAINTEXT://{clients[number]},CONTROLLER://{controllers[number]}",
                "advertised.listeners": f"PLAINTEXT://{clients[number]}",
            }
            files[number] = folder / f"{number}.properties"
            lines = [f"{name}={value}\n" for name, value in (SETTINGS | own).items()]
            files[number].write_text("".join(lines))
        _format(java, files.values(), folder / "format.log")
        self._brokers = {
            number: ServerProcess(
                [*java, "kafka.Kafka", str(file)], folder / f"broker-{number}.log"
            )
            for number, file in files.items()
        }

    def start(self, numbers: Collection[int] = ALL) -> None:
        """Start brokers, and return when the cluster knows all that run."""
        for number in numbers:
            self._brokers[number].start(lambda: True, START_TIMEOUT_S)
        wait_until(
            lambda: self._known() == self._running(), "the brokers to be known", START_TIMEOUT_S
        )

    def kill(self, numbers: Collection[int] = ALL) -> None:
        """End brokers at once, as a crash does."""
        for number in numbers:
            self._brokers[number].kill()

    def leader(self, topic: str, partition: int) -> int:
        """Who leads a partition now."""
        found = self._admin.list_topics(topic, timeout=ASK_TIMEOUT_S).topics[topic]
        leader: int = found.partitions[partition].leader
        return leader

    def prefer(self, topic: str, partition: int) -> None:
        """Give a partition back to the broker that it was made for."""
        place = TopicPartition(topic, partition)
        asked = self._admin.elect_leaders(ElectionType.PREFERRED, [place])
        asked.result(ASK_TIMEOUT_S)

    def _running(self) -> set[int]:
        return {number for number, broker in self._brokers.items() if broker.pid is not None}

    def _known(self) -> set[int]:
        if not self.answers():
            return set()
        return {*self._admin.list_topics(timeout=ASK_TIMEOUT_S).brokers}


def _format(java: list[str], files: Collection[Path], log: Path) -> None:
    """Give each data folder the cluster's id, all at the same time."""
    tool = [*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]
    with log.open("wb") as output:
        running = [
            subprocess.Popen([*tool, str(file)], stdout=output, stderr=subprocess.STDOUT)
            for file in files
        ]
        ends = [each.wait(FORMAT_TIMEOUT_S) for each in running]
    assert ends == [0] * len(running), log.read_text()
