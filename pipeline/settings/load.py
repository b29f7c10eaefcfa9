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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from pipeline.settings.layers import (
    FILE_VARIABLE,
    PREFIX,
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
from pipeline.settings.properties import refusal
from pipeline.settings.sections import Settings

_FILE_REFERENCE: Final = "file:"
_VALUE_CHARACTERS_SHOWN: Final = 40


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
    found = (*_misplaced(leaves), *_forbidden(leaves), *_one_underscore(environment))
    refused = {problem.setting: problem for problem in found}
    fit = {path: given for path, given in leaves.items() if ".".join(path) not in refused}
    return _validated(fit, [*refused.values()])


def _one_underscore(environment: Mapping[str, str]) -> Iterator[SettingProblem]:
    """Variables that would name a setting, had they two underscores after the section."""
    for name in _fields(Settings):
        section = _section(name)
        for key in [] if section is None else _fields(section):
            variable = f"{PREFIX}{name}_{key}".upper()
            if environment.get(variable):
                right = f"{PREFIX}{name}__{key}".upper()
                message = f"no such setting; did you mean {right}?"
                yield SettingProblem(f"{name}_{key}", variable, message)


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
