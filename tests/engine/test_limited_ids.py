"""Ids that a partition may bring are limited: the same are refused, however a run goes."""

from dataclasses import replace
from random import Random

import pytest

from pipeline.core.records import Reason
from pipeline.telemetry import Telemetry
from tests.engine.both_engines import bytewax, fed, same, until_exhausted
from tests.engine.deep_product import DEPLOYMENT, PLAN, START_MS, last_tick_ms, stream
from tests.engine.memory_source import MemorySource
from tests.engine.test_resume import until_polled

LIMITED = replace(DEPLOYMENT, ids_max=5)
TICK_MS = DEPLOYMENT.tick_ms


@pytest.fixture(scope="module")
def records():
    """A stream of four partitions, each with more ids than are let in."""
    return stream(4, number=600)


@pytest.fixture(scope="module")
def local(records):
    """The local engine, which was handed every partition whole."""
    engine = fed(PLAN, LIMITED, records)
    assert engine.counts.balanced
    assert engine.counts.rejected[Reason.TOO_MANY_IDS] > 100
    assert engine.counts.matched > 100
    return engine


@pytest.mark.parametrize("workers", [1, 2])
def test_stopping_anywhere_refuses_no_other(records, local, tmp_path, workers):
    """Stopped after any number of polls, again and again: who is known is saved with positions."""
    luck, published, refused, exhausted = Random(workers), [], 0, False  # noqa: S311
    while not exhausted:
        source = MemorySource(records, slots=2, live=True, luck=luck.random())
        polls, telemetry = luck.randint(5, 40), Telemetry()
        stop = until_polled(source, polls) if polls < 35 else until_exhausted(source)
        bytewax(PLAN, LIMITED, source, stop=stop, telemetry=telemetry, published=published,
                store=tmp_path / "store", store_parts=2, poll_records=25,
                workers=workers)  # fmt: skip
        refused += telemetry.totals().rejected[Reason.TOO_MANY_IDS]
        exhausted = source.exhausted and polls >= 35

    assert refused == local.counts.rejected[Reason.TOO_MANY_IDS]
    ticks = sorted({tick.at_ms for tick in published})
    assert ticks[-1] >= last_tick_ms(records) - TICK_MS > START_MS
    expected = {tick.at_ms: tick for tick in fed(PLAN, LIMITED, records).ticks_at(ticks)}
    assert same((expected[tick.at_ms] for tick in published), published)


def test_a_partition_is_warned_of_before_it_is_full(records, tmp_path, capsys):
    """Once for each kind of ids; how many there are is shown, also before more is read."""
    for _ in range(2):
        source, telemetry = MemorySource(records, slots=2, live=True), Telemetry()
        stop = until_exhausted(source)
        bytewax(PLAN, LIMITED, source, stop=stop, telemetry=telemetry,
                store=tmp_path / "store", store_parts=2)  # fmt: skip

        warned = capsys.readouterr().out.count("a partition nears its limit")
        known = [ids for figures in telemetry.partitions.values() for ids in figures.ids.values()]
        assert warned == sum(each >= 0.8 * LIMITED.ids_max for each in known) > 0
        assert max(known) <= LIMITED.ids_max
