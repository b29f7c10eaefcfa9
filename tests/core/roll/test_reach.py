"""Others of the members of a set, counted once each or for each member, read anew at every tick."""

from random import Random

from hypothesis import given, settings, strategies as st

from pipeline.core.windows import HOUR_MS, SECOND_MS
from tests.core.plans import AT_MS, compiled, record
from tests.core.roll.rolled import Rolled

CHARTS = ("c1", "c2", "c3")
PLAN = compiled(
    """
    version: 1
    product: reach
    source: {topics: [events], envelope: segment}
    events:
      viewed:
        name: chart_viewed
        ids: {user: userId, chart: properties.chart}
        values: {seconds: properties.ms / 1000}
      liked: {name: chart_liked, ids: {chart: properties.chart}}
    sets:
      liked_charts: {of: chart, when: count(liked) >= 1, window: trailing 5s}
    metrics:
      reach: {role: north_star, value: "distinct(viewed.user, within=liked_charts)",
              window: trailing 10s, owner: x}
      sum: {value: "sum_distinct(viewed.user, within=liked_charts)", window: trailing 10s}
      long: {value: "distinct(viewed.user, within=liked_charts, where=seconds > 2)",
             window: trailing 20s}
    """
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["chart_viewed", "chart_viewed", "chart_liked"]),
        st.sampled_from(["ann", "bob", "cleo", "dan"]),
        st.sampled_from(CHARTS),
        st.integers(0, 40),
        st.integers(1, 4),
    ),
    max_size=40,
)


def naive(events, tick):
    """The values of all metrics, from all rows before a tick."""
    visible = [(*rest, AT_MS + when * SECOND_MS) for *rest, when in reordered(events)]
    visible = [event for event in visible if event[4] < tick]
    liked = {e[2] for e in visible if e[0] == "chart_liked" and e[4] >= tick - 5 * SECOND_MS}
    views = [e for e in visible if e[0] == "chart_viewed" and e[2] in liked]
    lately = [e for e in views if e[4] >= tick - 10 * SECOND_MS]
    long = [e for e in views if e[4] >= tick - 20 * SECOND_MS and e[3] > 2]
    return {
        "reach": len({e[1] for e in lately}),
        "sum": len({(e[1], e[2]) for e in lately}),
        "long": len({e[1] for e in long}),
    }


def reordered(events):
    """The events with their time last."""
    return [(kind, user, chart, seconds, when) for kind, user, chart, when, seconds in events]


@settings(max_examples=60)
@given(events=EVENTS, seed=st.integers(0, 2**32))
def test_reach_is_that_of_a_naive_reading(events, seed):
    """However users and charts are spread over shards, with restarts even between levels."""
    luck = Random(seed)  # noqa: S311
    rolled = Rolled(PLAN, luck.choice([1, 3, 5]), lateness_ms=HOUR_MS)
    luck.shuffle(events)
    rolled.feed(
        [
            record(kind, AT_MS + when * SECOND_MS, userId=user, chart=chart, ms=1000 * seconds)
            for kind, user, chart, when, seconds in events
        ]
    )
    for tick in range(AT_MS, AT_MS + 64 * SECOND_MS, luck.choice([1, 3]) * SECOND_MS):
        if luck.random() < 0.2:
            rolled.restart()
        assert naive(events, tick) == rolled.values(tick)
    tallies = [
        table.memories[reach.tally].at_least(1).any()
        for shard in rolled.levels[1]
        for table in shard.tables.values()
        for reach in PLAN.reaches
    ]
    assert not any(tallies)  # a minute later nobody is left in any
