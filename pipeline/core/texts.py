"""Texts as whole numbers: what is remembered of a text is its hash and nothing else.

xxh3 with the deployment's salt, as for ids (`identity.py`), read as a signed number so that it fits
where numbers do. A definition's own texts are hashed alike, and so are found equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from pipeline.core.memories.memory import ABSENT_MICROS

NONE: Final = 1  # in place of a hash, where an absent text is a segment like any other

# In segments these stand for what has no name of its own; a text that reads so gets none either.
OTHER_NAME: Final = "__other__"
NONE_NAME: Final = "__none__"
NAME_CHARACTERS_MAX: Final = 512  # the length of an id; more of a text is not shown


def known_texts(hashes: NDArray[Any]) -> NDArray[np.int64]:
    """The same hashes, with `NONE` for those that are absent."""
    return np.where(hashes == ABSENT_MICROS, NONE, hashes)


def text_hashes(texts: Iterable[str], salt: int) -> NDArray[np.int64]:
    """The hash of each text, none of them `ABSENT_MICROS`.

    >>> text_hashes(["pro", "team", "pro"], salt=7).argmax() in (0, 1)
    True
    """
    digests = [xxh3_64_intdigest(text.encode(), salt) for text in texts]
    hashes = np.array(digests, np.uint64).view(np.int64)
    return np.maximum(hashes, ABSENT_MICROS + 1)
