"""Records that are given up before they are parsed: too large, no UTF-8, too deep."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import compress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.records import Counts, Reason

RECORD_BYTES_MAX: Final = 1 << 20
DEPTH_MAX: Final = 64

_BRACE_BIT: Final = 0x20  # "[" and "{" differ in this bit, "]" and "}" too
# A text that is not closed goes to the end; nothing is tried twice, whatever a record holds.
_TEXT: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)


def without_hopeless(
    values: list[bytes], at: NDArray[np.int64], counts: Counts
) -> tuple[list[bytes], NDArray[np.int64]]:
    """Leave out what is too large, no UTF-8 or too deep, before anything is parsed."""
    sizes = np.fromiter(map(len, values), np.int64, len(values))
    for reason, find in _HOPELESS:
        hopeless = find(values, sizes)
        if hopeless:
            counts.rejected[reason] += len(hopeless)
            stay = np.ones(len(values), np.bool_)
            stay[hopeless] = False
            values, sizes, at = list(compress(values, stay)), sizes[stay], at[stay]
    return values, at


def _too_large(_: list[bytes], sizes: NDArray[np.int64]) -> list[int]:
    return [int(row) for row in np.flatnonzero(sizes > RECORD_BYTES_MAX)]


def _not_utf8(values: list[bytes], _: NDArray[np.int64]) -> list[int]:
    joined = b"\n".join(values)  # a line break between, so that halves cannot make a whole
    if joined.isascii() or _is_utf8(joined):
        return []
    return [row for row, value in enumerate(values) if not _is_utf8(value)]


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _too_deep(values: list[bytes], sizes: NDArray[np.int64]) -> list[int]:
    """Only records with more than 64 openings of their own are looked at one by one."""
    text = np.frombuffer(b"".join(values), np.uint8)
    openings = np.flatnonzero((text | _BRACE_BIT) == ord("{"))
    if len(openings) <= DEPTH_MAX:
        return []
    spread = openings[DEPTH_MAX:] - openings[:-DEPTH_MAX]
    if spread.min() >= sizes.max():
        return []
    own = np.bincount(np.searchsorted(np.cumsum(sizes), openings, "right"))
    suspects = np.flatnonzero(own > DEPTH_MAX).tolist()
    return [row for row in suspects if deeper_than_allowed(values[row])]


_Find = Callable[[list[bytes], NDArray[np.int64]], list[int]]
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
