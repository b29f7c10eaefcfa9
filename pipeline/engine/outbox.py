"""The outbox: what a keyed step sent lately, tick by tick, to be sent once more after a restart.

A crash can leave one step's state ahead of another's by the epoch that it cut short. A step that is
behind then waits for what one that is ahead has sent already. So after a restart the clock calls
the latest ticks again; who has evaluated one before repeats what it sent then, when all that comes
before it in the flow has been repeated too; and everybody drops what they have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Outbox(Generic[T]):
    """What was sent since the snapshot before last, by tick, oldest first."""

    def __init__(self) -> None:
        self._before: dict[int, T] = {}
        self._since: dict[int, T] = {}

    def put(self, at_ms: int, sent: T) -> None:
        """Keep what is being sent."""
        self._since[at_ms] = sent

    @property
    def sent(self) -> dict[int, T]:
        """All that is kept."""
        return self._before | self._since

    def dump(self) -> dict[int, T]:
        """What is kept, when a snapshot is made; what only the last one held is let go."""
        kept = self.sent
        self._before, self._since = self._since, {}
        return kept

    def load(self, sent: Mapping[int, T]) -> None:
        """Take the place of an empty one with what `dump` gave."""
        self._before = {**sent}
