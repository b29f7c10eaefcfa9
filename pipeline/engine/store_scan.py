"""The scan: what Bytewax is about to load is looked at first, and nothing of it is run.

Bytewax keeps each snapshot as a pickle, and a pickle may run code when it is loaded. Ours are bytes
and nothing else, so whatever is not exactly the pickle of bytes is refused; and the bytes of each
snapshot that would be loaded must be what was saved.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from pickletools import genops
from typing import Final

from pipeline.core import snapshot
from pipeline.core.decode import LONG_AGO
from pipeline.core.snapshot import UnreadableSnapshot

SLOTS_STEP: Final = "decode"
_NEWEST: Final = (
    "FROM snaps WHERE step_id = ?1 AND state_key = ?2 AND snap_epoch = "
    "(SELECT max(snap_epoch) FROM snaps WHERE step_id = ?1 AND state_key = ?2)"
)
_PROTOCOL: Final = 4  # Python's own choice for as long as Bytewax has wheels
_MAKES_BYTES: Final = frozenset({"SHORT_BINBYTES", "BINBYTES", "BINBYTES8"})
_AROUND_BYTES: Final = frozenset({"PROTO", "FRAME", "MEMOIZE", "STOP"})


class Untrusted(Exception):
    """A part holds what we have not saved; the text says where and what."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A snapshot that would be loaded: whose it is, and what it holds."""

    step: str
    key: str
    packed: bytes


def scan(part: Path) -> Iterator[Saved]:
    """The snapshots of a part that would be loaded, one at a time.

    Raises:
        Untrusted: One of them, or an older one that is still there, is not what was saved.
        sqlite3.DatabaseError: The part cannot be read.
    """
    with closing(sqlite3.connect(part)) as database:
        newest: dict[tuple[str, str], int] = {
            (step, key): epoch
            for step, key, epoch in database.execute(
                "SELECT step_id, state_key, max(snap_epoch) FROM snaps GROUP BY step_id, state_key"
            )
        }
        rows = database.execute("SELECT step_id, state_key, snap_epoch, ser_change FROM snaps")
        for step, key, epoch, pickled in rows:
            try:
                packed = None if pickled is None else _bytes_of(pickled)
                if packed is not None and epoch == newest[step, key]:
                    snapshot.verify(packed)
                    yield Saved(step, key, packed)
            except UnreadableSnapshot as reason:
                raise Untrusted(f"{part.name}, the snapshot of {step} {key}: {reason}") from reason


def rewrite(part: Path, changed: Callable[[Saved], bytes | None]) -> None:
    """Put other snapshots in the place of those that would be loaded: all of a part, or none.

    None leaves one as it is.
    """
    with closing(sqlite3.connect(part)) as database, database:
        keys = list(database.execute("SELECT DISTINCT step_id, state_key FROM snaps"))
        for step, key in keys:
            ((epoch, pickled),) = database.execute(
                f"SELECT snap_epoch, ser_change {_NEWEST}", (step, key)
            )
            if pickled is None:
                continue
            packed = changed(Saved(step, key, _bytes_of(pickled)))
            if packed is not None:
                database.execute(
                    "UPDATE snaps SET ser_change = ? "
                    "WHERE step_id = ? AND state_key = ? AND snap_epoch = ?",
                    (pickle.dumps(packed, _PROTOCOL), step, key, epoch),
                )


def _bytes_of(pickled: object) -> bytes:
    """The bytes that a pickle is of, without loading it."""
    try:
        assert isinstance(pickled, bytes)
        operations = [(opcode.name, argument) for opcode, argument, _ in genops(pickled)]
    except Exception as garbled:  # pickletools raises whatever it stumbles upon
        raise UnreadableSnapshot("it is no pickle of ours") from garbled
    found = [argument for name, argument in operations if name in _MAKES_BYTES]
    names = {name for name, _ in operations}
    if names - _MAKES_BYTES - _AROUND_BYTES or len(found) != 1:
        raise UnreadableSnapshot("it is a pickle of something else than our bytes")
    # Whatever pickletools reads over, such as the sizes of frames, has to be right as well.
    if pickle.dumps(found[0], _PROTOCOL) != pickled:
        raise UnreadableSnapshot("it is no pickle of ours")
    assert isinstance(found[0], bytes)
    return found[0]


def newest_ms(saved: Saved) -> int:
    """The newest event time that a slot's snapshot has met in any of its partitions."""
    if not saved.step.endswith(f".{SLOTS_STEP}"):
        return LONG_AGO
    arrays, _ = snapshot.unpack(saved.packed)
    times = [int(array[0]) for name, array in arrays.items() if name.endswith("/newest_ms")]
    return max(times, default=LONG_AGO)
