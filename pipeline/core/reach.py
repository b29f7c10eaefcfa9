"""Reach: the different others that the members of a set have met.

An other may have met members in several shards. So each shard hands up which others its members
have gained and lost since the last tick, by other, and who is left in the tally of the level above
has been met by somebody.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.changes import Changes
from pipeline.core.plan import Plan
from pipeline.core.sets import Reach
from pipeline.core.snapshot import Arrays
from pipeline.core.stored_names import StoredNames

_NOBODY: Final = np.empty(0, np.uint64)


class HandedUp:
    """The others that a shard has handed up, for each tally that a set of its level feeds."""

    def __init__(self, plan: Plan, level: int) -> None:
        self.reaches: tuple[Reach, ...] = tuple(
            each for each in plan.reaches if plan.sets[each.set].level == level
        )
        self._others = dict.fromkeys((each.tally for each in self.reaches), _NOBODY)

    def changes(self, tally: int, others: NDArray[np.uint64]) -> dict[int, Changes]:
        """What has changed since the last tick; the others are in order, each once."""
        before, self._others[tally] = self._others[tally], others
        lost = np.setdiff1d(before, others, assume_unique=True)
        gained = np.setdiff1d(others, before, assume_unique=True)
        if not len(lost) and not len(gained):
            return {}
        deltas = np.repeat(np.array([-1, 1]), [len(lost), len(gained)])
        return {tally: Changes(np.concatenate([lost, gained]), deltas)}

    def to_arrays(self, names: StoredNames) -> Iterator[tuple[str, NDArray[Any]]]:
        """All of it, each array with its name."""
        for tally, others in self._others.items():
            yield names.handed_up(tally), others

    def load(self, names: StoredNames, arrays: Arrays) -> None:
        """Take the place of an empty one with what was saved."""
        for tally in self._others:
            self._others[tally] = arrays.get(names.handed_up(tally), _NOBODY)
