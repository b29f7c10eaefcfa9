"""Free loopback ports for servers that tests start."""

import os
import random
import socket

LOOPBACK = "127.0.0.1"

# Below the ports that Linux (32768 and up) and macOS (49152 and up) give to outgoing connections:
# else a client could be given the port of a broker that a test has stopped and wants back.
FIRST_PORT = 20_000
PORTS_PER_WORKER = 1_000
WORKERS_MAX = 12


def free_port() -> int:
    """A port nobody listens on, from a range that no other pytest-xdist worker of this run uses."""
    ports = worker_ports()
    for port in random.SystemRandom().sample(ports, len(ports)):
        if is_free(port):
            return port
    raise RuntimeError(f"no free loopback port from {ports.start} to {ports.stop - 1}")


def free_ports(count: int) -> list[int]:
    """So many of them, no two alike."""
    ports: dict[int, None] = {}
    while len(ports) < count:
        ports[free_port()] = None
    return list(ports)


def worker_ports() -> range:
    """The ports that belong to this pytest-xdist worker, `gw0` where there are no workers."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = FIRST_PORT + worker % WORKERS_MAX * PORTS_PER_WORKER
    return range(first, first + PORTS_PER_WORKER)


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
