"""Value: what an entity's newest teaching event says of it, as a number.

The plan it is on, its seats, whether it pays. Numbers are kept in millionths, texts as hashes
(`core/texts.py`), true and false as 1 and 0. It is an attribute in all else: never forgotten, and
of two events at the same millisecond the one with the larger number wins.
"""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.attribute import Attribute
from pipeline.core.memories.memory import ABSENT_MICROS, Flags

_ABSENT: Final = np.int64(ABSENT_MICROS)


class Value(Attribute):
    """The newest value by row (int64, `ABSENT_MICROS` where none is known).

    >>> seats = Value()
    >>> seats.resize(2)
    >>> seats.apply(np.array([0, 0]), np.array([20, 10]), np.array([5, 9]))
    >>> seats.one_of(np.array([5]), negated=False).tolist()
    [True, False]
    >>> seats.at_least(6, negated=True).tolist()
    [True, False]
    """

    absent: ClassVar[np.int64] = _ABSENT

    @classmethod
    def holding(cls, values: NDArray[np.int64]) -> Value:
        """One that says just this, to be asked."""
        value = cls()
        value._values, value._rows = values, len(values)
        return value

    def one_of(self, options: NDArray[np.int64], *, negated: bool) -> Flags:
        """Which rows have one of these values, or where `negated` another one."""
        return self._known(np.isin(self.values, options), negated=negated)

    def at_least(self, threshold: int, *, negated: bool) -> Flags:
        """Which rows have a value of `threshold` or more, or where `negated` a smaller one."""
        return self._known(self.values >= threshold, negated=negated)

    def _known(self, found: Flags, *, negated: bool) -> Flags:
        return np.asarray((found != negated) & (self.values != _ABSENT))
