"""The local engine: all stages in one loop, in one process.

For tests, replay and try-outs. It gives the same readings as the Bytewax engine, which a test
holds both to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.core.changes import Changes, changes_by_shard
from pipeline.core.clock import HOLDS_NOBODY_BACK, growth_steps_ms, with_baselines
from pipeline.core.decode import LONG_AGO, Decoder, PartitionState
from pipeline.core.deployment import Deployment
from pipeline.core.grid import grid
from pipeline.core.judge import History
from pipeline.core.match import Matcher
from pipeline.core.partial import Partial, merge
from pipeline.core.plan import Plan
from pipeline.core.publish import Tick, tick
from pipeline.core.records import Counts, Records
from pipeline.core.roll import Shard
from pipeline.core.seeds import Share
from pipeline.engine.source import SlotReader

# Rows of a replay wait for the next tick asked for, which may be weeks away: from here on they are
# applied early. At 40 bytes a row and a handful of feeds this is some 100 MB.
_WAITING_MAX = 1 << 19


class LocalEngine:
    """Runs a plan over records that are handed to it."""

    def __init__(
        self, plan: Plan, deployment: Deployment, hear: Callable[[Tick], object] | None = None
    ) -> None:
        """Begin with nothing; `hear` is called with every tick that is made, asked for or not."""
        self.plan = plan
        self._hear = hear
        self.counts = Counts()
        self._deployment = deployment
        self._decoder = Decoder(plan, deployment)
        self._matcher = Matcher(plan, deployment)
        self._partitions: dict[int, PartitionState] = {}
        self._watermarks: dict[int, int] = {}
        self._levels = [
            [
                Shard(plan, level, salt=deployment.salt, share=Share(number, deployment.shards))
                for number in range(deployment.shards)
            ]
            for level in range(plan.levels)
        ]
        self._history = History()
        self._waiting = 0
        self._grid_ms = growth_steps_ms(plan)
        self._first_ms: int | None = None  # when anything became visible first
        self._evaluated_ms = LONG_AGO

    def feed(self, records: Records) -> None:
        """Take in records of one partition, in their order."""
        number = records.partition
        state = self._partitions.setdefault(number, self._decoder.fresh())
        decoded = self._decoder.decode(records, state)
        self._watermarks[number] = decoded.watermark_ms
        self.counts.add(decoded.counts)
        contributions = self._matcher.match(decoded.batch)
        self.counts.add(contributions.counts)
        if contributions.visible_ms is not None:
            first_ms = contributions.visible_ms[0]
            self._first_ms = first_ms if self._first_ms is None else min(self._first_ms, first_ms)
        for (level, shard), rows in contributions.rows.items():
            self._levels[level][shard].queue(rows, contributions.visible_ms)
            self._waiting += sum(map(len, rows.values()))
        # Events that no feed has rows of were watched as well.
        self._levels[0][number % self._deployment.shards].queue({}, contributions.visible_ms)

    def finish(self, partition: int) -> None:
        """A partition has ended: it holds nobody back any more."""
        self._watermarks[partition] = HOLDS_NOBODY_BACK

    def reached_ms(self, partition: int) -> int:
        """How far one partition has come."""
        return self._watermarks.get(partition, LONG_AGO)

    @property
    def newest_ms(self) -> int:
        """The newest event time of all partitions."""
        states = self._partitions.values()
        return max((state.newest_ms for state in states), default=LONG_AGO)

    def watermark_ms(self, partitions: Iterable[int]) -> int:
        """How far all of these partitions have come."""
        known = self._watermarks
        return min(
            (known.get(number, LONG_AGO) for number in partitions), default=HOLDS_NOBODY_BACK
        )

    def settle(self, before_ms: int) -> None:
        """Apply rows early, if many wait; no tick before `before_ms` may be asked for any more."""
        if self._waiting > _WAITING_MAX:
            for shard in self._shards():
                shard.settle(before_ms)
            self._waiting = sum(shard.waiting for shard in self._shards())

    def shard(self, level: int, number: int) -> Shard:
        """One of its shards."""
        return self._levels[level][number]

    def _shards(self) -> Iterator[Shard]:
        for level in self._levels:
            yield from level

    def evaluate(self, at_ms: int) -> Tick:
        """Make the tick of a moment later than the last one, from what has been fed so far."""
        self.pass_grid(at_ms - 1)
        return self._evaluate(at_ms)

    def pass_grid(self, until_ms: int) -> None:
        """Make the ticks up to a moment that growth must not pass over."""
        if self._grid_ms and self._first_ms is not None:
            after_ms = max(self._first_ms, self._evaluated_ms)
            for at_ms in grid(self._grid_ms, after_ms, until_ms):
                self._evaluate(at_ms)

    def grid_after(self, after_ms: int) -> int:
        """The next tick that growth must not pass over, later than a moment."""
        return min(
            (after_ms // step * step + step for step in self._grid_ms), default=HOLDS_NOBODY_BACK
        )

    def _evaluate(self, at_ms: int) -> Tick:
        self._evaluated_ms = at_ms
        parts: list[Partial] = []
        for level in self._levels:
            for shard in level:
                part, changes = shard.evaluate(at_ms)
                parts.append(part)
                self._hand_up(at_ms, changes)
        made = tick(self.plan, merge(parts), self._history, at_ms)
        if self._hear is not None:
            self._hear(made)
        return made

    def _hand_up(self, at_ms: int, changes: dict[int, Changes]) -> None:
        for tally, change in changes.items():
            level = self._levels[self.plan.memories[tally].level]
            for shard, part in changes_by_shard(change, self._deployment.shards):
                level[shard].queue_changes(at_ms, {tally: part})

    def counted(self, term: int, at_ms: int) -> NDArray[np.uint64]:
        """Whom a term of size or distinct counts at the tick made last: hashed ids, each once."""
        shards = self._levels[self.plan.terms[term].level]
        return np.concatenate([shard.counted(term, at_ms) for shard in shards])

    def ticks_at(self, ticks: Iterable[int]) -> list[Tick]:
        """The ticks asked for, in order, taking everything fed so far as all there is."""
        asked = sorted(set(ticks))
        made = {at: self.evaluate(at) for at in with_baselines(self.plan, asked)}
        return [made[at] for at in asked]


def replay(
    engine: LocalEngine,
    reader: SlotReader,
    ticks: Iterable[int],
    *,
    beyond_the_newest: bool = True,
    limit: int = 16_384,
) -> Iterator[Tick]:
    """Run recorded partitions to their end; the ticks asked for, each as soon as it is due.

    Ticks later than the newest event are made too, unless `beyond_the_newest` is false. `limit` is
    how many records are asked for at a time; it changes no number.
    """
    asked = set(ticks)
    waiting = with_baselines(engine.plan, asked)[::-1]
    while waiting:
        for records in reader.poll(limit):
            engine.feed(records)
        partitions = reader.partitions()
        for partition in filter(reader.finished, partitions):
            engine.finish(partition)
        reached = engine.watermark_ms(partitions)
        while waiting and waiting[-1] <= reached:
            at = waiting.pop()
            if not beyond_the_newest and at > engine.newest_ms:
                return
            made = engine.evaluate(at)
            if at in asked:
                yield made
        if waiting:
            engine.pass_grid(min(reached, waiting[-1] - 1))
            engine.settle(min(waiting[-1], engine.grid_after(reached)))


def span_of_events(
    plan: Plan, deployment: Deployment, reader: SlotReader, limit: int = 16_384
) -> tuple[int, int] | None:
    """When the first of a plan's events becomes visible, and the newest event time; None of none.

    Reads everything, and keeps nothing of it.
    """
    decoder = Decoder(plan, deployment)
    states = {partition: decoder.fresh() for partition in reader.partitions()}
    firsts: list[int] = []
    while not all(map(reader.finished, reader.partitions())):
        for records in reader.poll(limit):
            batch = decoder.decode(records, states[records.partition]).batch
            firsts += [int(batch.visible_ms.min())] if len(batch) else []
        firsts = [min(firsts)] if firsts else []
    return (firsts[0], max(each.newest_ms for each in states.values())) if firsts else None
