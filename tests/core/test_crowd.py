"""Crowd, held to step 7 of `definitions/LANGUAGE.md`'s refusals, read one record at a time."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.core.crowd import Crowd, horizons
from pipeline.core.decode import LONG_AGO
from pipeline.core.snapshot import pack, unpack
from tests.core.plans import SUITE

HORIZONS_MS = {"user": 4_000, "team": None}
QUARTERS_MS = {"user": 1_000, "team": None}
COLUMNS = ("user", "user", "team")
# Three ids from small pools, 0 for none; whether a record was refused before; and a step of time.
STEPS = st.tuples(
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(0, 5)),
    st.sampled_from([True, True, True, False]),
    st.one_of(st.integers(-2_000, 2_000), st.sampled_from([0, 1, 999, 1_000, 4_000, 5_000, 6_000])),
)
LIMITS = st.integers(1, 5) | st.sampled_from([50, 500])


def stream(steps, lateness_ms):
    """Ids, candidates, visible moments and watermarks before each row, as decode makes them."""
    ids, candidates, visible, watermarks = [], [], [], []
    newest, time = LONG_AGO, 1_000_000
    for together, candidate, step in steps:
        time += step
        watermark = LONG_AGO if newest == LONG_AGO else newest - lateness_ms
        ids.append(together)
        candidates.append(candidate)
        visible.append(max(time, watermark))
        watermarks.append(watermark)
        newest = max(newest, time)
    columns = np.array(ids, np.uint64).reshape(-1, len(COLUMNS)).T
    moments = (np.array(visible, np.int64), np.array(watermarks, np.int64))
    return columns, np.array(candidates, np.bool_), *moments


def by_the_rule(rows, limit):
    """Which rows are refused, by the words of the rule."""
    columns, candidates, visible, watermarks = rows
    last = {kind: {} for kind in HORIZONS_MS}
    bounds, closed, found = {}, set(), []
    for row, candidate in enumerate(candidates):
        for kind, g in QUARTERS_MS.items():
            bound = None if g is None else watermarks[row] // g - 4
            if bound != bounds.get(kind, bound):
                closed.discard(kind)
            bounds[kind] = bound
            if g is not None:
                last[kind] = {each: x for each, x in last[kind].items() if x // g >= bound}
        brings = {kind: set() for kind in HORIZONS_MS}
        for kind, column in zip(COLUMNS, columns, strict=True):
            brings[kind] |= {column[row].item()} - {0}
        new = {kind: ids - last[kind].keys() for kind, ids in brings.items()}
        refused = bool(candidate) and any(new[kind] for kind in closed)
        if candidate and not refused:
            full = [kind for kind in new if new[kind] and len(last[kind]) + len(new[kind]) > limit]
            closed |= {*full[:1]}
            refused = bool(full)
        if candidate and not refused:
            for kind, ids in brings.items():
                for each in ids:
                    last[kind][each] = max(visible[row], last[kind].get(each, visible[row]))
        found.append(refused)
    return found, {kind: len(ids) for kind, ids in last.items()}


def in_batches(crowd, rows, cuts):
    """What a crowd says of rows that come in several batches."""
    columns, *others = rows
    count = len(others[0])
    bounds = [0, *sorted(cut % (count + 1) for cut in cuts), count]
    found = []
    for start, end in pairwise(bounds):
        named = [(kind, ids[start:end]) for kind, ids in zip(COLUMNS, columns, strict=True)]
        found += crowd.refused(named, *(each[start:end] for each in others)).tolist()
    return found


@given(
    st.lists(STEPS, max_size=60),
    LIMITS,
    st.sampled_from([0, 500, 3_000]),
    st.lists(st.integers(0, 100)),
)
def test_records_are_refused_exactly_by_the_rule_however_they_are_cut(
    steps, limit, lateness_ms, cuts
):
    """Any cut into batches gives what the rule gives record by record, and as many are known."""
    rows = stream(steps, lateness_ms)
    crowd = Crowd(HORIZONS_MS, limit)
    expected, sizes = by_the_rule(rows, limit)
    assert expected == in_batches(crowd, rows, cuts)
    assert sizes == crowd.sizes()


@given(st.lists(STEPS, max_size=60), LIMITS, st.integers(0, 60))
def test_a_crowd_saved_and_loaded_goes_on_as_before(steps, limit, at):
    """Saving and loading between two batches changes no answer."""
    rows = stream(steps, 500)
    before, after = Crowd(HORIZONS_MS, limit), Crowd(HORIZONS_MS, limit)
    at = min(at, len(rows[1]))
    first = in_batches(before, (rows[0][:, :at], *(each[:at] for each in rows[1:])), [])
    after.load(unpack(pack(before.dump(), {}))[0])
    second = in_batches(after, (rows[0][:, at:], *(each[at:] for each in rows[1:])), [])
    assert by_the_rule(rows, limit)[0] == first + second


@pytest.mark.parametrize(("limit", "refused"), [(2, [True]), (3, [False])])
def test_a_limit_that_is_raised_opens_at_once(limit, refused):
    """Who was refused under the old one may come under the new one."""
    then, all_of_them = np.zeros(3, np.int64), np.ones(3, np.bool_)
    crowd = Crowd({"team": None}, limit=2)
    crowd.refused([("team", np.array([1, 2, 3], np.uint64))], all_of_them, then, then)

    other = Crowd({"team": None}, limit)
    other.load(crowd.dump())
    again = other.refused([("team", np.array([3], np.uint64))], all_of_them[:1], then[:1], then[:1])

    assert again.tolist() == refused


def test_under_a_limit_that_is_lowered_those_who_are_known_go_on():
    """There are more of them than it lets in; only others are refused."""
    then, all_of_them = np.zeros(3, np.int64), np.ones(3, np.bool_)
    crowd, other = Crowd({"team": None}, limit=3), Crowd({"team": None}, limit=1)
    crowd.refused([("team", np.array([1, 2, 3], np.uint64))], all_of_them, then, then)
    other.load(crowd.dump())

    found = [
        other.refused([("team", np.array(ids, np.uint64))], all_of_them, then, then).tolist()
        for ids in ([3, 2, 1], [1, 4, 2])
    ]

    assert found == [[False] * 3, [False, True, False]]


def test_an_id_matters_as_long_as_the_longest_of_its_events():
    """And for ever where one of them teaches an attribute."""
    longest = horizons(SUITE)
    for kind in {kind for event in SUITE.events for kind, _ in event.ids}:
        each = [event.retention_ms for event in SUITE.events if kind in dict(event.ids)]
        assert longest[kind] == (None if None in each else max(each))
