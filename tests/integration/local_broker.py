"""A real Kafka broker as a process of this machine: one node, controller and broker in one."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.integration import kafka_jars
from tests.integration.brokers import Kafka
from tests.integration.certificates import PASSWORD, Certificate
from tests.integration.ports import LOOPBACK, free_ports
from tests.integration.processes import ServerProcess

START_TIMEOUT_S = 90.0
FORMAT_TIMEOUT_S = 60.0

CLUSTER_ID = "bm9ydGhzdGFyLXRlc3RzIQ"  # any 16 bytes in base64
SASL_USER = "northstar"
SASL_PASSWORD = "test-only"  # noqa: S105 - of a broker that lives for one test

JVM_OPTIONS = [
    "-Xmx512m",
    "-XX:+UseSerialGC",  # the least threads and memory; two brokers share two cores
    "-XX:TieredStopAtLevel=1",  # a test ends before the second compiler pays off
    "-XX:-UsePerfData",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",  # all settings, each start
]

SERVER_SETTINGS: dict[str, object] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": (
        "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT"
    ),
    "inter.broker.listener.name": "PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.sasl.plain.sasl.jaas.config": (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'user_{SASL_USER}="{SASL_PASSWORD}";'
    ),
    "auto.create.topics.enable": "false",
    "log.retention.ms": -1,  # tests write events of years ago
    "offsets.topic.num.partitions": 4,
    "offsets.topic.replication.factor": 1,
    "transaction.state.log.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "group.initial.rebalance.delay.ms": 0,
    # A killed broker may come back only when the session of its former life is over.
    "broker.session.timeout.ms": 2_000,
    "broker.heartbeat.interval.ms": 500,
    "log.cleaner.dedupe.buffer.size": 4_194_304,  # its 128 MiB are a quarter of our heap
    "num.network.threads": 2,
    "num.io.threads": 4,
}


class LocalBroker(Kafka):
    """A broker that can be stopped, killed and started again on its ports and data.

    `bootstrap` takes anybody; `sasl_bootstrap` wants SASL/PLAIN without TLS as `SASL_USER`, and
    `tls_bootstraps` TLS, each with a certificate of its own.
    """

    def __init__(self, folder: Path, certificates: Sequence[Certificate] = ()) -> None:
        """Lay out the broker's folder, with a TLS listener for each certificate; nothing runs yet.

        Raises:
            ServiceMissingError: Java or Kafka's jars are not to be had.
        """
        port, controller_port, sasl_port, *tls_ports = free_ports(3 + len(certificates))
        super().__init__(f"{LOOPBACK}:{port}")
        self.sasl_bootstrap = f"{LOOPBACK}:{sasl_port}"
        self.tls_bootstraps = [f"{LOOPBACK}:{tls_port}" for tls_port in tls_ports]
        self._java = [kafka_jars.java(), *JVM_OPTIONS, f"-Djava.io.tmpdir={folder}"]
        self._java += ["-cp", kafka_jars.classpath()]
        self._settings = folder / "server.properties"
        properties = self._properties(folder / "data", controller_port)
        for number, certificate in enumerate(certificates):
            properties |= self._tls_properties(f"TLS{number}", certificate, properties)
        self._settings.write_text(
            "".join(f"{name}={value}\n" for name, value in properties.items())
        )
        self._format()
        command = [*self._java, "kafka.Kafka", str(self._settings)]
        self._process = ServerProcess(command, folder / "broker.log")

    def start(self) -> None:
        """Start the broker and return when it answers."""
        self._process.start(self.answers, START_TIMEOUT_S)

    def answers(self) -> bool:
        """Whether the broker tells its metadata now; at once False while it does not run."""
        return self.pid is not None and super().answers()

    def stop(self) -> None:
        """Shut the broker down in order."""
        self._process.stop()

    def kill(self) -> None:
        """End the broker at once, as a crash does."""
        self._process.kill()

    @property
    def pid(self) -> int | None:
        """The process id while the broker runs."""
        return self._process.pid

    def log_tail(self) -> str:
        """The end of the broker's log."""
        return self._process.log_tail()

    def _properties(self, data: Path, controller_port: int) -> dict[str, object]:
        controller = f"{LOOPBACK}:{controller_port}"
        clients = f"PLAINTEXT://{self.bootstrap},SASL://{self.sasl_bootstrap}"
        return SERVER_SETTINGS | {
            "log.dirs": data,
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"{clients},CONTROLLER://{controller}",
            "advertised.listeners": clients,
        }

    def _tls_properties(
        self, name: str, certificate: Certificate, others: Mapping[str, object]
    ) -> dict[str, object]:
        """What makes it listen once more, by a name of its own."""
        listener = f"{name}://{self.tls_bootstraps[int(name.removeprefix('TLS'))]}"
        protocols, own = "listener.security.protocol.map", f"listener.name.{name.lower()}.ssl"
        return {
            protocols: f"{others[protocols]},{name}:SSL",
            "listeners": f"{others['listeners']},{listener}",
            "advertised.listeners": f"{others['advertised.listeners']},{listener}",
            f"{own}.keystore.location": certificate.keystore,
            f"{own}.keystore.type": "PKCS12",
            f"{own}.keystore.password": PASSWORD,
            f"{own}.key.password": PASSWORD,
        }

    def _format(self) -> None:
        """Give the data folder its cluster id, without which Kafka refuses to start."""
        tool = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._settings)]
        subprocess.run(
            [*self._java, *tool], check=True, timeout=FORMAT_TIMEOUT_S, capture_output=True
        )
