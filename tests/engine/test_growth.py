"""Growth of sets and habits, through whole engines: what must add up does, at every tick."""

from itertools import pairwise
from random import Random

import pytest

from pipeline.core.compose import Reading
from pipeline.core.deployment import Deployment
from pipeline.core.grid import grid_step_ms, multiples, one_period_before
from pipeline.core.windows import HOUR_MS, MINUTE_MS
from pipeline.engine.local import LocalEngine, replay
from tests.engine.both_engines import bytewax, compiled, local, same, until_exhausted
from tests.engine.memory_source import MemorySource
from tests.oracle.oracle import Record

DEFINITION = """\
version: 1
product: growing
source:
  topics: [events]
  envelope: {name: n, time: {from: t, unit: ms}}
entities:
  doc: {team: {is: team, from: made.team}}
events:
  made: {name: made, ids: {doc: doc, team: team}}
  seen: {name: seen, ids: {doc: doc, user: user}}
sets:
  busy: {of: user, when: count(seen) >= 2, window: trailing 3h}
  read: {of: doc, when: distinct(seen.user) >= 2, window: trailing 2h}
  teams: {of: team, when: count(read.team) >= 1}
  often: {of: user, when: "active_units(seen, of=2) >= 2 or streak(seen, grace=1) >= 2"}
  heavy: {of: user, when: "mean_per(seen, period=2h, periods=3, new_members=since_first) > 1"}
metrics:
"""
SETS = {"busy": (3 * HOUR_MS, "3h"), "teams": (2 * HOUR_MS, "2h"), "heavy": (HOUR_MS, "1h"),
        "often": (30 * MINUTE_MS, "30m")}  # fmt: skip
START_MS = 1_704_067_200_000 - 6 * HOUR_MS
TICK_MS = 5 * MINUTE_MS
DEPLOYMENT = Deployment(tick_ms=TICK_MS, lateness_ms=MINUTE_MS, shards=3)


def definition():
    """Every function of growth for every set."""
    lines = ["  north: {role: north_star, value: size(busy)}"]
    for name, (_, period) in SETS.items():
        lines += [
            f"  {name}_size: {{value: size({name})}}",
            f'  {name}_retention: {{value: "retention({name}, {period})"}}',
        ]
        lines += [
            f'  {name}_{function}: {{value: "{function}({name}, {period})"}}'
            for function in ("new", "retained", "resurrected", "churned")
        ]
    return DEFINITION + "\n".join(lines) + "\n"


PLAN = compiled(definition())


def stream(seed, number=900, hours=20):
    """A few people who come and go, over a midnight, on three partitions."""
    luck = Random(seed)  # noqa: S311 - a made-up stream keeps no secret
    times = sorted(START_MS + luck.randrange(hours * HOUR_MS) for _ in range(number))
    records, ends = [], dict.fromkeys(range(3), 0)
    for at in times:
        partition, hour = luck.randrange(3), (at - START_MS) // HOUR_MS
        around = at - luck.choice([0, 0, 0, 0, 30_000, 40 * MINUTE_MS])
        user, doc = luck.randrange(3) + hour % 7, luck.randrange(4) + hour % 5
        fields = f'"n": "seen", "doc": "d{doc}", "user": "u{user}"'
        if luck.random() < 0.1:
            fields = f'"n": "made", "doc": "d{doc}", "team": "t{doc % 3}"'
        value = f'{{{fields}, "t": {around}}}'.encode()
        records.append(Record(partition, ends[partition], at, value))
        ends[partition] += 1
    return records


def readings(tick):
    """The readings of a tick by name."""
    return {one.name: got for one, got in zip(PLAN.metrics, tick.readings, strict=True)}


def value(tick, name):
    """The value of a metric."""
    return readings(tick)[name].value


@pytest.fixture(scope="module")
def records():
    """The stream that all of these runs read."""
    return stream(7)


SPAN = range(START_MS, START_MS + 22 * HOUR_MS, TICK_MS)


@pytest.fixture(scope="module")
def ticks(records):
    """What the local engine makes of it."""
    return {tick.at_ms: tick for tick in local(PLAN, DEPLOYMENT, records, SPAN)}


@pytest.mark.parametrize("name", SETS)
def test_growth_adds_up_at_every_tick(ticks, name):
    """Members are new, retained or resurrected; those of a period ago are retained or churned."""
    period_ms, seen = SETS[name][0], set()
    for at_ms, tick in ticks.items():
        new, retained, back, gone = (
            value(tick, f"{name}_{part}") for part in ("new", "retained", "resurrected", "churned")
        )
        assert value(tick, f"{name}_size") == new + retained + back
        before = ticks.get(one_period_before(period_ms, at_ms))
        if before is not None:
            assert value(before, f"{name}_size") == retained + gone
            retention = readings(tick)[f"{name}_retention"]
            assert (retention.numerator, retention.denominator) == (retained, retained + gone)
        seen |= {part for part, count in zip("nrbg", (new, retained, back, gone), strict=True)
                 if count}  # fmt: skip
    assert seen == {*"nrbg"} or name != "busy", "the stream is too tame"


@pytest.mark.parametrize("every", [1, 7, 100])
def test_which_ticks_are_asked_for_changes_nothing(records, ticks, every):
    """The grid is looked at whatever is asked for."""
    asked = SPAN[::-every][::-1]
    found = local(PLAN, DEPLOYMENT, records, asked)
    assert same([ticks[at] for at in asked], found)


@pytest.mark.parametrize(("limit", "luck"), [(1_000, None), (20, 3), (1, 4)])
def test_a_replay_in_pieces_passes_no_tick_of_the_grid(records, ticks, limit, luck):
    """However few ticks are asked for, and however the log is cut."""
    source = MemorySource(records) if luck is None else MemorySource(records, luck=luck)
    asked = SPAN[::50]
    found = [*replay(LocalEngine(PLAN, DEPLOYMENT), source.open(0, {}), asked, limit=limit)]
    assert same([ticks[at] for at in asked], found)


def test_both_engines_say_the_same(records, ticks):
    """The one on Bytewax passes none over either, though it skips what history it can."""
    source = MemorySource(records, slots=2, luck=5)
    found = bytewax(PLAN, DEPLOYMENT, source, catch_up_ticks=2, poll_records=50)
    made = {tick.at_ms for tick in found}
    assert len(found) > 20
    assert_as_ever(ticks, found)
    steps = {grid_step_ms(period_ms) for period_ms, _ in SETS.values()}
    for step in steps:
        assert {*multiples(step, min(made), max(made))} <= made


def test_a_run_that_was_stopped_goes_on(tmp_path, records, ticks):
    """What was a member before is known after a restart."""
    running = {"store": tmp_path, "store_parts": 2, "poll_records": 40}
    found = []
    for until in (len(records) // 2, len(records)):
        source = MemorySource(records[:until], slots=2, live=True, luck=9)
        found += bytewax(PLAN, DEPLOYMENT, source, stop=until_exhausted(source), **running)
    assert_as_ever(ticks, found)
    assert max(tick.at_ms for tick in found) > START_MS + 19 * HOUR_MS


def assert_as_ever(ticks, found):
    """What an engine says is what the local one says, where that was asked."""
    known = [tick for tick in found if tick.at_ms in ticks]
    assert len(known) > 20
    assert same([ticks[tick.at_ms] for tick in known], known)


def test_growth_that_is_asked_for_later_begins_then(tmp_path, records, ticks):
    """It is covered once a window and a period have passed, and is then as if it had been."""
    ungrown = compiled(DEFINITION + "  north: {role: north_star, value: size(busy)}\n")
    running = {"store": tmp_path, "store_parts": 2, "poll_records": 40}
    for plan, until in ((ungrown, len(records) // 3), (PLAN, len(records))):
        source = MemorySource(records[:until], slots=2, live=True, luck=9)
        found = bytewax(plan, DEPLOYMENT, source, stop=until_exhausted(source), **running)
    covered = [tick for tick in found if readings(tick)["busy_retained"].coverage == 1]
    assert 20 < len(covered) < len(found) - 6 * HOUR_MS // TICK_MS
    for tick in covered:
        if tick.at_ms in ticks:
            for name in ("busy_retained", "busy_churned", "busy_retention"):
                assert readings(tick)[name].value == readings(ticks[tick.at_ms])[name].value
    assert readings(found[0])["busy_size"].coverage == 1, "the set itself goes on"


@pytest.mark.parametrize("name", ["busy"])
def test_growth_is_what_a_naive_reading_of_the_grid_says(records, ticks, name):
    """Who was a member at which tick of the grid, by walking through all of them."""
    period_ms = SETS[name][0]
    members = naive_members(records)
    for at_ms in SPAN[::7]:
        now, before_ms = members(at_ms), one_period_before(period_ms, at_ms)
        before = members(before_ms)
        first = grid_step_ms(period_ms)
        ever = set().union(*map(members, multiples(first, START_MS - first, before_ms)), before)
        expected = [len(now - ever), len(now & before), len((now & ever) - before),
                    len(before - now)]  # fmt: skip
        parts = ("new", "retained", "resurrected", "churned")
        assert [value(ticks[at_ms], f"{name}_{part}") for part in parts] == expected


def naive_members(records):
    """Who saw two things within three hours, as of any moment."""
    rows, newest = [], {}
    for record in records:
        fields = eval(record.value)  # noqa: S307 - our own text
        mark = newest.get(record.partition, 0) - MINUTE_MS
        newest[record.partition] = max(newest.get(record.partition, 0), fields["t"])
        if fields["n"] == "seen":
            rows.append((max(fields["t"], mark), fields["t"], fields["user"]))
    step = 10_000  # of three hours

    def members(at_ms):
        start_ms = (at_ms - 3 * HOUR_MS) // step * step
        users = [user for seen, at, user in rows if seen < at_ms and start_ms <= at < at_ms]
        return {user for user in users if users.count(user) > 1}

    return members


def test_coverage_waits_for_the_window_a_period_ago(ticks):
    """1 only when watched since the window's start at that tick."""
    covered = [readings(tick)["busy_new"].coverage for tick in ticks.values()]
    assert all(one <= other for one, other in pairwise(covered))
    size = [readings(tick)["busy_size"].coverage for tick in ticks.values()]
    assert covered.index(1.0) - size.index(1.0) == 3 * HOUR_MS // TICK_MS
    assert isinstance(readings(ticks[SPAN[-1]])["busy_new"], Reading)
