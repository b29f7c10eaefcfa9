"""What the steps of the dataflow hand to each other.

Few and large: a message carries the arrays of a whole poll, or of a whole tick.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.core.match import Rows
from pipeline.core.roll import Changes, Partial

CLOCK_KEY = "clock"
READINGS_KEY = "readings"
SAME_KEY = ""  # a step that does not know its key sends to it by this


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
    """Slot to shard: rows by level and feed, and how far the slot is with them."""

    slot: int
    watermark_ms: int
    rows: Mapping[int, Mapping[int, Rows]]
    earliest_ms: int | None


@dataclass(frozen=True, slots=True)
class Due:
    """Clock to the shards of level 0: evaluate these ticks."""

    ticks_ms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Handed:
    """Shard to shard: changes for the receiver's level and those above it, by tally."""

    at_ms: int
    changes: Mapping[int, Changes]


@dataclass(frozen=True, slots=True)
class Part:
    """Shard to the shard of the same number one level up, or to compose: its part of a tick.

    It holds what the levels so far came to.
    """

    at_ms: int
    part: Partial


@dataclass(frozen=True, slots=True)
class Mark:
    """Shard to every shard of the next level: what I have for this tick is already on its way."""

    at_ms: int


Message = Watermark | Delivery | Due | Handed | Part | Mark
