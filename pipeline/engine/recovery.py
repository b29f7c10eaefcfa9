"""The store: where the engine's state is saved, and whether it can be used.

    store/
      manifest.json   what the state was made with; checked before anything is loaded
      lock            held by the process that runs
      parts/          Bytewax's recovery parts

State is loaded only under the cut that it was saved under. What does not fit is refused with what
to do; it is never quietly left out. Under a plan that has changed, the manifest says what of the
state still holds. Files are for their owner alone (0600 in 0700), and what is in them is looked at
before any of it is loaded.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec
from bytewax.recovery import RecoveryConfig, init_db_dir

from pipeline.core import snapshot
from pipeline.core.deployment import Deployment
from pipeline.core.known import ALWAYS, Known, at_first
from pipeline.core.plan import Plan
from pipeline.engine import plan_change
from pipeline.engine.backfill import Backfill, fill
from pipeline.engine.store_scan import Saved, Untrusted, newest_ms, scan

# Grows when step ids or what they save change in a way that old state cannot be read.
FLOW_VERSION: Final = 4

_OWNER_ONLY: Final = 0o077
_NO_ROOM_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_ROOM_CODES: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
# Bytewax ends with a panic of Rust's, whose text is all that there is of it.
_BROKEN_BYTEWAX: Final = re.compile(
    r'SqliteFailure\(Error \{ code: (?:DiskFull|SystemIoFailure),.*?Some\("([^"]*)'
)
_PARTS: Final = "parts"


class StoreRefused(Exception):
    """The saved state cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What saved state depends on, whatever the plan."""

    flow: int
    codec: int
    product: str
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
    "shards": "set engine.shards back, or start with an empty directory",
    "slots": "set kafka.slots back, or start with an empty directory",
    "salt": "ids were hashed with another salt; set it back, or start with an empty directory",
    "tick_ms": "set time.tick back, or start with an empty directory",
    "topics": "set kafka.topics back, in the order they had, or start with an empty directory",
    "parts": "set engine.recovery_parts back, or start with an empty directory",
    "dedup_horizon_ms": "set time.dedup_horizon back, or start with an empty directory",
}


class Store:
    """An open store; `close` lets other processes have it.

    `known` is what its state says under the plan that it is opened for.
    """

    def __init__(
        self,
        directory: Path,
        manifest: Manifest,
        plan: Plan,
        backfill: Backfill | None = None,
        firsts_known_after_ms: int | None = None,
    ) -> None:
        """Open a store, or make it where there is none.

        Raises:
            BackfillStopped: We were asked to stop while history was read.
            StoreRefused: It is in use, damaged, or was saved under something else.
        """
        self._directory = directory
        self._firsts_known_after_ms = firsts_known_after_ms
        self.known = at_first(plan)
        previous = os.umask(_OWNER_ONLY)
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = self._locked()
            try:
                with written(directory):
                    if self._path.exists():
                        self._open(manifest, plan, backfill)
                    else:
                        self._make(manifest)
            except BaseException:
                self.close()
                raise
        except OSError as refused:
            raise StoreRefused(f"{directory} cannot be used: {refused}") from refused
        finally:
            os.umask(previous)

    @property
    def _path(self) -> Path:
        return _manifest_path(self._directory)

    @property
    def _parts(self) -> Path:
        return self._directory / _PARTS

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
            raise StoreRefused(
                f"{self._directory} holds state without its manifest.json; bring that back, or "
                "start with an empty directory"
            )
        name = secrets.token_hex(8)
        half_made.write_bytes(_as_json(manifest, name, self.known))
        self._parts.mkdir(mode=0o700, exist_ok=True)
        init_db_dir(self._parts, manifest.parts)
        for part in self._part_files():
            with closing(sqlite3.connect(part)) as database, database:
                database.execute("CREATE TABLE northstar (store TEXT NOT NULL) STRICT")
                database.execute("INSERT INTO northstar VALUES (?)", (name,))
        half_made.replace(self._path)

    def _open(self, manifest: Manifest, plan: Plan, backfill: Backfill | None) -> None:
        saved = _read_manifest(self._directory)
        for each in fields(Manifest):
            now, then = getattr(manifest, each.name), saved.get(each.name)
            then = tuple(then) if isinstance(then, list) else then
            if now != then:
                raise StoreRefused(
                    f"the state in {self._directory} does not fit: {each.name} was {then} and is "
                    f"{now} now; {_WHAT_TO_DO[each.name]}"
                )
        known, name = _known(self._directory, saved), str(saved.get("store"))
        parts = self._part_files()
        self._check_parts(parts, manifest.parts, name)
        self._drop_unfinished(parts)
        newest = max(map(newest_ms, self._scanned(parts)), default=ALWAYS)
        if known.plan != plan.fingerprint or not known.has_all_of(plan):
            # A moment later than all that was read, so that none of it is taken for known.
            after = known.after(plan, ALWAYS if newest == ALWAYS else newest + 1)
            filled = None
            if backfill is not None:
                filled = fill(backfill, parts, plan, known, after)
            if filled is not None:
                self._rewrite(_as_json(manifest, name, filled.interrupted))
                filled.write(parts)
                after = filled.known
            self._rewrite(_as_json(manifest, name, after))
            plan_change.tell(known, after, plan, self._firsts_known_after_ms)
            known = after
        self.known = known

    def _rewrite(self, manifest: bytes) -> None:
        """Put a manifest in place of another, for good: what is saved from now on needs it."""
        changed = self._path.with_suffix(".changed")
        with changed.open("wb") as file:
            file.write(manifest)
            file.flush()
            os.fsync(file.fileno())
        changed.replace(self._path)
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _part_files(self) -> list[Path]:
        return sorted(self._parts.glob("part-*.sqlite3"))

    def _check_parts(self, parts: Sequence[Path], expected: int, name: str) -> None:
        """Every part of this store is there, once, and none of another."""
        if len(parts) != expected:
            raise StoreRefused(
                f"{self._parts} holds {len(parts)} of {expected} parts; bring the others back from "
                "a copy, or start with an empty directory"
            )
        numbers: dict[int, Path] = {}
        for part in parts:
            with self._reading(part), closing(sqlite3.connect(part)) as database:
                ((store,),) = database.execute("SELECT store FROM northstar")
                ((number,),) = database.execute("SELECT part_index FROM parts")
            if store != name or numbers.setdefault(number, part) is not part:
                raise StoreRefused(
                    f"{part} belongs to another store, or is there twice; bring the right one back "
                    "from a copy, or start with an empty directory"
                )

    def _scanned(self, parts: Sequence[Path]) -> Iterator[Saved]:
        """All that is about to be loaded, each found to be what was saved."""
        for part in parts:
            with self._reading(part):
                yield from scan(part)

    @contextmanager
    def _reading(self, part: Path) -> Iterator[None]:
        """Tell in a line when a part is not what it should be."""
        try:
            yield
        except Untrusted as found:
            raise StoreRefused(
                f"{part} is damaged: {found}; bring it back from a copy, or start with an empty "
                "directory"
            ) from found
        except (sqlite3.DatabaseError, ValueError) as damaged:
            if _no_room(damaged):
                raise
            raise StoreRefused(
                f"{part} is damaged; bring it back from a copy, or start with an empty directory"
            ) from damaged

    def _drop_unfinished(self, parts: Sequence[Path]) -> None:
        """Drop the snapshots of an epoch that a crash cut short.

        Bytewax resumes from before them and leaves them there. Keys that nothing comes for when it
        works through that epoch again write none, and after a second crash the old ones would pass
        for theirs: state that is ahead of the positions it is resumed with.
        """
        with self._reading(self._parts):
            unfinished = _resume_epoch(parts)
        for part in parts:
            with self._reading(part), closing(sqlite3.connect(part)) as database, database:
                database.execute("DELETE FROM snaps WHERE snap_epoch >= ?", (unfinished,))

    def config(self) -> RecoveryConfig:
        """What Bytewax needs to know of it."""
        return recovery_config(self._directory)

    @property
    def lock(self) -> int:
        """The lock's descriptor: a process that inherits it has the store in use as well."""
        return self._lock

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self._lock)


def _manifest_path(directory: Path) -> Path:
    return directory / "manifest.json"


def _as_json(manifest: Manifest, store: str, known: Known) -> bytes:
    """`store` is its name, which its parts bear too."""
    written = {**asdict(manifest), "store": store, "known": asdict(known)}
    return msgspec.json.format(msgspec.json.encode(written))


def _read_manifest(directory: Path) -> dict[str, object]:
    with _reading_manifest(directory):
        return msgspec.json.decode(_manifest_path(directory).read_bytes(), type=dict[str, object])


def _known(directory: Path, manifest: dict[str, object]) -> Known:
    with _reading_manifest(directory):
        return msgspec.convert(manifest.get("known"), Known)


@contextmanager
def _reading_manifest(directory: Path) -> Iterator[None]:
    try:
        yield
    except (msgspec.MsgspecError, UnicodeDecodeError) as damaged:
        raise StoreRefused(
            f"{_manifest_path(directory)} is damaged; bring it back from a copy, or start with an "
            "empty directory"
        ) from damaged


def known_in(directory: Path) -> Known:
    """What the state says of a store that who has started us holds open.

    Raises:
        StoreRefused: Its manifest is damaged.
    """
    return _known(directory, _read_manifest(directory))


@contextmanager
def written(directory: Path) -> Iterator[None]:
    """Tell in a line when there is no room for a store, whether we write it or Bytewax does.

    Raises:
        StoreRefused: There is none; what was saved before is still good.
    """
    try:
        yield
    except BaseException as broken:  # a panic is no Exception
        cause = _no_room(broken)
        if cause is None:
            raise
        raise StoreRefused(
            f"the state in {directory} cannot be written: {cause}; make room and start again, it "
            "goes on from what was saved last"
        ) from broken


def _no_room(broken: BaseException) -> str | None:
    """How it was said that there is no room, None where something else is wrong."""
    if isinstance(broken, OSError):
        return broken.strerror if broken.errno in _NO_ROOM_ERRNOS else None
    if isinstance(broken, sqlite3.Error):
        code = getattr(broken, "sqlite_errorcode", 0) & 0xFF
        return str(broken) if code in _NO_ROOM_CODES else None
    panic = _BROKEN_BYTEWAX.search(str(broken))
    return None if panic is None else panic[1]


def recovery_config(directory: Path) -> RecoveryConfig:
    """What Bytewax needs to know of a store that is open, by us or by who has started us."""
    return RecoveryConfig(str(directory / _PARTS), timedelta(0))


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
