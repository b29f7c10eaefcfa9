"""Epochs: how often state is saved.

All state is written anew at every epoch, so what that costs grows with it. An epoch is ten seconds,
or ten times as long as a snapshot of what is saved takes, whichever is more, and ten minutes at the
most: so saving takes no more than a tenth of the time up to 13 GB of state, and a crash costs no
more than an epoch of reading once again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

SHORTEST_S: Final = 10.0
LONGEST_S: Final = 600.0
STEP_S: Final = 10.0  # so that processes which look a moment apart agree

# Ten million entities: 2.2 GB in 7.4 to 9 s, packed and written, on a core of a small machine.
_BYTES_A_SECOND: Final = 220e6
_SHARE: Final = 0.1


def epoch_s(store: Path | None) -> float:
    """The length of an epoch for what is saved in a store's directory.

    >>> epoch_s(None)
    10.0
    """
    parts = () if store is None else store.rglob("part-*.sqlite3")
    return epoch_s_for(sum(part.stat().st_size for part in parts))


def epoch_s_for(saved_bytes: int) -> float:
    """The length of an epoch for so much saved state.

    >>> epoch_s_for(30_000_000), epoch_s_for(2_200_000_000)
    (10.0, 100.0)
    """
    needed_s = saved_bytes / _BYTES_A_SECOND / _SHARE
    return min(max(SHORTEST_S, -(-needed_s // STEP_S) * STEP_S), LONGEST_S)
