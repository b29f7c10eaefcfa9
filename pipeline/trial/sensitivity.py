"""Sensitivity: what a series comes to, with a threshold as it is and one off."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.trial.lags import Series


@dataclass(frozen=True, slots=True)
class Level:
    """The value at the last step, and the mean of all `steps` at which there is a known one."""

    last: float | None
    mean: float | None
    steps: int


def level(series: Series) -> Level:
    """Where a series lies.

    >>> level([None, 2, 5])
    Level(last=5, mean=3.5, steps=2)
    >>> level([4, None])
    Level(last=None, mean=4.0, steps=1)
    """
    known = [value for value in series if value is not None]
    mean = math.fsum(known) / len(known) if known else None
    return Level(series[-1] if series else None, mean, len(known))


def change(to: float | None, of: float | None) -> float | None:
    """By which share a value differs from another; None where that is not known, or from 0.

    >>> change(6, 8), change(None, 8), change(6, 0)
    (-0.25, None, None)
    """
    return None if to is None or not of else (to - of) / of
