"""Unpack a record into the events it has, each an object that paths lead into.

A record is one event, or as many as its list has (`each`). What Kafka has beside the record stands
in the object as `kafka`, and the attributes of a CloudEvent where a structured one has them.
"""

import json
import math
from dataclasses import dataclass

from tests.oracle.model import Envelope
from tests.oracle.words import Path

BYTES_MAX = 1024 * 1024
LEVELS_MAX = 64
EVENTS_MAX = 1_000
EVENTS_BYTES_MAX = 4 * 1024 * 1024
ATTRIBUTES = ("ce_", "ce-")
STRUCTURED = "application/cloudevents"

Body = dict[str, object]


@dataclass(frozen=True)
class Record:
    """A record of a partition, as Kafka hands it over."""

    partition: int
    offset: int
    ingested_ms: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    topic: str = "events"


class Refused(Exception):
    """A record that goes no further; its text is the reason."""


class Unreadable:
    """What stands in a place and cannot be read there."""


class Beyond:
    """A number that no double holds."""


class Text(str):
    """Text in the place of an object, with the object that it is, if it is one."""

    __slots__ = ("within",)
    within: Body | None


def _whole(text: str) -> int | Beyond:
    return int(text) if math.isfinite(float(text)) else Beyond()


def _decimal(text: str) -> float | Beyond:
    number = float(text)
    return number if math.isfinite(number) else Beyond()


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


def _json(text: str) -> object:
    """Read JSON. Raises ValueError, also where some text is none that UTF-8 could hold."""
    read: object = json.loads(
        text, parse_int=_whole, parse_float=_decimal, parse_constant=_constant
    )
    json.dumps(read, ensure_ascii=False, default=str).encode("utf-8")
    return read


def parse(value: bytes) -> object:
    """Step 2: read the record's bytes as JSON."""
    if len(value) > BYTES_MAX:
        raise Refused("too_large")
    try:
        parsed = _json(value.decode("utf-8"))
    except RecursionError:
        raise Refused("too_deep") from None
    except ValueError:
        raise Refused("invalid_json") from None
    if _levels(parsed) > LEVELS_MAX:
        raise Refused("too_deep")
    return parsed


def events(record: Record, envelope: Envelope, read: frozenset[Path]) -> list[Body]:
    """Give every event of a record, of which these paths are read; none where its list has none."""
    assert record.value is not None
    parsed = parse(record.value)
    headers = dict(record.headers)  # of two of one name the last counts
    attributes = _attributes(headers)
    if envelope.binary_mode and _is_binary(headers, attributes):
        parsed = attributes | {"data": parsed}
    if not isinstance(parsed, dict):
        raise Refused("not_object")
    bodies = _each(parsed, envelope.each, {path[0] for path in read})
    for body in bodies:
        body["kafka"] = _beside(record, headers)
        for path in envelope.text:
            _unpack(body, path, read)
    return bodies


def _is_binary(headers: dict[str, bytes | None], attributes: Body) -> bool:
    """Tell a CloudEvent in binary mode by what all of them must have.

    A content type of CloudEvents' own says that it is structured, whatever else it carries.
    """
    named = {name.lower(): text for name, text in headers.items()}
    content_type = (named.get("content-type") or b"").decode("utf-8", "replace").lower()
    return attributes.get("specversion") is not None and not content_type.startswith(STRUCTURED)


def _attributes(headers: dict[str, bytes | None]) -> Body:
    return {
        name.lower()[len(ATTRIBUTES[0]) :]: _decoded(text)
        for name, text in headers.items()
        if name.lower().startswith(ATTRIBUTES)
    }


def _decoded(text: bytes | None) -> object:
    try:
        return None if text is None else text.decode("utf-8")
    except UnicodeDecodeError:
        return Unreadable()


def _beside(record: Record, headers: dict[str, bytes | None]) -> Body:
    return {
        "key": _decoded(record.key),
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "time": record.ingested_ms,
        "header": {header: _decoded(text) for header, text in headers.items()},
    }


def _size(value: object) -> int:
    """Give how many bytes a value takes, give or take how it was written."""
    return len(json.dumps(value, default=str))


def _each(record: Body, key: str | None, read: set[str]) -> list[Body]:
    """Give the record once for every item of its list, with the item in the list's place."""
    if key is None:
        return [record]
    items = record.get(key)
    if isinstance(items, dict):
        items = [items]
    if not isinstance(items, list):
        return []
    shared = {k: value for k, value in record.items() if k in read - {key}}
    if len(items) > EVENTS_MAX or _size(shared) * len(items) + _size(record) > EVENTS_BYTES_MAX:
        raise Refused("too_large")
    return [record | {key: item} for item in items]


def _unpack(body: Body, path: Path, read: frozenset[Path]) -> None:
    """Put the object that a text is beside the text, for paths that lead into it."""
    *above, key = path
    holder = find(body, tuple(above))
    if isinstance(holder, dict) and isinstance(found := holder.get(key), str):
        holder[key] = text = Text(found)
        text.within = _within(found) if found else {}
        inside = (p[len(path) :] for p in read if p[: len(path)] == path)
        if any(isinstance(find(text.within, p), Beyond) for p in inside if p):
            text.within = None


def _within(text: str) -> Body | None:
    try:
        found = _json(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def find(body: object, path: Path) -> object:
    """Follow a path; what is `null` or not there is absent."""
    for key in path:
        if isinstance(body, Text):
            body = Unreadable() if body.within is None else body.within
        if isinstance(body, Unreadable):
            return body
        if not isinstance(body, dict):
            return None
        body = body.get(key)
    return body


def judged(found: object) -> object:
    """Give what stands in a place, or say why it cannot be read."""
    if isinstance(found, Unreadable):
        raise Refused("field_type")
    return found


def at(body: Body, path: Path) -> object:
    """Read the place that a path leads to."""
    return judged(find(body, path))
