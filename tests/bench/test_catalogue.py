"""The definitions that the benchmarks run."""

from functools import cache

from pipeline.core.deployment import Deployment
from pipeline.engine.local import LocalEngine
from tests.bench.catalogue import catalogue, grown, of_one_window, one_metric, plan_of
from tests.bench.stream import PARTITIONS, START_MS, Log, Traffic, made

TICK_MS = START_MS + 60_000


@cache
def tiny() -> Log:
    return made(Traffic(20_000, events_per_s=1_000, users=500, charts=200, orgs=20))


def readings(text: str) -> dict[str, object]:
    """The numbers of a definition over a tiny stream, by metric."""
    plan = plan_of(text)
    engine = LocalEngine(plan, Deployment(shards=2))
    for partition in range(PARTITIONS):
        for records in tiny().polls(partition, 5_000):
            engine.feed(records)
    assert engine.counts.matched == len(tiny())
    found = engine.evaluate(TICK_MS).readings
    return {metric.name: reading for metric, reading in zip(plan.metrics, found, strict=True)}


def test_the_catalogue_has_25_metrics_and_grows_to_75():
    """As the names of the benchmark's figures say."""
    sizes = [len(plan_of(text).metrics) for text in (catalogue(), grown())]
    assert sizes == [25, 75]


def test_growing_changes_no_number_of_the_first_line():
    """The 75 metrics hold the 25, and they read the same."""
    few, many = readings(catalogue()), readings(grown())
    assert few == {name: many[name] for name in few}


def test_the_stream_gives_every_metric_something_to_count():
    """A benchmark of metrics that stay empty would show nothing."""
    found = readings(catalogue())
    assert not [name for name, reading in found.items() if not reading.samples]


def test_variants_compile():
    """One window for all, and a single metric."""
    assert len(plan_of(of_one_window("30d")).metrics) == 25
    assert len(plan_of(one_metric("count(active)", "trailing 1d")).metrics) == 1


def test_records_are_of_the_size_that_is_claimed():
    """230 bytes, give or take the length of a name."""
    values = [value for part in tiny().values for value in part]
    assert 220 <= sum(map(len, values)) / len(values) <= 240
