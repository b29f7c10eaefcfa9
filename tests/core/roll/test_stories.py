"""Roll, told as stories worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.core.changes import Changes, changes_by_shard
from pipeline.core.roll import Shard
from pipeline.core.snapshot import UnreadableSnapshot
from pipeline.core.windows import DAY_MS, MINUTE_MS
from tests.core.plans import AT_MS, SUITE, compiled, record
from tests.core.roll.rolled import Rolled


def minutes(number, name="chart_viewed", **parts):
    """A record some minutes after AT."""
    return record(name, AT_MS + int(number * MINUTE_MS), **parts)


def after(number):
    """The moment just after that many minutes."""
    return AT_MS + int(number * MINUTE_MS) + 1


@pytest.fixture
def rolled():
    """The suite in three shards, with nobody late."""
    return Rolled(SUITE, lateness_ms=DAY_MS * 365)


def test_an_owner_is_a_learning_user_while_others_look(rolled):
    """Two others within the window, and the owner active: one to enter, each end to leave."""
    rolled.feed(
        [
            minutes(0, "chart_shared", userId="ann"),
            minutes(1, userId="bob"),
            minutes(2, userId="ann"),  # her own view is none
            minutes(3, userId="cleo"),
        ]
    )
    assert rolled.values(after(2), "reach", "weekly_learning_users") == [0, 0]
    assert rolled.values(after(3), "reach", "weekly_learning_users") == [1, 1]
    assert rolled.values(after(7 * 24 * 60), "reach", "weekly_learning_users") == [1, 1]
    assert rolled.values(after(7 * 24 * 60 + 20), "reach", "weekly_learning_users") == [0, 0]


def test_what_a_member_counted_for_is_taken_back_when_the_attribute_changes_hands(rolled):
    """The same chart counts for its new owner from then on, and for the old one no more."""
    rolled.feed(
        [
            minutes(0, "chart_shared", userId="ann"),
            minutes(1, userId="bob"),
            minutes(1, userId="cleo"),
            minutes(1, userId="dora"),
        ]
    )
    assert rolled.values(after(1), "reach", "weekly_learning_users") == [1, 1]
    tallies = [shard.tables["user"].memories[2] for shard in rolled.levels[1]]
    assert sum(tally.at_least(1).sum() for tally in tallies) == 1
    rolled.feed([minutes(2, "chart_shared", userId="bob")])  # cleo and dora are two others still
    assert rolled.values(after(2), "reach", "weekly_learning_users") == [1, 1]
    rolled.feed([minutes(3, "chart_shared", userId="erik")])
    assert rolled.values(after(3), "reach", "weekly_learning_users") == [1, 1]
    found = {
        key: int(tally._counts[row])
        for shard in rolled.levels[1]
        for tally in [shard.tables["user"].memories[2]]
        for row, key in enumerate(shard.tables["user"].index.keys.tolist())
        if tally._counts[row]
    }
    assert list(found.values()) == [1]  # erik's, and nobody's is left over or below zero


def test_an_older_lesson_that_comes_late_teaches_nothing(rolled):
    """The newest by event time is the owner, whichever came last."""
    rolled.feed(
        [
            minutes(5, "chart_shared", userId="ann"),
            minutes(6, userId="bob"),
            minutes(6, userId="cleo"),
            minutes(1, "chart_shared", userId="bob"),
        ]
    )
    assert rolled.values(after(6), "reach", "weekly_learning_users") == [1, 1]


def test_members_roll_up_to_the_second_level(rolled):
    """Two learning users make their team one, and one who moves makes it none."""
    story = [minutes(0, "team_joined", userId=who, team="red") for who in ("ann", "bob")]
    for who, chart in (("ann", "c1"), ("bob", "c2")):
        story.append(minutes(1, "chart_shared", userId=who, chart=chart))
        story += [minutes(2, userId=viewer, chart=chart) for viewer in ("cleo", "dora")]
    rolled.feed(story)
    assert rolled.values(after(1), "weekly_learning_users", "teams") == [0, 0]
    assert rolled.values(after(2), "weekly_learning_users", "teams") == [2, 1]
    rolled.feed([minutes(3, "team_joined", userId="bob", team="blue")])
    assert rolled.values(after(3), "weekly_learning_users", "teams") == [2, 0]


def test_sums_and_counts_of_one_condition_have_windows_of_their_own(rolled):
    """Twenty in a week or three on a day: either makes a spender, and refunds take away."""
    bought = {"name": "order_paid", "test": False}
    rolled.feed([minutes(n, userId="ann", amount=9, **bought) for n in range(2)])
    rolled.feed([minutes(n, userId="bob", amount=1, **bought) for n in range(3)])
    assert rolled.values(after(1), "spending") == [0]
    assert rolled.values(after(2), "spending") == [1]  # bob: three
    rolled.feed([minutes(3, userId="ann", amount=2, **bought)])
    assert rolled.values(after(3), "spending") == [2]
    rolled.feed([minutes(4, userId="ann", amount=-0.000001, **bought)])
    assert rolled.values(after(4), "spending") == [2]  # ann has three now
    midnight = 13 * 60 + 1  # 23:00 UTC is midnight in Berlin
    assert rolled.values(after(midnight), "spending") == [0]
    rolled.feed([minutes(midnight + 1, userId="ann", amount=0.000001, **bought)])
    assert rolled.values(after(midnight + 1), "spending") == [1]


def test_not_and_or_hold_for_entities_that_did_something(rolled):
    """A quiet viewer looked once or twice and shared nothing; who did nothing is no member."""
    rolled.feed([minutes(0, userId=who) for who in ("ann", "bob", "bob", "bob", "cleo")])
    rolled.feed([minutes(0, "chart_shared", userId="cleo"), minutes(0, "team_joined", userId="x")])
    assert rolled.values(after(0), "quiet") == [1]
    assert rolled.values(after(61), "quiet") == [0]


def test_an_entity_itself_may_be_left_out(rolled):
    """Who watched only themselves yesterday watched nobody."""
    rolled.feed([minutes(0, userId="ann", watched="ann"), minutes(1, userId="bob", watched="bob")])
    rolled.feed([minutes(2, userId="bob", watched="ann")])
    assert rolled.values(after(2), "watchers") == [0]  # the day is not over
    assert rolled.values(after(24 * 60), "watchers") == [1]
    assert rolled.values(after(48 * 60), "watchers") == [0]


def test_terms_of_events_count_sum_and_tell_apart(rolled):
    """Counts, means and distinct ids over trailing and calendar windows, with conditions."""
    rolled.feed(
        [
            minutes(0, userId="ann", plan="pro", paid=True, ms=1_000),
            minutes(1, userId="ann", plan="pro", ms=None),
            minutes(2, userId=None, anonymousId="ann", plan="free", paid=False, ms=2_000),
            minutes(3, "order_paid", amount=12.5, test=False),
        ]
    )
    found = rolled.readings(after(3))
    values = {name: reading.value for name, reading in found.items()}
    assert (values["views"], values["pro_views"], values["paid_views"]) == (3, 2, 1)
    assert (found["seconds"].value, found["seconds"].samples) == (1.5, 2)
    assert (values["revenue"], values["visitors"], values["viewings"]) == (12.5, 2, 1)
    assert found["views"].coverage == pytest.approx(3 / 60, abs=1e-4)
    values = rolled.values(after(62))
    assert (values["views"], values["pro_views"], values["seconds"]) == (1, 0, 2.0)
    assert (values["revenue"], values["viewings"]) == (12.5, 1)
    assert rolled.values(after(3 * 24 * 60), "revenue", "viewings") == [0.0, 0]


def test_nothing_fed_is_nothing_counted(rolled):
    """Empty shards have empty sets, and no window is covered."""
    found = rolled.readings(AT_MS)
    assert [None if name == "seconds" else 0 for name in found] == [
        reading.value for reading in found.values()
    ]
    assert {0.0} == {reading.coverage for reading in found.values()}


def test_an_event_counts_from_the_first_tick_after_it_is_visible():
    """At its own moment it does not, a millisecond later it does; a late one by its arrival."""
    rolled = Rolled(SUITE, lateness_ms=0)
    rolled.feed([minutes(0), minutes(10), minutes(5)])
    assert rolled.values(AT_MS, "views") == [0]
    assert rolled.values(AT_MS + 1, "views") == [1]
    assert rolled.values(AT_MS + 10 * MINUTE_MS, "views") == [1]
    assert sum(shard.waiting for shard in rolled.every()) > 0
    assert rolled.values(AT_MS + 10 * MINUTE_MS + 1, "views") == [3]
    assert sum(shard.waiting for shard in rolled.every()) == 0


def test_an_other_and_a_value_may_bear_one_name():
    """Regression: a sum once added up the hashes of the ids that bore the value's name."""
    plan = compiled(
        """
        version: 1
        product: sessions
        source: {topics: [events], envelope: segment}
        events:
          viewed:
            name: chart_viewed
            ids: {user: userId, session: properties.chart}
            values: {session: properties.ms}
        sets:
          busy:
            of: user
            when: distinct(viewed.session) >= 2 and sum(viewed.session) >= 10
            window: trailing 7d
        metrics:
          busy_users: {role: north_star, value: size(busy), owner: me}
        """
    )
    rolled = Rolled(plan)
    rolled.feed([minutes(0, chart="c1", ms=4), minutes(1, chart="c2", ms=5)])
    assert rolled.values(after(1)) == {"busy_users": 0}
    rolled.feed([minutes(2, chart="c2", ms=1)])
    assert rolled.values(after(2)) == {"busy_users": 1}


def test_tables_forget_entities_that_are_gone(rolled):
    """After everything has passed only what an attribute tells is left."""
    rolled.feed([minutes(0, userId=f"u{n}", chart=f"c{n}") for n in range(100)])
    rolled.values(after(0))
    assert sum(len(s.tables["chart"].index) for s in rolled.levels[0]) == 100
    rolled.values(after(30 * 24 * 60))
    sizes = {len(table.index) for shard in rolled.every() for table in shard.tables.values()}
    assert sizes == {0}


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.sampled_from([-1, 1]))), st.integers(1, 9))
def test_changes_are_cut_by_the_shard_of_the_entity(changes, shards):
    """Each change goes to one shard, the one that its entity's rows go to."""
    keys = np.array([key for key, _ in changes], np.uint64)
    deltas = np.array([delta for _, delta in changes], np.int64)
    found = [*changes_by_shard(Changes(keys, deltas), shards)]
    given_back = [
        (key, delta)
        for shard, part in found
        for key, delta in zip(part.keys.tolist(), part.deltas.tolist(), strict=True)
        if (key >> 32) % shards == shard
    ]
    assert sorted(changes) == sorted(given_back)


def test_changes_of_a_later_tick_wait_for_it():
    """A shard that is behind does not see what members have become since."""
    shard = Shard(SUITE, 1)
    one = Changes(np.array([5], np.uint64), np.array([1]))
    shard.queue_changes(20, {2: one})
    shard.queue_changes(10, {2: one})
    shard.queue_changes(10, {2: one})
    tally = shard.tables["user"].memories[2]
    shard.evaluate(10)
    assert [tally.at_least(2).any(), tally.at_least(3).any()] == [True, False]
    again = Shard(SUITE, 1)
    again.load(shard.dump({}, {}))
    for each in (shard, again):
        each.evaluate(20)
        assert each.tables["user"].memories[2].at_least(3).tolist() == [True]


def test_a_damaged_dump_is_not_loaded():
    """What was not saved by a shard is refused."""
    packed = Shard(SUITE, 0).dump({}, {})
    with pytest.raises(UnreadableSnapshot):
        Shard(SUITE, 0).load(packed[:-1])
