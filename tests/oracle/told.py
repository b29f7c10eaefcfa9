"""What an event has to tell before it is written, and what it is written as."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

BAD_TIMES = {
    "iso": (None, 1_743_300_000, "2025-03-30", "2025-03-30T00:00:00", "2100-01-01T00:00Z", "x"),
    "utc": (None, 1_743_300_000, "2025-03-30", "2100-01-01T00:00", "2100-01-01T00:00Z", "x"),
    "ms": (None, "1743300000000", True, 946_684_799_999, 4_102_444_800_000),
    "s": (None, "1743300000", 946_684_799, 4_102_444_800),
}
UNKNOWN = "no"
"""A name that no event has."""
Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True)
class Told:
    """What one event has to tell, however it is written."""

    name: Any
    time_ms: int
    has_bad_time: bool
    id: Any
    user: Any
    anon: Any
    org: Any
    properties: Any
    form: int
    """Which of several ways to write the same thing."""

    def time(self, unit: str) -> Any:
        """Write the time in a unit; a bad one is bad in every place."""
        if self.has_bad_time:
            return BAD_TIMES[unit][self.form % len(BAD_TIMES[unit])]
        return time_text(self.time_ms, unit, self.form)

    @property
    def source(self) -> str:
        """One of several sources that number their events each for itself."""
        return ("one", "other")[self.form % 2]


@dataclass(frozen=True)
class Message:
    """What is to become a record."""

    body: Any
    key: bytes | None = None
    headers: Headers = ()
    ingested_ms: int | None = None
    """Kafka's timestamp, where it is the event's time."""


@dataclass(frozen=True)
class Tracker:
    """A way to write records, and what a definition must say to read them."""

    envelope: Any
    write: Callable[[Told], Message]
    user: str | None = None
    """Where users are that are known, if records have them in the same place."""
    places: Mapping[str, str] = field(default_factory=dict)
    """What a definition has for its own places."""
    entities: Mapping[str, str] = field(default_factory=dict)
    """What the envelope calls an entity that it has, too."""
    quantum_ms: int = 1
    """A quarter of a second is exact as a fraction of seconds."""
    each: str | None = None
    topics: tuple[str, ...] = ("events",)
    """Where there are several, each partition is one of another topic, which is the name."""
    constant: str | None = None
    """The name of every record, where it has none of its own."""


def time_text(time_ms: int, unit: str, form: int) -> str | float:
    """Write a time in one of the ways that mean the same millisecond."""
    if unit == "ms":
        beside = (0.25, 0.5)[time_ms % 2 == 0]  # halfway between two, the even one counts
        return time_ms + (beside, -beside)[form % 2] if form % 7 == 3 else time_ms
    if unit == "s":
        return time_ms // 1_000 if time_ms % 1_000 == 0 else time_ms / 1_000
    zone = (UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=3)))[form % 3]
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=time_ms)
    local = moment.astimezone(zone)
    parts = "minutes" if time_ms % 60_000 == 0 and form % 4 == 0 else "milliseconds"
    text = local.isoformat(sep="T" if form % 5 else " ", timespec=parts)
    if parts == "milliseconds" and form % 4 == 1:
        text = text[:23] + "987654" + text[23:]
    return text.replace("+00:00", "" if unit == "utc" and form % 7 else "Z")
