"""Transitions as lines of JSON in a file: who entered a set and who left it, tick by tick.

Lines are on disk before the engine may save that it is past their tick. So a crash loses none; it
can leave a tick in the file twice, with the same lines.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

import orjson

from pipeline.core.plan import Plan
from pipeline.core.publish import Tick, transition_rows

_OWNER_ONLY: Final = 0o600
_LOOK_BACK_BYTES: Final = 1 << 16  # more than the longest line


class TransitionsFile:
    """Appends the transitions of ticks to a file; one that it makes only its owner can read."""

    def __init__(self, plan: Plan, path: Path, *, anew: bool = False) -> None:
        """Open the file, made if there is none; `anew` drops what is in it.

        Raises:
            OSError: The file cannot be written.
        """
        self._plan = plan
        self._file = os.fdopen(_opened(path, anew=anew), "r+b")
        self.fault: OSError | None = None

    def write(self, tick: Tick) -> None:
        """Put a tick's transitions on disk; one without any touches nothing.

        Raises:
            OSError: They cannot be written; `fault` says so as well.
        """
        if not tick.transitions:
            return
        lines = [
            orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
            for row in transition_rows(self._plan, tick)
        ]
        try:
            self._file.seek(_end_of_lines(self._file))
            self._file.truncate()
            self._file.write(b"".join(lines))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as fault:
            self.fault = fault
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _opened(path: Path, *, anew: bool) -> int:
    """The file, whose name is on disk before any of its lines."""
    is_there = path.exists()
    file = os.open(path, os.O_RDWR | os.O_CREAT | (os.O_TRUNC if anew else 0), _OWNER_ONLY)
    try:
        os.lseek(file, 0, os.SEEK_END)  # nobody knows where the last whole line of a pipe ends
    except OSError:
        os.close(file)
        raise
    if anew and stat.S_ISREG(os.fstat(file).st_mode):
        os.fchmod(file, _OWNER_ONLY)
    if not is_there:
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    return file


def _end_of_lines(file: BinaryIO) -> int:
    """Where the last whole line ends: a crash may have left the beginning of one after it."""
    size = file.seek(0, os.SEEK_END)
    start = max(size - _LOOK_BACK_BYTES, 0)
    file.seek(start)
    return start + file.read().rfind(b"\n") + 1
