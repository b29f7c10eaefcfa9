"""Unwrapping: records of which one is not one object become JSON objects, each of them one event.

Two forms need it. A batch holds many events in a list; each becomes an object of its own, beside
what else of the record is read. A CloudEvent in binary mode has its attributes in headers; it
becomes what it would be in structured mode. Any other record passes as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.core.carried import Beside, Headers
from pipeline.core.hopeless import RECORD_BYTES_MAX
from pipeline.core.plan import Plan
from pipeline.core.record_shape import Place
from pipeline.core.records import Reason, Rejected

# Collectors send hundreds at the most. Each event repeats what its record says of all of them.
EVENTS_MAX: Final = 1_000
EVENTS_BYTES_MAX: Final = 4 * RECORD_BYTES_MAX

_PREFIXES: Final = ("ce_", "ce-")  # Kafka's and HTTP's, which gateways hand on
_NULL: Final = msgspec.Raw(b"null")
_ERRORS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Values = list[bytes]
Places = NDArray[np.int64]
Unwrap = Callable[[Values, Beside, Rejected], tuple[Values, Places]]


def unwrapping_of(plan: Plan, places: Iterable[Place]) -> Unwrap | None:
    """What makes events of records, None where each record is one; `places` is all that is read.

    It takes values, what the log carries of them, and what is rejected, and gives values and which
    record of the poll each came of.
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
        self._encode = msgspec.json.Encoder().encode

    def unwrapped(
        self, values: Values, beside: Beside, rejected: Rejected
    ) -> tuple[Values, Places]:
        parts = [self._parts(value) for value in values]
        counts = np.array([len(each) for each in parts], np.int64)
        rejected.add(Reason.TOO_LARGE, beside.at[counts == 0])
        return [part for each in parts for part in each], np.repeat(beside.at, counts)

    def _parts(self, value: bytes) -> Values:
        """An object for each event; none where together they are too large."""
        try:
            batch = self._decode(value)
        except _ERRORS:
            return [value]
        events = getattr(batch, self._each)
        shared = {name: getattr(batch, name) for name in self._shared}
        size = sum(len(bytes(part)) for part in shared.values()) * len(events) + len(value)
        if len(events) > EVENTS_MAX or size > EVENTS_BYTES_MAX:
            return []
        if not events:
            return [value]
        return [self._encode(self._part(**shared, **{self._each: event})) for event in events]


def _structured(values: Values, beside: Beside, _: Rejected) -> tuple[Values, Places]:
    """Binary mode as structured mode: attributes beside `data`, which is the value as it came."""
    if beside.carried is None:
        return values, beside.at
    headers = beside.carried.headers
    rows = zip(values, beside.at.tolist(), strict=True)
    return [as_structured(value, headers[row]) for value, row in rows], beside.at


def as_structured(value: bytes, headers: Headers) -> bytes:
    """A record in binary mode as it would be in structured mode; any other as it is."""
    attributes = _attributes(headers)
    if "specversion" not in attributes:
        return value
    try:
        data = msgspec.json.decode(value, type=msgspec.Raw)
        return msgspec.json.encode({**attributes, "data": data})
    except _ERRORS:
        return value


def _attributes(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    return {
        name[len(_PREFIXES[0]) :].lower(): value.decode(errors="replace")
        for name, value in headers
        if value is not None and name.lower().startswith(_PREFIXES)
    }
