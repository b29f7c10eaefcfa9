"""Lines as `kcat -J` and `kcat -C -J` print records: the value with all that Kafka has beside it.

    {"topic":"t","partition":0,"offset":7,"ts":1700000000000,"headers":["a","1"],"key":"k","payload":"…"}

A line that is none of those is a value that has nothing beside it, and is judged as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np

from pipeline.core.carried import Carried, Headers
from pipeline.core.records import Records


class _Line(msgspec.Struct, gc=False):
    topic: str
    payload: str | None = None
    partition: int | None = None
    offset: int | None = None
    ts: int | None = None
    key: str | None = None
    headers: list[str | None] | None = None


_decode: Final = msgspec.json.Decoder(_Line).decode


def opened(records: Records) -> Records:
    """The records that lines stand for; each reached the log when it says so."""
    lines = [_line(value) for value in records.values]
    values = [
        value if line is None else _encoded(line.payload)
        for value, line in zip(records.values, lines, strict=True)
    ]
    known = [line or _Line("") for line in lines]
    ingested_ms = np.array(
        [line.ts or now for line, now in zip(known, records.ingested_ms.tolist(), strict=True)],
        np.int64,
    )
    return replace(records, values=values, ingested_ms=ingested_ms, carried=_carried(known))


def is_line(value: bytes | None) -> bool:
    """Whether a line says of itself that it is a record with a payload."""
    return _line(value) is not None and b'"payload"' in (value or b"")


def _line(value: bytes | None) -> _Line | None:
    try:
        return _decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _carried(lines: Sequence[_Line]) -> Carried:
    return Carried(
        [_encoded(line.key) for line in lines],
        [_headers(line.headers or []) for line in lines],
        [line.topic or None for line in lines],
        [line.partition for line in lines],
        [line.offset for line in lines],
        [line.ts or None for line in lines],
    )


def _headers(flat: Sequence[str | None]) -> Headers:
    pairs = zip(flat[::2], flat[1::2], strict=False)
    return [(name, _encoded(value)) for name, value in pairs if name is not None]


def _encoded(text: str | None) -> bytes | None:
    return None if text is None else text.encode()
