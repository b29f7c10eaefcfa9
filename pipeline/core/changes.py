"""Changes: what a tick changed in whom the members of a set name, for the level above."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Changes:
    """Members gained (+1) and lost (-1) by the entities that they name."""

    keys: NDArray[np.uint64]
    deltas: NDArray[np.int64]

    def __reduce__(self) -> tuple[Any, ...]:
        """Between processes, as two blocks of bytes: most are short, and arrays pickle slowly."""
        return _of_bytes, (self.keys.tobytes(), self.deltas.tobytes())


def _of_bytes(keys: bytes, deltas: bytes) -> Changes:
    return Changes(np.frombuffer(keys, np.uint64), np.frombuffer(deltas, np.int64))


TickChanges = dict[int, Changes]  # of one tick, by tally


def all_of(changes: list[Changes]) -> Changes:
    """Changes of one tally as one."""
    return Changes(
        np.concatenate([change.keys for change in changes]),
        np.concatenate([change.deltas for change in changes]),
    )


def changes_by_shard(changes: Changes, shards: int) -> Iterator[tuple[int, Changes]]:
    """Cut changes by the shard of the entity that gains or loses."""
    shard = (changes.keys >> np.uint64(32)) % np.uint64(shards)
    for number in np.unique(shard):
        chosen = shard == number
        yield int(number), Changes(changes.keys[chosen], changes.deltas[chosen])
