"""Past members: who was a member of a set, and when, as the log's own history has it.

Growth is made of ticks and not of events. So while history is read, an engine of its own lives
through it, and evaluates the ticks of the grid up to the one that saved state stands at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.core.deployment import Deployment
from pipeline.core.memories.growth import Growth
from pipeline.core.plan import Plan
from pipeline.core.records import Records
from pipeline.engine.local import LocalEngine


class PastMembers:
    """Lives through history up to `until_ms`, the last tick that was evaluated."""

    def __init__(self, plan: Plan, deployment: Deployment, until_ms: int) -> None:
        self._plan = plan
        # Members are all that is asked for; metrics at every tick would take far longer.
        self._engine = LocalEngine(replace(plan, terms=(), metrics=()), deployment)
        self._until_ms = until_ms

    def take_in(self, records: Records) -> None:
        """Take in records of one partition, in their order."""
        self._engine.feed(records)

    def finish(self, partition: int) -> None:
        """No more of a partition is history."""
        self._engine.finish(partition)

    def advance(self, partitions: Iterable[int]) -> None:
        """Evaluate what is due when all of these partitions have come as far as they have."""
        reached_ms = min(self._engine.watermark_ms(partitions), self._until_ms)
        self._engine.pass_grid(reached_ms)
        self._engine.settle(self._engine.grid_after(reached_ms))

    def growth(self, number: int, shard: int) -> tuple[NDArray[np.uint64], Growth]:
        """A memory of growth, in one shard, and the ids of the entities of its rows."""
        memory = self._plan.memories[number]
        assert memory.entity is not None
        table = self._engine.shard(memory.level, shard).tables[memory.entity]
        growth = table.memories[number]
        assert isinstance(growth, Growth)
        return table.index.keys, growth
