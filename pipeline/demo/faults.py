"""Records that something went wrong with, each in a way that real topics have shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_Fault = Callable[[bytes], bytes | None]


def _replacing(written: bytes, instead: bytes) -> _Fault:
    return lambda value: value.replace(written, instead, 1)


_FAULTS: Final[tuple[_Fault, ...]] = (
    lambda value: value[: len(value) // 2],  # cut off on the way
    lambda value: b"[" + value + b"]",  # a batch where one record is expected
    lambda _: None,  # a tombstone: no fault of its own, but no record either
    _replacing(b'"timestamp":"20', b'"timestamp":"00'),  # a year of two digits, filled up
    _replacing(b'"timestamp":"202', b'"timestamp":"203'),  # a clock that is ten years ahead
    _replacing(b'"userId":"', b'"userId":"null","user":"'),  # nobody, in writing
    _replacing(b'"userId":"', b'"userId":false,"user":"'),  # nobody, in another type
    _replacing(b'"ms":', b'"ms":-1'),  # a clock that was set back during a view
)


def spoilt(value: bytes, luck: int) -> bytes | None:
    """The record with one of the faults, picked by any number.

    >>> spoilt(b'{"userId":"7d51"}', 5)
    b'{"userId":"null","user":"7d51"}'
    """
    return _FAULTS[luck % len(_FAULTS)](value)
