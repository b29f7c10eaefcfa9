"""The services that other tests stand on do what those tests take for granted."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from tests.integration import kafka_jars
from tests.integration.brokers import Kafka
from tests.integration.docker_broker import docker_answers
from tests.integration.local_broker import SASL_PASSWORD, SASL_USER, LocalBroker
from tests.integration.ports import LOOPBACK, free_port, worker_ports
from tests.integration.processes import ServerProcess
from tests.integration.prometheus_server import PrometheusServer
from tests.integration.services import ServiceMissingError, do_without, present
from tests.integration.waiting import wait_until

pytestmark = pytest.mark.services

YEAR_2001_MS = 978_307_200_000
READ_TIMEOUT_S = 30.0


def read(bootstrap: str, topic: str, partition: int, count: int) -> list[Message]:
    """The first `count` records of a partition."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False}
    )
    try:
        consumer.assign([TopicPartition(topic, partition, 0)])
        messages: list[Message] = []
        deadline_s = time.monotonic() + READ_TIMEOUT_S
        while len(messages) < count and time.monotonic() < deadline_s:
            messages += consumer.consume(count - len(messages), timeout=1.0)
        return messages
    finally:
        consumer.close()


@pytest.fixture
def exporter() -> Iterator[str]:
    """A server of metrics with the one gauge `answer`, at host:port."""
    registry = CollectorRegistry()
    Gauge("answer", "The answer.", registry=registry).set(42)
    port = free_port()
    server, thread = start_http_server(port, LOOPBACK, registry)
    yield f"{LOOPBACK}:{port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_record_comes_back_with_its_key_headers_and_timestamp(kafka: Kafka):
    """What is produced is what is consumed, byte for byte, with the timestamp of the producer."""
    topic = kafka.create_topic(partitions=2)
    headers = [("ce_type", b"order.placed"), ("ce_type", b"twice"), ("empty", None)]

    offsets = kafka.produce(topic, [(1, b"user-1", b'{"event":"x"}', YEAR_2001_MS, headers)])

    (message,) = read(kafka.bootstrap, topic, partition=1, count=1)
    assert offsets == [0]
    assert message.key() == b"user-1"
    assert message.value() == b'{"event":"x"}'
    assert headers == message.headers()
    assert message.timestamp()[1] == YEAR_2001_MS


def test_records_keep_their_partition_and_order(kafka: Kafka):
    """Each partition holds its records in the order they were produced in."""
    topic = kafka.create_topic(partitions=4)

    kafka.produce(topic, ((n % 4, None, str(n), None, None) for n in range(4_000)))

    for partition in range(4):
        values = [
            int(message.value()) for message in read(kafka.bootstrap, topic, partition, 1_000)
        ]
        assert list(range(partition, 4_000, 4)) == values


def test_a_record_without_value_is_a_tombstone(kafka: Kafka):
    """A null value arrives as null, not as empty bytes."""
    topic = kafka.create_topic(partitions=1)

    kafka.produce(topic, [(0, "k", None, None, None), (0, "k", b"", None, None)])

    assert [message.value() for message in read(kafka.bootstrap, topic, 0, 2)] == [None, b""]


def test_topics_have_names_and_settings_of_their_own(kafka: Kafka):
    """Two topics made without a name differ, and settings given with underscores are Kafka's."""
    first, second = kafka.create_topic(), kafka.create_topic(retention_ms=1_000)

    resource = ConfigResource(ResourceType.TOPIC, second)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    settings = admin.describe_configs([resource])[resource].result()
    assert first != second
    assert settings["retention.ms"].value == "1000"


def test_a_refused_record_is_an_error(kafka: Kafka):
    """Producing to a partition that does not exist raises, so no test goes on without its data."""
    topic = kafka.create_topic(partitions=1)

    with pytest.raises(RuntimeError, match=r"1 refused.*partition"):
        kafka.produce(topic, [(0, None, b"kept", None, None), (9, None, b"lost", None, None)])

    assert kafka.produce(topic, [(0, None, b"next", None, None)]) == [1]


def test_a_killed_broker_comes_back_with_its_records(own_kafka: LocalBroker):
    """After `kill -9` and a start, the same address serves the records from before and new ones."""
    topic = own_kafka.create_topic(partitions=1)
    own_kafka.produce(topic, [(0, None, b"before", None, None)])
    first_pid = own_kafka.pid

    own_kafka.kill()
    assert own_kafka.pid is None
    assert not own_kafka.answers()
    own_kafka.start()

    own_kafka.produce(topic, [(0, None, b"after", None, None)])
    values = [message.value() for message in read(own_kafka.bootstrap, topic, 0, 2)]
    assert values == [b"before", b"after"]
    assert own_kafka.pid not in {None, first_pid}


def test_a_stopped_broker_keeps_committed_offsets(own_kafka: LocalBroker):
    """A consumer group's committed offset outlives an orderly stop and start."""
    topic = own_kafka.create_topic(partitions=1)
    position = [TopicPartition(topic, 0, 7)]
    before = Consumer({"bootstrap.servers": own_kafka.bootstrap, "group.id": "committer"})
    before.commit(offsets=position, asynchronous=False)
    before.close()

    own_kafka.stop()
    own_kafka.start()

    assert own_kafka.committed("committer", topic, partitions=1) == [7]


@pytest.mark.parametrize(
    ("password", "error"),
    [(SASL_PASSWORD, None), ("wrong", KafkaError._AUTHENTICATION)],
)
def test_the_sasl_listener_wants_the_password(own_kafka: LocalBroker, password, error):
    """SASL/PLAIN lets the right password in and refuses another by its own error."""
    errors: list[int] = []
    admin = AdminClient(
        {
            "bootstrap.servers": own_kafka.sasl_bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": SASL_USER,
            "sasl.password": password,
            "log_level": 0,
            "error_cb": lambda error: errors.append(error.code()),
        }
    )

    def brokers() -> int:
        try:
            return len(admin.list_topics(timeout=2.0).brokers)
        except KafkaException:
            admin.poll(0)
            return 0

    if error is None:
        assert brokers() == 1
    else:
        assert brokers() == 0
        assert error in errors


def test_prometheus_says_which_targets_are_up(
    prometheus: Callable[..., PrometheusServer], exporter: str
):
    """A target that answers is up with its values, and one that does not is down."""
    nobody = f"{LOOPBACK}:{free_port()}"
    server = prometheus([exporter, nobody])

    up = server.wait_for("up", lambda series: len(series) == 2)
    answer = server.wait_for("answer", bool)

    assert {exporter: "1", nobody: "0"} == {
        series["metric"]["instance"]: series["value"][1] for series in up
    }
    assert [series["value"][1] for series in answer] == ["42"]


def test_prometheus_gives_a_range(prometheus: Callable[..., PrometheusServer], exporter: str):
    """A range query gives a value for each step since the first scrape."""
    server = prometheus([exporter])
    scraped_s = float(server.wait_for("timestamp(answer)", bool)[0]["value"][1])

    (series,) = server.query_range("answer", scraped_s, scraped_s + 3, step_s=1)

    assert [value for _, value in series["values"]] == ["42"] * 4


def test_prometheus_evaluates_rules(
    prometheus: Callable[..., PrometheusServer], exporter: str, tmp_path: Path
):
    """A recording rule from a given file is evaluated each second."""
    rules = tmp_path / "rules.yml"
    rules.write_text("groups: [{name: g, rules: [{record: twice, expr: answer * 2}]}]")
    server = prometheus([exporter], rule_files=[rules])

    assert server.wait_for("twice", bool)[0]["value"][1] == "84"


def test_prometheus_refuses_bad_promql(prometheus: Callable[..., PrometheusServer]):
    """A query that Prometheus cannot parse is an error, not an empty answer."""
    server = prometheus([])

    with pytest.raises(RuntimeError, match="parse error"):
        server.query("sum(")


def test_waiting_for_prometheus_ends(prometheus: Callable[..., PrometheusServer]):
    """A predicate that never holds ends as a failure that shows the last answer."""
    server = prometheus([])

    with pytest.raises(AssertionError, match=r"absent.*the last answer was \[\{"):
        server.wait_for("absent(nothing)", lambda series: not series, timeout_s=0.5)


@pytest.mark.parametrize(
    ("text", "exit_code", "words"),
    [
        (
            "# HELP orders_total Orders placed.\n# TYPE orders_total counter\norders_total 1\n",
            0,
            "",
        ),
        ("# HELP orders Orders placed.\n# TYPE orders counter\norders 1\n", 3, '"_total" suffix'),
        ("orders{ 1\n", 1, "error"),
    ],
    ids=["fine", "counter without _total", "unreadable"],
)
def test_promtool_judges_metrics(promtool, text, exit_code, words):
    """`promtool check metrics` passes what fits, names what is against custom, refuses the rest."""
    code, output = promtool(text)

    assert exit_code == code
    assert words in output


def test_a_missing_service_skips_with_the_reason(monkeypatch: pytest.MonkeyPatch):
    """Without a service, and where nothing requires it, the test skips and says why."""
    monkeypatch.delenv("NORTHSTAR_REQUIRE_SERVICES", raising=False)

    with pytest.raises(pytest.skip.Exception, match="no mvn"):
        do_without("no mvn")


def test_a_missing_service_fails_where_services_are_required(monkeypatch: pytest.MonkeyPatch):
    """With `NORTHSTAR_REQUIRE_SERVICES=1` no test can go missing quietly."""
    monkeypatch.setenv("NORTHSTAR_REQUIRE_SERVICES", "1")

    def make() -> Kafka:
        raise ServiceMissingError("no mvn")

    with pytest.raises(pytest.fail.Exception, match="REQUIRE_SERVICES=1, but no mvn"):
        present(make)


def test_without_java_the_broker_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A machine without Java is told so."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    with pytest.raises(ServiceMissingError, match="no java"):
        kafka_jars.java()


def test_a_docker_client_without_daemon_does_not_count(monkeypatch: pytest.MonkeyPatch):
    """Where no daemon answers, Docker is not chosen."""
    monkeypatch.setenv("DOCKER_HOST", f"tcp://{LOOPBACK}:{free_port()}")

    assert not docker_answers()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the range where Linux tells it")
def test_ports_are_not_those_of_outgoing_connections():
    """A stopped server's port cannot be given to a client, so the server can have it back."""
    ephemeral_first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    assert free_port() in worker_ports()
    assert worker_ports().stop <= ephemeral_first


def test_a_server_that_ends_at_start_shows_its_log(tmp_path: Path):
    """A process that ends instead of answering is an error with its last words."""
    command = [sys.executable, "-c", "raise SystemExit('no licence')"]
    server = ServerProcess(command, tmp_path / "log")

    with pytest.raises(RuntimeError, match="no licence"):
        server.start(lambda: False, timeout_s=30)


def test_a_server_that_never_answers_is_ended(tmp_path: Path):
    """A process that runs without answering is ended when its time is up."""
    server = ServerProcess(["sleep", "60"], tmp_path / "log")

    with pytest.raises(RuntimeError, match=r"waited 0\.2 s for sleep"):
        server.start(lambda: False, timeout_s=0.2)

    assert server.pid is None


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux does this")
def test_a_server_ends_with_a_killed_test_run(tmp_path: Path):
    """When pytest itself is killed, the servers it started end too."""
    program = (
        "import time; from pathlib import Path\n"
        "from tests.integration.processes import ServerProcess\n"
        f"server = ServerProcess(['sleep', '60'], Path({str(tmp_path / 'log')!r}))\n"
        "name = lambda: Path(f'/proc/{server.pid}/comm').read_text().strip()\n"
        "server.start(lambda: name() == 'sleep', timeout_s=30)\n"  # not setpriv before it
        "print(server.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        run.send_signal(signal.SIGKILL)

    wait_until(lambda: not is_running(pid), f"the end of process {pid}", timeout_s=10)


def is_running(pid: int) -> bool:
    """Whether this process exists and has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
