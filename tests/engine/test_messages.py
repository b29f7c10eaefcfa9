"""What travels between processes arrives as it was."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.changes import Changes
from pipeline.core.match import Rows
from pipeline.engine.messages import Delivery, Handed

NO_KEYS = np.empty(0, np.uint64)


def rows(count, keys=None, columns=(), *, placed=True):
    """Rows, no two alike, that were cut out of more."""
    times = np.arange(3 * count + 2)[1 : count + 1]
    places = times + 2**40 if placed else np.empty(0, np.int64)
    return Rows(NO_KEYS if keys is None else keys, times, times + 7, columns, places)


def as_plain(piece):
    """Rows as lists, and their types."""
    arrays = (piece.keys, piece.times_ms, piece.visible_ms, piece.places, *piece.columns)
    return [(array.dtype, array.tolist()) for array in arrays]


KEYS = np.array([1, 2**64 - 1, 5], np.uint64)
CASES = {
    "nothing": {},
    "rows without an entity": {0: {4: rows(3)}},
    "no rows": {0: {4: rows(0, NO_KEYS, (np.empty(0, np.int64),))}},
    "past the fence": {0: {4: rows(2, placed=False)}},
    "others and values": {0: {2: rows(3, KEYS, (KEYS[::-1], np.array([-1, 0, 2**62])))}},
    "texts behind numbers": {
        1: {
            0: rows(3, KEYS, (np.array([b"pro", b"", b"a name of 20 letters"]),)),
            1: rows(1, KEYS[:1], (np.array([9]), np.array([b"id"]))),
        }
    },
    "levels": {0: {0: rows(3, KEYS), 3: rows(1)}, 1: {5: rows(2, KEYS[:2])}},
}


@pytest.mark.parametrize("case", CASES)
def test_a_delivery_is_the_same_behind_the_wire(case):
    """Every array with its type, in the feed and on the level it was in."""
    sent = Delivery(3, 1_000, {2: (5, 9)}, (1, 8), CASES[case])
    got = pickle.loads(pickle.dumps(sent))  # noqa: S301 - what was just made here
    assert (got.slot, got.watermark_ms, got.spans, got.visible_ms) == (
        3,
        1_000,
        {2: (5, 9)},
        (1, 8),
    )
    for level, by_feed in CASES[case].items():
        assert got.rows[level].keys() == by_feed.keys()
        for feed, piece in by_feed.items():
            assert as_plain(got.rows[level][feed]) == as_plain(piece)


@pytest.mark.parametrize("keys", [[], [1, 2**64 - 1]])
def test_what_shards_hand_on_is_the_same_behind_the_wire(keys):
    """Changes with their types, and who sent them to whom."""
    changes = {3: Changes(np.array(keys, np.uint64), np.array([1, -1][: len(keys)], np.int64))}
    got = pickle.loads(pickle.dumps(Handed(5_000, 0, changes, 7, "roll-3")))  # noqa: S301
    assert (got.at_ms, got.level, got.shard, got.sender) == (5_000, 0, 7, "roll-3")
    assert [*got.changes] == [3]
    assert got.changes[3].keys.dtype == np.uint64
    assert got.changes[3].deltas.dtype == np.int64
    assert got.changes[3].keys.tolist() == keys
    assert got.changes[3].deltas.tolist() == [1, -1][: len(keys)]


def test_a_delivery_packs_itself_once():
    """Bytewax pickles it twice; what is cut from it afterwards is packed anew."""
    sent = Delivery(3, 1_000, {}, None, CASES["levels"])
    assert pickle.dumps(sent) == pickle.dumps(sent)
    rest = pickle.loads(pickle.dumps(replace(sent, rows=CASES["no rows"])))  # noqa: S301
    assert [*rest.rows] == [0]
