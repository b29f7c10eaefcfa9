"""Settings: what a deployment decides, as against what a definition says.

Three layers, the later over the earlier: a YAML file (`--settings FILE` or `NORTHSTAR_SETTINGS`),
the environment (`NORTHSTAR_KAFKA__BOOTSTRAP` is `kafka.bootstrap`), and flags. An environment
variable that is empty counts as not given.

Secrets (`salt` and every one of `kafka.properties`) are `SecretStr`, so that they show in no text
of ours. Each can be written as `file:PATH`, to be read from there.

Reading layers is our own and not pydantic-settings': a problem names the line, variable or flag
that the value came from, and all problems are told at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from pipeline.layers import (
    FILE_VARIABLE,
    PROPERTIES,
    Given,
    Leaves,
    SettingPath,
    SettingProblem,
    SettingsError,
    did_you_mean,
    from_environment,
    from_file,
    from_flags,
)
from pipeline.properties import holds_secret, refusal

# Known to all the world: ids hashed with it can be found again by trying. Set your own.
DEFAULT_SALT: Final = "northstar-default-salt"

_UNITS_MS: Final = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
_DURATION = re.compile(r"([0-9]{1,15})(ms|s|m|h|d|w)")
_FILE_REFERENCE: Final = "file:"
_VALUE_CHARACTERS_SHOWN: Final = 40


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
        default=None, min_length=1, description="a list of topics, in place of the definition's"
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
    insecure: bool = Field(default=False, description="true to allow unverified TLS, or false")
    properties: dict[str, SecretStr] = Field(
        default_factory=dict, description="librdkafka's properties by name"
    )

    def secrets(self) -> frozenset[str]:
        """Those of the properties that must not be shown."""
        values = (value for name, value in self.properties.items() if holds_secret(name))
        return frozenset(value.get_secret_value() for value in values) - {""}


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

    shards: int = Field(
        default=32,
        ge=1,
        le=1_024,
        description="a whole number from 1 to 1024, fixed for the life of the saved state",
    )
    epoch_interval_ms: Duration = Field(
        default=10_000,  # each epoch is a barrier that everything waits at
        alias="epoch_interval",
        ge=100,
        le=600_000,
        description="a duration from 100ms to 10m",
    )
    batch_records: int = Field(
        default=10_000, ge=1, le=1_000_000, description="a whole number from 1 to 1000000"
    )
    state_directory: Path | None = Field(default=None, description="a directory, or null")
    recovery_parts: int = Field(
        default=8,  # 4 for each worker you may ever want: it cannot be changed later
        ge=1,
        le=1_024,
        description="a whole number from 1 to 1024, fixed for the life of the saved state",
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
    time: TimeSettings = TimeSettings()
    engine: EngineSettings = EngineSettings()
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


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    """The settings of a file, the environment and flags, each over the one before.

    `flags` maps dotted names to values (`{"kafka.bootstrap": "broker:9092"}`), None where a flag
    was not given. The environment is that of the process where none is handed in.

    Raises:
        SettingsError: With every problem there is.
    """
    environment = os.environ if environment is None else environment
    leaves: Leaves = {}
    if file is not None:
        leaves |= from_file(file, "--settings")
    elif named := environment.get(FILE_VARIABLE):
        leaves |= from_file(Path(named), FILE_VARIABLE)
    lone = [name for name in _fields(Settings) if _section(name) is None]
    leaves |= from_environment(environment, lone) | from_flags(flags or {})
    refused = {problem.setting: problem for problem in (*_misplaced(leaves), *_forbidden(leaves))}
    fit = {path: given for path, given in leaves.items() if ".".join(path) not in refused}
    return _validated(fit, [*refused.values()])


def _fields(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _section(name: str) -> type[BaseModel] | None:
    field = Settings.model_fields.get(name)
    annotation = None if field is None else field.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def _misplaced(leaves: Leaves) -> Iterator[SettingProblem]:
    """Settings that there are not, and values where a section belongs."""
    for path, given in leaves.items():
        message = _misplacement(path)
        if message:
            yield SettingProblem(".".join(path), given.source, message)


def _misplacement(path: SettingPath) -> str:
    section = _section(path[0])
    if section is None:
        known, inside = _fields(Settings), path
    else:
        known, inside = _fields(section), path[1:]
    if not inside:
        return f"a section; write {path[0]}.{known[0]} and the like"
    if inside[0] not in known:
        return f"no such setting{did_you_mean(inside[0], known)}"
    rest = inside[1:]
    if path[:2] == PROPERTIES:
        return "" if len(rest) == 1 else "properties; write name: value under it"
    return "a single value, with nothing under it" if rest else ""


def _forbidden(leaves: Leaves) -> Iterator[SettingProblem]:
    """Properties of librdkafka that are not the deployment's to set."""
    insecure = str(leaves.get(("kafka", "insecure"), Given(False, "")).value).lower() == "true"
    for path, given in leaves.items():
        if path[:2] == PROPERTIES and len(path) > len(PROPERTIES):
            message = refusal(path[2], str(given.value).lower(), insecure=insecure)
            if message:
                yield SettingProblem(".".join(path), given.source, message)


def _is_secret(path: SettingPath) -> bool:
    return path == ("salt",) or path[:2] == PROPERTIES


def _validated(leaves: Leaves, problems: list[SettingProblem]) -> Settings:
    """The settings of the leaves; problems found before and here are raised together."""
    tree: dict[str, Any] = {}
    for path, given in leaves.items():
        node = tree
        for step in path[:-1]:
            node = node.setdefault(step, {})
        try:
            node[path[-1]] = _secret(given.value) if _is_secret(path) else given.value
        except ValueError as error:
            problems.append(SettingProblem(".".join(path), given.source, str(error)))
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        locations = [tuple(map(str, wrong["loc"])) for wrong in error.errors()]
        problems += dict.fromkeys(_problem(location, leaves) for location in locations)
    if problems:
        raise SettingsError(*problems)
    return settings


def _secret(value: object) -> object:
    """A secret as text, read from its file where it is `file:PATH`.

    Raises:
        ValueError: The file cannot be read.
    """
    if not isinstance(value, str | int | float):
        return value
    text = value if isinstance(value, str) else str(value).lower()
    if not text.startswith(_FILE_REFERENCE):
        return text
    try:
        return Path(text.removeprefix(_FILE_REFERENCE)).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ValueError(f"{text}: {reason}; write the path of a file to read it from") from None


def _problem(location: SettingPath, leaves: Leaves) -> SettingProblem:
    """What to write, from the setting's own description; never pydantic's words."""
    path = next(path for path in leaves if location[: len(path)] == path)
    section = _section(path[0])
    fields = (Settings if section is None else section).model_fields
    key = path[0] if section is None else path[1]
    field = next(field for name, field in fields.items() if key in {field.alias, name})
    value = "this value" if _is_secret(path) else _shown(leaves[path].value)
    message = f"{value} cannot be used; write {field.description}"
    return SettingProblem(".".join(path), leaves[path].source, message)


def _shown(value: object) -> str:
    text = repr(str(value) if isinstance(value, str) else value)
    return text if len(text) <= _VALUE_CHARACTERS_SHOWN else f"{text[:_VALUE_CHARACTERS_SHOWN]}…"
