"""Real services for tests: Kafka and Prometheus, with or without Docker.

Where one cannot be had the test skips with the reason; with `NORTHSTAR_REQUIRE_SERVICES=1`
it fails.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.integration.brokers import Kafka
from tests.integration.docker_broker import docker_answers, docker_broker
from tests.integration.local_broker import LocalBroker
from tests.integration.prometheus_server import PrometheusServer, check_metrics, program
from tests.integration.services import present


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """The broker that tests share: the one you name, else Docker's, else a process of ours."""
    with ExitStack() as ends:
        yield present(lambda: _shared_kafka(tmp_path_factory, ends))


def _shared_kafka(folders: pytest.TempPathFactory, ends: ExitStack) -> Kafka:
    if bootstrap := os.environ.get("NORTHSTAR_TEST_KAFKA"):
        return _named_kafka(bootstrap)
    if docker_answers():
        return ends.enter_context(docker_broker())
    return ends.enter_context(_running_broker(folders.mktemp("kafka")))


def _named_kafka(bootstrap: str) -> Kafka:
    named = Kafka(bootstrap)
    if not named.answers():
        pytest.fail(f"NORTHSTAR_TEST_KAFKA={bootstrap} does not answer", pytrace=False)
    return named


@pytest.fixture
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """A fresh broker for one test, which may stop, kill and start it."""
    folder = tmp_path_factory.mktemp("kafka")
    with ExitStack() as ends:
        yield present(lambda: ends.enter_context(_running_broker(folder)))


@contextmanager
def _running_broker(folder: Path) -> Iterator[LocalBroker]:
    broker = LocalBroker(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def prometheus(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., PrometheusServer]]:
    """Starts a Prometheus: `prometheus(["127.0.0.1:9100"], rule_files=[...])`."""
    with ExitStack() as ends:

        def start(targets: Sequence[str], rule_files: Sequence[Path] = ()) -> PrometheusServer:
            folder = tmp_path_factory.mktemp("prometheus")
            server = present(lambda: PrometheusServer(folder, targets, rule_files))
            ends.callback(server.stop)
            server.start()
            return server

        yield start


@pytest.fixture(scope="session")
def promtool() -> Callable[[str], tuple[int, str]]:
    """Gives `check_metrics(text)`: exit code and words of `promtool check metrics`."""
    present(lambda: program("promtool"))
    return check_metrics
