"""The store: where the engine's state is saved, and whether it can be used.

    store/
      manifest.json   what the state was made with; checked before anything is loaded
      lock            held by the process that runs
      parts/          Bytewax's recovery parts

State is loaded only under the plan and cut that it was saved under. What does not fit is refused
with what to do; it is never quietly left out. Files are for their owner alone (0600 in 0700):
who can write here can make the engine run what they like.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec
from bytewax.recovery import RecoveryConfig, init_db_dir

from pipeline.core import snapshot
from pipeline.core.deployment import Deployment
from pipeline.core.plan import Plan

# Grows when step ids or what they save change in a way that old state cannot be read.
FLOW_VERSION: Final = 1

_OWNER_ONLY: Final = 0o077


class StoreRefused(Exception):
    """The saved state cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What saved state depends on."""

    flow: int
    codec: int
    product: str
    plan: str
    shards: int
    slots: int
    salt: str
    tick_ms: int
    dedup_horizon_ms: int
    parts: int
    topics: tuple[str, ...]


def manifest_of(
    plan: Plan,
    deployment: Deployment,
    slots: int,
    parts: int,
    topics: tuple[str, ...] | None = None,
) -> Manifest:
    """The manifest of state made now. The salt goes in as a hash of itself."""
    return Manifest(
        FLOW_VERSION,
        snapshot.VERSION,
        plan.product,
        plan.fingerprint,
        deployment.shards,
        slots,
        snapshot.digest(deployment.salt.to_bytes(8, "little")),
        deployment.tick_ms,
        deployment.dedup_horizon_ms,
        parts,
        plan.topics if topics is None else topics,
    )


_WHAT_TO_DO: Final = {
    "flow": "it was saved by another release; run that one, or start with an empty directory",
    "codec": "it was saved by another release; run that one, or start with an empty directory",
    "product": "it belongs to another product; give each its own directory",
    "plan": "the definition has changed; start with an empty directory to build its state anew "
    "from the topic, or go back to the definition that it was saved under",
    "shards": "set engine.shards back, or start with an empty directory",
    "slots": "set kafka.slots back, or start with an empty directory",
    "salt": "ids were hashed with another salt; set it back, or start with an empty directory",
    "tick_ms": "set time.tick back, or start with an empty directory",
    "topics": "set kafka.topics back, in the order they had, or start with an empty directory",
    "parts": "set engine.recovery_parts back, or start with an empty directory",
    "dedup_horizon_ms": "set time.dedup_horizon back, or start with an empty directory",
}


class Store:
    """An open store; `close` lets other processes have it."""

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        """Open a store, or make it where there is none.

        Raises:
            StoreRefused: It is in use, damaged, or was saved under something else.
        """
        self._directory = directory
        previous = os.umask(_OWNER_ONLY)
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = self._locked()
            if self._path.exists():
                self._check(manifest)
            else:
                self._make(manifest)
        except OSError as refused:
            raise StoreRefused(f"{directory} cannot be used: {refused}") from refused
        finally:
            os.umask(previous)

    @property
    def _path(self) -> Path:
        return self._directory / "manifest.json"

    @property
    def _parts(self) -> Path:
        return self._directory / "parts"

    def _locked(self) -> int:
        handle = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as refused:
            os.close(handle)
            raise StoreRefused(
                f"{self._directory} is in use by another process; stop it first, or give each "
                "its own directory"
            ) from refused
        return handle

    def _make(self, manifest: Manifest) -> None:
        half_made = self._path.with_suffix(".new")
        if half_made.exists():
            shutil.rmtree(self._parts, ignore_errors=True)  # we were ended while making it
        if self._parts.exists() and any(self._parts.iterdir()):
            self.close()
            raise StoreRefused(
                f"{self._directory} holds state without its manifest.json; bring that back, or "
                "start with an empty directory"
            )
        half_made.write_bytes(msgspec.json.format(msgspec.json.encode(asdict(manifest))))
        self._parts.mkdir(mode=0o700, exist_ok=True)
        init_db_dir(self._parts, manifest.parts)
        half_made.replace(self._path)

    def _check(self, manifest: Manifest) -> None:
        try:
            saved = msgspec.json.decode(self._path.read_bytes(), type=dict[str, object])
        except (msgspec.MsgspecError, UnicodeDecodeError) as damaged:
            self.close()
            raise StoreRefused(
                f"{self._path} is damaged; bring it back from a copy, or start with an empty "
                "directory"
            ) from damaged
        for each in fields(Manifest):
            now, then = getattr(manifest, each.name), saved.get(each.name)
            then = tuple(then) if isinstance(then, list) else then
            if now != then:
                self.close()
                raise StoreRefused(
                    f"the state in {self._directory} does not fit: {each.name} was {then} and is "
                    f"{now} now; {_WHAT_TO_DO[each.name]}"
                )
        parts = [*self._parts.glob("part-*.sqlite3")]
        self._check_parts(len(parts), manifest.parts)
        self._drop_unfinished(parts)

    def _check_parts(self, found: int, expected: int) -> None:
        if found != expected:
            self.close()
            raise StoreRefused(
                f"{self._parts} holds {found} of {expected} parts; bring the others back from a "
                "copy, or start with an empty directory"
            )

    def _drop_unfinished(self, parts: Sequence[Path]) -> None:
        """Drop the snapshots of an epoch that a crash cut short.

        Bytewax resumes from before them and leaves them there. Keys that nothing comes for when it
        works through that epoch again write none, and after a second crash the old ones would pass
        for theirs: state that is ahead of the positions it is resumed with.
        """
        try:
            unfinished = _resume_epoch(parts)
            for part in parts:
                with closing(sqlite3.connect(part)) as database, database:
                    database.execute("DELETE FROM snaps WHERE snap_epoch >= ?", (unfinished,))
        except sqlite3.DatabaseError as damaged:
            self.close()
            raise StoreRefused(
                f"{self._parts} is damaged; bring it back from a copy, or start with an empty "
                "directory"
            ) from damaged

    def config(self) -> RecoveryConfig:
        """What Bytewax needs to know of it."""
        return RecoveryConfig(str(self._parts), timedelta(0))

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self._lock)


def _resume_epoch(parts: Sequence[Path]) -> int:
    """The epoch that Bytewax resumes in: the first that not all workers of the last run finished.

    Worked out as Bytewax 0.21 does when it resumes.
    """
    runs: list[tuple[int, int, int]] = []
    frontiers: list[tuple[int, int, int]] = []
    for part in parts:
        with closing(sqlite3.connect(part)) as database:
            runs += database.execute("SELECT ex_num, worker_count, resume_epoch FROM exs")
            frontiers += database.execute(
                "SELECT ex_num, worker_index, worker_frontier FROM fronts"
            )
    last, workers, first_epoch = max(runs, default=(0, 1, 0))
    reached = dict.fromkeys(range(workers), first_epoch)
    reached |= {worker: epoch for run, worker, epoch in frontiers if run == last}
    return min(reached.values())
