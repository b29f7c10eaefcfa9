"""Every kind of memory in one definition: however it is cut and dealt out, it says the same."""

from dataclasses import replace
from random import Random

import pytest

from pipeline.core.plan import MemoryKind
from pipeline.engine.local import LocalEngine, replay
from tests.engine import forked_lives
from tests.engine.both_engines import bytewax, compiled, local, same, until_exhausted
from tests.engine.every_memory import (
    BASE,
    DEPLOYMENT,
    PIECES,
    PLAN,
    START_MS,
    definition,
    stream,
)
from tests.engine.kill_stories import drawn_seed
from tests.engine.memory_source import MemorySource
from tests.engine.test_resume import until_polled

TICK_MS = DEPLOYMENT.tick_ms
SPAN = range(START_MS - TICK_MS, START_MS + 8 * 60_000, TICK_MS)
SEEDS = {"fixed": 4, "drawn": drawn_seed()}  # by name: workers must find the same tests


def kinds(plan):
    """The kinds of memory that a plan has."""
    return {memory.kind for memory in plan.memories}


def test_no_kind_of_memory_is_left_out():
    """What is killed over and over has all of them."""
    assert kinds(PLAN) == {*MemoryKind}
    assert forked_lives.PLAN is PLAN


@pytest.mark.parametrize("name", PIECES)
def test_a_piece_asks_for_what_it_says(name):
    """With it there are its kinds, and its metrics beside those that are always there."""
    plan = compiled(definition([name]))
    assert kinds(plan) >= PIECES[name].kinds
    assert {metric.name for metric in plan.metrics} > BASE


@pytest.fixture(scope="module", params=[*SEEDS])
def records(request):
    """A stream of four partitions."""
    return stream(SEEDS[request.param], number=400)


@pytest.fixture(scope="module")
def expected(records):
    """What the local engine makes of it whole, by tick."""
    return {tick.at_ms: tick for tick in local(PLAN, DEPLOYMENT, records, SPAN)}


def test_the_stream_says_something():
    """Every metric changes, or what follows would compare nothing."""
    ticks = local(PLAN, DEPLOYMENT, stream(SEEDS["fixed"], number=400), SPAN)
    for number, metric in enumerate(PLAN.metrics):
        assert len({repr(tick.readings[number]) for tick in ticks}) > 1, metric.name


@pytest.mark.parametrize("limit", [1, 17, 1_000])
def test_records_may_be_cut_and_mixed_anywhere(records, expected, limit):
    """Polls of so many records, of partitions in any order, give the same ticks."""
    source = MemorySource(records, luck=limit).open(0, {})
    found = replay(LocalEngine(PLAN, DEPLOYMENT), source, [*expected], limit=limit)
    assert same(expected.values(), found)


@pytest.mark.parametrize("shards", [1, 13])
def test_entities_may_be_dealt_out_anyhow(records, expected, shards):
    """To one shard, or to more than there are teams."""
    other = replace(DEPLOYMENT, shards=shards)
    assert same(expected.values(), local(PLAN, other, records, [*expected]))


@pytest.mark.parametrize("workers", [(1,), (2,), (3, 1, 2)])
def test_the_other_engine_says_the_same(records, expected, tmp_path, workers):
    """On so many workers, with a stop wherever their number changes."""
    published, luck = [], Random(len(workers))  # noqa: S311
    stops = [luck.randint(4, 9) for _ in workers[1:]]
    for life, (number, polls) in enumerate(zip(workers, [*stops, None], strict=True)):
        source = MemorySource(records, slots=2, live=True, luck=life)
        stop = until_exhausted(source) if polls is None else until_polled(source, polls)
        running = {"store": tmp_path / "store", "store_parts": 2, "poll_records": 25}
        running |= {"stop": stop, "published": published, "workers": number}
        bytewax(PLAN, DEPLOYMENT, source, **running)
    assert len({tick.at_ms for tick in published if tick.at_ms > START_MS}) > 12
    assert same([expected[tick.at_ms] for tick in published], published)
