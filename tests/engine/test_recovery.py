"""The store's manifest: state is used under what it was saved under, or refused with what to do."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import fields, replace
from itertools import count
from threading import Event

import pytest

from pipeline.core import snapshot
from pipeline.core.deployment import Deployment
from pipeline.core.known import at_first
from pipeline.engine import recovery
from pipeline.engine.recovery import Store, StoreRefused, manifest_of
from tests.engine.both_engines import bytewax, compiled, until_exhausted
from tests.engine.deep_product import DEFINITION, DEPLOYMENT, PLAN, stream
from tests.engine.memory_source import MemorySource

SLOTS = 2
PARTS = 3
EMPTY = "start with an empty directory"


def manifest(plan=PLAN, slots=SLOTS, parts=PARTS, topics=None, **deployment):
    """What state saved now depends on, with changes."""
    return manifest_of(plan, replace(DEPLOYMENT, **deployment), slots, parts, topics)


@pytest.fixture
def directory(tmp_path):
    """A store that was made and closed."""
    Store(tmp_path / "state", manifest(), PLAN).close()
    return tmp_path / "state"


def opened(directory, found):
    """What is known in a store that is opened and closed."""
    store = Store(directory, found, PLAN)
    store.close()
    return store.known


def refusal(directory, found=None):
    """Why a store is refused, also when it is asked for once more."""
    texts = []
    for _ in range(2):
        with pytest.raises(StoreRefused) as refused:
            Store(directory, found or manifest(), PLAN)
        texts.append(str(refused.value))
    first, again = texts
    assert first == again
    return first


def test_a_store_opens_under_what_it_was_made_under(directory):
    """Again and again, and `lateness_ms` and `future_max_ms` may change in between."""
    made = (directory / "manifest.json").read_bytes()
    for changes in ({}, {"lateness_ms": 1}, {"future_max_ms": 1}):
        assert opened(directory, manifest(**changes)) == at_first(PLAN)
    assert (directory / "manifest.json").read_bytes() == made


@pytest.mark.parametrize(
    ("found", "name", "was", "now", "what_to_do"),
    [
        (
            manifest(compiled(DEFINITION.replace("deep", "shallow"))),
            "product",
            "deep",
            "shallow",
            "it belongs to another product; give each its own directory",
        ),
        (manifest(shards=5), "shards", "4", "5", f"set engine.shards back, or {EMPTY}"),
        (manifest(slots=3), "slots", "2", "3", f"set kafka.slots back, or {EMPTY}"),
        (
            manifest(salt=7),
            "salt",
            None,
            None,
            f"ids were hashed with another salt; set it back, or {EMPTY}",
        ),
        (manifest(tick_ms=10_000), "tick_ms", "5000", "10000", f"set time.tick back, or {EMPTY}"),
        (
            manifest(dedup_horizon_ms=1),
            "dedup_horizon_ms",
            "120000",
            "1",
            f"set time.dedup_horizon back, or {EMPTY}",
        ),
        (
            manifest(topics=("others",)),
            "topics",
            "('events',)",
            "('others',)",
            f"set kafka.topics back, in the order they had, or {EMPTY}",
        ),
        (manifest(parts=4), "parts", "3", "4", f"set engine.recovery_parts back, or {EMPTY}"),
    ],
    ids=lambda given: given if isinstance(given, str) and given.isidentifier() else None,
)
def test_each_difference_is_refused_with_what_to_do(directory, found, name, was, now, what_to_do):
    """The text names what was, what is, and the way out; nothing is changed by the refusal."""
    was = was or getattr(manifest(), name)
    now = now or getattr(found, name)
    before = (directory / "manifest.json").read_bytes()
    assert refusal(directory, found) == (
        f"the state in {directory} does not fit: {name} was {was} and is {now} now; {what_to_do}"
    )
    assert (directory / "manifest.json").read_bytes() == before
    Store(directory, manifest(), PLAN).close()


@pytest.mark.parametrize(
    ("name", "where"), [("codec", (snapshot, "VERSION")), ("flow", (recovery, "FLOW_VERSION"))]
)
def test_another_release_is_refused(directory, monkeypatch, name, where):
    """A change of codec or of steps is told as such."""
    was = getattr(*where)
    monkeypatch.setattr(*where, was + 1)
    assert refusal(directory, manifest()) == (
        f"the state in {directory} does not fit: {name} was {was} and is {was + 1} now; it was "
        f"saved by another release; run that one, or {EMPTY}"
    )


def test_every_part_of_the_manifest_says_what_to_do():
    """None can be added without its text."""
    assert recovery._WHAT_TO_DO.keys() == {each.name for each in fields(manifest())}


def test_a_manifest_holds_no_secret():
    """The salt goes in as a hash of itself."""
    assert str(123_456_789) not in repr(manifest(salt=123_456_789))


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b'"deep"', b'{"plan":"\xff"}'])
def test_a_damaged_manifest_is_refused(directory, damaged):
    """Whatever cannot be read is not guessed at."""
    (directory / "manifest.json").write_bytes(damaged)
    assert refusal(directory) == (
        f"{directory / 'manifest.json'} is damaged; bring it back from a copy, or {EMPTY}"
    )


def test_a_manifest_with_a_part_missing_does_not_fit(directory):
    """What an older release did not write down is a difference too."""
    path = directory / "manifest.json"
    written = json.loads(path.read_bytes())
    del written["salt"]
    path.write_text(json.dumps(written), encoding="utf-8")
    assert "salt was None" in refusal(directory)


def test_state_without_its_manifest_is_refused(directory):
    """It is not taken for a new store, which would be made over it."""
    (directory / "manifest.json").unlink()
    assert refusal(directory) == (
        f"{directory} holds state without its manifest.json; bring that back, or {EMPTY}"
    )


def test_missing_parts_are_refused(directory):
    """Bytewax would start over without a word for what was in them."""
    next((directory / "parts").glob("*.sqlite3")).unlink()
    assert refusal(directory) == (
        f"{directory / 'parts'} holds 2 of 3 parts; bring the others back from a copy, or {EMPTY}"
    )


def test_a_damaged_part_is_refused(directory):
    """The same goes for what Bytewax wrote."""
    part = directory / "parts" / "part-0.sqlite3"
    part.write_bytes(b"no database" * 1_000)
    assert refusal(directory) == f"{part} is damaged; bring it back from a copy, or {EMPTY}"


def test_a_directory_that_cannot_be_one_is_refused(tmp_path):
    """The reason is the system's own."""
    (tmp_path / "state").write_text("a file", encoding="utf-8")
    assert refusal(tmp_path / "state").startswith(f"{tmp_path / 'state'} cannot be used: ")


def test_a_store_has_one_owner_at_a_time(directory):
    """A second one is refused for as long as the first is open, in this process and others."""
    in_use = f"{directory} is in use by another process; stop it first, or give each its own "
    store = Store(directory, manifest(), PLAN)
    assert refusal(directory) == f"{in_use}directory"
    store.close()
    script = f"import fcntl; f = open({str(directory / 'lock')!r}, 'r+'); fcntl.flock(f, 2); "
    script += "print('held', flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline() == b"held\n"
    assert refusal(directory) == f"{in_use}directory"
    other.communicate(b"\n", timeout=10)
    Store(directory, manifest(), PLAN).close()


def test_a_refused_store_is_let_go_of(directory):
    """After a refusal, the right manifest opens it."""
    assert "shards was 4 and is 5 now" in refusal(directory, manifest(shards=5))
    assert opened(directory, manifest()) == at_first(PLAN)


def test_only_the_owner_may_read_and_write(tmp_path):
    """Directories are 0700 and files 0600, also what Bytewax writes while it runs."""
    directory = tmp_path / "above" / "state"
    source = MemorySource(stream(11, number=100), slots=SLOTS, live=True)
    stop = until_exhausted(source)
    bytewax(PLAN, DEPLOYMENT, source, stop=stop, store=directory, store_parts=PARTS, epoch_s=0.0)
    paths = [directory, *directory.rglob("*")]
    modes = {path.relative_to(directory): path.stat().st_mode & 0o777 for path in paths}
    assert len(modes) >= 4 + PARTS
    assert modes == {
        path.relative_to(directory): 0o700 if path.is_dir() else 0o600 for path in paths
    }


def test_a_run_with_a_store_that_does_not_fit_reads_nothing(directory):
    """The refusal comes before the source is opened."""
    source = MemorySource(stream(11, number=10), slots=SLOTS)
    with pytest.raises(StoreRefused):
        bytewax(PLAN, Deployment(shards=5), source, store=directory, store_parts=PARTS)
    assert source.opened_at == []


# ── epochs that were not finished ────────────────────────────────────────────────────────────────


def rows(directory, query):
    """What all parts have to say."""
    found = []
    for part in sorted((directory / "parts").glob("part-*.sqlite3")):
        with closing(sqlite3.connect(part)) as database, database:
            found += database.execute(query)
    return found


def run(directory, polls, **running):
    """Run over a stream for some polls."""
    source = MemorySource(stream(11, number=300), slots=SLOTS, live=True, luck=polls)
    stop, polled = Event(), count()
    source.on_poll = lambda _: stop.set() if next(polled) == polls else None
    running = {"store_parts": PARTS, "poll_records": 10, "epoch_s": 0.01} | running
    bytewax(PLAN, DEPLOYMENT, source, stop=stop, store=directory, **running)


def test_the_epoch_to_resume_in_is_the_one_that_bytewax_resumes_in(directory):
    """It writes down with every run where it began: the same as is worked out before."""
    for number, workers in enumerate((1, 3, 2, 1)):
        parts = [*(directory / "parts").glob("part-*.sqlite3")]
        worked_out = recovery._resume_epoch(parts)
        run(directory, polls=10 + number, workers=workers)
        begun = rows(directory, "SELECT ex_num, worker_count, resume_epoch FROM exs")
        assert max(begun)[1:] == (workers, max(worked_out, 1))


def test_snapshots_of_an_unfinished_epoch_are_dropped(directory):
    """What Bytewax would not resume from is gone once the store is open, and nothing else is."""
    run(directory, polls=12, workers=2)
    saved = "SELECT step_id, state_key, snap_epoch FROM snaps ORDER BY 1, 2"
    finished = rows(directory, saved)
    assert len(finished) > SLOTS + PLAN.levels * DEPLOYMENT.shards
    resumed = recovery._resume_epoch([*(directory / "parts").glob("part-*.sqlite3")])
    for epoch in (resumed, resumed + 7):
        rows(
            directory,
            "INSERT INTO snaps (step_id, state_key, snap_epoch, ser_change) "  # noqa: S608
            f"VALUES ('northstar.roll-0', 'shard-000', {epoch}, x'00')",
        )
    assert len(rows(directory, saved)) == len(finished) + 2 * PARTS
    Store(directory, manifest(), PLAN).close()
    assert rows(directory, saved) == finished
