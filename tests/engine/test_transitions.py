"""Transitions through whole engines: who entered and who left, tick by tick."""

import json
import signal
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace

import pytest

from pipeline.core.deployment import Deployment
from pipeline.core.transitions import Change
from pipeline.core.windows import SECOND_MS
from pipeline.edges.transitions import TransitionsFile
from tests.engine.both_engines import bytewax, compiled, local, same, until_exhausted
from tests.engine.deep_product import DEPLOYMENT, PLAN as UNTOLD, START_MS, last_tick_ms, stream
from tests.engine.killed_process import NUMBER, STORE_PARTS
from tests.engine.memory_source import MemorySource
from tests.engine.test_resume import until_polled
from tests.engine.told_product import PLAN
from tests.oracle.oracle import Record

SALTED = replace(DEPLOYMENT, salt=11)
TICK_MS = SALTED.tick_ms
SEED = 12
TIMEOUT_S = 60.0
SIZES = {
    "teachers": "teaching",
    "docs_in_use": "docs",
    "learning_teams": "teams",
    "learning_companies": "companies",
    "quiet_teams": "quiet",
}


@pytest.fixture(scope="module")
def records():
    """A stream of four partitions."""
    return stream(SEED, number=NUMBER)


def ticks_of(plan, records, deployment=SALTED):
    """What the local engine makes of it at every tick."""
    span = range(START_MS - 4 * TICK_MS, last_tick_ms(records) + TICK_MS, TICK_MS)
    return {tick.at_ms: tick for tick in local(plan, deployment, records, span)}


@pytest.fixture(scope="module")
def expected(records):
    """The same of the product whose sets are told."""
    return ticks_of(PLAN, records)


def told(members, tick):
    """Take in a tick: nobody enters who is in, nobody leaves who is not."""
    for each in tick.transitions:
        if each.change is Change.ENTERED:
            assert each.hash not in members[each.set]
            members[each.set].add(each.hash)
        else:
            members[each.set].remove(each.hash)


def sizes(tick):
    """How many members each set has, by its metric."""
    by_name = {metric.name: at for at, metric in enumerate(UNTOLD.metrics)}
    return {each: tick.readings[by_name[metric]].value for each, metric in SIZES.items()}


def test_who_entered_and_has_not_left_is_a_member(expected):
    """At every tick, of sets of every level; and every one of them has a name."""
    members, came, went = defaultdict(set), set(), set()
    for tick in expected.values():
        told(members, tick)
        assert {each: len(members[each]) for each in SIZES} == sizes(tick)
        assert all(each.id for each in tick.transitions)
        came |= {each.set for each in tick.transitions if each.change is Change.ENTERED}
        went |= {each.set for each in tick.transitions if each.change is Change.LEFT}
    assert came == set(SIZES)
    assert {"teachers", "docs_in_use", "quiet_teams"} <= went


def test_to_be_told_changes_no_number(expected, records):
    """The product without transitions comes to the same."""
    plain = ticks_of(UNTOLD, records).values()
    assert same(plain, [tick.without_transitions() for tick in expected.values()])


@pytest.mark.parametrize("workers", [1, 2])
def test_stopped_and_resumed_the_same_is_told(records, expected, tmp_path, workers):
    """Names and who was told of are saved and found again, at whatever poll a run ends."""
    store = {"store": tmp_path / "store", "store_parts": 2, "poll_records": 25}
    published = []
    for turn, polls in enumerate((9, 4, None)):
        source = MemorySource(records, slots=2, live=True, luck=turn)
        stop = until_exhausted(source) if polls is None else until_polled(source, polls)
        published += bytewax(PLAN, SALTED, source, stop=stop, **store, workers=workers)
    ticks = [tick.at_ms for tick in published]
    assert {at for at in expected if at > START_MS} <= set(ticks)
    assert same((expected[at] for at in ticks), published)


def lines_of(ticks, path):
    """The lines that a file has of some ticks."""
    file = TransitionsFile(PLAN, path)
    for tick in ticks:
        file.write(tick)
    file.close()
    return path.read_text(encoding="utf-8").splitlines()


def test_killed_when_a_tick_was_published_the_same_lines_come_again(records, tmp_path):
    """The file lacks none and has none that is wrong, however often the process dies."""
    out = tmp_path / "ticks"
    for luck, ticks in enumerate((3, 11, 6, 20)):
        given = [tmp_path / "store", out, SEED, luck, ticks, "told"]
        command = [sys.executable, "-m", "tests.engine.killed_process", *map(str, given)]
        ended = subprocess.run(command, timeout=TIMEOUT_S, check=False).returncode
        assert ended == -signal.SIGKILL
    source = MemorySource(records, slots=2, live=True, luck=99)
    rest = bytewax(
        PLAN,
        DEPLOYMENT,
        source,
        stop=until_exhausted(source),
        store=tmp_path / "store",
        store_parts=STORE_PARTS,
        poll_records=25,
    )
    found = lines_of(rest, tmp_path / "ticks.told")
    all_lines = lines_of(ticks_of(PLAN, records, DEPLOYMENT).values(), tmp_path / "expected")
    assert list(dict.fromkeys(sorted(found))) == sorted(all_lines)


def test_a_set_that_is_told_later_tells_who_is_in_it(records, tmp_path):
    """At its first tick, by hash alone until an event brings the id."""
    store = {"store": tmp_path / "store", "store_parts": 2, "poll_records": 20}
    half = MemorySource(records[:250], slots=2, partitions=range(4), live=True)
    before = bytewax(UNTOLD, SALTED, half, stop=until_exhausted(half), **store)
    assert not any(tick.transitions for tick in before)
    source = MemorySource(records, slots=2, partitions=range(4), live=True)
    ticks = bytewax(PLAN, SALTED, source, stop=until_exhausted(source), **store)
    members, names = defaultdict(set), defaultdict(set)
    for tick in {tick.at_ms: tick for tick in ticks}.values():
        told(members, tick)
        assert {each: len(members[each]) for each in SIZES} == sizes(tick)
        for each in tick.transitions:
            names[each.hash].add(each.id)
    assert any(None in found and len(found) == 2 for found in names.values())
    assert all(len(found - {None}) <= 1 for found in names.values())


BY_HAND = """
version: 1
product: shop
source: {topics: [events], envelope: {name: kind, time: {from: ts, unit: ms}}}
entities:
  user: {team: {is: team, from: joined.team}}
events:
  viewed: {name: viewed, ids: {user: {first: [user, device]}}}
  joined: {name: joined, ids: {user: {first: [user, device]}, team: {together: [org, team]}}}
sets:
  busy: {of: user, when: count(viewed) >= 2, window: trailing 60s, transitions: true}
  busy_teams: {of: team, when: count(busy.team) >= 1, transitions: true}
metrics:
  north: {role: north_star, value: size(busy_teams)}
"""


def test_by_hand():
    """Two people come and go; each member lets its team in and out at the same tick."""
    base = 1_700_000_040_000
    happened = [
        (1, "joined", {"user": "ann", "org": "o", "team": 7}),
        (2, "viewed", {"user": "ann"}),
        (9, "viewed", {"user": "ann"}),
        (10, "viewed", {"device": "x1"}),
        (11, "viewed", {"device": "x1"}),
        (95, "viewed", {"user": "ann"}),
    ]
    records = [
        Record(0, at, when, json.dumps({"kind": kind, "ts": when, **ids}).encode())
        for at, (second, kind, ids) in enumerate(happened)
        for when in [base + second * SECOND_MS]
    ]
    deployment = Deployment(tick_ms=10 * SECOND_MS, lateness_ms=0, shards=3)
    span = range(base, base + 100 * SECOND_MS, 10 * SECOND_MS)
    found = [
        ((tick.at_ms - base) // SECOND_MS, each.set, each.id, each.change.value)
        for tick in local(compiled(BY_HAND), deployment, records, span)
        for each in tick.transitions
    ]
    assert found == [
        (10, "busy", "ann", "entered"),
        (10, "busy_teams", "o:7", "entered"),
        (20, "busy", "device:x1", "entered"),
        (70, "busy", "ann", "left"),
        (70, "busy_teams", "o:7", "left"),
        (80, "busy", "device:x1", "left"),
    ]
