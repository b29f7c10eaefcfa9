"""The key index, held to a dictionary."""

import numpy as np
from hypothesis import given, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipeline.core.key_index import KeyIndex

# Many with the same low bits, so that they want the same slot; and the ends of the range.
KEYS = st.one_of(
    st.integers(0, 40),
    st.integers(0, 40).map(lambda number: number << 40),
    st.integers(0, 40).map(lambda number: (number << 20) | 63),
    st.sampled_from([2**64 - 1, 2**64 - 2, 2**63]),
    st.integers(0, 2**64 - 1),
)


def array(keys):
    """Keys as the index takes them."""
    return np.array(keys, np.uint64)


class AgainstADictionary(RuleBasedStateMachine):
    """Any sequence of calls answers as a dictionary of keys to rows does."""

    @initialize(keys=st.lists(KEYS, unique=True, max_size=70))
    def start(self, keys):
        self.index = KeyIndex(array(keys)) if keys else KeyIndex()
        self.known = {key: row for row, key in enumerate(keys)}

    @rule(keys=st.lists(KEYS, max_size=100))
    def look_for_rows(self, keys):
        for key in keys:
            self.known.setdefault(key, len(self.known))
        assert [self.known[key] for key in keys] == self.index.rows_for(array(keys)).tolist()

    @rule(keys=st.lists(KEYS, max_size=100))
    def find(self, keys):
        assert [self.known.get(key, -1) for key in keys] == self.index.find(array(keys)).tolist()

    @rule(data=st.data())
    def keep_some(self, data):
        kept = data.draw(st.lists(st.booleans(), min_size=len(self.known)))[: len(self.known)]
        self.index.keep(np.array(kept, np.bool_))
        keys = [key for key, stays in zip(self.known, kept, strict=True) if stays]
        self.known = {key: row for row, key in enumerate(keys)}

    @rule()
    def save_and_load(self):
        self.index = KeyIndex(self.index.keys.copy())

    @invariant()
    def holds_the_same_keys_in_the_same_order(self):
        assert len(self.known) == len(self.index)
        assert [*self.known] == self.index.keys.tolist()


TestAgainstADictionary = AgainstADictionary.TestCase


def test_an_empty_index_finds_nothing():
    """Nothing is known before anything is asked for, and asking for nothing adds nothing."""
    index = KeyIndex(array([]))
    assert index.find(array([0, 5])).tolist() == [-1, -1]
    assert index.rows_for(array([])).tolist() == []
    assert len(index) == 0


def test_rows_are_given_in_the_order_of_the_keys_first_coming():
    """New keys get rows in the order in which they stand, however often they come."""
    index = KeyIndex()
    assert index.rows_for(array([9, 3, 9, 1, 3])).tolist() == [0, 1, 0, 2, 1]


@given(st.integers(0, 2**32), st.integers(1, 5_000))
def test_many_keys_at_once_are_all_found_again(seed, count):
    """Growing over several sizes at once loses and confuses no key."""
    keys = np.random.default_rng(seed).integers(0, 2**64, count, np.uint64)
    index = KeyIndex()
    rows = index.rows_for(keys)
    assert keys.tolist() == index.keys[rows].tolist()
    assert rows.tolist() == index.find(keys).tolist()
    assert len(np.unique(keys)) == len(index)


def test_keys_that_all_want_one_slot_are_told_apart():
    """A thousand keys with the same low bits cost time, not answers."""
    keys = np.arange(1_000, dtype=np.uint64) << np.uint64(32)
    index = KeyIndex()
    assert [*range(1_000)] == index.rows_for(keys).tolist()
    assert [*range(1_000)] == index.find(keys).tolist()
    assert index.find(array([1_000 << 32])).tolist() == [-1]
