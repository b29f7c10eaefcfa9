"""Read one record, or say why it is refused: the first five steps of the accounting.

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
from tests.oracle.uses import place_types
from tests.oracle.words import Path

BYTES_MAX = 1024 * 1024
LEVELS_MAX = 64
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


class Refused(Exception):
    """A record that goes no further; its text is the reason."""


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


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond a double")
    return number


def _constant(text: str) -> None:
    raise ValueError(text)


def _levels(value: object) -> int:
    deepest, open_ones = 0, [(value, 0)]
    while open_ones:
        part, above = open_ones.pop()
        deepest = max(deepest, above)
        if isinstance(part, dict | list):
            inside = part.values() if isinstance(part, dict) else part
            open_ones += [(p, above + 1) for p in inside]
            deepest = max(deepest, above + 1)
    return deepest


def parse(value: bytes) -> dict[str, object]:
    """Step 2: read the record's bytes as one JSON object."""
    if len(value) > BYTES_MAX:
        raise Refused("too_large")
    try:
        parsed = json.loads(
            value.decode("utf-8"),
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=_constant,
        )
    except RecursionError:
        raise Refused("too_deep") from None
    except ValueError:
        raise Refused("invalid_json") from None
    if _levels(parsed) > LEVELS_MAX:
        raise Refused("too_deep")
    if not isinstance(parsed, dict):
        raise Refused("not_object")
    return parsed


class NoObject(str):
    """Text in the place of an object, which it is not."""

    __slots__ = ()


def unpack(record: dict[str, object], path: Path) -> None:
    """Put the object that a text is in the place of the text."""
    *above, key = path
    place = at(record, tuple(above))
    if not isinstance(place, dict) or not isinstance(text := place.get(key), str):
        return
    try:
        within = json.loads(text, parse_constant=_constant) if text else {}
    except ValueError:
        within = None
    place[key] = within if isinstance(within, dict) else NoObject(text)


def at(record: object, path: Path) -> object:
    """Follow a path; what is `null` or not there is absent."""
    for key in path:
        if isinstance(record, NoObject):
            raise Refused("field_type")
        if not isinstance(record, dict):
            return None
        record = record.get(key)
    if isinstance(record, str) and any("\ud800" <= c <= "\udfff" for c in record):
        raise Refused("invalid_json")
    return record


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


def _checked_id(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Refused("field_type")
    if isinstance(value, int):
        if not 1 <= value < 2**53:
            raise Refused("bad_id")
        return str(value)
    if not value.strip() or len(value) > ID_CHARACTERS_MAX:
        raise Refused("bad_id")
    if value.lower() in PLACEHOLDERS or any(unicodedata.category(c) == "Cc" for c in value):
        raise Refused("bad_id")
    return value


def entity_id(record: dict[str, object], source: IdSource) -> str | None:
    """Step 5: one id, in a form in which only equal ids are equal.

    Ids of a later path in `first` carry that path, and ids of several parts are a list, so
    that neither is ever equal to a plain id.
    """
    if source.kind == "together":
        parts = [_checked_id(at(record, path)) for path in source.paths]
        return None if None in parts else "list " + json.dumps(parts)
    for number, path in enumerate(source.paths):
        found = _checked_id(at(record, path))
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


def record_id(record: dict[str, object], envelope: Envelope) -> str | None:
    """Step 5: the record's own id; one of several parts is none where one of them is."""
    if envelope.id is None:
        return None
    units = dict(envelope.times)
    parts = [
        str(time_ms(at(record, path), units[path])) if path in units else _id_part(at(record, path))
        for path in envelope.id.paths
    ]
    if None in parts:
        return None
    return parts[0] if envelope.id.kind == "path" else json.dumps(parts)


class Decoder:
    """Decodes the records of one definition."""

    def __init__(self, definition: Definition) -> None:
        self.envelope = definition.envelope
        self.events = definition.events
        self.types = {name: place_types(definition, name) for name in definition.events}

    def decode(self, value: bytes | None) -> Decoded:
        """Take a record through steps 1 to 5."""
        decoded = Decoded()
        if not value:
            decoded.fate = "filtered"
            return decoded
        try:
            record = parse(value)
            for path in self.envelope.text:
                unpack(record, path)
            decoded.time_ms = self._time_if_readable(record)
            decoded.fate = self._fill(decoded, record)
        except Refused as refused:
            decoded.fate = str(refused)
        if decoded.fate == "invalid_json":
            decoded.time_ms = None  # of a text that is no JSON nothing can be read
        return decoded

    def _time(self, record: dict[str, object]) -> int:
        """Read the first time that is there with the type of its unit."""
        for path, unit in self.envelope.times:
            found = at(record, path)
            if _is_of_unit(found, unit):
                return time_ms(found, unit)
        raise Refused("bad_time")

    def _time_if_readable(self, record: dict[str, object]) -> int | None:
        """Give the time whatever the record is: it moves the watermark even so."""
        try:
            return self._time(record)
        except Refused:
            return None

    def _fill(self, decoded: Decoded, record: dict[str, object]) -> str | None:
        named = [at(record, path) for path in self.envelope.names]
        name = next((n for n in named if n is not None), None)
        if name is not None and not isinstance(name, str):
            return "field_type"
        borne = [event for event in self.events.values() if name in event.names]
        if not borne:
            return "filtered"
        self._time(record)
        faults = set(self._read_fields(decoded, record, borne))
        order = ("invalid_json", "field_type", "bad_time", "bad_id")
        return next((reason for reason in order if reason in faults), None)

    def _read_fields(
        self, decoded: Decoded, record: dict[str, object], borne: list[Event]
    ) -> Iterator[str]:
        """Read ids and values of every event borne, and name every fault met."""
        try:
            decoded.id = record_id(record, self.envelope)
        except Refused as refused:
            yield str(refused)
        for event in borne:
            bearing = decoded.bearings.setdefault(event.name, Bearing({}, {}))
            for entity, source in event.ids.items():
                try:
                    bearing.ids[entity] = entity_id(record, source)
                except Refused as refused:
                    yield str(refused)
            for path, kind in self.types[event.name].items():
                try:
                    bearing.places[path] = _typed(at(record, path), kind)
                except Refused as refused:
                    yield str(refused)
