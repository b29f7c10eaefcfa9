"""Telemetry: what the engine knows of itself, in one process.

Stages and edges write here, the exporter reads. Counters start at 0 with the process, as
Prometheus expects of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.core.records import Counts


@dataclass(slots=True)
class PartitionFigures:
    """One source partition. Times are event time in milliseconds; lag is to the end of the log."""

    counts: Counts = field(default_factory=Counts)
    watermark_ms: int | None = None
    lag_messages: int | None = None
    lag_ms: int | None = None
    idle: bool = False


@dataclass(slots=True)
class Telemetry:
    """All figures of one process.

    `entities[table]` counts rows of a table over the shards of this process, `pending_rows` what
    waits for its tick. `waiting_for` names what is still missing before readings may be shown;
    empty means ready.
    """

    partitions: dict[int, PartitionFigures] = field(default_factory=dict)
    entities: dict[str, int] = field(default_factory=dict)
    pending_rows: int = 0
    evaluated_ms: int | None = None
    ticks: int = 0
    waiting_for: set[str] = field(default_factory=set)

    def partition(self, number: int) -> PartitionFigures:
        """The figures of a partition, made on first use."""
        return self.partitions.setdefault(number, PartitionFigures())

    def totals(self) -> Counts:
        """The counts of all partitions together."""
        whole = Counts()
        for figures in list(self.partitions.values()):
            whole.add(figures.counts)
        return whole
