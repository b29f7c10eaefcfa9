"""The fence: how far a shard has taken in each partition, so that nothing enters it twice.

After a crash a shard's state may be ahead of the positions that reading goes on from. What comes
again stops here. Offsets of a partition only ever rise: a topic made anew is refused at the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pipeline.core.match import Rows, place

# Of a delivery, by partition: its first offset, and the one after its last.
Spans = Mapping[int, tuple[int, int]]


@dataclass(slots=True)
class Fence:
    """`next_offsets` are the first offsets that were not taken in yet, by partition."""

    next_offsets: dict[int, int] = field(default_factory=dict)

    def admit(self, spans: Spans, rows: Mapping[int, Rows]) -> Mapping[int, Rows]:
        """The rows, by feed, that were not taken in before; from now on they have been."""
        repeated = [
            (place(partition, 0), place(partition, self.next_offsets[partition]))
            for partition, (first, _) in spans.items()
            if first < self.next_offsets.get(partition, 0)
        ]
        for partition, (_, end) in spans.items():
            self.next_offsets[partition] = max(end, self.next_offsets.get(partition, 0))
        if not repeated:
            return rows
        return {feed: _without(piece, repeated) for feed, piece in rows.items()}


def _without(rows: Rows, repeated: list[tuple[int, int]]) -> Rows:
    new = np.ones(len(rows), np.bool_)
    for start, end in repeated:
        new &= (rows.places < start) | (rows.places >= end)
    return rows.take(new)
