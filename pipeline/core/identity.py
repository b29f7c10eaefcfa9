"""Identity: ids become 64-bit hashes, and ids that name nobody are refused.

xxh3 with the deployment's salt. Two of the 2^64 hashes are set apart: 0 is an absent id, 1 one that
is refused. Among 10^8 ids the chance that any two share a hash is about 3 in 10,000; then they
count as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import compress, product, repeat
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from pipeline.core.plan import IdMode, IdSource

ABSENT: Final = 0
REFUSED: Final = 1
_RESERVED: Final = 2

ID_LENGTH_MAX: Final = 512
ID_NUMBER_MAX: Final = 1 << 53  # beyond it JSON numbers of most producers are no longer exact

# What trackers send when they know nobody. Each would become the most active user of all.
PLACEHOLDERS: Final = frozenset(
    {"0", "null", "none", "nil", "undefined", "nan", "n/a", "guest", "anonymous", "unknown"}
)

_VISIBLE: Final = 0x21  # the first character that is neither a space nor a control
_DELETE: Final = 0x7F
_HASH_OF_NOTHING: Final = np.uint64(xxh3_64_intdigest(b""))

_MARKS: Final = 1 << 18  # a quarter of a megabyte; of two thousand hashes, one in 130 is looked at

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Refused in ids, so they can separate the parts of one.
_SET_APART: Final = "\x1f"
_JOIN: Final = "\x1e"

Values = Sequence[Any]  # texts, whole numbers, None
Hashes = NDArray[np.uint64]


class Identity:
    """Hashes ids with a salt."""

    def __init__(self, salt: int) -> None:
        self._salt = salt
        self._hash_of_nobody = _Few(self._digests([*_plain_nobodies()]))

    def hashes(self, source: IdSource, columns: Sequence[Values]) -> Hashes:
        """The hash of each row's id; `columns` holds what stands at each path of the source."""
        if len(columns) == 1:
            return self._hashed(columns[0])
        if source.mode is IdMode.FIRST:
            return self._hashed_first(source, columns)
        return self._hashed_together(columns)

    def _hashed(self, values: Values) -> Hashes:
        """Plain texts, as most ids are, many at a time; the others one by one."""
        if _all_plain(values):
            return self._hashed_plain(values)
        plain = _plain(values)
        hashes = np.empty(len(values), np.uint64)
        hashes[plain] = self._hashed_plain([*compress(values, plain)])
        others = [*compress(values, ~plain)]
        hashes[~plain] = self._hashed_texts([_text_of(value) for value in others])
        return hashes

    def _hashed_plain(self, texts: Sequence[str]) -> Hashes:
        digests = self._digests(texts)
        suspects = self._hash_of_nobody.among(digests)
        digests[digests < _RESERVED] += np.uint64(_RESERVED)
        for row in suspects.tolist():
            if canonical(texts[row]) is None:
                digests[row] = REFUSED
        return digests

    def _hashed_first(self, source: IdSource, columns: Sequence[Values]) -> Hashes:
        hashes = self._hashed(columns[0])
        for path, column in zip(source.paths[1:], columns[1:], strict=True):
            absent = np.flatnonzero(hashes == ABSENT)
            apart = ".".join(path) + _SET_APART
            texts = _with_prefix(apart, [column[row] for row in absent.tolist()])
            hashes[absent] = self._hashed_texts(texts)
        return hashes

    def _hashed_together(self, columns: Sequence[Values]) -> Hashes:
        return self._hashed_texts([_together(row) for row in zip(*columns, strict=True)])

    def _hashed_texts(self, texts: Sequence[str | int]) -> Hashes:
        """The hashes of canonical texts; `ABSENT` and `REFUSED` stand for themselves."""
        return np.array(
            [text if isinstance(text, int) else self._digest(text) for text in texts], np.uint64
        )

    def _digest(self, text: str) -> int:
        digest = xxh3_64_intdigest(text.encode(), self._salt)
        return digest if digest >= _RESERVED else digest + _RESERVED

    def _digests(self, texts: Sequence[str]) -> Hashes:
        encoded = map(str.encode, texts)
        digests = map(xxh3_64_intdigest, encoded, repeat(self._salt))
        return np.fromiter(digests, np.uint64, len(texts))


class _Few:
    """A few hashes, looked for among many."""

    def __init__(self, hashes: Hashes) -> None:
        self._marked = np.zeros(_MARKS, np.bool_)
        self._marked[_low_bits(hashes)] = True

    def among(self, hashes: Hashes) -> NDArray[np.int64]:
        """The rows that may be one of the few: all that are, and a few that are not."""
        return np.flatnonzero(self._marked[_low_bits(hashes)])


def _low_bits(hashes: Hashes) -> NDArray[np.int64]:
    return (hashes & np.uint64(_MARKS - 1)).astype(np.int64)


def _all_plain(values: Values) -> bool:
    """Whether all are short texts of visible ASCII characters; some may be of nobody still."""
    try:
        joined = "".join(values)
    except TypeError:
        return False
    if not joined.isascii() or max(map(len, values), default=0) > ID_LENGTH_MAX:
        return False
    characters = np.frombuffer(joined.encode(), np.uint8)
    return bool(
        characters.min(initial=_VISIBLE) >= _VISIBLE and characters.max(initial=0) < _DELETE
    )


def _plain(values: Values) -> NDArray[np.bool_]:
    """Which are short texts of visible ASCII characters."""
    encoded = [value.encode() if isinstance(value, str) else b"" for value in values]
    sizes = np.fromiter(map(len, encoded), np.int64, len(encoded))
    plain = (sizes > 0) & (sizes <= ID_LENGTH_MAX)
    characters = np.frombuffer(b"".join(encoded), np.uint8)
    starts = (np.cumsum(sizes) - sizes)[sizes > 0]
    if len(starts):
        lowest, highest = (
            reduce.reduceat(characters, starts) for reduce in (np.minimum, np.maximum)
        )
        plain[sizes > 0] &= (lowest >= _VISIBLE) & (highest < _DELETE)
    return plain


def _plain_nobodies() -> Iterator[str]:
    """Every way to write, in plain characters, an id that names nobody."""
    yield ""
    for text in PLACEHOLDERS:
        yield from map("".join, product(*({letter, letter.upper()} for letter in text)))


def message_hashes(values: Values) -> Hashes:
    """Hashes of message ids, 0 where there is none; any text is a message id but the empty one."""
    try:
        encoded = [*map(str.encode, values)]
    except TypeError:  # whole numbers and absent ones among them
        encoded = [b"" if value is None else str(value).encode() for value in values]
    hashes = np.fromiter(map(xxh3_64_intdigest, encoded), np.uint64, len(encoded))
    hashes[hashes == _HASH_OF_NOTHING] = 0
    return hashes


def together(parts: Sequence[Values]) -> list[str | None]:
    """A message id made of several parts, None where one of them is absent or empty."""
    return [
        None if None in row or "" in row else _JOIN.join(map(str, row))
        for row in zip(*parts, strict=True)
    ]


def canonical(value: str | int) -> str | None:
    """An id as text, or None where it is refused.

    >>> canonical("ann"), canonical(42), canonical("Guest"), canonical(" ")
    ('ann', '42', None, None)
    """
    if isinstance(value, int):
        return str(value) if 0 < value < ID_NUMBER_MAX else None
    if len(value) > ID_LENGTH_MAX or not value or value.isspace():
        return None
    if not value.isprintable() and _CONTROL.search(value):
        return None
    return None if value.casefold() in PLACEHOLDERS else value


def _text_of(value: str | int | None) -> str | int:
    """An id as text, or the hash that stands for there being none."""
    if value is None:
        return ABSENT
    text = canonical(value)
    return REFUSED if text is None else text


def _with_prefix(prefix: str, values: Values) -> list[str | int]:
    texts = map(_text_of, values)
    return [prefix + text if isinstance(text, str) else text for text in texts]


def _together(row: tuple[str | int | None, ...]) -> str | int:
    if None in row:
        return ABSENT
    texts = [canonical(value) for value in row if value is not None]
    return REFUSED if None in texts else _JOIN.join(text for text in texts if text is not None)
