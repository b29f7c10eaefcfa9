"""The settings that there are: sections, names, bounds, defaults and their reasons."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from pipeline.settings.properties import holds_secret

# Known to all the world: ids hashed with it can be found again by trying. Set your own.
DEFAULT_SALT: Final = "northstar-default-salt"

# Partitions of all topics are numbered in one row, each topic taking 100,000 numbers, and where a
# number is packed with an offset it has 23 bits. 83 topics would fit.
TOPICS_MAX: Final = 80

_UNITS_MS: Final = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
_DURATION = re.compile(r"([0-9]{1,15})(ms|s|m|h|d|w)")


def duration_ms(text: object) -> int:
    """A whole number and a unit, in milliseconds; numbers pass, as defaults are written so.

    >>> duration_ms("90s")
    90000

    Raises:
        ValueError: It is no such text.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("no duration")
    return int(match[1]) * _UNITS_MS[match[2]]


def _listed(value: object) -> object:
    """`a,b` of an environment variable as a list."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Duration = Annotated[int, BeforeValidator(duration_ms)]


class Start(StrEnum):
    """Where a partition is read from when no position of it is known."""

    EARLIEST = "earliest"
    LATEST = "latest"


class OnDataLoss(StrEnum):
    """What to do when records were gone before they were read."""

    STOP = "stop"
    CONTINUE = "continue"


class BackfillFrom(StrEnum):
    """From where on what a changed definition starts anew is filled."""

    EARLIEST = "earliest"


class LogFormat(StrEnum):
    """How log lines look."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least serious lines that are shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class _Section(BaseModel):
    """Descriptions say what to write: problems quote them."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class KafkaSettings(_Section):
    """The cluster to read from. `properties` go to librdkafka as they are."""

    bootstrap: str = Field(
        default="localhost:9092",
        pattern=r"^[^\s,]+:[0-9]{1,5}(,[^\s,]+:[0-9]{1,5})*$",
        description="host:port, several joined by commas",
    )
    topics: Annotated[tuple[str, ...], BeforeValidator(_listed)] | None = Field(
        default=None,
        min_length=1,
        max_length=TOPICS_MAX,
        description=f"a list of at most {TOPICS_MAX} topics, in place of the definition's",
    )
    group: str | None = Field(
        default="northstar",
        min_length=1,
        description="the consumer group that lag tools shall see, or null for none",
    )
    start: Start = Field(default=Start.EARLIEST, description="earliest or latest")
    on_data_loss: OnDataLoss = Field(default=OnDataLoss.STOP, description="stop or continue")
    slots: int = Field(
        default=8,  # twice the workers of a usual machine; each costs one consumer of ~5 threads
        ge=1,
        le=1_024,
        description="a whole number from 1 to 1024, fixed for the life of the saved state",
    )
    refresh_ms: Duration = Field(
        default=20_000,  # with the asking itself, new partitions are read within 30 s
        alias="refresh",
        ge=100,
        le=600_000,
        description="a duration from 100ms to 10m",
    )
    insecure: bool = Field(default=False, description="true to allow unverified TLS, or false")
    properties: dict[str, SecretStr] = Field(
        default_factory=dict, description="librdkafka's properties by name"
    )

    def secrets(self) -> frozenset[str]:
        """Those of the properties that must not be shown."""
        values = (value for name, value in self.properties.items() if holds_secret(name))
        return frozenset(value.get_secret_value() for value in values) - {""}


class DeadLetterSettings(_Section):
    """Where rejected records go, on the cluster that is read from. No topic, no dead letters."""

    topic: str | None = Field(
        default=None, min_length=1, description="a topic other than those that are read, or null"
    )
    per_second_max: int = Field(
        default=100,  # enough to see what is wrong, too few to copy a topic of garbage
        ge=1,
        le=100_000,
        description="a whole number from 1 to 100000",
    )
    burst: int = Field(
        default=1_000, ge=1, le=1_000_000, description="a whole number from 1 to 1000000"
    )


class TransitionSettings(_Section):
    """Where it is told who enters a set and who leaves it. Neither, nobody is told."""

    file: Path | None = Field(default=None, description="a file, or null")
    topic: str | None = Field(
        default=None, min_length=1, description="a topic other than those that are read, or null"
    )


class TimeSettings(_Section):
    """Event time. All in milliseconds."""

    tick_ms: Duration = Field(
        default=5_000,
        alias="tick",
        ge=1_000,
        le=3_600_000,
        multiple_of=1_000,
        description="a duration of whole seconds from 1s to 1h",
    )
    lateness_ms: Duration = Field(
        default=60_000, alias="lateness", le=7 * 86_400_000, description="a duration up to 7d"
    )
    idle_after_ms: Duration = Field(
        default=30_000, alias="idle_after", ge=1_000, description="a duration of at least 1s"
    )
    future_max_ms: Duration = Field(
        default=300_000, alias="future_max", le=86_400_000, description="a duration up to 1d"
    )
    dedup_horizon_ms: Duration = Field(
        default=3_600_000,
        alias="dedup_horizon",
        ge=1_000,
        le=7 * 86_400_000,
        description="a duration from 1s to 7d",
    )


class EngineSettings(_Section):
    """How the work is cut, and where state is saved. No directory, no saved state."""

    processes: int = Field(
        default=1,  # one core is enough for most products
        ge=1,
        le=64,
        description="a whole number from 1 to 64, and no more than kafka.slots",
    )
    hung_after_ms: Duration = Field(
        default=120_000,  # while the largest state is saved or read, nothing moves
        alias="hung_after",
        ge=1_000,
        description="a duration of at least 1s",
    )
    stop_within_ms: Duration = Field(
        default=60_000,  # a last snapshot of the largest state takes a few seconds
        alias="stop_within",
        ge=1_000,
        description="a duration of at least 1s",
    )
    shards: int = Field(
        default=32,
        ge=1,
        le=1_024,
        description="a whole number from 1 to 1024, fixed for the life of the saved state",
    )
    epoch_interval_ms: Duration | None = Field(
        default=None,  # each epoch is a barrier that everything waits at
        alias="epoch_interval",
        ge=100,
        le=600_000,
        description="a duration from 100ms to 10m, or null to go by the size of the state",
    )
    batch_records: int = Field(
        default=10_000, ge=1, le=1_000_000, description="a whole number from 1 to 1000000"
    )
    state_directory: Path | None = Field(default=None, description="a directory, or null")
    backfill_from: BackfillFrom | None = Field(default=None, description="earliest, or null")
    firsts_known_after_ms: Duration | None = Field(
        default=None,  # no such time is exact
        alias="firsts_known_after",
        ge=0,
        description="a duration, or null to know them only when they are filled",
    )
    recovery_parts: int = Field(
        default=8,  # 4 for each worker you may ever want: it cannot be changed later
        ge=1,
        le=1_024,
        description="a whole number from 1 to 1024, fixed for the life of the saved state",
    )


class LimitSettings(_Section):
    """What may be brought. None is set by default: how many ids there are is for the product."""

    ids: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="a whole number from 1 to 1000000000, or null for no limit",
    )


class HttpSettings(_Section):
    """The HTTP server and its limits."""

    host: str = Field(default="127.0.0.1", min_length=1, description="an address or host name")
    port: int = Field(
        default=9_464, ge=0, le=65_535, description="a whole number to 65535; 0 picks a free port"
    )
    threads: int = Field(default=4, ge=1, le=64, description="a whole number from 1 to 64")
    connections_max: int = Field(
        default=512,  # beyond it the oldest that asks for nothing is closed
        ge=8,
        le=10_000,
        description="a whole number from 8 to 10000",
    )
    idle_timeout_ms: Duration = Field(
        default=10_000, alias="idle_timeout", ge=1_000, description="a duration of at least 1s"
    )
    connection_age_max_ms: Duration = Field(
        default=60_000,  # ends a client that sends one byte at a time
        alias="connection_age_max",
        ge=1_000,
        description="a duration of at least 1s",
    )
    header_bytes_max: int = Field(
        default=16_384, ge=1_024, le=1 << 20, description="a whole number from 1024 to 1048576"
    )
    body_bytes_max: int = Field(
        default=1_024, ge=0, le=1 << 20, description="a whole number from 0 to 1048576"
    )


class LogSettings(_Section):
    """Log lines on standard error."""

    level: LogLevel = Field(default=LogLevel.INFO, description="debug, info, warning or error")
    format: LogFormat = Field(default=LogFormat.JSON, description="json or console")


class Settings(_Section):
    """All settings of a deployment."""

    kafka: KafkaSettings = KafkaSettings()
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    transitions: TransitionSettings = TransitionSettings()
    time: TimeSettings = TimeSettings()
    engine: EngineSettings = EngineSettings()
    limits: LimitSettings = LimitSettings()
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()
    salt: SecretStr = Field(
        default=SecretStr(DEFAULT_SALT), min_length=8, description="at least 8 characters"
    )

    def secrets(self) -> frozenset[str]:
        """Texts that must not be logged."""
        return self.kafka.secrets() | {self.salt.get_secret_value()}

    def warnings(self) -> tuple[str, ...]:
        """What is allowed but should not stay so, one line each."""
        found = []
        if self.salt.get_secret_value() == DEFAULT_SALT:
            found.append("salt: the default is known to everyone; set NORTHSTAR_SALT to your own")
        if self.kafka.insecure:
            found.append("kafka.insecure: anyone on the way can pose as the cluster")
        return tuple(found)
