"""Events that count by what their entity was at the time, read anew at every tick."""

from random import Random

import numpy as np
from hypothesis import given, settings, strategies as st

from pipeline.core.memories.history import History
from pipeline.core.windows import HOUR_MS, SECOND_MS, Trailing
from tests.core.plans import AT_MS, compiled, record
from tests.core.roll.rolled import Rolled

USERS = ("ann", "bob")
PLAN = compiled(
    """
    version: 1
    product: known
    source: {topics: [events], envelope: segment}
    entities: {user: {plan: {from: joined.plan}}}
    events:
      joined: {name: team_joined, ids: {user: userId}, values: {plan: properties.plan}}
      started: {name: chart_shared, ids: {user: userId}}
      viewed:
        name: chart_viewed
        ids: {user: userId, chart: properties.chart}
        values: {seconds: properties.ms / 1000}
    sets:
      readers: {of: user, when: "distinct(viewed.chart, where=user.plan == 'pro') >= 2",
                window: trailing 10s}
      quick: {of: user, when: "sum(viewed.seconds, where=user.plan == 'pro') >= 4",
              window: first 5s after started, started: trailing 10s}
    metrics:
      pro:
        role: north_star
        value: "sum(viewed.seconds, where=user.plan == 'pro' and seconds > 1)"
        window: trailing 10s
        owner: x
      other: {value: "count(viewed, where=not user.plan in ('pro', 'team'))", window: trailing 5s}
      either: {value: "sum(viewed.seconds, where=user.plan == 'pro' or seconds > 2)",
               window: trailing 10s}
      neither: {value: "count(viewed, where=not (user.plan == 'pro' or seconds > 2))",
                window: trailing 10s}
      users: {value: "distinct(viewed.user, where=user.plan == 'pro' or user.plan == 'team')",
              window: trailing 10s}
      n_readers: {value: size(readers)}
      n_quick: {value: size(quick)}
    """
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["team_joined", "chart_viewed", "chart_viewed", "chart_shared"]),
        st.sampled_from(USERS),
        st.integers(0, 40),
        st.sampled_from(["pro", "team", "free"]),
        st.integers(1, 3),
    ),
    max_size=40,
)


def naive(events, tick):
    """The values of all metrics, from all rows before a tick."""
    visible = [event for event in events if AT_MS + event[2] * SECOND_MS < tick]
    lessons = [event for event in visible if event[0] == "team_joined"]
    views = [
        (user, AT_MS + when * SECOND_MS, seconds, plan_of(lessons, user, when))
        for kind, user, when, _, seconds in visible
        if kind == "chart_viewed"
    ]
    lately = [view for view in views if view[1] >= tick - 10 * SECOND_MS]
    pro = [view for view in lately if view[3] == "pro"]
    charts = {user: {view[2] for view in pro if view[0] == user} for user in USERS}
    return {
        "pro": sum(view[2] for view in pro if view[2] > 1),
        "other": sum(view[3] == "free" for view in views if view[1] >= tick - 5 * SECOND_MS),
        "either": sum(view[2] for view in lately if view[3] == "pro" or view[2] > 2),
        # Of whom nothing is known it is not known either that they are not on pro.
        "neither": sum(view[3] in {"team", "free"} and view[2] <= 2 for view in lately),
        "users": len({view[0] for view in lately if view[3] in {"pro", "team"}}),
        "n_readers": sum(len(each) >= 2 for each in charts.values()),
        "n_quick": sum(is_quick(visible, views, user, tick) for user in USERS),
    }


def plan_of(lessons, user, when):
    """What a user was on at a moment."""
    known = [event for event in lessons if event[1] == user and event[2] <= when]
    return max(known, key=lambda event: event[2], default=(None,) * 4)[3]


def is_quick(visible, views, user, tick):
    """Whether a user began lately, and had four seconds on pro in its first five."""
    begun = [AT_MS + e[2] * SECOND_MS for e in visible if e[0] == "chart_shared" and e[1] == user]
    if not begun or not tick - 10 * SECOND_MS <= min(begun) < tick:
        return False
    end = min(begun) + 5 * SECOND_MS
    mine = [view for view in views if view[0] == user and min(begun) <= view[1] < end]
    return sum(view[2] for view in mine if view[3] == "pro") >= 4


@settings(max_examples=60)
@given(events=EVENTS, seed=st.integers(0, 2**32))
def test_rows_count_by_what_their_entity_was(events, seed):
    """In any order, at whatever ticks, with restarts on the way and lessons that come late."""
    luck = Random(seed)  # noqa: S311
    taught = {(e[1], e[2]): e for e in events if e[0] == "team_joined"}  # one a moment
    events = [e for e in events if e[0] != "team_joined"] + list(taught.values())
    luck.shuffle(events)
    rolled = Rolled(PLAN, luck.choice([1, 3]), lateness_ms=HOUR_MS)
    rolled.feed(
        [
            record(
                kind,
                AT_MS + when * SECOND_MS,
                userId=user,
                plan=plan if kind == "team_joined" else None,
                chart=f"c{seconds}",
                ms=1000 * seconds,
            )
            for kind, user, when, plan, seconds in events
        ]
    )
    for tick in range(AT_MS, AT_MS + 60 * SECOND_MS, luck.choice([1, 4]) * SECOND_MS):
        if luck.random() < 0.2:
            rolled.restart()
        assert naive(events, tick) == rolled.values(tick)


def test_of_what_was_before_the_window_the_last_is_kept():
    """It holds until the next, and nothing that came before it can matter any more."""
    history = History(Trailing(10 * SECOND_MS))
    history.resize(2)
    rows, times = np.array([0, 0, 0, 0, 1]), np.array([1, 2, 3, 20, 1]) * SECOND_MS
    history.apply(rows, times, np.array([5, 6, 7, 8, 9]))
    history.expire(25 * SECOND_MS)
    assert sorted(history.dump()["values"].tolist()) == [7, 8, 9]
    asked = history.as_of(np.array([0, 0, 1]), np.array([16, 20, 24]) * SECOND_MS)
    assert asked.values.tolist() == [7, 8, 9]
