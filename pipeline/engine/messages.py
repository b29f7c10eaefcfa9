"""What the steps of the dataflow hand to each other.

Few and large: a message carries the arrays of a whole poll, or of a whole tick. After a crash a
message may come a second time, with the same content: each says enough of its origin for the
receiver to know that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.changes import TickChanges
from pipeline.core.fence import Spans
from pipeline.core.match import Rows
from pipeline.core.partial import Partial
from pipeline.core.pending import Span

CLOCK_KEY = "clock"
READINGS_KEY = "readings"
# A step does not know its own key: it sends to that by one name, and signs with the other.
SAME_KEY = ""
UNSIGNED = ""


@dataclass(frozen=True, slots=True)
class Watermark:
    """Slot to clock: how far the slot is, and when it showed its first event.

    `newest_ms` is how far its furthest partition is, also while none of them holds others back.
    """

    slot: int
    watermark_ms: int
    newest_ms: int
    first_ms: int | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Slot to shard: rows by level and feed, and how far the slot is with them.

    `spans` are the offsets that it covers, by partition, whether or not the shard gets rows of
    them; `visible_ms` the first and last moment at which any row becomes visible, None without any.
    """

    slot: int
    watermark_ms: int
    spans: Spans
    visible_ms: Span | None
    rows: Mapping[int, Mapping[int, Rows]]
    _packed: list[tuple[Any, ...]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def __reduce__(self) -> tuple[Any, ...]:
        """Between processes: one block of bytes, for it is the number of parts that costs.

        Bytewax asks twice, the first time for the length.
        """
        if not self._packed:
            self._packed.append(self._pack())
        return _delivery, self._packed[0]

    def _pack(self) -> tuple[_Head, list[_Cut], bytes]:
        words: list[NDArray[Any]] = []
        cuts: list[_Cut] = []
        for level, by_feed in self.rows.items():
            for feed, rows in by_feed.items():
                numbers = [column for column in rows.columns if not _is_text(column)]
                words += (rows.times_ms, rows.visible_ms, rows.keys, rows.places, *numbers)
                sizes = len(rows), len(rows.keys), len(rows.places)
                kinds = [column.dtype.str for column in numbers]
                texts = [column for column in rows.columns if _is_text(column)]
                cuts.append((level, feed, sizes, kinds, texts))
        head = self.slot, self.watermark_ms, {**self.spans}, self.visible_ms
        return head, cuts, b"".join([each.tobytes() for each in words])


_Head = tuple[int, int, Spans, Span | None]
# Level and feed; how many rows, keys and places; the types of columns of numbers; those of texts.
_Cut = tuple[int, int, tuple[int, int, int], list[str], list[NDArray[np.bytes_]]]


def _is_text(column: NDArray[Any]) -> bool:
    """Whether a column is one of texts, which a feed has behind all others."""
    return column.dtype.kind == "S"


def _delivery(head: _Head, cuts: Iterable[_Cut], block: bytes) -> Delivery:
    rows: dict[int, dict[int, Rows]] = defaultdict(dict)
    words, end = np.frombuffer(block, np.int64), 0
    for level, feed, (count, keys, places), kinds, texts in cuts:
        times = words[end : (end := end + count)]
        visible = words[end : (end := end + count)]
        keyed = words[end : (end := end + keys)].view(np.uint64)
        placed = words[end : (end := end + places)]
        numbers = [words[end : (end := end + count)].view(kind) for kind in kinds]
        rows[level][feed] = Rows(keyed, times, visible, (*numbers, *texts), placed)
    slot, watermark_ms, spans, visible_ms = head
    return Delivery(slot, watermark_ms, spans, visible_ms, dict(rows))


@dataclass(frozen=True, slots=True)
class Due:
    """Clock to the shards of level 0: evaluate these ticks. `shard` is which one it is."""

    ticks_ms: tuple[int, ...]
    shard: int


@dataclass(frozen=True, slots=True)
class Handed:
    """Shard to shard: changes for levels above the sender's, by tally; also when there are none.

    Every shard of the next level gets one from every shard for every tick. What is for levels above
    that is passed on with the sender's name. `shard` is the receiver's number.
    """

    at_ms: int
    level: int
    changes: TickChanges
    shard: int
    sender: str = UNSIGNED

    def __reduce__(self) -> tuple[Any, ...]:
        """Between processes: one for each pair of shards, and a class's own way is slow."""
        return Handed, (self.at_ms, self.level, self.changes, self.shard, self.sender)


@dataclass(frozen=True, slots=True)
class Part:
    """Shard to the shard of the same number one level up, or to compose: its part of a tick.

    It holds what the levels so far came to.
    """

    at_ms: int
    part: Partial
    sender: str = UNSIGNED


Message = Watermark | Delivery | Due | Handed | Part
