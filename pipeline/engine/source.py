"""What an engine asks of a place that records come from.

A source is cut into a fixed number of slots, the engine's unit of work and of restart. A slot owns
partitions (Kafka: those whose number is the slot's modulo the number of slots) and says so itself,
because partitions may come while it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from pipeline.core.expression import Path
from pipeline.core.records import Reason, Records, Rejected


class SlotReader(Protocol):
    """An open slot. Never blocks; not shared between threads."""

    def poll(self, limit: int) -> Sequence[Records]:
        """Up to about `limit` records that are there now, grouped by partition, each in order."""

    def partitions(self) -> Sequence[int]:
        """The partitions this slot owns now."""

    def positions(self) -> Mapping[int, int]:
        """Where partitions stand that nothing was read from yet, if that is not their start.

        Saved with the others, so that what comes while the engine is down is not passed over.
        """

    def finished(self, partition: int) -> bool:
        """Whether a partition has ended for good (the end of a file)."""

    def at_end(self, partition: int) -> bool:
        """Whether all that is there now, as far as is known, has been handed out."""

    def caught_up(self, partition: int) -> bool:
        """Whether all that was there when the slot was opened has been handed out."""

    def durable(self, positions: Mapping[int, int]) -> None:
        """Told when everything before these positions (partition → next offset) is saved."""

    def close(self) -> None:
        """Let go of what is held."""


class DeadLetters(Protocol):
    """A place that rejected records go to. Shared between threads."""

    def take(
        self,
        records: Records,
        rejected: Rejected,
        place_at_fault: Callable[[bytes | None, Reason], Path | None],
    ) -> None:
        """Take in what was rejected of a poll, without waiting."""

    def settle(self) -> None:
        """Called before a snapshot: wait, for a second at most, until what was taken is kept."""


class Source(Protocol):
    """A place that records come from."""

    @property
    def slots(self) -> int:
        """How many slots there are; fixed for the life of the saved state."""

    def open(self, slot: int, positions: Mapping[int, int]) -> SlotReader:
        """Open a slot; partitions named in `positions` go on from there, others from the start."""
