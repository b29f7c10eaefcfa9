"""Match: every feed has its rows, every row its shard, and every record its count."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.core.decode import Decoder
from pipeline.core.deployment import Deployment
from pipeline.core.identity import Identity
from pipeline.core.match import Matcher, Rows, by_shard, joined, to_micros
from pipeline.core.memories.memory import ABSENT_MICROS
from pipeline.core.records import Filtered
from pipeline.core.windows import MINUTE_MS, SECOND_MS
from tests.core.plans import AT_MS, SUITE, record, records

KEYS = st.lists(st.integers(0, 2**64 - 1), max_size=40)
LATE_MS = AT_MS - 5 * MINUTE_MS


def matched(values, shards=4, partition=0, **changes):
    """What a batch gives to the feeds."""
    deployment = Deployment(shards=shards, **changes)
    decoder = Decoder(SUITE, deployment)
    batch = decoder.decode(records(values, partition=partition), decoder.fresh()).batch
    return Matcher(SUITE, deployment).match(batch)


def rows_of(contributions, key):
    """The rows of one feed, over all shards, as (key, time, visible, *columns)."""
    number = next(place for place, feed in enumerate(SUITE.feeds) if feed.key == key)
    found = []
    for by_feed in contributions.rows.values():
        if number in by_feed:
            rows = by_feed[number]
            keys = rows.keys.tolist() or [None] * len(rows)
            columns = (rows.times_ms, rows.visible_ms, *rows.columns)
            found += zip(keys, *(column.tolist() for column in columns), strict=True)
    return sorted(found, key=str)


def hashes(place, *ids):
    """The hashes of ids that are read at one place of the viewed event."""
    source = dict(SUITE.events[2].ids)[place]
    return Identity(0).hashes(source, [[*ids]]).tolist()


# ── shards ───────────────────────────────────────────────────────────────────────────────────────


def rows(keys):
    """Rows of these entities, numbered by time."""
    numbers = np.arange(len(keys))
    return Rows(np.array(keys, np.uint64), numbers, numbers + 5, (numbers * 2,))


@given(KEYS, st.integers(1, 40))
def test_each_row_lies_in_exactly_one_shard_with_all_of_its_entity(keys, shards):
    """Shards are a partition of the rows by entity, each in its order and with its columns."""
    found = dict(by_shard(rows(keys), shards)) if keys or shards > 1 else {}
    assert all(0 <= shard < shards for shard in found)
    assert sorted(range(len(keys))) == sorted(
        row for piece in found.values() for row in piece.times_ms.tolist()
    )
    for shard, piece in found.items():
        assert len(piece) > 0
        assert sorted(piece.times_ms) == piece.times_ms.tolist()
        assert [keys[row] for row in piece.times_ms] == piece.keys.tolist()
        assert (piece.times_ms + 5).tolist() == piece.visible_ms.tolist()
        assert (piece.times_ms * 2).tolist() == piece.columns[0].tolist()
        assert {shard} == {(key >> 32) % shards for key in piece.keys.tolist()}


@given(st.lists(KEYS, min_size=1, max_size=4))
def test_joined_rows_are_their_pieces_end_to_end(pieces):
    """Pieces of one feed keep their order, and one piece is itself."""
    whole = joined([rows(keys) for keys in pieces])
    assert [key for keys in pieces for key in keys] == whole.keys.tolist()
    assert sum(map(len, pieces)) == len(whole)
    assert len(whole.columns[0]) == len(whole.visible_ms) == len(whole)


def test_some_rows_of_a_feed_without_entity_have_no_keys():
    """Taking by flag, by number and by slice keeps no keys where there are none."""
    loose = replace(rows([1, 2, 3]), keys=np.empty(0, np.uint64))
    for chosen in (np.array([True, False, True]), np.array([0, 2]), slice(0, 3, 2)):
        some = loose.take(chosen)
        assert (len(some.keys), some.times_ms.tolist()) == (0, [0, 2])


def test_shards_do_not_change_what_is_matched():
    """One shard or many, the feeds have the same rows."""
    values = [record(userId=f"u{n}", chart=f"c{n % 3}", ms=n) for n in range(50)]
    one, many = matched(values, shards=1), matched(values, shards=7)
    for feed in SUITE.feeds:
        assert rows_of(one, feed.key) == rows_of(many, feed.key)
    assert {shard for _, shard in one.rows} == {0}
    assert len({shard for _, shard in many.rows}) > 3


# ── feeds ────────────────────────────────────────────────────────────────────────────────────────


def test_a_feed_takes_the_rows_of_its_event_with_their_columns():
    """Entity, others and values travel along; absent ones are marked."""
    values = [
        record(userId="ann", watched="bob"),
        record(userId="bob"),
        record("chart_shared", userId="cleo"),
        record("order_paid", userId="ann", amount=1.25, test=False),
        record("order_paid", userId="bob", amount=None, test=False),
    ]
    found = matched(values)
    ann, bob, cleo = hashes("user", "ann", "bob", "cleo")
    (watched,) = hashes("watched", "bob")
    views = rows_of(found, "0/user<-viewed")
    assert sorted([(ann, AT_MS, AT_MS, watched), (bob, AT_MS, AT_MS, 0)], key=str) == views
    paid = rows_of(found, "0/user<-paid")
    assert paid == sorted(
        [(ann, AT_MS, AT_MS, 1_250_000), (bob, AT_MS, AT_MS, ABSENT_MICROS)], key=str
    )
    active = [row[0] for row in rows_of(found, "1/user<-active")]
    assert sorted([ann, bob, cleo], key=str) == active


def test_rows_without_the_entity_feed_what_needs_none():
    """A view without a user counts as a view, and for nobody."""
    found = matched([record(userId=None), record(userId=None, chart=None, ms=None)])
    assert rows_of(found, "0/user<-viewed") == []
    assert len(rows_of(found, "0/chart<-viewed")) == 1
    loose = rows_of(found, "0/*<-viewed")
    assert sorted(loose, key=lambda row: -row[3]) == [
        (None, AT_MS, AT_MS, 5_000_000),
        (None, AT_MS, AT_MS, ABSENT_MICROS),
    ]


@pytest.mark.parametrize(
    ("key", "expected"),
    [('0/*<-viewed[plan == "pro"]', [1, 4]), ("0/*<-viewed[paid]", [0, 4])],
)
def test_a_feed_with_a_condition_takes_the_rows_that_meet_it(key, expected):
    """Only true lets a row pass: neither false nor unknown does."""
    plans = [{"paid": True}, {"plan": "pro"}, {"plan": "free", "paid": False}, {}]
    plans.append({"plan": "pro", "paid": True})
    values = [record(at_ms=AT_MS + n, **parts) for n, parts in enumerate(plans)]
    assert expected == [row[1] - AT_MS for row in rows_of(matched(values), key)]


def test_rows_that_need_no_entity_go_where_their_partition_says():
    """Counts of one partition stay together, whatever shard its users live in."""
    for partition in (0, 3, 100_001):
        found = matched([record()], shards=4, partition=partition)
        number = next(n for n, feed in enumerate(SUITE.feeds) if feed.entity is None)
        homes = [shard for (_, shard), by_feed in found.rows.items() if number in by_feed]
        assert [partition % 4] == homes


def test_higher_levels_have_their_rows_apart():
    """What feeds the users above the charts is addressed to their level."""
    levels = {
        feed.level: key for (level, _), by_feed in matched([record()]).rows.items()
        for key in by_feed for feed in [SUITE.feeds[key]] if feed.level == level
    }  # fmt: skip
    assert set(levels) == {0, 1}


def test_an_empty_batch_gives_nothing():
    """No rows, no counts, and nothing was first seen."""
    found = matched([])
    assert (found.rows, found.visible_ms, found.counts.matched) == ({}, None, 0)


# ── counts ───────────────────────────────────────────────────────────────────────────────────────


def test_records_that_are_no_event_in_the_end_are_filtered():
    """Where every event that bears the name has a condition, not to meet it is to be filtered."""
    values = [record("order_paid", app="shop"), record("order_paid"), record()]
    counts = matched(values).counts
    assert (counts.matched, counts.filtered) == (1, Counter({Filtered.WHERE: 2}))


def test_the_earliest_moment_is_that_of_matched_records():
    """What was filtered does not start the watch."""
    values = [record("order_paid", LATE_MS, app="shop"), record(at_ms=AT_MS + 5), record()]
    assert matched(values).visible_ms == (AT_MS, AT_MS + 5)
    assert matched(values[:1]).visible_ms is None


@pytest.mark.parametrize(
    ("behind_ms", "tick_ms", "late"),
    [
        (0, 5 * SECOND_MS, 0),
        (MINUTE_MS, 5 * SECOND_MS, 0),
        (MINUTE_MS + 1, 5 * SECOND_MS, 1),
        (2 * MINUTE_MS, 5 * SECOND_MS, 1),
        (2 * MINUTE_MS, 10 * MINUTE_MS, 0),
        (12 * MINUTE_MS, 10 * MINUTE_MS, 1),
    ],
)
def test_a_record_is_late_when_its_tick_was_due_before_it_came(behind_ms, tick_ms, late):
    """What becomes visible within its own tick is in time, however much out of order."""
    at_ms = AT_MS + 15 * MINUTE_MS
    values = [record(at_ms=at_ms + MINUTE_MS), record(at_ms=at_ms + MINUTE_MS - behind_ms)]
    decoder = Decoder(SUITE, Deployment(tick_ms=tick_ms))
    batch = decoder.decode(records(values, ingested_ms=at_ms), decoder.fresh()).batch
    assert late == Matcher(SUITE, Deployment(tick_ms=tick_ms)).match(batch).counts.late


@given(st.lists(st.floats(-9_007_199_254, 9_007_199_254)))
def test_millionths_are_the_nearest(values):
    """Every value within the bounds is rounded once, by no more than half a millionth."""
    found = to_micros(np.array([*values, np.nan]))
    assert found[-1] == ABSENT_MICROS
    for value, micros in zip(values, found.tolist(), strict=False):
        assert round(value * 1_000_000) == micros
