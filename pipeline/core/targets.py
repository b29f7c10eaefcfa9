"""Targets: how much of it is there, and whether that is as much as there should be by now.

A target is for a day, and over when that day is (UTC). The way to it is a straight line from the
metric's value at the start of the day that its definition holds `since`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.core.windows import DAY_MS


@dataclass(frozen=True, slots=True)
class Target:
    """Where a metric is to be by the end of a day; `by_ms` is the start of that day."""

    by_ms: int
    value: float

    @property
    def over_ms(self) -> int:
        """When its day is over."""
        return self.by_ms + DAY_MS


@dataclass(frozen=True, slots=True)
class Progress:
    """Shares of the target, and of what the line to it expects now; None where not known."""

    attainment: float | None = None
    pace: float | None = None


UNKNOWN: Final = Progress()


def progress(
    targets: Sequence[Target],
    value: float | None,
    tick_ms: int,
    start_ms: int | None,
    start: float | None,
) -> Progress:
    """How far a value is on the way to the next target that is not over.

    Args:
        targets: in the order of their days.
        value: the metric's, now.
        tick_ms: now.
        start_ms: where the line starts; None without a `since`.
        start: the metric's value there.

    >>> year = [Target(by_ms=9 * DAY_MS, value=200.0)]
    >>> progress(year, 120.0, tick_ms=2 * DAY_MS, start_ms=0, start=100.0)
    Progress(attainment=0.6, pace=1.0)
    """
    ahead = [target for target in targets if target.over_ms > tick_ms]
    if not ahead or value is None:
        return UNKNOWN
    target = ahead[0]
    attainment = value / target.value
    if start_ms is None or start is None or not start_ms <= tick_ms < target.over_ms:
        return Progress(attainment)
    gone = (tick_ms - start_ms) / (target.over_ms - start_ms)
    expected = start + (target.value - start) * gone
    return Progress(attainment, value / expected if expected else None)
