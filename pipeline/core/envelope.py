"""The envelope: where records keep what every record has, whoever wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.core.expression import Path


class TimeUnit(StrEnum):
    """How the envelope writes time."""

    ISO = "iso"
    UTC = "utc"  # ISO 8601 too, but a text without a zone is one of UTC
    SECONDS = "s"
    MILLISECONDS = "ms"

    @property
    def is_text(self) -> bool:
        """Whether it is written as text."""
        return self in (TimeUnit.ISO, TimeUnit.UTC)


@dataclass(frozen=True, slots=True)
class TimePlace:
    """A place of a record's time, and how it is written there."""

    path: Path
    unit: TimeUnit


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where a record keeps its name, time and message id.

    Of `names` and `times` the first that is present counts. `id` is made of all its places, and
    empty where nothing is deduplicated. With a `constant` every record bears that name.

    `texts` are the places of objects that may be written as JSON text. `each` is the key of a list
    whose every item is an event of its own, beside all else in the record. `in_headers` says that
    records may be CloudEvents in binary mode. `exact` are the places of ids whose whole numbers are
    written exactly, however large.
    """

    names: tuple[Path, ...]
    times: tuple[TimePlace, ...]
    id: tuple[Path, ...] = ()
    constant: str | None = None
    texts: tuple[Path, ...] = ()
    each: str | None = None
    in_headers: bool = False
    exact: tuple[Path, ...] = ()
