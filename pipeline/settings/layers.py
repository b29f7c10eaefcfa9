"""Where settings are written: a file, the environment, flags, the later over the earlier.

Each layer becomes leaves: the path of a setting, its value, and the source to name in a problem.
Which settings there are is `settings.py`'s business.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.tokens import AliasToken

PREFIX: Final = "NORTHSTAR_"
FILE_VARIABLE: Final = "NORTHSTAR_SETTINGS"
FILE_BYTES_MAX: Final = 1 << 20
DEPTH_MAX: Final = 8  # settings are three deep
LIKENESS_MIN: Final = 0.85  # of a lone variable to a setting, to be taken for a slip of the pen

# The keys below have dots of their own and are one step of a path.
PROPERTIES: Final = ("kafka", "properties")
_UNDERSCORED_PROPERTIES: Final = frozenset({"log_level"})  # of librdkafka's names, the only one

SettingPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was written, and where."""

    value: Any
    source: str


Leaves = dict[SettingPath, Given]


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """One thing wrong with one setting, and where it was set."""

    setting: str
    source: str
    message: str

    def __str__(self) -> str:
        return f"{self.setting} ({self.source}): {self.message}"


class SettingsError(ValueError):
    """Settings that cannot be used; its text has one line for each problem."""

    def __init__(self, *problems: SettingProblem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def did_you_mean(word: str, known: Collection[str]) -> str:
    """`; did you mean …?`, or nothing where no known word is like it.

    >>> did_you_mean("boostrap", ["bootstrap", "group"])
    '; did you mean bootstrap?'
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def from_file(path: Path, named_by: str) -> Leaves:
    """The leaves of a YAML file; `named_by` is what to blame for a path that cannot be read.

    Raises:
        SettingsError: The file cannot be read, or is no mapping of settings.
    """

    def problem(message: str, line: int | None = None) -> SettingsError:
        source = str(path) if line is None else f"{path}:{line}"
        return SettingsError(SettingProblem("settings file", source, message))

    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise problem(f"{error.strerror}; write a file's path in {named_by}") from None
    if len(text) > FILE_BYTES_MAX:
        raise problem("longer than 1 MiB; a settings file has a page or two")
    try:
        loaded = _loaded(text)
    except DuplicateKeyError as error:
        # Its own words quote both values, and one may be a password.
        raise problem("a key is written twice; keep one", _line(error)) from None
    except MarkedYAMLError as error:
        raise problem(f"no YAML: {error.problem or error.context}", _line(error)) from None
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise problem(f"no YAML: {type(error).__name__}") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, CommentedMap):
        raise problem("no mapping; write settings as `section:` with keys under it")
    return dict(_leaves(loaded, (), str(path)))


def _loaded(text: bytes) -> object:
    """The YAML, looked through before anything is made of it."""
    depth = 0
    for token in YAML(typ="safe", pure=True).scan(text):
        name = type(token).__name__
        depth += name.endswith("StartToken") - name.endswith("EndToken")
        if isinstance(token, AliasToken):
            raise MarkedYAMLError(problem="an alias; write it out", problem_mark=token.start_mark)
        if depth > DEPTH_MAX:
            raise MarkedYAMLError(problem="nested too deep", problem_mark=token.start_mark)
    loaded: object = YAML(typ="rt").load(text)
    return loaded


def _line(error: MarkedYAMLError) -> int | None:
    mark = error.problem_mark or error.context_mark
    return None if mark is None else mark.line + 1


def _leaves(
    mapping: Mapping[Any, Any], parents: SettingPath, source: str
) -> Iterator[tuple[SettingPath, Given]]:
    """Values that are no mappings; an empty section says nothing."""
    for key, value in mapping.items():
        here = (*parents, str(key))
        where = source
        if isinstance(mapping, CommentedMap):
            where = f"{source}:{mapping.lc.key(key)[0] + 1}"
        if isinstance(value, Mapping):
            yield from _leaves(value, here, source)
        elif value is not None or parents:
            yield here, Given(value, where)


def from_environment(environment: Mapping[str, str], lone: Collection[str]) -> Leaves:
    """The leaves of `NORTHSTAR_SECTION__KEY=value`, and of `NORTHSTAR_KEY` for the `lone` keys.

    Other names without `__` are somebody else's (Kubernetes sets `NORTHSTAR_SERVICE_HOST` for a
    service of that name), unless they look like a slip of the pen.
    Of librdkafka's properties the dots are written `_`:
    `NORTHSTAR_KAFKA__PROPERTIES__SASL_PASSWORD`.
    """
    leaves: Leaves = {}
    for name, value in environment.items():
        if not name.startswith(PREFIX) or name == FILE_VARIABLE or not value:
            continue
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if len(path) > 1 or path[0] in lone or _is_slip(path[0], lone):
            leaves[_dotted(path)] = Given(value, name)
    return leaves


def _is_slip(word: str, lone: Collection[str]) -> bool:
    return bool(difflib.get_close_matches(word, [*lone, "settings"], n=1, cutoff=LIKENESS_MIN))


def _dotted(path: SettingPath) -> SettingPath:
    if path[:2] != PROPERTIES or path[2:] == () or path[2] in _UNDERSCORED_PROPERTIES:
        return path
    return (*PROPERTIES, "__".join(path[2:]).replace("_", "."))


def from_flags(flags: Mapping[str, object]) -> Leaves:
    """The leaves of `{"kafka.bootstrap": value}`; None is a flag that was not given.

    The source that a problem names is `flag`.
    """
    leaves: Leaves = {}
    for name, value in flags.items():
        if value is None:
            continue
        inside = name.removeprefix("kafka.properties.")
        path = (*PROPERTIES, inside) if inside != name else tuple(name.split("."))
        if isinstance(value, Mapping):
            leaves |= dict(_leaves(value, path, "flag"))
        else:
            leaves[path] = Given(value, "flag")
    return leaves
