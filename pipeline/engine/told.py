"""Told: at which ticks transitions were told, so that a run after a crash makes the same ticks.

Which ticks a run passes over while it catches up is nobody's concern, for no number depends on it.
What was told does: somebody who is told to have entered, and has left by the next tick that is
made, would never be told to have left. So a tick's moment is on disk before its transitions are
told, and a clock that goes on from before it does not pass it over.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pipeline.core.publish import Tick

FILE: Final = "told"
KEPT: Final = 4_096  # far more than there are between two epochs; 60 KiB


class ToldTicks:
    """The ticks that were told, in a file of the state directory; one process adds to it."""

    def __init__(self, directory: Path) -> None:
        """Read what is there; nothing is made before there is something to note.

        Raises:
            OSError: The file is there and cannot be read.
            ValueError: It is not what was written.
        """
        self._path = directory / FILE
        self._ticks = _read(self._path)
        self.fault: OSError | None = None

    @property
    def ticks(self) -> frozenset[int]:
        """Those that no clock may pass over, in milliseconds."""
        return frozenset(self._ticks)

    def write(self, tick: Tick) -> None:
        """Note that a tick is about to be told; one without transitions is not.

        Raises:
            OSError: It cannot be noted; `fault` says so as well.
        """
        if not tick.transitions or tick.at_ms in self._ticks:
            return
        ticks = [*self._ticks, tick.at_ms][-KEPT:]
        try:
            _replace(self._path, ticks)
        except OSError as fault:
            self.fault = fault
            raise
        self._ticks = ticks


def _read(path: Path) -> list[int]:
    if not path.exists():
        return []
    return [int(line) for line in path.read_text("ascii").splitlines()]


def _replace(path: Path, ticks: list[int]) -> None:
    """Put a file in place of another, whole whatever happens."""
    half_made = path.with_suffix(".new")
    handle = os.open(half_made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.writelines(f"{at_ms}\n" for at_ms in ticks)
        file.flush()
        os.fsync(file.fileno())
    half_made.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
