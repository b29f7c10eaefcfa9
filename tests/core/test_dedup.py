"""Dedup, held to rule 8 of `definitions/LANGUAGE.md`, read one record at a time."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.core import dedup as dedups
from pipeline.core.decode import LONG_AGO
from pipeline.core.dedup import Dedup
from pipeline.core.snapshot import pack, unpack

HORIZON_MS = 4_000
G = HORIZON_MS // 4

# Ids from a small pool, 0 for none; times mostly forward, in steps about the size of a generation.
STEPS = st.tuples(
    st.integers(0, 5),
    st.one_of(
        st.integers(-2 * G, 2 * G),
        st.sampled_from([0, 1, G - 1, G, G + 1, 4 * G, 5 * G - 1, 5 * G, 5 * G + 1, 6 * G]),
    ),
)


def stream(steps, lateness_ms):
    """Ids, visible moments and watermarks before each row, as decode makes them."""
    ids, visible, watermarks = [], [], []
    newest, time = LONG_AGO, 1_000_000
    for message, step in steps:
        time += step
        watermark = LONG_AGO if newest == LONG_AGO else newest - lateness_ms
        ids.append(message)
        visible.append(max(time, watermark))
        watermarks.append(watermark)
        newest = max(newest, time)
    return np.array(ids, np.uint64), np.array(visible, np.int64), np.array(watermarks, np.int64)


def by_the_rule(ids, visible, watermarks, g):
    """Which rows are duplicates, by the words of the rule."""
    accepted, found = [], []
    for message, x, w in zip(ids.tolist(), visible.tolist(), watermarks.tolist(), strict=True):
        repeats = message != 0 and any(
            earlier == message and (w == LONG_AGO or of_that_one // g >= w // g - 4)
            for earlier, of_that_one in accepted
        )
        found.append(repeats)
        if not repeats:
            accepted.append((message, x))
    return found


def in_batches(dedup, rows, cuts):
    """What dedup says of rows that come in several batches."""
    bounds = [0, *sorted(cut % (len(rows[0]) + 1) for cut in cuts), len(rows[0])]
    return [
        flag
        for start, end in pairwise(bounds)
        for flag in dedup.duplicates(*(column[start:end] for column in rows)).tolist()
    ]


@given(st.lists(STEPS, max_size=40), st.sampled_from([0, 500, 3 * G]), st.lists(st.integers(0)))
def test_rows_are_duplicates_exactly_by_the_rule_however_they_are_cut(steps, lateness_ms, cuts):
    """Any cut into batches gives what the rule gives record by record."""
    rows = stream(steps, lateness_ms)
    assert by_the_rule(*rows, G) == in_batches(Dedup(HORIZON_MS), rows, cuts)


@given(st.lists(STEPS, max_size=40), st.integers(0, 40))
def test_a_dedup_saved_and_loaded_goes_on_as_before(steps, at):
    """Saving and loading between two batches changes no answer."""
    rows = stream(steps, 500)
    before, after = Dedup(HORIZON_MS), Dedup(HORIZON_MS)
    first = before.duplicates(*(column[:at] for column in rows)).tolist()
    after.load(unpack(pack(before.dump(), {}))[0])
    second = after.duplicates(*(column[at:] for column in rows)).tolist()
    assert by_the_rule(*rows, G) == first + second


@given(st.lists(STEPS, max_size=40), st.lists(st.integers(0)))
def test_clearing_out_what_is_forgotten_changes_no_answer(steps, cuts):
    """Looking for forgotten ids after every batch gives the same answers."""
    rows, dedup = stream(steps, 500), Dedup(HORIZON_MS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dedups, "_CLEAR_AT", 0)
        dedup._clear_at = 0
        assert by_the_rule(*rows, G) == in_batches(dedup, rows, cuts)


def one(dedup, message, visible_ms, watermark_ms):
    """Whether a single row is a duplicate."""
    row = np.array([message], np.uint64), np.array([visible_ms]), np.array([watermark_ms])
    return dedup.duplicates(*row).item()


@pytest.mark.parametrize(
    ("seen_ms", "watermark_ms", "expected"),
    [
        (0, 5 * G - 1, True),  # four generations back
        (0, 5 * G, False),  # five
        (G - 1, 5 * G - 1, True),
        (G - 1, 5 * G, False),  # remembered for the horizon and a millisecond
        (-1, 4 * G - 1, True),
        (-1, 4 * G, False),
        (-G, 4 * G - 1, True),
    ],
)
def test_an_id_is_remembered_until_five_generations_have_begun(seen_ms, watermark_ms, expected):
    """For the horizon at least, and a generation more at most; times before 1970 too."""
    dedup = Dedup(HORIZON_MS)
    one(dedup, 7, seen_ms, LONG_AGO)
    assert expected == one(dedup, 7, watermark_ms, watermark_ms)


def test_a_duplicate_does_not_renew_its_id():
    """Repeats every generation do not keep an id alive."""
    dedup = Dedup(HORIZON_MS)
    found = [one(dedup, 7, generation * G, generation * G) for generation in range(8)]
    assert found == [False, True, True, True, True, False, True, True]


def test_before_any_watermark_everything_is_remembered():
    """Where nothing moved the watermark, no id is old."""
    dedup = Dedup(HORIZON_MS)
    assert not one(dedup, 7, -(10**15), LONG_AGO)
    assert one(dedup, 7, 10**15, LONG_AGO)


def test_rows_without_an_id_are_never_duplicates():
    """Id 0 stands for none, and none is ever remembered."""
    dedup = Dedup(HORIZON_MS)
    none = np.zeros(5, np.uint64), np.zeros(5, np.int64), np.zeros(5, np.int64)
    assert not dedup.duplicates(*none).any()
    assert len(dedup) == 0


def test_what_is_forgotten_takes_no_room(monkeypatch):
    """When many ids are held, those that are forgotten are let go; the rest is kept."""
    monkeypatch.setattr(dedups, "_CLEAR_AT", 100)
    dedup = Dedup(HORIZON_MS)
    ids = np.arange(1, 1_001, dtype=np.uint64)
    for generation in range(60):
        now = np.full(1_000, generation * G)
        assert not dedup.duplicates(ids + np.uint64(generation * 1_000), now, now).any()
    assert len(dedup) <= 2 * 6_000
    assert one(dedup, 59_500, 59 * G, 59 * G)


@pytest.mark.parametrize(("horizon_ms", "g"), [(3_600_000, 900_000), (4_003, 1_000), (3, 1)])
def test_a_generation_is_a_quarter_of_the_horizon(horizon_ms, g):
    """Whole milliseconds, and one at the least."""
    assert g == Dedup(horizon_ms).generation_ms
