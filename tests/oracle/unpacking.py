"""Unpack a record into the events it has, each an object that paths lead into.

A record is one event, or as many as its list has (`each`). What Kafka has beside the record stands
in the object as `kafka`, and the attributes of a CloudEvent where a structured one has them.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

from tests.oracle.model import Envelope
from tests.oracle.words import Path

BYTES_MAX = 1024 * 1024
LEVELS_MAX = 64
EVENTS_MAX = 1_000
EVENTS_BYTES_MAX = 4 * 1024 * 1024
ATTRIBUTE = "ce_"
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


class NoObject(str):
    """Text in the place of an object, which it is not."""

    __slots__ = ()


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


def parse(value: bytes) -> object:
    """Step 2: read the record's bytes as JSON."""
    if len(value) > BYTES_MAX:
        raise Refused("too_large")
    try:
        parsed: object = json.loads(
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
    return parsed


def events(record: Record, envelope: Envelope) -> Iterator[Body]:
    """Give every event of a record; where its list has none, the record without the list."""
    assert record.value is not None
    parsed = parse(record.value)
    headers = dict(record.headers)  # of two of one name the last counts
    if envelope.binary_mode and _is_binary(headers):
        parsed = _attributes(headers) | {"data": parsed}
    if not isinstance(parsed, dict):
        raise Refused("not_object")
    beside = _beside(record, headers)
    for body in _each(parsed, envelope.each):
        body["kafka"] = beside
        for path in envelope.text:
            _unpack(body, path)
        yield body


def _is_binary(headers: dict[str, bytes | None]) -> bool:
    """Tell a CloudEvent in binary mode by what all of them must have.

    A content type of CloudEvents' own says that it is structured, whatever else it carries.
    """
    content_type = (headers.get("content-type") or b"").decode("utf-8", "replace").lower()
    return headers.get("ce_specversion") is not None and not content_type.startswith(STRUCTURED)


def _attributes(headers: dict[str, bytes | None]) -> Body:
    return {
        header.removeprefix(ATTRIBUTE): _decoded(text)
        for header, text in headers.items()
        if header.startswith(ATTRIBUTE)
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
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _each(record: Body, key: str | None) -> Iterator[Body]:
    """Give the record once for every item of its list, with the item in the list's place."""
    if key is None:
        yield record
        return
    found = record.get(key)
    if found is not None and not isinstance(found, list):
        yield record | {key: Unreadable()}
        return
    items = found or [None]
    shared_bytes = _size({k: value for k, value in record.items() if k != key})
    bytes_ = shared_bytes * len(items) + sum(map(_size, items))
    if len(items) > EVENTS_MAX or bytes_ > EVENTS_BYTES_MAX:
        raise Refused("too_large")
    for item in items:
        yield record | {key: item}


def _unpack(body: Body, path: Path) -> None:
    """Put the object that a text is in the place of the text."""
    *above, key = path
    holder = find(body, tuple(above))
    if not isinstance(holder, dict) or not isinstance(text := holder.get(key), str):
        return
    try:
        within = json.loads(text, parse_constant=_constant) if text else None
    except ValueError:
        within = NoObject(text)
    holder[key] = within if isinstance(within, dict) or not text else NoObject(text)


def find(body: object, path: Path) -> object:
    """Follow a path; what is `null` or not there is absent."""
    for key in path:
        if isinstance(body, Unreadable | NoObject):
            return Unreadable()
        if not isinstance(body, dict):
            return None
        body = body.get(key)
    return body


def judged(found: object) -> object:
    """Give what stands in a place, or say why it cannot be read."""
    if isinstance(found, Unreadable):
        raise Refused("field_type")
    if isinstance(found, str) and any("\ud800" <= c <= "\udfff" for c in found):
        raise Refused("invalid_json")
    return found


def at(body: Body, path: Path) -> object:
    """Read the place that a path leads to."""
    return judged(find(body, path))
