"""How fast something is counted, of late."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

WINDOW_S: Final = 5.0  # long enough for a steady number, short enough to see a change


class Throughput:
    """The mean rate of the last five seconds, or since the first look."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._seen: deque[tuple[float, int]] = deque()

    def per_second(self, total: int) -> float | None:
        """Take in a total; None before any time has passed."""
        now_s = self._monotonic_s()
        self._seen.append((now_s, total))
        while len(self._seen) > 1 and self._seen[1][0] <= now_s - WINDOW_S:
            self._seen.popleft()
        since_s, before = self._seen[0]
        return (total - before) / (now_s - since_s) if now_s > since_s else None
