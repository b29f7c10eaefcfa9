"""Records that are given up before they are parsed: too large, no UTF-8, too deep."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import compress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.records import Reason, Rejected

RECORD_BYTES_MAX: Final = 1 << 20
DEPTH_MAX: Final = 64

_BLOCK: Final = 64  # bytes whose openings fit one word of bits

_BRACE_BIT: Final = 0x20  # "[" and "{" differ in this bit, "]" and "}" too
# A text that is not closed goes to the end; nothing is tried twice, whatever a record holds.
_TEXT: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)


def without_hopeless(
    values: list[bytes], at: NDArray[np.int64], rejected: Rejected
) -> tuple[list[bytes], NDArray[np.int64]]:
    """Leave out what is too large, no UTF-8 or too deep, before anything is parsed."""
    sizes = np.fromiter(map(len, values), np.int64, len(values))
    largest = int(sizes.max(initial=0))
    text = b"\n".join(values)  # a line break between, so that halves cannot make a whole
    if largest <= RECORD_BYTES_MAX and _is_utf8(text) and _are_shallow(text, largest):
        return values, at
    for reason, find in _HOPELESS:
        hopeless = find(values)
        if hopeless:
            rejected.add(reason, at[hopeless])
            stay = np.ones(len(values), np.bool_)
            stay[hopeless] = False
            values, at = list(compress(values, stay)), at[stay]
    return values, at


def _are_shallow(text: bytes, largest: int) -> bool:
    """Whether no stretch of the largest record's size has more than 64 openings.

    Openings are counted in blocks of 64 bytes; it may be that all are shallow where this says no.
    """
    openings = (np.frombuffer(text, np.uint8) | _BRACE_BIT) == ord("{")
    bits = np.packbits(openings)
    blocks = np.pad(bits, (0, -len(bits) % 8)).view(np.uint64)
    up_to = np.concatenate([[0], np.cumsum(np.bitwise_count(blocks), dtype=np.int64)])
    stretch = min(largest // _BLOCK + 2, len(blocks))
    return bool((up_to[stretch:] - up_to[: len(up_to) - stretch]).max(initial=0) <= DEPTH_MAX)


def _too_large(values: list[bytes]) -> list[int]:
    return [row for row, value in enumerate(values) if len(value) > RECORD_BYTES_MAX]


def _not_utf8(values: list[bytes]) -> list[int]:
    return [row for row, value in enumerate(values) if not _is_utf8(value)]


def _is_utf8(value: bytes) -> bool:
    if value.isascii():
        return True
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _too_deep(values: list[bytes]) -> list[int]:
    suspects = [
        row for row, value in enumerate(values) if value.count(b"{") + value.count(b"[") > DEPTH_MAX
    ]
    return [row for row in suspects if deeper_than_allowed(values[row])]


_Find = Callable[[list[bytes]], list[int]]
_HOPELESS: Final[tuple[tuple[Reason, _Find], ...]] = (
    (Reason.TOO_LARGE, _too_large),
    (Reason.INVALID_JSON, _not_utf8),
    (Reason.TOO_DEEP, _too_deep),
)


def deeper_than_allowed(value: bytes) -> bool:
    """Whether objects and arrays of a JSON text are nested more than `DEPTH_MAX` levels.

    >>> deeper_than_allowed(b"[" * 65 + b"]" * 65), deeper_than_allowed(b'{"a": "[[[["}')
    (True, False)
    """
    bare = np.frombuffer(_TEXT.sub(b"", value), np.uint8) | _BRACE_BIT
    depth = np.cumsum((bare == ord("{")).astype(np.int64) - (bare == ord("}")))
    return bool(depth.max(initial=0) > DEPTH_MAX)
