"""librdkafka's mock cluster: brokers in this process that do wrong on request.

Its functions are C, and the Python client gives no way to them but the library that it has loaded.
"""

import ctypes
from types import TracebackType
from typing import Self

from confluent_kafka import cimpl

PRODUCER = 0
FETCH, PRODUCE, LIST_OFFSETS, METADATA = 1, 0, 2, 3  # of Kafka's protocol

_LIBRARY = ctypes.CDLL(cimpl.__file__)
_POINTERS = (
    "rd_kafka_conf_new",
    "rd_kafka_new",
    "rd_kafka_mock_cluster_new",
)
for _name in _POINTERS:
    getattr(_LIBRARY, _name).restype = ctypes.c_void_p
_LIBRARY.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p


class MockCluster:
    """Brokers numbered from 1, and one that asks them for nothing but holds them."""

    def __init__(self, brokers: int = 3) -> None:
        configuration = ctypes.c_void_p(_LIBRARY.rd_kafka_conf_new())
        _LIBRARY.rd_kafka_conf_set(configuration, b"log_level", b"0", None, ctypes.c_size_t(0))
        self._holder = ctypes.c_void_p(
            _LIBRARY.rd_kafka_new(PRODUCER, configuration, None, ctypes.c_size_t(0))
        )
        self._cluster = ctypes.c_void_p(_LIBRARY.rd_kafka_mock_cluster_new(self._holder, brokers))
        self.brokers = range(1, brokers + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _LIBRARY.rd_kafka_mock_cluster_destroy(self._cluster)
        _LIBRARY.rd_kafka_destroy(self._holder)

    @property
    def bootstrap(self) -> str:
        """Where the brokers listen."""
        places: bytes = _LIBRARY.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return places.decode()

    def create_topic(self, topic: str, partitions: int = 1) -> None:
        """Make a topic with a replica on each broker, the first broker leading."""
        replicas = len(self.brokers)
        made = _LIBRARY.rd_kafka_mock_topic_create(
            self._cluster, topic.encode(), partitions, replicas
        )
        assert made == 0
        for partition in range(partitions):
            self.lead(topic, partition, 1)

    def lead(self, topic: str, partition: int, broker: int) -> None:
        """Let a broker lead a partition from now on."""
        moved = _LIBRARY.rd_kafka_mock_partition_set_leader(
            self._cluster, topic.encode(), partition, broker
        )
        assert moved == 0

    def refuse_topic(self, topic: str, code: int) -> None:
        """Answer every question for a topic with this error; 0 ends it."""
        _LIBRARY.rd_kafka_mock_topic_set_error(self._cluster, topic.encode(), code)

    def fail(self, request: int, *codes: int) -> None:
        """Answer the next requests of a kind with these errors."""
        errors = (ctypes.c_int * len(codes))(*codes)
        _LIBRARY.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(request), ctypes.c_size_t(len(codes)), errors
        )

    def take_down(self, *brokers: int) -> None:
        """Close the brokers' connections, and take no more."""
        for broker in brokers:
            assert _LIBRARY.rd_kafka_mock_broker_set_down(self._cluster, broker) == 0

    def bring_up(self, *brokers: int) -> None:
        """Let the brokers listen again."""
        for broker in brokers:
            assert _LIBRARY.rd_kafka_mock_broker_set_up(self._cluster, broker) == 0
