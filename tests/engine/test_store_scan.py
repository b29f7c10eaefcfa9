"""The store is looked at before it is loaded: damage is noticed, and nothing planted is run."""

import os
import pickle
import shutil
import sqlite3
import time
from contextlib import closing
from itertools import count
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.core.snapshot import pack
from pipeline.engine.recovery import Store, StoreRefused, manifest_of
from pipeline.engine.store_scan import SLOTS_STEP, Untrusted, newest_ms, scan
from tests.engine.both_engines import bytewax
from tests.engine.deep_product import DEPLOYMENT, PLAN, START_MS, stream
from tests.engine.memory_source import MemorySource

SLOTS = 2
PARTS = 2
MANIFEST = manifest_of(PLAN, DEPLOYMENT, SLOTS, PARTS)
WHAT_TO_DO = "bring it back from a copy, or start with an empty directory"


def filled(directory: Path) -> Path:
    """A store after a short run."""
    source = MemorySource(stream(11, number=300), slots=SLOTS, live=True, luck=1)
    stop, polled = Event(), count()
    source.on_poll = lambda _: stop.set() if next(polled) == 15 else None
    bytewax(
        PLAN, DEPLOYMENT, source, stop=stop, store=directory, store_parts=PARTS, poll_records=10
    )
    return directory


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store that nothing is wrong with."""
    return filled(tmp_path_factory.mktemp("scan") / "store")


@pytest.fixture
def store(whole, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(whole, tmp_path / "store")


def part_files(directory):
    """The parts of a store, in order."""
    return sorted((directory / "parts").glob("part-*.sqlite3"))


def snapshots(part):
    """What a part holds."""
    with closing(sqlite3.connect(part)) as database:
        return database.execute(
            "SELECT rowid, step_id, state_key, ser_change FROM snaps"
        ).fetchall()


def scanned(part):
    """What is about to be loaded of a part."""
    return {(saved.step, saved.key): saved.packed for saved in scan(part)}


def put(part, row, stored):
    """Write over one value."""
    with closing(sqlite3.connect(part)) as database, database:
        database.execute("UPDATE snaps SET ser_change = ? WHERE rowid = ?", (stored, row))


def refusal(directory):
    """Why a store is refused."""
    with pytest.raises(StoreRefused) as refused:
        Store(directory, MANIFEST, PLAN).close()
    return str(refused.value)


def test_a_store_that_nothing_is_wrong_with_is_opened(store):
    """As often as one likes, and what it holds stays as it was."""
    held = [scanned(part) for part in part_files(store)]
    assert all(held)
    for _ in range(2):
        Store(store, MANIFEST, PLAN).close()
        assert [scanned(part) for part in part_files(store)] == held


def test_every_flipped_bit_of_a_snapshot_is_noticed(whole, tmp_path_factory):
    """Wherever it is, in our bytes or in the pickle around them; the text names part and key."""
    directory = shutil.copytree(whole, tmp_path_factory.mktemp("bits") / "store")
    values = [(part, *row) for part in part_files(directory) for row in snapshots(part)]
    assert len(values) > SLOTS + DEPLOYMENT.shards

    @settings(max_examples=150, deadline=None)
    @given(st.sampled_from(values), st.data())
    def check(value, data):
        part, row, step, key, stored = value
        near = st.integers(0, min(40, len(stored) - 1)) | st.integers(-12, -1)
        place = data.draw(near | st.integers(0, len(stored) - 1))
        flipped = bytearray(stored)
        flipped[place] ^= 1 << data.draw(st.integers(0, 7))
        put(part, row, bytes(flipped))
        try:
            text = refusal(directory)
        finally:
            put(part, row, stored)
        assert text.startswith(f"{part} is damaged: {part.name}, the snapshot of {step} {key}: ")
        assert text.endswith(f"; {WHAT_TO_DO}")

    check()
    Store(directory, MANIFEST, PLAN).close()


class Planted:
    """What runs when it is loaded."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_planted_pickle_is_refused_and_not_run(store, tmp_path, protocol):
    """Nor does Bytewax get to see it: a run with that store reads nothing."""
    trace = tmp_path / "trace"
    part = part_files(store)[0]
    row, step, key, _ = snapshots(part)[0]
    put(part, row, pickle.dumps(Planted(trace), protocol))
    assert f"the snapshot of {step} {key}: it is " in refusal(store)
    source = MemorySource(stream(11, number=10), slots=SLOTS)
    with pytest.raises(StoreRefused):
        bytewax(PLAN, DEPLOYMENT, source, store=store, store_parts=PARTS)
    assert source.opened_at == []
    assert not trace.exists()


def test_a_planted_pickle_that_an_older_snapshot_holds_is_refused_too(store, tmp_path):
    """Which of them would be loaded is Bytewax's affair."""
    part = part_files(store)[0]
    _, step, key, _ = snapshots(part)[0]
    with closing(sqlite3.connect(part)) as database, database:
        database.execute(
            "INSERT INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES (?, ?, 0, ?)",
            (step, key, pickle.dumps(Planted(tmp_path / "trace"))),
        )
    assert f"the snapshot of {step} {key}: it is " in refusal(store)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\x80\x04",
        b"no pickle",
        pickle.dumps(None),
        pickle.dumps([b"ours"]),
        pickle.dumps(b"ours")[:-1],
        pickle.dumps(b"ours") + b".",
        pickle.dumps(b"ours", 2),
        pickle.dumps(b"ours", 5),
        pickle.dumps(bytearray(b"ours")),
        b"\x80\x04\x80\x04C\x04ours\x94.",
        b"\x80\x04C\x04oursC\x04ours.",
    ],
)
def test_what_is_no_pickle_of_our_bytes_is_refused(store, stored):
    """Whatever else it may be."""
    part = part_files(store)[0]
    row, *_ = snapshots(part)[0]
    put(part, row, stored)
    with pytest.raises(Untrusted, match=r"it is (no pickle of ours|a pickle of something else)"):
        [*scan(part)]


def test_bytes_that_are_not_ours_are_refused(store):
    """They bear our mark, or they are somebody else's."""
    part = part_files(store)[0]
    row, *_ = snapshots(part)[0]
    put(part, row, pickle.dumps(b"something of the right kind and long enough"))
    assert "not a Northstar snapshot" in refusal(store)


def test_a_key_that_was_given_up_holds_nothing(store):
    """Bytewax writes no value for it; the others are there."""
    part = part_files(store)[0]
    row, step, key, _ = snapshots(part)[-1]
    held = scanned(part)
    put(part, row, None)
    Store(store, MANIFEST, PLAN).close()
    assert held.keys() - scanned(part).keys() == {(step, key)}


def test_large_snapshots_are_looked_at_too(tmp_path):
    """Their pickles are framed differently; a quarter of a gigabyte takes about a second."""
    part = tmp_path / "part-0.sqlite3"
    packed = pack({"keys": np.arange(1 << 22)}, {})
    with closing(sqlite3.connect(part)) as database, database:
        database.execute("CREATE TABLE snaps (step_id, state_key, snap_epoch, ser_change)")
        rows = [("roll-0", f"shard-{number:03d}", 1, pickle.dumps(packed)) for number in range(8)]
        database.executemany("INSERT INTO snaps VALUES (?, ?, ?, ?)", rows)
    started_s = time.process_time()
    assert [len(saved.packed) for saved in scan(part)] == [len(packed)] * 8
    assert time.process_time() - started_s < 10


def test_a_truncated_part_is_refused(store):
    """At whatever page it ends."""
    for keep in (0, 100, 4096, 8192, part_files(store)[0].stat().st_size - 4096):
        copy = shutil.copytree(store, store.with_name(f"cut-{keep}"))
        part = part_files(copy)[0]
        part.write_bytes(part.read_bytes()[:keep])
        assert refusal(copy) == f"{part} is damaged; {WHAT_TO_DO}"


def test_a_part_of_another_store_is_refused(store, tmp_path):
    """Though it is of the same product and cut."""
    other = filled(tmp_path / "other")
    theirs, ours = part_files(other)[1], part_files(store)[1]
    shutil.copy(theirs, ours)
    assert refusal(store) == (
        f"{ours} belongs to another store, or is there twice; bring the right one back from a "
        "copy, or start with an empty directory"
    )


def test_a_part_that_is_there_twice_is_refused(store):
    """One copied over another would go for both."""
    one, other = part_files(store)
    shutil.copy(one, other)
    assert "is there twice" in refusal(store)


def test_the_newest_time_is_that_of_the_partition_that_is_furthest(store):
    """Only slots know of it."""
    found = {saved.step: 0 for part in part_files(store) for saved in scan(part)}
    for part in part_files(store):
        for saved in scan(part):
            found[saved.step] = max(found[saved.step], newest_ms(saved))
    decode = found.pop(f"northstar.{SLOTS_STEP}")
    assert decode > START_MS
    assert set(found.values()) == {0}
