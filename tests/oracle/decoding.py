"""Read a record's events, or say why they are refused: the first five steps of the accounting.

Plain Python, one small function per rule: what is refused here depends on the record alone.
Bounds of numbers (`out_of_range`) need an expression's result and are left to SQL.
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.oracle.expression import NUMBER, TEXT
from tests.oracle.model import Definition, Envelope, Event, IdSource
from tests.oracle.unpacking import Body, Record, Refused, at, events, find, judged
from tests.oracle.uses import place_types
from tests.oracle.words import Path

ID_CHARACTERS_MAX = 512
PLACEHOLDERS = frozenset(
    ["0", "null", "none", "nil", "undefined", "nan", "n/a", "guest", "anonymous", "unknown"]
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_MS = 946_684_800_000
"""2000-01-01T00:00Z."""
LATEST_MS = 4_102_444_800_000
"""2100-01-01T00:00Z."""
ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
    r"(?:(Z)|([+-])(\d\d):?(\d\d))",
    re.ASCII,
)

TIMES = ("iso", "utc", "s", "ms")

Place = str | float | bool | None


@dataclass
class Bearing:
    """What a record carries for one event whose name it bears."""

    ids: dict[str, str | None]
    places: dict[Path, Place]


@dataclass
class Decoded:
    """A record after the first five steps."""

    fate: str | None = None
    """`filtered`, or a reason to reject; nothing while it may yet count."""
    time_ms: int | None = None
    id: str | None = None
    bearings: dict[str, Bearing] = field(default_factory=dict)


def iso_ms(text: str, unit: str = "iso") -> int:
    """Read ISO 8601 text with a zone, which `utc` may leave out, cut to milliseconds."""
    match = ISO.fullmatch(text) or (ISO.fullmatch(text + "Z") if unit == "utc" else None)
    if match is None:
        raise Refused("bad_time")
    year, month, day, hour, minute, second, decimals, _, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        local = datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=UTC
        )
    except ValueError:
        raise Refused("bad_time") from None
    whole = (local - EPOCH) - (-offset if sign == "-" else offset)
    return whole // timedelta(milliseconds=1) + int((decimals or "").ljust(3, "0")[:3])


def _is_of_unit(value: object, unit: str) -> bool:
    if unit in {"iso", "utc"}:
        return isinstance(value, str)
    return isinstance(value, int | float) and not isinstance(value, bool)


def time_ms(value: object, unit: str) -> int:
    """Step 4: the event time, in whole milliseconds."""
    if not _is_of_unit(value, unit):
        raise Refused("bad_time")
    if isinstance(value, str):
        found = iso_ms(value, unit)
    else:
        assert isinstance(value, int | float)
        scaled = value * (1_000 if unit == "s" else 1)
        found = round(scaled) if math.isfinite(scaled) else LATEST_MS  # of two, the even one
    if not EARLIEST_MS <= found < LATEST_MS:
        raise Refused("bad_time")
    return found


def _checked_id(value: object, *, exact: bool = False) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Refused("field_type")
    if isinstance(value, int):
        low, high = (-(2**63), 2**64) if exact else (1, 2**53)
        if not low <= value < high or value == 0:
            raise Refused("bad_id")
        return str(value)
    if not value.strip() or len(value) > ID_CHARACTERS_MAX:
        raise Refused("bad_id")
    if value.lower() in PLACEHOLDERS or any(unicodedata.category(c) == "Cc" for c in value):
        raise Refused("bad_id")
    return value


def _together(
    record: Body, paths: tuple[Path, ...], read: Callable[[object, Path], str | None]
) -> str | None:
    """Read an id of several parts: none where one is absent, whatever the others are."""
    found = [find(record, path) for path in paths]
    if None in found:
        return None
    parts = [read(judged(part), path) for part, path in zip(found, paths, strict=True)]
    return None if None in parts else json.dumps(parts)


def entity_id(record: Body, source: IdSource, exact: tuple[Path, ...] = ()) -> str | None:
    """Step 5: one id, in a form in which only equal ids are equal.

    Ids of a later path in `first` carry that path, and ids of several parts are a list, so
    that neither is ever equal to a plain id.
    """

    def read(value: object, path: Path) -> str | None:
        return _checked_id(value, exact=path in exact)

    if source.kind == "together":
        parts = _together(record, source.paths, read)
        return None if parts is None else "list " + parts
    for number, path in enumerate(source.paths):
        found = read(at(record, path), path)
        if found is not None:
            return f"text {found}" if number == 0 else f"from {'.'.join(path)} {found}"
    return None


def _typed(value: object, kind: str) -> Place:
    if value is None:
        return None
    if kind in TIMES:
        return time_ms(value, kind) / 1_000
    truth = isinstance(value, bool)
    if kind == NUMBER:
        if truth or not isinstance(value, int | float):
            raise Refused("field_type")
        return float(value)
    if (kind == TEXT and isinstance(value, str)) or (kind != TEXT and truth):
        return value
    raise Refused("field_type")


def _id_part(value: object) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Refused("field_type")
    return str(value)


def record_id(record: Body, envelope: Envelope) -> str | None:
    """Step 5: the record's own id; one of several parts is none where one of them is."""
    if envelope.id is None:
        return None
    units = dict(envelope.times)

    def read(value: object, path: Path) -> str | None:
        return str(time_ms(value, units[path])) if path in units else _id_part(value)

    if envelope.id.kind == "together":
        return _together(record, envelope.id.paths, read)
    (path,) = envelope.id.paths
    return read(at(record, path), path)


class Decoder:
    """Decodes the records of one definition."""

    def __init__(self, definition: Definition) -> None:
        self.envelope = definition.envelope
        self.events = definition.events
        self.types = {name: place_types(definition, name) for name in definition.events}

    def decode(self, record: Record) -> list[Decoded]:
        """Take a record through steps 1 to 5: all its events, or one that stands for it."""
        if not record.value:
            return [Decoded("filtered")]
        try:
            return [self._decode(body) for body in list(events(record, self.envelope))]
        except Refused as refused:
            return [Decoded(str(refused))]

    def _decode(self, body: Body) -> Decoded:
        decoded = Decoded(time_ms=self._time_if_readable(body))
        try:
            decoded.fate = self._fill(decoded, body)
        except Refused as refused:
            decoded.fate = str(refused)
        if decoded.fate == "invalid_json":
            decoded.time_ms = None  # of a text that is no JSON nothing can be read
        return decoded

    def _name(self, body: Body) -> object:
        """Read the first name that is there."""
        if self.envelope.constant is not None:
            return self.envelope.constant
        for path in self.envelope.names:
            found = at(body, path)
            if found is not None:
                return found
        return None

    def _time(self, body: Body) -> int:
        """Read the first time that is there with the type of its unit."""
        for path, unit in self.envelope.times:
            found = at(body, path)
            if _is_of_unit(found, unit):
                return time_ms(found, unit)
        raise Refused("bad_time")

    def _time_if_readable(self, body: Body) -> int | None:
        """Give the time whatever the event is: it moves the watermark even so."""
        try:
            return self._time(body)
        except Refused:
            return None

    def _fill(self, decoded: Decoded, body: Body) -> str | None:
        if self.envelope.each is not None and body[self.envelope.each] is None:
            return "filtered"
        name = self._name(body)
        if name is not None and not isinstance(name, str):
            return "field_type"
        borne = [event for event in self.events.values() if name in event.names]
        if not borne:
            return "filtered"
        self._time(body)
        faults = set(self._read_fields(decoded, body, borne))
        order = ("invalid_json", "field_type", "bad_time", "bad_id")
        return next((reason for reason in order if reason in faults), None)

    def _read_fields(self, decoded: Decoded, body: Body, borne: list[Event]) -> Iterator[str]:
        """Read ids and values of every event borne, and name every fault met."""
        try:
            decoded.id = record_id(body, self.envelope)
        except Refused as refused:
            yield str(refused)
        for event in borne:
            bearing = decoded.bearings.setdefault(event.name, Bearing({}, {}))
            for entity, source in event.ids.items():
                try:
                    bearing.ids[entity] = entity_id(body, source, self.envelope.exact)
                except Refused as refused:
                    yield str(refused)
            for path, kind in self.types[event.name].items():
                try:
                    bearing.places[path] = _typed(at(body, path), kind)
                except Refused as refused:
                    yield str(refused)
