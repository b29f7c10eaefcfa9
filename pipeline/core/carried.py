"""What a log carries of a record beside its value: key, headers, where it stands, when it came.

Paths reach it by the word `kafka`: `kafka.key`, `kafka.header.ce_type`, `kafka.time`. A source that
has none of it leaves all of it absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.expression import Kind, Path

ROOT: Final = "kafka"
HEADER: Final = "header"

# What stands at a path; headers and keys are bytes, read as text.
KINDS: Final[Mapping[str, Kind]] = {
    "key": Kind.TEXT,
    "topic": Kind.TEXT,
    HEADER: Kind.TEXT,
    "partition": Kind.NUMBER,
    "offset": Kind.NUMBER,
    "time": Kind.NUMBER,
}

Headers = Sequence[tuple[str, bytes | None]]


def is_carried(path: Path) -> bool:
    """Whether a path leads to what the log carries, and not into the record."""
    return path[0] == ROOT


def is_bytes(path: Path) -> bool:
    """Whether what stands at a carried path may turn out to be no text."""
    return path[1:2] in ((HEADER,), ("key",))


def kind_at(path: Path) -> Kind | None:
    """What stands at a carried path; None where nothing ever does.

    >>> kind_at(("kafka", "header", "ce_type")), kind_at(("kafka", "time")), kind_at(("kafka",))
    (<Kind.TEXT: 'text'>, <Kind.NUMBER: 'number'>, None)
    """
    length = 3 if path[1:2] == (HEADER,) else 2
    return KINDS.get(path[1]) if len(path) == length else None


@dataclass(frozen=True, slots=True)
class Carried:
    """What the log has of each record beside its value; all of one length, None where absent."""

    keys: Sequence[bytes | None]
    headers: Sequence[Headers]
    topics: Sequence[str | None]
    partitions: Sequence[int | None]
    offsets: Sequence[int | None]
    times_ms: Sequence[int | None]

    def before(self, count: int) -> Carried:
        """That of the first records."""
        return Carried(
            self.keys[:count],
            self.headers[:count],
            self.topics[:count],
            self.partitions[:count],
            self.offsets[:count],
            self.times_ms[:count],
        )

    def at(self, path: Path, row: int) -> Any:  # noqa: ANN401 - text, a number, bytes or None
        """What one record has at a carried path; bytes where they are no text."""
        match path[1:]:
            case (key, name) if key == HEADER:
                found = [value for each, value in self.headers[row] if each == name]
                return _text(found[-1]) if found else None
            case ("key",):
                return _text(self.keys[row])
            case ("topic",):
                return self.topics[row]
            case ("partition",):
                return self.partitions[row]
            case ("offset",):
                return self.offsets[row]
        return self.times_ms[row]


@dataclass(slots=True)
class Beside:
    """What the log carries of some records: those `at` these places of a poll."""

    carried: Carried | None
    at: NDArray[np.int64]
    _known: dict[Path, list[Any]] = field(default_factory=dict)

    def column(self, path: Path) -> list[Any]:
        """What each of the records has at a carried path, None where that is absent."""
        if path not in self._known:
            self._known[path] = self._column(path)
        return self._known[path]

    def _column(self, path: Path) -> list[Any]:
        if self.carried is None:
            return [None] * len(self.at)
        return [self.carried.at(path, row) for row in self.at.tolist()]


def _text(written: bytes | None) -> str | bytes | None:
    if written is None:
        return None
    try:
        return written.decode()
    except UnicodeDecodeError:
        return written
