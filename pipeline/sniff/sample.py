"""A sample of records as plain objects, opened as an envelope would open them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pipeline.core.carried import is_carried
from pipeline.core.envelope import Envelope
from pipeline.core.expression import Path
from pipeline.core.hopeless import RECORD_BYTES_MAX
from pipeline.core.record_shape import look_up
from pipeline.core.records import Records
from pipeline.core.unwrap import as_structured

_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Seen:
    """One event of a sample: its object, and which record it was in."""

    body: dict[str, Any]
    records: Records
    row: int

    def at(self, path: Path) -> object:
        """What stands at a path, None where that is absent."""
        if not is_carried(path):
            return look_up(self.body, path)
        return None if self.records.carried is None else self.records.carried.at(path, self.row)

    def first(self, paths: Sequence[Path]) -> object:
        """Of several places the first that is present."""
        return next((found for path in paths if (found := self.at(path)) is not None), None)


class Sample:
    """Records of one topic or file; `unreadable` counts those that are no object, by why."""

    def __init__(self, polls: Sequence[Records]) -> None:
        self.unreadable: Counter[str] = Counter()
        self.records = sum(len(records.values) for records in polls)
        self._polls = polls
        self._plain = [
            (records, row, body)
            for records in polls
            for row, value in enumerate(records.values)
            if (body := self._read(value)) is not None
        ]

    @property
    def carries(self) -> bool:
        """Whether keys, headers and the like are known."""
        return any(records.carried is not None for records in self._polls)

    def topics(self) -> list[str]:
        """The topics that the records are of, where they say so."""
        carried = [records.carried for records in self._polls if records.carried is not None]
        return [*dict.fromkeys(topic for each in carried for topic in each.topics if topic)]

    def events(self, envelope: Envelope) -> Iterator[Seen]:
        """Each event that an envelope would find."""
        for records, row, plain in self._plain:
            body = _structured(records, row, plain) if envelope.in_headers else plain
            for each in _parts(body, envelope.each):
                yield Seen(_opened(each, envelope.texts), records, row)

    def _read(self, value: bytes | None) -> dict[str, Any] | None:
        why = "tombstone" if not value else "too_large" if len(value) > RECORD_BYTES_MAX else None
        if why is None:
            try:
                found = msgspec.json.decode(value or b"")
            except _ERRORS:
                why = "invalid_json"
            else:
                if isinstance(found, dict):
                    return found
                why = "not_object"
        self.unreadable[why] += 1
        return None


def _structured(records: Records, row: int, plain: dict[str, Any]) -> dict[str, Any]:
    if records.carried is None:
        return plain
    found = msgspec.json.decode(
        as_structured(records.values[row] or b"", records.carried.headers[row])
    )
    return found if isinstance(found, dict) else plain


def _parts(body: dict[str, Any], each: str | None) -> list[dict[str, Any]]:
    items = None if each is None else body.get(each)
    if each is None or not isinstance(items, list):
        return [body]
    return [{**body, each: item} for item in items]


def _opened(body: dict[str, Any], texts: Sequence[Path]) -> dict[str, Any]:
    for path in texts:
        text = look_up(body, path)
        if isinstance(text, str) and len(path) == 1:
            try:
                found = msgspec.json.decode(text)
            except _ERRORS:
                continue
            body = {**body, path[0]: found} if isinstance(found, dict) else body
    return body
