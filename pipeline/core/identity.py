"""Identity: ids become 64-bit hashes, and ids that name nobody are refused.

xxh3 with the deployment's salt. Two of the 2^64 hashes are set apart: 0 is an absent id, 1 one that
is refused. Among 10^8 ids the chance that any two share a hash is about 3 in 10,000; then they
count as one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Refused in ids, so they can separate the parts of one.
_SET_APART: Final = "\x1f"
_JOIN: Final = "\x1e"

# Ids are looked up here before they are hashed: most of a batch's ids have been seen before.
# At about 120 bytes an entry this is 30 MB (150 with ids of the greatest length), and a full
# cache starts anew.
_CACHE_MAX: Final = 1 << 18

Values = Sequence[Any]  # texts, whole numbers, None


class Identity:
    """Hashes ids with a salt, and remembers the hashes of recent ones."""

    def __init__(self, salt: int) -> None:
        self._salt = salt
        self._cache: dict[Any, int] = {None: ABSENT}

    def hashes(self, source: IdSource, columns: Sequence[Values]) -> NDArray[np.uint64]:
        """The hash of each row's id; `columns` holds what stands at each path of the source."""
        if len(columns) == 1:
            return self._hashed(columns[0])
        if source.mode is IdMode.FIRST:
            return self._hashed_first(source, columns)
        return self._hashed_together(columns)

    def _hashed(self, values: Values) -> NDArray[np.uint64]:
        return self._through_cache(values, canonical)

    def _hashed_first(self, source: IdSource, columns: Sequence[Values]) -> NDArray[np.uint64]:
        hashes = self._hashed(columns[0])
        for path, column in zip(source.paths[1:], columns[1:], strict=True):
            absent = np.flatnonzero(hashes == ABSENT)
            apart = ".".join(path) + _SET_APART
            keys = [
                None if column[row] is None else (None, apart, column[row])
                for row in absent.tolist()
            ]
            hashes[absent] = self._through_cache(keys, _canonical_apart)
        return hashes

    def _hashed_together(self, columns: Sequence[Values]) -> NDArray[np.uint64]:
        keys = [None if None in row else row for row in zip(*columns, strict=True)]
        return self._through_cache(keys, _canonical_together)

    def _through_cache(
        self, keys: Values, text_of: Callable[[Any], str | None]
    ) -> NDArray[np.uint64]:
        if len(self._cache) > _CACHE_MAX:
            self._cache = {None: ABSENT}
        cache = self._cache
        found: list[Any] = list(map(cache.get, keys))
        if None in found:
            for row, known in enumerate(found):
                if known is None:
                    found[row] = self._learnt(keys[row], text_of)
        return np.array(found, np.uint64)

    def _learnt(self, key: Any, text_of: Callable[[Any], str | None]) -> int:  # noqa: ANN401
        text = text_of(key)
        if text is None:
            return REFUSED  # and not kept: it may be of any length
        hashed = self._cache[key] = self._hash(text)
        return hashed

    def _hash(self, text: str) -> int:
        digest = xxh3_64_intdigest(text.encode(), self._salt)
        return digest if digest >= _RESERVED else digest + _RESERVED


def message_hashes(values: Values) -> NDArray[np.uint64]:
    """Hashes of message ids, 0 where there is none; any text is a message id but the empty one."""
    return np.array(
        [
            0 if value is None or value == "" else xxh3_64_intdigest(str(value).encode())
            for value in values
        ],
        np.uint64,
    )


def canonical(value: str | int) -> str | None:
    """An id as text, or None where it is refused.

    >>> canonical("ann"), canonical(42), canonical("Guest"), canonical(" ")
    ('ann', '42', None, None)
    """
    if isinstance(value, int):
        return str(value) if 0 < value < ID_NUMBER_MAX else None
    if len(value) > ID_LENGTH_MAX or not value or value.isspace() or _CONTROL.search(value):
        return None
    return None if value.casefold() in PLACEHOLDERS else value


def _canonical_apart(key: tuple[None, str, str | int]) -> str | None:
    _, apart, value = key  # None in front: no id of several parts is ever such a key
    text = canonical(value)
    return None if text is None else apart + text


def _canonical_together(key: tuple[str | int, ...]) -> str | None:
    texts = [canonical(value) for value in key]
    return None if None in texts else _JOIN.join(text for text in texts if text is not None)
