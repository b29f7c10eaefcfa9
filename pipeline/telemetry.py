"""Telemetry: what the engine knows of itself, in one process.

Stages and edges write here, the exporter reads. Counters start at 0 with the process, as
Prometheus expects of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.core.clock import HOLDS_NOBODY_BACK
from pipeline.core.decode import LONG_AGO
from pipeline.core.records import Counts


class LetterOutcome(StrEnum):
    """What became of a rejected record where a topic takes dead letters."""

    SENT = "sent"
    OVER_BUDGET = "over_budget"
    FAILED = "failed"


@dataclass(slots=True)
class PartitionFigures:
    """One source partition. Times are event time in milliseconds; lag is to the end of the log.

    `lost_messages` were gone from the log before they were read, and passed over by policy. `ids`
    are how many of each kind it has brought, where that is limited.
    """

    counts: Counts = field(default_factory=Counts)
    watermark_ms: int | None = None
    lag_messages: int | None = None
    lag_ms: int | None = None
    idle: bool = False
    lost_messages: int = 0
    ids: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class ShardFigures:
    """One shard of one level: rows of its tables, and rows that wait for their tick."""

    entities: dict[str, int] = field(default_factory=dict)
    pending_rows: int = 0


@dataclass(slots=True)
class Telemetry:
    """All figures of one process.

    `waiting_for` names what is still missing before readings may be shown; empty means ready.
    `polls` counts how often slots were polled: while it grows, the engine is alive.
    `slot_watermarks` is how far each slot of this process has come; `caught_up_ms` its watermark
    and that of its furthest partition when it had read what was there at the start.
    """

    partitions: dict[int, PartitionFigures] = field(default_factory=dict)
    shards: dict[int, ShardFigures] = field(default_factory=dict)
    evaluated_ms: int | None = None
    ticks: int = 0
    polls: int = 0
    waiting_for: set[str] = field(default_factory=set)
    slot_watermarks: dict[int, int] = field(default_factory=dict)
    caught_up_ms: dict[int, tuple[int, int]] = field(default_factory=dict)
    dead_letters: Counter[LetterOutcome] = field(default_factory=Counter)

    def partition(self, number: int) -> PartitionFigures:
        """The figures of a partition, made on first use."""
        return self.partitions.setdefault(number, PartitionFigures())

    def totals(self) -> Counts:
        """The counts of all partitions together."""
        whole = Counts()
        for figures in list(self.partitions.values()):
            whole.add(figures.counts.copy())
        return whole

    @property
    def entities(self) -> dict[str, int]:
        """Rows of each table, over the shards and levels of this process."""
        whole: Counter[str] = Counter()
        for shard in list(self.shards.values()):
            whole.update(shard.entities)
        return dict(whole)

    @property
    def pending_rows(self) -> int:
        """Rows that wait for the tick that may see them."""
        return sum(shard.pending_rows for shard in list(self.shards.values()))

    def wait_for_slots(self, slots: Iterable[int]) -> None:
        """Show nothing until these slots have caught up."""
        self.waiting_for.update(map(_caught_up, slots))

    def waits_for_slot(self, slot: int) -> bool:
        """Whether this slot is still to catch up."""
        return _caught_up(slot) in self.waiting_for

    def slot_caught_up(self, slot: int, watermark_ms: int, newest_ms: int) -> None:
        """Note that a slot has read what was there at the start, and how far it was then."""
        self.caught_up_ms[slot] = (watermark_ms, newest_ms)
        self.waiting_for.discard(_caught_up(slot))

    def shows(self, at_ms: int, tick_ms: int) -> bool:
        """Whether a tick may be shown: it is made of all that was there when we started."""
        if self.waiting_for:
            return False
        caught_up = list(self.caught_up_ms.values())
        holding = [at for at, _ in caught_up if at not in (LONG_AGO, HOLDS_NOBODY_BACK)]
        furthest = max((newest for _, newest in caught_up), default=LONG_AGO)
        return at_ms + tick_ms > min(holding, default=furthest)


def _caught_up(slot: int) -> str:
    return f"slot {slot} to catch up"


@dataclass(slots=True)
class ProcessFigures:
    """The processes of a run, as their supervisor sees them."""

    wanted: int
    up: int = 0
    restarts: int = 0
