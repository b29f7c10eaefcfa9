"""Unwrapping: records of which one is not one object become JSON objects, each of them one event.

Two forms need it. A batch holds many events in a list; each becomes an object of its own, beside
what else of the record is read. A CloudEvent in binary mode has its attributes in headers; it
becomes what it would be in structured mode. Any other record passes as it is.

A batch without a list of events is filtered. `_Batches` alone says so, since what is beside the
list may well have a name and a time that are in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.core.carried import Beside, Headers
from pipeline.core.hopeless import RECORD_BYTES_MAX
from pipeline.core.plan import Plan
from pipeline.core.record_shape import Place
from pipeline.core.records import Counts, Filtered, Reason, Rejected

# Collectors send hundreds at the most. Each event repeats what its record says of all of them.
EVENTS_MAX: Final = 1_000
EVENTS_BYTES_MAX: Final = 4 * RECORD_BYTES_MAX

_PREFIXES: Final = ("ce_", "ce-")  # Kafka's and HTTP's, which gateways hand on
_STRUCTURED: Final = b"application/cloudevents"
_NO_TEXT: Final[list[str]] = []  # of no type that any use asks for
_NULL: Final = msgspec.Raw(b"null")
_ERRORS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Values = list[bytes]
Places = NDArray[np.int64]
Unwrap = Callable[[Values, Beside, Counts, Rejected], tuple[Values, Places]]


def unwrapping_of(plan: Plan, places: Iterable[Place]) -> Unwrap | None:
    """What makes events of records, None where each record is one; `places` is all that is read.

    It takes values, what the log carries of them, the account and what is rejected, and gives
    values and which record of the poll each came of.
    """
    if plan.envelope.each is not None:
        return _Batches(plan.envelope.each, {path[0] for path, _ in places}).unwrapped
    return _structured if plan.envelope.in_headers else None


class _Batches:
    """Takes lists of events apart; `keys` are those at the top of a record that anything reads."""

    def __init__(self, each: str, keys: set[str]) -> None:
        names = {key: f"f{number}" for number, key in enumerate(sorted(keys | {each}))}
        self._each = names.pop(each)
        self._shared = [*names.values()]
        renamed = {name: key for key, name in names.items()} | {self._each: each}
        shared: list[Any] = [(name, msgspec.Raw, _NULL) for name in self._shared]
        of_all: list[Any] = [(self._each, list[msgspec.Raw]), *shared]
        of_one: list[Any] = [(self._each, msgspec.Raw), *shared]
        self._part = msgspec.defstruct("Part", of_one, rename=renamed)
        batch = msgspec.defstruct("Batch", of_all, rename=renamed)
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(batch).decode
        any_of_it = msgspec.defstruct("Any", [(self._each, msgspec.Raw, _NULL)], rename=renamed)
        self._decode_any: Callable[[bytes], Any] = msgspec.json.Decoder(any_of_it).decode
        self._encode = msgspec.json.Encoder().encode

    def unwrapped(
        self, values: Values, beside: Beside, counts: Counts, rejected: Rejected
    ) -> tuple[Values, Places]:
        found = [self._parts(value) for value in values]
        large = np.array([each is Reason.TOO_LARGE for each in found], np.bool_)
        rejected.add(Reason.TOO_LARGE, beside.at[large])
        counts.filtered[Filtered.UNKNOWN_NAME] += found.count(Filtered.UNKNOWN_NAME)
        parts = [each if isinstance(each, list) else [] for each in found]
        sizes = np.array([len(each) for each in parts], np.int64)
        return [part for each in parts for part in each], np.repeat(beside.at, sizes)

    def _parts(self, value: bytes) -> Values | Reason | Filtered:
        """An object for each event, or what becomes of a record of none or too many."""
        try:
            batch = self._decode(value)
        except _ERRORS:
            return Filtered.UNKNOWN_NAME if self._has_no_event(value) else [value]
        events = getattr(batch, self._each)
        shared = {name: getattr(batch, name) for name in self._shared}
        size = sum(len(bytes(part)) for part in shared.values()) * len(events) + len(value)
        if len(events) > EVENTS_MAX or size > EVENTS_BYTES_MAX:
            return Reason.TOO_LARGE
        if not events:
            return Filtered.UNKNOWN_NAME
        return [self._encode(self._part(**shared, **{self._each: event})) for event in events]

    def _has_no_event(self, value: bytes) -> bool:
        """Whether a record that is in order has neither a list nor an event in the list's place."""
        try:
            found = bytes(getattr(self._decode_any(value), self._each))
            return not found.startswith((b"[", b"{"))
        except _ERRORS:
            return False


def _structured(values: Values, beside: Beside, _: Counts, __: Rejected) -> tuple[Values, Places]:
    """Binary mode as structured mode: attributes beside `data`, which is the value as it came."""
    if beside.carried is None:
        return values, beside.at
    headers = beside.carried.headers
    rows = zip(values, beside.at.tolist(), strict=True)
    return [as_structured(value, headers[row]) for value, row in rows], beside.at


def as_structured(value: bytes, headers: Headers) -> bytes:
    """A record in binary mode as it would be in structured mode; any other as it is."""
    attributes = _attributes(headers)
    if attributes.get("specversion") is None or _says_structured(headers):
        return value
    try:
        data = msgspec.json.decode(value, type=msgspec.Raw)
        return msgspec.json.encode({**attributes, "data": data})
    except _ERRORS:
        return value


def _attributes(headers: Headers) -> dict[str, str | list[str] | None]:
    return {
        name[len(_PREFIXES[0]) :].lower(): None if value is None else _text(value)
        for name, value in headers
        if name.lower().startswith(_PREFIXES)
    }


def _text(written: bytes) -> str | list[str]:
    try:
        return written.decode()
    except UnicodeDecodeError:
        return _NO_TEXT


def _says_structured(headers: Headers) -> bool:
    """Whether the content type is CloudEvents' own, which goes before what headers there are."""
    types = [value or b"" for name, value in headers if name.lower() == "content-type"]
    return bool(types) and types[-1].lower().startswith(_STRUCTURED)
