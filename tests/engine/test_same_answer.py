"""What must not matter does not: how records are cut, dealt out, mixed and delayed."""

import gzip
from dataclasses import replace
from itertools import islice
from operator import itemgetter
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from pipeline.core.decode import Decoder
from pipeline.core.deployment import Deployment
from pipeline.core.windows import DAY_MS
from pipeline.engine.local import LocalEngine, replay
from pipeline.spec import read_definition
from tests.engine.against_the_oracle import RECORDS_MAX
from tests.engine.both_engines import compiled, deployed, local, same
from tests.engine.memory_source import MemorySource, as_polled
from tests.oracle.drawn_classes import ADD
from tests.oracle.drawn_trackers import ONE_EVENT_EACH, TRACKERS
from tests.oracle.oracle import Record
from tests.oracle.strategies import Case, cases

COLLABORATION = Path(__file__).parents[2] / "definitions" / "collaboration"
EVENTS = 10_000
INGESTED_MS = 1_893_456_000_000
"""2030-01-01: later than any of these events, so that none lies in the future."""
FEW_SHARDS = Deployment(tick_ms=DAY_MS, lateness_ms=30 * DAY_MS, shards=3)

several_cases = settings(
    max_examples=25 if settings.get_current_profile_name() == "ci" else 10,
    suppress_health_check=list(HealthCheck),
)


def of_any_class(trackers=tuple(TRACKERS)):
    """A case of any class of the language."""
    return cases(RECORDS_MAX, tuple(ADD), trackers=trackers)


def in_pieces(plan, deployment, source, ticks, limit=16_384):
    """The ticks, each as soon as it is due."""
    engine = LocalEngine(plan, deployment)
    return list(replay(engine, source.open(0, {}), ticks, limit=limit))


# ── drawn cases ──────────────────────────────────────────────────────────────────────────────────


@several_cases
@given(of_any_class())
def test_drawn_streams_may_be_cut_anywhere(case: Case):
    """Polls of 1, 7 and 1,000 records give the same ticks as the whole."""
    plan = compiled(case.definition)
    whole = local(plan, deployed(case), case.records, case.ticks_ms)
    for limit in (1, 7, 1_000):
        source = MemorySource(case.records)
        assert same(whole, in_pieces(plan, deployed(case), source, case.ticks_ms, limit))


@several_cases
@given(of_any_class())
def test_drawn_streams_may_be_spread_over_any_number_of_shards(case: Case):
    """One shard, three and thirty-two give the same ticks."""
    plan = compiled(case.definition)
    one, *others = (
        local(plan, deployed(case, shards), case.records, case.ticks_ms) for shards in (1, 3, 32)
    )
    assert all(same(one, other) for other in others)


@several_cases
@given(of_any_class(), st.integers(0, 999))
def test_drawn_partitions_may_be_mixed_in_any_way(case: Case, luck: int):
    """Whichever partition is read first, and in whatever pieces, the ticks are the same."""
    plan = compiled(case.definition)
    whole = local(plan, deployed(case), case.records, case.ticks_ms)
    mixed = MemorySource(case.records, luck=luck)
    assert same(whole, in_pieces(plan, deployed(case), mixed, case.ticks_ms, limit=20))


@several_cases
@given(of_any_class(ONE_EVENT_EACH), st.randoms(use_true_random=False))
def test_drawn_records_may_come_in_any_order_within_the_lateness(case: Case, luck: Random):
    """Records that are all in time give the same ticks in whatever order that leaves them so."""
    plan, deployment = compiled(case.definition), deployed(case)
    timed = in_time(plan, deployment, case.records)
    in_order = renumbered(record for _, record in timed)
    shuffled = delayed(timed, luck, deployment.lateness_ms)
    assert same(
        local(plan, deployment, in_order, case.ticks_ms),
        local(plan, deployment, shuffled, case.ticks_ms),
    )


def in_time(plan, deployment, records):
    """The accepted records that no watermark had passed, each id once, by their event times."""
    decoder = Decoder(plan, replace(deployment, dedup_horizon_ms=1 << 50))
    states = {record.partition: decoder.fresh() for record in records}
    found = []
    for record in records:
        batch = decoder.decode(as_polled([record]), states[record.partition]).batch
        if len(batch) and batch.visible_ms[0] == batch.times_ms[0]:
            found.append((int(batch.times_ms[0]), record))
    return sorted(found, key=itemgetter(0))


def delayed(timed, luck, lateness_ms):
    """The same records in another order, none behind the watermark that it meets."""
    arriving = [(at + luck.randint(0, lateness_ms), record) for at, record in timed]
    return renumbered(record for _, record in sorted(arriving, key=itemgetter(0)))


def renumbered(records):
    """Records in the order given, under the offsets that this order has in their partitions."""
    ends: dict[int, int] = {}
    result = []
    for record in records:
        offset = ends.get(record.partition, 0)
        result.append(replace(record, offset=offset))
        ends[record.partition] = offset + 1
    return result


# ── real events ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def plan():
    """The collaboration product."""
    return read_definition(COLLABORATION / "collaboration.yaml").plan


@pytest.fixture(scope="module")
def events():
    """Its first events, in their order of arrival, dealt out to four partitions."""
    with gzip.open(COLLABORATION / "events.jsonl.gz", "rb") as lines:
        values = [line.rstrip() for line in islice(lines, EVENTS)]
    return renumbered(Record(at % 4, 0, INGESTED_MS, value) for at, value in enumerate(values))


@pytest.fixture(scope="module")
def timed(plan, events):
    """Those of them that came in time, with their event times."""
    return in_time(plan, FEW_SHARDS, events)


@pytest.fixture(scope="module")
def ticks(timed):
    """One a week for as long as they last, and a quarter of a year more."""
    first, last = (timed[place][0] // DAY_MS for place in (0, -1))
    return [day * DAY_MS for day in range(first + 1, last + 90, 7)]


@pytest.fixture(scope="module")
def whole(plan, events, ticks):
    """What all of them come to, fed at once."""
    return local(plan, FEW_SHARDS, events, ticks)


def test_real_events_say_something(whole):
    """Most metrics have a value other than 0 at most ticks: what follows compares something."""
    readings = [reading for tick in whole for reading in tick.readings]
    assert sum(bool(reading.value) for reading in readings) > len(readings) / 2


@pytest.mark.parametrize("limit", [1, 7, 1_000])
def test_real_events_may_be_cut_anywhere(plan, events, ticks, whole, limit):
    """Polls of 1, 7 and 1,000 records give the same ticks as the whole."""
    assert same(whole, in_pieces(plan, FEW_SHARDS, MemorySource(events), ticks, limit))


@pytest.mark.parametrize("shards", [1, 32])
def test_real_events_may_be_spread_over_any_number_of_shards(plan, events, ticks, whole, shards):
    """One shard and thirty-two give the same ticks as three."""
    assert same(whole, local(plan, replace(FEW_SHARDS, shards=shards), events, ticks))


@pytest.mark.parametrize("luck", [1, 2])
def test_real_partitions_may_be_mixed_in_any_way(plan, events, ticks, whole, luck):
    """Whichever partition is read first, and in whatever pieces, the ticks are the same."""
    mixed = MemorySource(events, luck=luck)
    assert same(whole, in_pieces(plan, FEW_SHARDS, mixed, ticks, limit=900))


def test_real_events_may_come_in_any_order_within_the_lateness(plan, timed, ticks):
    """What is in time gives the same ticks in whatever order that leaves it so."""
    assert len(timed) > EVENTS / 2
    in_order = local(plan, FEW_SHARDS, renumbered(record for _, record in timed), ticks)
    for luck in (Random(1), Random(2)):  # noqa: S311
        shuffled = delayed(timed, luck, FEW_SHARDS.lateness_ms)
        assert same(in_order, local(plan, FEW_SHARDS, shuffled, ticks))
