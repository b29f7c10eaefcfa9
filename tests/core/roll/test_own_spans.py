"""Sets whose entities have windows of their own, read anew from all rows at every tick."""

from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.core.cohorts import own_spans
from pipeline.core.windows import HOUR_MS, SECOND_MS, Anchored, Trailing
from tests.core.plans import AT_MS, compiled, record
from tests.core.roll.rolled import Rolled

USERS = ("ann", "bob", "cleo")
START_MS = AT_MS + 40 * SECOND_MS  # of what is drawn
PLAN = compiled(
    """
    version: 1
    product: anchored
    source: {topics: [events], envelope: segment}
    entities: {user: {friend: {is: chart, from: joined.chart}}}
    events:
      joined: {name: user_joined, ids: {user: userId, chart: properties.chart}}
      viewed:
        name: chart_viewed
        ids: {user: userId, chart: properties.chart}
        values: {seconds: properties.ms / 1000}
      paid: {name: order_paid, ids: {user: userId}}
    sets:
      three: {of: user, when: distinct(viewed.chart) >= 3, window: first 6s after joined,
              matured: trailing 20s}
      others: {of: user, when: "distinct(viewed.chart, other_than=friend) >= 2",
               window: first 6s after joined, started: trailing 20s}
      long: {of: user, when: sum(viewed.seconds) > 7 and not count(paid) >= 1,
             window: first 6s after joined, matured: trailing 20s}
      session: {of: user, when: "count(viewed, where=seconds > 2) >= 2 and count(paid) < 2",
                window: first session after joined, gap: 3s, matured: trailing 5s}
      begun: {of: user, when: count(viewed) >= 2,
              window: first session after joined, gap: 3s, started: trailing 20s}
    metrics:
      n_three: {role: north_star, value: size(three), owner: x}
      n_others: {value: size(others)}
      n_long: {value: size(long)}
      n_session: {value: size(session)}
      n_begun: {value: size(begun)}
      of_three: {value: cohort(three)}
      of_others: {value: cohort(others)}
      of_long: {value: cohort(long)}
      of_session: {value: cohort(session)}
      of_begun: {value: cohort(begun)}
    """
)


@pytest.mark.parametrize("long_ago_ms", [START_MS - 9, 0, -(2**61)])
def test_first_sessions_are_found_however_far_apart_rows_are(long_ago_ms):
    """Rows and times are sorted as one number where that fits, and as two where it does not."""
    window = Anchored("joined", 10, is_session=True, cohort=Trailing(20_000), is_matured=False)
    rows = np.array([2, 1, 2, 0, 1])
    times = np.array([START_MS + 7, START_MS + 30, START_MS, long_ago_ms, START_MS + 5])
    firsts = np.full(3, START_MS)
    spans = own_spans(
        window, START_MS + 1_000, firsts, [(rows[:2], times[:2]), (rows[2:], times[2:])]
    )
    assert spans.taking_part.all()
    assert (spans.ends - START_MS).tolist() == [1, 6, 8]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["joined", "viewed", "viewed", "viewed", "paid"]),
        st.sampled_from(USERS),
        st.integers(0, 40),  # half a second each
        st.sampled_from(["c1", "c2", "c3", "c4"]),
        st.integers(1, 4),
    ),
    max_size=40,
)
NAMES = {"joined": "user_joined", "viewed": "chart_viewed", "paid": "order_paid"}


def at(half_seconds):
    """A moment of the drawn story."""
    return START_MS + half_seconds * SECOND_MS // 2


def as_record(event):
    """An event as the envelope writes it."""
    kind, user, when, chart, seconds = event
    return record(NAMES[kind], at(when), userId=user, chart=chart, ms=1000 * seconds)


def session_of(mine, kinds, start):
    """Up to when a first session goes, and when it is over."""
    times = sorted(at(e[2]) for e in mine if e[0] in kinds and at(e[2]) >= start)
    last = start
    for before, time in pairwise([start, *times]):
        if time - before > 3 * SECOND_MS:
            break
        last = time
    return last + 1, last + 3 * SECOND_MS


def naive(events, tick):
    """Members and those who take part, by set, from all rows before a tick."""
    found = dict.fromkeys(("three", "others", "long", "session", "begun"), (0, 0))
    visible = [event for event in events if at(event[2]) < tick]
    for user in USERS:
        mine = [event for event in visible if event[1] == user]
        joined = [event for event in mine if event[0] == "joined"]
        if joined:
            start = min(at(event[2]) for event in joined)
            friend = max(joined, key=lambda event: event[2])[3]
            for name, held in of_user(mine, start, friend, tick).items():
                members, all_of_them = found[name]
                found[name] = members + held, all_of_them + 1
    return found


def of_user(mine, start, friend, tick):
    """For each set that a user takes part in, whether it holds."""
    spans = {
        "three": (start + 6 * SECOND_MS, start + 6 * SECOND_MS, 20),
        "others": (start + 6 * SECOND_MS, start, 20),
        "long": (start + 6 * SECOND_MS, start + 6 * SECOND_MS, 20),
        "session": (*session_of(mine, {"viewed", "paid"}, start), 5),
        "begun": (session_of(mine, {"viewed"}, start)[0], start, 20),
    }
    holds = {}
    for name, (end, decides, seconds) in spans.items():
        if (tick - seconds * SECOND_MS) // SECOND_MS * SECOND_MS <= decides < tick:
            rows = [event for event in mine if start <= at(event[2]) < end]
            holds[name] = condition(name, rows, friend)
    return holds


def condition(name, rows, friend):
    """A set's condition over the rows in a user's own span."""
    viewed = [event for event in rows if event[0] == "viewed"]
    paid = len([event for event in rows if event[0] == "paid"])
    charts = {event[3] for event in viewed}
    if name == "three":
        return len(charts) >= 3
    if name == "others":
        return len(charts - {friend}) >= 2
    if name == "long":
        return sum(event[4] for event in viewed) > 7 and not paid
    if name == "session":
        return len([event for event in viewed if event[4] > 2]) >= 2 and paid < 2
    return len(viewed) >= 2


def one_friend_a_moment(events):
    """Of two rows that teach at one moment one wins, and which does not matter here."""
    taught = {(event[1], event[2]): event for event in events if event[0] == "joined"}
    return [event for event in events if event[0] != "joined"] + list(taught.values())


@pytest.mark.parametrize("every_s", [1, 7])
@settings(max_examples=40)
@given(events=EVENTS, seed=st.integers(0, 2**32))
def test_own_spans_are_those_of_a_naive_reading(events, seed, every_s):
    """In any order and any batches, with restarts on the way, at whatever ticks."""
    luck = Random(seed)  # noqa: S311
    events = one_friend_a_moment(events)
    events.sort(key=lambda event: event[2] + luck.random() * 8)
    rolled = Rolled(PLAN, lateness_ms=HOUR_MS)
    rolled.feed([as_record(event) for event in events])
    for tick in range(START_MS, START_MS + 60 * SECOND_MS, every_s * SECOND_MS):
        if luck.random() < 0.2:
            rolled.restart()
        found = rolled.values(tick)
        expected = naive(events, tick)
        assert expected == {name: (found[f"n_{name}"], found[f"of_{name}"]) for name in expected}


def test_a_session_that_outlasts_its_cohort_is_counted_whole():
    """Rows from long before the cohort's window are kept while their session goes on, then gone."""
    rolled = Rolled(PLAN, shards=1)
    story = [
        ("joined", "ann", 0, "c1", 1),
        *(("viewed", "ann", n, "c1", 3) for n in range(0, 120, 4)),
    ]
    rolled.feed([as_record(event) for event in story])
    for tick in range(0, 124, 2):
        assert rolled.values(at(tick), "of_session") == [0]
    assert rolled.values(at(126), "n_session", "of_session") == [1, 1]
    (shard,) = rolled.levels[0]
    kept = [
        len(shard.tables["user"].memories[number].entries[0]) for number in PLAN.sets[3].cohort.runs
    ]
    assert kept == [30, 0]
    assert rolled.values(at(150), "n_session", "of_session") == [0, 0]
    assert not any(
        len(shard.tables["user"].memories[number].entries[0]) for number in PLAN.sets[3].cohort.runs
    )
