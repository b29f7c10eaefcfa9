"""Seeds: who had a first row before, by hash."""

import numpy as np

from pipeline.core.identity import Identity
from pipeline.core.memories.memory import NEVER
from pipeline.core.plan import IdMode, IdSource
from pipeline.core.seeds import Share, sown
from pipeline.core.streams import Seed

IDS = ["ann", "bob", "42"]
SEED = Seed("s", "\n".join(IDS).encode(), np.array([5, NEVER, 7]))
OF_EVENTS = IdSource(IdMode.FIRST, (("userId",),))


def test_ids_are_hashed_as_those_of_events_are():
    """Whole numbers are their digits, and another salt gives other hashes."""
    for salt in (0, 99):
        keys = Identity(salt).hashes(OF_EVENTS, [["bob", "eve", 42, "ann"]])
        places, times = sown(SEED, salt).of(keys)
        assert places.tolist() == [0, 2, 3]
        assert times.tolist() == [NEVER, 7, 5]


def test_shards_of_one_process_share_the_array():
    """It is made once, whatever object says the same."""
    assert sown(SEED, 3) is sown(Seed("s", SEED.ids, SEED.times_ms), 3)


def test_every_entity_is_the_share_of_one_shard():
    """And of no other."""
    keys = sown(SEED, 0).keys
    shares = [Share(number, 5).has(keys) for number in range(5)]
    assert np.sum(shares, axis=0).tolist() == [1, 1, 1]
