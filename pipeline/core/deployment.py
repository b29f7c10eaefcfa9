"""How an installation runs a plan: the numbers that belong to it and not to the definition."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core.windows import HOUR_MS, MINUTE_MS, SECOND_MS


@dataclass(frozen=True, slots=True)
class Deployment:
    """Times in milliseconds.

    `tick_ms`: readings are made at its multiples. `lateness_ms`: how far events may be out of
    order and still count in time. `dedup_horizon_ms`: how long a message id is remembered.
    `shards`: into how many pieces state is cut; fixed for the life of the saved state.
    `salt`: seeds the hashes of ids. `ids_max`: how many ids of a kind a partition may bring.
    `firsts_known_after_ms`: how long after a change of definition it counts as known who comes for
    the first time; None where that must be filled from history.
    """

    tick_ms: int = 5 * SECOND_MS
    lateness_ms: int = MINUTE_MS
    future_max_ms: int = 5 * MINUTE_MS
    dedup_horizon_ms: int = HOUR_MS
    shards: int = 32
    salt: int = 0
    ids_max: int | None = None
    firsts_known_after_ms: int | None = None
