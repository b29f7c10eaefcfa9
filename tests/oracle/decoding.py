"""Read a record's events, or say why they are refused: the first five steps of the accounting.

Plain Python, one small function per rule: what is refused here depends on the record alone.
Bounds of numbers (`out_of_range`) need an expression's result and are left to SQL.
"""

import json
import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.oracle.expression import NUMBER, TEXT
from tests.oracle.model import Definition, Envelope, Event, IdSource
from tests.oracle.unpacking import Beyond, Body, Record, Refused, at, events, find
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


def _id_like(value: object) -> str | int | None:
    """Hold a part of an id to its type."""
    if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
        return value
    raise Refused("field_type")


def _checked_id(value: str | int | None, *, exact: bool = False) -> str | None:
    if value is None:
        return None
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


def entity_id(record: Body, source: IdSource, exact: tuple[Path, ...] = ()) -> str | None:
    """Step 5: one id, in a form in which only equal ids are equal.

    Ids of a later path in `first` carry that path, and ids of several parts are a list, so
    that neither is ever equal to a plain id. Every path is held to its type, whichever counts.
    """
    found = {path: _id_like(at(record, path)) for path in source.paths}
    if source.kind == "together":
        if None in found.values():
            return None
        parts = [_checked_id(part, exact=path in exact) for path, part in found.items()]
        return "list " + json.dumps(parts)
    for number, (path, value) in enumerate(found.items()):
        if value is not None:
            checked = _checked_id(value, exact=path in exact)
            return f"text {checked}" if number == 0 else f"from {'.'.join(path)} {checked}"
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


def record_id(record: Body, envelope: Envelope, name: str, at_ms: int) -> str | None:
    """Step 5: the record's own id; one of several parts is none where one of them is."""
    if envelope.id is None:
        return None
    stands_for = dict.fromkeys(dict(envelope.times), at_ms) | dict.fromkeys(envelope.names, name)
    parts = [stands_for.get(path) or _id_like(at(record, path)) for path in envelope.id.paths]
    if None in parts or "" in parts:
        return None
    return json.dumps([str(part) for part in parts])


class Decoder:
    """Decodes the records of one definition."""

    def __init__(self, definition: Definition) -> None:
        self.envelope = definition.envelope
        self.events = definition.events
        self.types = {name: place_types(definition, name) for name in definition.events}
        self.read = frozenset(self._paths())

    def _paths(self) -> Iterator[Path]:
        """Give every path that something reads."""
        yield from self.envelope.names
        yield from dict(self.envelope.times)
        yield from () if self.envelope.id is None else self.envelope.id.paths
        for event in self.events.values():
            yield from (path for source in event.ids.values() for path in source.paths)
            yield from self.types[event.name]

    def decode(self, record: Record) -> list[Decoded]:
        """Take a record through steps 1 to 5: all its events, or one that stands for it."""
        if not record.value:
            return [Decoded("filtered")]
        try:
            bodies = events(record, self.envelope, self.read)
        except Refused as refused:
            return [Decoded(str(refused))]
        return [self._decode(body) for body in bodies] or [Decoded("filtered")]

    def _decode(self, body: Body) -> Decoded:
        if any(isinstance(find(body, path), Beyond) for path in self.read):
            return Decoded("invalid_json")
        decoded = Decoded(time_ms=self._time_if_readable(body))
        try:
            decoded.fate = self._fill(decoded, body)
        except Refused as refused:
            decoded.fate = str(refused)
        return decoded

    def _name(self, body: Body) -> str | None:
        """Step 3: read the first name that is there, and hold all to be text."""
        found = [at(body, path) for path in self.envelope.names]
        if not all(name is None or isinstance(name, str) for name in found):
            raise Refused("field_type")
        return next((str(name) for name in found if name is not None), self.envelope.constant)

    def _time(self, body: Body) -> int:
        """Read the first time that is there with the type of its unit."""
        for path, unit in self.envelope.times:
            found = find(body, path)
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
        name = self._name(body)
        borne = [event for event in self.events.values() if name in event.names]
        if not borne:
            return "filtered"
        at_ms = self._time(body)
        faults = set(self._read_fields(decoded, body, borne))
        try:
            decoded.id = record_id(body, self.envelope, str(name), at_ms)
        except Refused as refused:
            faults.add(str(refused))
        order = ("field_type", "bad_time", "bad_id")
        return next((reason for reason in order if reason in faults), None)

    def _read_fields(self, decoded: Decoded, body: Body, borne: list[Event]) -> Iterator[str]:
        """Read ids and values of every event borne, and name every fault met."""
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
