"""A prepared log as a source: polls are cut before the clock starts, and handed out one by one."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from pipeline.core.records import Records
from tests.bench.stream import Log

POLL_RECORDS: Final = 10_000  # what settings ask for at a time


class MemoryLog:
    """Partitions in memory, each in the slot of its number."""

    def __init__(self, log: Log, poll_records: int = POLL_RECORDS) -> None:
        self.slots = len(log.values)
        self._polls = [list(log.polls(number, poll_records)) for number in range(self.slots)]

    def open(self, slot: int, positions: Mapping[int, int]) -> "MemoryLogReader":
        """Open a slot at the first poll that nothing was read of."""
        start = positions.get(slot, 0)
        return MemoryLogReader(slot, [p for p in self._polls[slot] if p.offsets[0] >= start])


class MemoryLogReader:
    """An open slot: one partition."""

    def __init__(self, slot: int, polls: Sequence[Records]) -> None:
        self._slot = slot
        self._polls = deque(polls)

    def poll(self, limit: int) -> Sequence[Records]:  # noqa: ARG002 - cut beforehand
        return [self._polls.popleft()] if self._polls else []

    def partitions(self) -> Sequence[int]:
        return [self._slot]

    def positions(self) -> Mapping[int, int]:
        return {}

    def finished(self, partition: int) -> bool:  # noqa: ARG002
        return not self._polls

    def at_end(self, partition: int) -> bool:  # noqa: ARG002
        return not self._polls

    def caught_up(self, partition: int) -> bool:  # noqa: ARG002
        return not self._polls

    def durable(self, positions: Mapping[int, int]) -> None:
        pass

    def close(self) -> None:
        pass
