"""Snapshots: what was packed comes back, and what was damaged does not."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.core.snapshot import MAGIC, VERSION, UnreadableSnapshot, digest, pack, unpack

SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
DTYPES = st.sampled_from(["<i8", "<u8", "<f8", "|b1", "|i1", "|u1", "<u2", "<i4", ">i8"])
ARRAYS = DTYPES.flatmap(lambda dtype: arrays.arrays(np.dtype(dtype), SHAPES))
NAMED = st.dictionaries(st.text(max_size=8), ARRAYS, max_size=4)
FACTS = st.dictionaries(
    st.text(max_size=5),
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.lists(st.integers(0)),
    max_size=4,
)
SMALL = pack({"keys": np.arange(5, dtype=np.uint64), "none": np.empty(0)}, {"earliest_ms": 5})
WITHOUT_ARRAYS = pack({}, {"watermarks": [1, 2]})


@given(NAMED, FACTS)
def test_what_was_packed_comes_back(named, facts):
    """Arrays of any shape and number, and the facts, are the same again, in order and type."""
    unpacked, known = unpack(pack(named, facts))
    assert facts == known
    assert [*named] == [*unpacked]
    for name, array in named.items():
        assert array.dtype == unpacked[name].dtype
        assert array.shape == unpacked[name].shape
        assert array.tobytes() == unpacked[name].tobytes()


def test_arrays_that_come_back_can_be_written_to():
    """A memory goes on with the arrays that it was loaded from."""
    unpacked, _ = unpack(SMALL)
    unpacked["keys"][0] = 7
    assert unpack(SMALL)[0]["keys"].tolist() == [0, 1, 2, 3, 4]


def test_slices_and_views_are_packed_as_what_they_show():
    """A view over every other element is packed as those elements."""
    whole = np.arange(10)
    unpacked, _ = unpack(pack({"half": whole[::2], "square": whole.reshape(2, 5).T}, {}))
    assert unpacked["half"].tolist() == [0, 2, 4, 6, 8]
    assert whole.reshape(2, 5).T.tolist() == unpacked["square"].tolist()


@pytest.mark.parametrize("packed", [SMALL, WITHOUT_ARRAYS], ids=["arrays", "facts only"])
def test_any_flipped_bit_is_noticed(packed):
    """Wherever a single bit is flipped, prefix included, the snapshot is refused."""
    for place in range(len(packed)):
        for bit in range(8):
            damaged = bytearray(packed)
            damaged[place] ^= 1 << bit
            with pytest.raises(UnreadableSnapshot):
                unpack(bytes(damaged))


@pytest.mark.parametrize("packed", [SMALL, WITHOUT_ARRAYS], ids=["arrays", "facts only"])
def test_any_cut_is_noticed(packed):
    """A snapshot that ends anywhere before its end is refused, and so is one with more after."""
    for end in range(len(packed)):
        with pytest.raises(UnreadableSnapshot):
            unpack(packed[:end])
    with pytest.raises(UnreadableSnapshot, match="damaged"):
        unpack(packed + b" ")


def test_a_header_size_that_leaves_valid_json_is_noticed():
    """Spaces after the header are JSON too: the header's size is held to the checksum."""
    packed = pack({"spaces": np.full(4, 0x20202020_20202020, np.uint64)}, {})
    longer = bytearray(packed)
    longer[6] += 8
    with pytest.raises(UnreadableSnapshot, match="damaged"):
        unpack(bytes(longer))


@pytest.mark.parametrize(
    ("packed", "saying"),
    [
        (b"", "0 bytes is cut short"),
        (SMALL[:17], "17 bytes is cut short"),
        (b"PK\x03\x04" + SMALL[4:], "not a Northstar snapshot"),
        (MAGIC + bytes([VERSION + 1, 0]) + SMALL[6:], f"version {VERSION + 1}, this release"),
        (SMALL[:-1] + b"\x01", "damaged"),
    ],
    ids=["nothing", "prefix", "magic", "version", "body"],
)
def test_a_refusal_says_what_is_wrong(packed, saying):
    """Cut, foreign, of another version or damaged: the text says which."""
    with pytest.raises(UnreadableSnapshot, match=saying):
        unpack(packed)


def test_a_digest_tells_bytes_apart():
    """Equal bytes have equal digests of 16 digits, and others another."""
    assert digest(b"plan") == digest(b"plan")
    assert digest(b"plan") != digest(b"plans")
    assert len(digest(b"")) == 16
