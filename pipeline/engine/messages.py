"""What the steps of the dataflow hand to each other.

Few and large: a message carries the arrays of a whole poll, or of a whole tick. After a crash a
message may come a second time, with the same content: each says enough of its origin for the
receiver to know that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

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


@cache
def shard_key(shard: int) -> str:
    """The key under which a shard's state is kept; never to be changed."""
    return f"shard-{shard:03d}"


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


@dataclass(frozen=True, slots=True)
class Due:
    """Clock to the shards of level 0: evaluate these ticks."""

    ticks_ms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Handed:
    """Shard to shard: changes for levels above the sender's, by tally; also when there are none.

    Every shard of the next level gets one from every shard for every tick. What is for levels above
    that is passed on with the sender's name.
    """

    at_ms: int
    level: int
    changes: TickChanges
    sender: str = UNSIGNED


@dataclass(frozen=True, slots=True)
class Part:
    """Shard to the shard of the same number one level up, or to compose: its part of a tick.

    It holds what the levels so far came to.
    """

    at_ms: int
    part: Partial
    sender: str = UNSIGNED


Message = Watermark | Delivery | Due | Handed | Part
