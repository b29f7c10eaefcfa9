"""Roll: sets, roll-ups and terms at ticks, held to a reading of all events at every question."""

from dataclasses import dataclass, field
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.core import table as tables
from pipeline.core.roll import Changes, Shard, changes_by_shard
from pipeline.core.snapshot import UnreadableSnapshot
from pipeline.core.windows import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from tests.core.plans import AT_MS, SUITE, compiled, record
from tests.core.rolled import Rolled

SET_METRICS = {
    "charts_with_reach": "reach",
    "learning_users": "weekly_learning_users",
    "learning_teams": "teams",
    "spenders": "spending",
    "quiet_viewers": "quiet",
    "watchers_of_others": "watchers",
}


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


# ── stories ──────────────────────────────────────────────────────────────────────────────────────


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


# ── changes ──────────────────────────────────────────────────────────────────────────────────────


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
    again.load(shard.dump({}))
    for each in (shard, again):
        each.evaluate(20)
        assert each.tables["user"].memories[2].at_least(3).tolist() == [True]


def test_a_damaged_dump_is_not_loaded():
    """What was not saved by a shard is refused."""
    packed = Shard(SUITE, 0).dump({})
    with pytest.raises(UnreadableSnapshot):
        Shard(SUITE, 0).load(packed[:-1])


# ── streams ──────────────────────────────────────────────────────────────────────────────────────

USERS = ("ann", "bob", "cleo", "dora", None)
CHARTS = ("c1", "c2", "c3", None)
LATENESS_MS = 30 * MINUTE_MS


@dataclass(frozen=True)
class Seen:
    """One record that is in order, as a naive reading sees it."""

    name: str
    time_ms: int
    visible_ms: int
    parts: dict = field(hash=False)

    @property
    def record(self):
        """The record itself."""
        return record(self.name, self.time_ms, **self.parts)

    def __getattr__(self, part):
        """A part by its name, None where there is none."""
        return self.parts.get(part)


def stream(seed, size):
    """Records of one partition over a few days, some late, in their order."""
    random = Random(seed)  # noqa: S311 - a stream of records, no secret
    now, newest, found, taught = AT_MS, None, [], set()
    for number in range(size):
        now += random.choice([0, SECOND_MS, 5 * MINUTE_MS, HOUR_MS, 9 * HOUR_MS])
        behind = random.choice([0, 0, 0, MINUTE_MS, 2 * HOUR_MS, 2 * DAY_MS])
        name = random.choice(["chart_viewed"] * 4 + ["chart_shared"] * 2 + ["team_joined"])
        name = random.choice([name, name, "order_paid"])
        time = now - behind
        if name in {"chart_shared", "team_joined"}:
            while time in taught:  # of two lessons at one moment the reference leaves open which
                time += 1
            taught.add(time)
        parts = {
            "userId": random.choice(USERS),
            "anonymousId": random.choice(["ann", "x", None]),
            "chart": random.choice(CHARTS),
            "team": random.choice(["red", "blue", None]),
            "watched": random.choice(USERS),
            "plan": random.choice(["pro", "free", None]),
            "paid": random.choice([True, False, None]),
            "test": False,
            "ms": random.choice([None, 0, 1_234.5678, 599_999]),
            "amount": random.choice([None, 7, 12.5, -3]),
            "messageId": f"m{number}",
        }
        watermark = time if newest is None else newest - LATENESS_MS
        found.append(Seen(name, time, max(time, watermark), parts))
        newest = max(time, newest or time)
    return found


def told(events, tick_ms):
    """What every metric of the suite is at a tick, by looking through all events."""
    seen = [each for each in events if each.visible_ms < tick_ms]
    views = [each for each in seen if each.name == "chart_viewed"]
    shares = [each for each in seen if each.name == "chart_shared"]
    active = views + shares
    paid = [each for each in seen if each.name == "order_paid"]
    owner = newest(shares, "chart", "userId")
    team = newest([each for each in seen if each.name == "team_joined"], "userId", "team")
    week = within(tick_ms, 7 * DAY_MS, 10 * MINUTE_MS)
    hour = within(tick_ms, HOUR_MS, SECOND_MS)
    today, yesterday = days(tick_ms)

    viewers = {}
    for each in filter(week, views):
        if each.chart and each.userId:
            viewers.setdefault(each.chart, set()).add(each.userId)
    reach = {chart for chart, ids in viewers.items() if len(ids - {owner.get(chart)}) >= 2}
    here = {each.userId for each in filter(week, active)} - {None}
    learning = {owner[chart] for chart in reach if owner.get(chart) in here}
    teams = [team.get(user) for user in learning]
    spending = {
        user
        for user in USERS[:-1]
        if micros(of(user, filter(week, paid))) >= 20_000_000
        or len(of(user, filter(today, paid))) >= 3
    }
    quiet = {
        user
        for user in USERS[:-1]
        if of(user, filter(hour, views))
        and not of(user, filter(hour, shares))
        and len(of(user, filter(hour, active))) < 3
    }
    watchers = {
        each.userId
        for each in filter(yesterday, views)
        if each.userId and each.watched not in {None, each.userId}
    }
    lately = [*filter(hour, views)]
    seconds = [each.ms / 1000 for each in lately if each.ms is not None]
    total = sum(round(value * 1e6) for value in seconds) / 1e6
    this_week = [each for each in views if each.time_ms >= monday(tick_ms)]
    return {
        "weekly_learning_users": len(learning),
        "teams": sum(teams.count(one) >= 2 for one in ("red", "blue")),
        "reach": len(reach),
        "spending": len(spending),
        "quiet": len(quiet),
        "watchers": len(watchers),
        "views": len(lately),
        "pro_views": sum(each.plan == "pro" for each in lately),
        "paid_views": sum(each.paid is True for each in lately),
        "seconds": total / len(seconds) if seconds else None,
        "revenue": micros(filter(today, paid)) / 1e6,
        "visitors": len({visitor(each) for each in lately} - {None}),
        "viewings": len({(v.userId, v.chart) for v in this_week if v.userId and v.chart}),
    }


def newest(lessons, entity, attribute):
    """What the newest lesson says of each entity."""
    found = {}
    for each in sorted(lessons, key=lambda each: each.time_ms):
        if each.parts[entity] and each.parts[attribute]:
            found[each.parts[entity]] = each.parts[attribute]
    return found


def within(tick_ms, size_ms, step_ms):
    """Whether an event lies in a trailing window."""
    start = (tick_ms - size_ms) // step_ms * step_ms
    return lambda each: start <= each.time_ms < tick_ms


def days(tick_ms):
    """Whether an event lies in this day, or in yesterday, in Berlin's winter."""
    start = (tick_ms + HOUR_MS) // DAY_MS * DAY_MS - HOUR_MS
    return (
        lambda each: start <= each.time_ms < tick_ms,
        lambda each: start - DAY_MS <= each.time_ms < start,
    )


def monday(tick_ms):
    """When this week began in Berlin; 1970 began on a Thursday."""
    thursday = 3 * DAY_MS + HOUR_MS
    return (tick_ms + thursday) // (7 * DAY_MS) * (7 * DAY_MS) - thursday


def of(user, events):
    """The events of one user."""
    return [each for each in events if each.userId == user]


def micros(events):
    """The sum of amounts, in millionths."""
    return sum(round(each.amount * 1e6) for each in events if each.amount is not None)


def visitor(each):
    """Who looked, known or not; the two are never the same."""
    if each.userId:
        return each.userId
    return each.anonymousId and ("anonymous", each.anonymousId)


def ticks_of(events, seed, count=7):
    """Ticks over the stream and beyond, at moments of all kinds."""
    random = Random(seed)  # noqa: S311 - moments, no secret
    times = [each.visible_ms for each in events] or [AT_MS]
    drawn = {
        random.choice(times) + random.choice([0, 1, HOUR_MS, 7 * DAY_MS]) for _ in range(count)
    }
    midnight = (max(times) + HOUR_MS) // DAY_MS * DAY_MS - HOUR_MS
    return sorted(drawn | {midnight})


STREAMS = st.tuples(st.integers(0, 2**32), st.integers(0, 60))


@given(STREAMS)
def test_every_metric_is_what_a_naive_reading_of_all_events_tells(drawn):
    """Sets, roll-ups and terms at any tick are those of a look through everything visible."""
    events = stream(*drawn)
    ticks = ticks_of(events, drawn[0])
    rolled = Rolled(SUITE, lateness_ms=LATENESS_MS)
    rolled.feed([each.record for each in events])
    assert [told(events, tick) for tick in ticks] == [rolled.values(tick) for tick in ticks]


@given(STREAMS, st.integers(0, 2**32))
def test_neither_shards_nor_batches_nor_settling_nor_restarts_matter(drawn, seed):
    """However the work is cut, and saved and loaded on the way, every part is the same."""
    events, random = stream(*drawn), Random(seed)  # noqa: S311 - cuts, no secret
    ticks = ticks_of(events, seed)
    plain = Rolled(SUITE, shards=1, lateness_ms=LATENESS_MS)
    plain.feed([each.record for each in events])
    expected = [plain.part(tick) for tick in ticks]
    rolled, found, fed = Rolled(SUITE, random.choice([1, 4, 7]), lateness_ms=LATENESS_MS), [], 0
    for tick in ticks:
        needed = sum(1 for each in events if each.visible_ms < tick)
        while fed < len(events) and any(each.visible_ms < tick for each in events[fed:]):
            size = random.randint(1, max(1, needed))
            rolled.feed([each.record for each in events[fed : fed + size]])
            fed += size
            if random.random() < 0.5:
                rolled.settle(tick)
            if random.random() < 0.3:
                rolled.restart()
        between = rolled.restart if random.random() < 0.5 else lambda: None
        found.append(rolled.part(tick, between))
    whole = min((each.visible_ms for each in events[:fed]), default=None)
    assert [(part.counts, part.micros) for part in expected] == [
        (part.counts, part.micros) for part in found
    ]
    assert not found or found[-1].earliest_ms == whole


@settings(max_examples=10)
@given(STREAMS)
def test_clearing_tables_at_every_tick_changes_nothing(drawn):
    """Rows are given up and come back as often as may be, and every part is the same."""
    events = stream(*drawn)
    ticks = ticks_of(events, drawn[0], 20)
    rolled = [Rolled(SUITE, lateness_ms=LATENESS_MS) for _ in range(2)]
    for each in rolled:
        each.feed([event.record for event in events])
    expected = [rolled[0].part(tick) for tick in ticks]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_CLEAR_AT", 0)
        for shard in rolled[1].every():
            for table in shard.tables.values():
                table.clear_at = 0
        assert expected == [rolled[1].part(tick) for tick in ticks]


def test_tables_forget_entities_that_are_gone(rolled):
    """After everything has passed only what an attribute tells is left."""
    rolled.feed([minutes(0, userId=f"u{n}", chart=f"c{n}") for n in range(100)])
    rolled.values(after(0))
    assert sum(len(s.tables["chart"].index) for s in rolled.levels[0]) == 100
    rolled.values(after(30 * 24 * 60))
    sizes = {len(table.index) for shard in rolled.every() for table in shard.tables.values()}
    assert sizes == {0}
