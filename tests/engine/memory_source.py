"""A log in memory: a source whose every turn a test decides."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random

import numpy as np

from pipeline.core.carried import Carried
from pipeline.core.records import Records
from tests.oracle.oracle import Record


class MemorySource:
    """Partitions of records, dealt out to slots as Kafka's are: by their number.

    `luck` seeds how many records a poll gives and of which partitions; without it a poll gives as
    many as are asked for, partition by partition. `live` partitions never finish, and may `grow`.
    `from_end` starts partitions without a position at their end, as Kafka's `latest` does.
    `on_poll` is called with the slot at every poll, and may raise. Nothing is given of partitions
    that are `held_back`. `told_durable` takes in what each slot's reader was told.
    """

    def __init__(
        self,
        records: Iterable[Record],
        *,
        slots: int = 1,
        partitions: Iterable[int] = (),
        luck: int | None = None,
        live: bool = False,
        from_end: bool = False,
        on_poll: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.slots = slots
        self.luck = luck
        self.live = live
        self.from_end = from_end
        self.held_back: set[int] = set()
        self.on_poll = on_poll
        self.logs: dict[int, list[Record]] = {number: [] for number in partitions}
        self.handed_out: dict[int, int] = defaultdict(int)
        self.opened_at: list[tuple[int, dict[int, int]]] = []
        self.told_durable: list[tuple[int, dict[int, int]]] = []
        self.closed: list[int] = []
        self.grow(records)

    def grow(self, records: Iterable[Record]) -> None:
        """Put records at the end of their partitions."""
        for record in records:
            self.logs.setdefault(record.partition, []).append(record)

    @property
    def exhausted(self) -> bool:
        """Whether every record of every partition has been handed out."""
        return all(self.handed_out[number] == len(log) for number, log in self.logs.items())

    def open(self, slot: int, positions: Mapping[int, int]) -> "MemoryReader":
        """Open a slot where it left off."""
        self.opened_at.append((slot, dict(positions)))
        return MemoryReader(self, slot, positions)


class MemoryReader:
    """An open slot of a log in memory."""

    def __init__(self, source: MemorySource, slot: int, positions: Mapping[int, int]) -> None:
        self._source = source
        self._slot = slot
        self._luck = None if source.luck is None else Random(f"{source.luck}/{slot}")  # noqa: S311
        self._first_end = {number: len(source.logs[number]) for number in self.partitions()}
        starts = self._first_end if source.from_end else {}
        self._at = {n: positions.get(n, starts.get(n, 0)) for n in self._first_end}
        source.handed_out.update(self._at)

    def poll(self, limit: int) -> Sequence[Records]:
        self._source.on_poll(self._slot)
        there = set(self.partitions()) - self._source.held_back
        numbers = [number for number in sorted(there) if not self.at_end(number)]
        if self._luck is not None:
            numbers = self._luck.sample(numbers, self._luck.randint(0, len(numbers)))
        found = []
        for number in numbers:
            size = limit if self._luck is None else self._luck.randint(0, limit)
            records = self._source.logs[number][self._at.get(number, 0) :][: min(size, limit)]
            if records:
                found.append(as_polled(records))
                self._at[number] = records[-1].offset + 1
                limit -= len(records)
        self._source.handed_out.update(self._at)
        return found

    def partitions(self) -> Sequence[int]:
        source = self._source
        return [number for number in sorted(source.logs) if number % source.slots == self._slot]

    def positions(self) -> Mapping[int, int]:
        return {number: at for number, at in self._at.items() if self._source.from_end}

    def finished(self, partition: int) -> bool:
        return not self._source.live and self.at_end(partition)

    def at_end(self, partition: int) -> bool:
        return self._at.get(partition, 0) == len(self._source.logs[partition])

    def caught_up(self, partition: int) -> bool:
        return self._at.get(partition, 0) >= self._first_end.get(partition, 0)

    def durable(self, positions: Mapping[int, int]) -> None:
        self._source.told_durable.append((self._slot, dict(positions)))

    def close(self) -> None:
        self._source.closed.append(self._slot)


def as_polled(records: Sequence[Record]) -> Records:
    """Records of one partition, as a reader hands them out."""
    return Records(
        records[0].partition,
        [record.value for record in records],
        np.array([record.offset for record in records], np.int64),
        np.array([record.ingested_ms for record in records], np.int64),
        carried=Carried(
            [record.key for record in records],
            [record.headers for record in records],
            [record.topic for record in records],
            [record.partition for record in records],
            [record.offset for record in records],
            [record.ingested_ms for record in records],
        ),
    )
