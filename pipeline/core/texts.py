"""Texts as whole numbers: what is remembered of a text is its hash and nothing else.

xxh3 with the deployment's salt, as for ids (`identity.py`), read as a signed number so that it fits
where numbers do. A definition's own texts are hashed alike, and so are found equal.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from pipeline.core.memories.memory import ABSENT_MICROS


def text_hashes(texts: Iterable[str], salt: int) -> NDArray[np.int64]:
    """The hash of each text, none of them `ABSENT_MICROS`.

    >>> text_hashes(["pro", "team", "pro"], salt=7).argmax() in (0, 1)
    True
    """
    digests = [xxh3_64_intdigest(text.encode(), salt) for text in texts]
    hashes = np.array(digests, np.uint64).view(np.int64)
    return np.maximum(hashes, ABSENT_MICROS + 1)
