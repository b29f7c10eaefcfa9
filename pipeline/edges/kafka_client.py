"""librdkafka as we set it up, and what it says in words of one line."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from pipeline.edges.faults import AuthFailedError, UnreachableError
from pipeline.edges.kafka_tls import VERIFY_FAILED, WANTS_TLS, distrust, wants_tls
from pipeline.settings import KafkaSettings, SettingProblem, SettingsError

REACHABLE_TIMEOUT_S: Final = 8.0
_ASK_TIMEOUT_S: Final = 0.5  # between looks at what went wrong
ERROR_LOG_INTERVAL_S: Final = 60.0  # of one kind: a broker that is away fails twice a second

# librdkafka insists on a group, even for those who never join one.
_NO_GROUP: Final = "northstar-no-group"

_OF_ALL: Final[dict[str, object]] = {
    "client.id": "northstar",
    "reconnect.backoff.max.ms": 2_000,  # librdkafka's 10 s would be added to each broker restart
}

DEFAULTS: Final[dict[str, object]] = {
    **_OF_ALL,
    # Each slot has a consumer: librdkafka's 64 MiB of read-ahead would be half a gigabyte.
    "queued.max.messages.kbytes": 16_384,
    # How long a full queue rests before it reads on. librdkafka's 1 s would starve us meanwhile.
    "fetch.queue.backoff.ms": 20,
}

OURS: Final[dict[str, object]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": False,
}

OF_PRODUCERS: Final[dict[str, object]] = {
    **_OF_ALL,
    "enable.idempotence": True,
    # Together with the 64 MiB below what waits while the cluster is away is bounded.
    "queue.buffering.max.messages": 10_000,
    "queue.buffering.max.kbytes": 65_536,
    "message.max.bytes": 1_000_000_000,  # what a topic refuses is for the cluster to say
}

# librdkafka's own errors have names with an underscore, which is no sign of privacy.
ALL_BROKERS_DOWN: Final[int] = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001
OFFSET_GONE: Final[int] = KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001
NO_SUCH_TOPIC: Final[int] = KafkaError.UNKNOWN_TOPIC_OR_PART
_REFUSALS: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001
        KafkaError._SSL,  # noqa: SLF001
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
    }
)

log = structlog.get_logger()


def connect(
    settings: KafkaSettings, on_error: Callable[[KafkaError], None], **properties: object
) -> Consumer:
    """A consumer that nothing is assigned to yet. It does not wait for the cluster.

    Raises:
        SettingsError: librdkafka refuses a property.
    """
    group = {"group.id": settings.group or _NO_GROUP}
    own = {**DEFAULTS, **_given(settings), **properties, **OURS, **group}
    return _client(Consumer, settings, on_error, own)


def producer(
    settings: KafkaSettings, on_error: Callable[[KafkaError], None], **properties: object
) -> Producer:
    """A producer that stores nothing twice by trying again. It does not wait for the cluster.

    Raises:
        SettingsError: librdkafka refuses a property.
    """
    own = {**_given(settings), **properties, **OF_PRODUCERS}
    return _client(Producer, settings, on_error, own)


def admin(settings: KafkaSettings, on_error: Callable[[KafkaError], None]) -> AdminClient:
    """A client for questions that consumers cannot ask. It does not wait for the cluster.

    Raises:
        SettingsError: librdkafka refuses a property.
    """
    return _client(AdminClient, settings, on_error, {**_OF_ALL, **_given(settings)})


def _given(settings: KafkaSettings) -> dict[str, object]:
    return {name: value.get_secret_value() for name, value in settings.properties.items()}


def _client(
    kind: Callable[..., Any],
    settings: KafkaSettings,
    on_error: Callable[[KafkaError], None],
    properties: Mapping[str, object],
) -> Any:  # noqa: ANN401 - an instance of `kind`
    own = {**properties, "bootstrap.servers": settings.bootstrap, "error_cb": on_error}
    try:
        return kind(own, logger=librdkafka_logger())
    except KafkaException as error:
        text = without_secrets(error.args[0].str(), settings)
        problem = SettingProblem("kafka.properties", "librdkafka", text)
        raise SettingsError(problem) from None


def check_properties(settings: KafkaSettings) -> None:
    """Whether librdkafka takes the properties; nothing is connected to.

    Raises:
        SettingsError: It does not.
    """
    connect(settings, lambda _: None, log_level=0).close()


def check_producer_properties(settings: KafkaSettings) -> None:
    """Whether a producer takes them too, and does not contradict those that are ours.

    Raises:
        SettingsError: It does not.
    """
    producer(settings, lambda _: None, log_level=0)


def without_secrets(text: str, settings: KafkaSettings) -> str:
    """The text in one line, with every property that holds a secret left out of it."""
    for secret in settings.secrets():
        text = text.replace(secret, "***")
    return " ".join(text.split())


class OnceAMinute(logging.Filter):
    """Lets one line of a kind through in a minute: an absent broker is told of all the time."""

    def __init__(self) -> None:
        super().__init__()
        self._next_s: dict[str, float] = {}
        self._lock = threading.Lock()  # every client logs from the thread that it is polled in

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is the first of its kind in a while; a kind is its first word."""
        kind, now_s = record.getMessage().partition(" ")[0], time.monotonic()
        with self._lock:
            if now_s < self._next_s.get(kind, 0.0):
                return False
            self._next_s[kind] = now_s + ERROR_LOG_INTERVAL_S
            return True


@functools.cache
def librdkafka_logger() -> logging.Logger:
    """What librdkafka logs to; all clients of the process share it, and its patience."""
    logger = logging.getLogger("librdkafka")
    logger.addFilter(OnceAMinute())
    return logger


class ErrorLog:
    """Logs what librdkafka reports beside the records, each kind once a minute.

    It goes on trying for ever, and so do we: what it cannot do for long is seen as lag.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._next_s: dict[int, float] = {}

    def __call__(self, error: KafkaError) -> None:
        """Take in an error."""
        now_s = time.monotonic()
        if now_s >= self._next_s.get(error.code(), 0.0):
            self._next_s[error.code()] = now_s + ERROR_LOG_INTERVAL_S
            text = without_secrets(error.str(), self._settings)
            log.warning("kafka error", kind=error.name(), error=text)


def is_refusal(error: KafkaError) -> bool:
    """Whether the cluster answers and will not have us, which waiting does not change."""
    return error.fatal() or error.code() in _REFUSALS


def check_reachable(
    settings: KafkaSettings, topics: Sequence[str], timeout_s: float = REACHABLE_TIMEOUT_S
) -> None:
    """Return when the cluster answers, has the topics, and a leader of each can be asked.

    Raises:
        UnreachableError: Not within `timeout_s`; the text is one line and says why.
        AuthFailedError: The cluster refuses us, told as soon as it does.
        SettingsError: librdkafka refuses a property.
    """
    errors: list[KafkaError] = []
    consumer = connect(settings, errors.append, log_level=0)
    deadline_s = time.monotonic() + timeout_s
    missing = "no answer"
    try:
        while missing and time.monotonic() < deadline_s:
            missing = _missing(consumer, topics)
            consumer.poll(0)  # serves the errors
            _raise_refusal(settings, errors)
    finally:
        consumer.close()
    if missing:
        causes = [error.str() for error in errors if error.code() != ALL_BROKERS_DOWN]
        if not causes and wants_tls(settings):
            raise UnreachableError(f"Kafka at {settings.bootstrap}: {WANTS_TLS}")
        cause = without_secrets(causes[-1] if causes else missing, settings)
        raise UnreachableError(f"Kafka at {settings.bootstrap}: {cause} ({timeout_s:g} s)")


def _raise_refusal(settings: KafkaSettings, errors: Sequence[KafkaError]) -> None:
    for error in filter(is_refusal, errors):
        text = without_secrets(error.str(), settings)
        if VERIFY_FAILED in text:
            raise AuthFailedError(f"Kafka at {settings.bootstrap}: {distrust(settings)}")
        raise AuthFailedError(f"Kafka at {settings.bootstrap} refuses us: {text}")


def _missing(consumer: Consumer, topics: Sequence[str]) -> str:
    """What is still missing, empty if nothing is."""
    try:
        for topic in topics:
            found = consumer.list_topics(topic, timeout=_ASK_TIMEOUT_S).topics[topic]
            if found.error is not None and is_refusal(found.error):
                raise AuthFailedError(f"Kafka refuses us topic {topic}: {found.error.str()}")
            if found.error is not None or not found.partitions:
                return f"there is no topic {topic}"
            # Brokers that tell addresses which do not lead to them are found only by asking one.
            consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=_ASK_TIMEOUT_S)
    except KafkaException as error:
        text: str = error.args[0].str()
        return text
    return ""
