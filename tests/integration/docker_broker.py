"""A Kafka broker in Docker, where a daemon answers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.errors import DockerException
from testcontainers.community.kafka import KafkaContainer

from tests.integration.brokers import Kafka

IMAGE = "confluentinc/cp-kafka:7.9.1"  # Kafka 3.9, in KRaft mode
SOCKETS = (Path("/var/run/docker.sock"), Path.home() / ".docker/run/docker.sock")
START_TIMEOUT_S = 120


def docker_answers() -> bool:
    """Whether a Docker daemon answers; the client alone does not count."""
    if "DOCKER_HOST" not in os.environ and not any(path.is_socket() for path in SOCKETS):
        return False
    try:
        client = docker.from_env(timeout=5)
    except DockerException:
        return False
    try:
        return bool(client.ping())
    except DockerException:
        return False
    finally:
        client.close()


@contextmanager
def docker_broker() -> Iterator[Kafka]:
    """A broker in a container, removed at the end."""
    container = KafkaContainer(IMAGE).with_kraft().with_env("KAFKA_LOG_RETENTION_MS", "-1")
    container.start(timeout=START_TIMEOUT_S)
    try:
        yield Kafka(container.get_bootstrap_server())
    finally:
        container.stop()
