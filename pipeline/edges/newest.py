"""The newest complete tick of a product, shared by all who show it."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.core.plan import Plan
from pipeline.core.publish import Tick


class Newest:
    """Holds the newest tick of one product.

    The engine's thread publishes, other threads read. The tick is one reference, so a reader sees
    all of a tick or all of the one before. An older tick than the newest changes nothing: after a
    restart the engine may publish a tick again.

    `may_show` is asked about a tick's moment before it is shown: while the engine is still catching
    up, what it says is old, and nothing is better than old.
    """

    def __init__(self, plan: Plan, may_show: Callable[[int], bool] = lambda _: True) -> None:
        self.plan = plan
        self._may_show = may_show
        self._tick: Tick | None = None

    @property
    def tick(self) -> Tick | None:
        """The newest tick, or None before there is one to show: the unknown is not shown as 0."""
        tick = self._tick
        return tick if tick is not None and self._may_show(tick.at_ms) else None

    def publish(self, tick: Tick) -> None:
        """Show this tick from now on."""
        if self._tick is None or tick.at_ms >= self._tick.at_ms:
            self._tick = tick

    def forget(self) -> None:
        """Show nothing until the next tick is published, whichever it is."""
        self._tick = None
