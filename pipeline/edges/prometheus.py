"""What Prometheus scrapes: the newest complete tick, and the engine's telemetry.

Both collectors read at the moment of the scrape and keep nothing, so a series whose value is gone
is gone from the scrape. What is unknown (None, or beyond a double) is absent, never 0.
Samples carry no timestamps: Prometheus would drop them as out of order after a replay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline import names
from pipeline.core.clock import HOLDS_NOBODY_BACK
from pipeline.core.closes import Outlook
from pipeline.core.compose import Reading
from pipeline.core.formula import Index
from pipeline.core.judge import State, Verdict
from pipeline.core.measures import Number
from pipeline.core.plan import Plan
from pipeline.core.records import Filtered, Reason
from pipeline.core.segments import SET_APART, Segment
from pipeline.core.tree import Metric as PlannedMetric
from pipeline.edges.newest import Newest
from pipeline.telemetry import LetterOutcome, PartitionFigures, ProcessFigures, Telemetry

STATE_NUMBERS: Final = {State.GREEN: 0, State.YELLOW: 1, State.RED: 2, State.UNKNOWN: 3}

Names = Callable[[int], tuple[str, str]]  # of a source partition: topic and partition

_OF_METRIC: Final = (names.PRODUCT, names.METRIC)
_OF_SEGMENT: Final = (*_OF_METRIC, names.DIMENSION, names.SEGMENT)
_LABELS: Final[dict[str, tuple[str, ...]]] = {
    names.METRIC_AMOUNT: (*_OF_METRIC, names.CURRENCY),
    names.METRIC_LIMIT: (*_OF_METRIC, names.BOUND),
    names.SEGMENT_VALUE: _OF_SEGMENT,
    names.SEGMENT_RATIO: _OF_SEGMENT,
    names.SEGMENT_SECONDS: _OF_SEGMENT,
    names.SEGMENT_AMOUNT: (*_OF_SEGMENT, names.CURRENCY),
    names.SEGMENT_SAMPLES: _OF_SEGMENT,
    names.METRIC_EVALUATED_AT: (names.PRODUCT,),
}


class MetricsCollector(Collector):
    """The gauges of one product at its newest tick; before the first there are none."""

    def __init__(self, newest: Newest) -> None:
        self._newest = newest
        self._infos = [_product_info(newest.plan), _metric_info(newest.plan)]
        product = names.label_value(newest.plan.product)
        self._labels = [(product, names.label_value(metric.name)) for metric in newest.plan.metrics]

    def collect(self) -> Iterator[Metric]:
        """Families with at least one sample."""
        yield from self._infos
        tick = self._newest.tick
        if tick is None:
            return
        gauges = _Gauges()
        plan = self._newest.plan
        rows = zip(plan.metrics, self._labels, tick.readings, tick.verdicts, strict=True)
        for metric, labels, reading, verdict in rows:
            _put_reading(gauges, metric, labels, reading)
            _put_verdict(gauges, metric, labels, verdict)
        for labels, outlook in zip(self._labels, tick.outlooks, strict=False):
            _put_outlook(gauges, labels, outlook)
        for metric, labels, segments in zip(
            plan.metrics, self._labels, tick.segments or [()] * len(plan.metrics), strict=True
        ):
            _put_segments(gauges, metric, labels, segments)
        gauges.put(names.METRIC_EVALUATED_AT, (names.label_value(plan.product),), tick.at_ms / 1000)
        yield from gauges.families.values()


class _Gauges:
    """Gauge families by name, made when the first sample comes."""

    def __init__(self) -> None:
        self.families: dict[str, GaugeMetricFamily] = {}

    def put(self, name: str, labels: Sequence[str], value: Number | None) -> None:
        """Add a sample, unless its value is not known."""
        known = _known(value)
        if known is None:
            return
        family = self.families.get(name)
        if family is None:
            family = GaugeMetricFamily(name, names.HELP[name], labels=_LABELS.get(name, _OF_METRIC))
            self.families[name] = family
        family.add_metric(labels, known)


def _known(value: Number | None) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _put_reading(
    gauges: _Gauges, metric: PlannedMetric, labels: tuple[str, ...], reading: Reading
) -> None:
    family = names.metric_family(metric.unit)
    currency = (metric.unit,) if family == names.METRIC_AMOUNT else ()
    gauges.put(family, (*labels, *currency), reading.value)
    gauges.put(names.METRIC_NUMERATOR, labels, reading.numerator)
    gauges.put(names.METRIC_DENOMINATOR, labels, reading.denominator)
    gauges.put(names.METRIC_SAMPLES, labels, reading.samples)
    gauges.put(names.METRIC_COVERAGE, labels, reading.coverage)
    gauges.put(names.METRIC_RESIDUAL, labels, reading.residual)
    gauges.put(names.METRIC_INTERVAL_LOW, labels, reading.low)
    gauges.put(names.METRIC_INTERVAL_HIGH, labels, reading.high)
    if isinstance(metric.value, Index):
        gauges.put(names.METRIC_PARTS_MISSING, labels, len(reading.missing))


def _put_segments(
    gauges: _Gauges, metric: PlannedMetric, labels: tuple[str, ...], segments: Sequence[Segment]
) -> None:
    family = names.segment_family(metric.unit)
    currency = (metric.unit,) if family == names.SEGMENT_AMOUNT else ()
    taken = {(each.dimension, each.text) for each in segments if each.text in SET_APART}
    for each in segments:
        text = each.text if each.text in SET_APART else _unlike(each, taken)
        cut = (*labels, each.dimension, text)
        gauges.put(family, (*cut, *currency), each.reading.value)
        gauges.put(names.SEGMENT_SAMPLES, cut, each.reading.samples)


def _unlike(segment: Segment, taken: set[tuple[str, str]]) -> str:
    """A text as a label that no other segment has; two may be alike once they are cleaned."""
    clean = label = names.label_value(segment.text)
    number = 2
    while (segment.dimension, label) in taken:
        label, number = f"{clean} ({number})", number + 1
    taken.add((segment.dimension, label))
    return label


def _put_verdict(
    gauges: _Gauges, metric: PlannedMetric, labels: tuple[str, ...], verdict: Verdict
) -> None:
    """The verdict on a guardrail; a metric that nothing judges has none to show."""
    if metric.guard is None:
        return
    gauges.put(names.METRIC_STATE, labels, STATE_NUMBERS[verdict.state])
    gauges.put(names.METRIC_BASELINE, labels, verdict.baseline)
    gauges.put(names.METRIC_LIMIT, (*labels, names.BOUND_WARN), verdict.warn_at)
    gauges.put(names.METRIC_LIMIT, (*labels, names.BOUND_BREACH), verdict.breach_at)


def _put_outlook(gauges: _Gauges, labels: tuple[str, ...], outlook: Outlook) -> None:
    """The way to the next target, and how far a proxy can be trusted."""
    gauges.put(names.METRIC_ATTAINMENT, labels, outlook.attainment)
    gauges.put(names.METRIC_PACE, labels, outlook.pace)
    gauges.put(names.METRIC_CORRELATION, labels, outlook.correlation)


def _info(name: str, labels: Sequence[dict[str, str | None]]) -> InfoMetricFamily:
    family = InfoMetricFamily(name.removesuffix("_info"), names.HELP[name])
    for given in labels:
        clean = {key: names.label_value(text) for key, text in given.items() if text}
        family.add_metric((), clean)
    return family


def _product_info(plan: Plan) -> InfoMetricFamily:
    labels = {
        names.PRODUCT: plan.product,
        names.TITLE: plan.label,
        names.GAME: plan.game,
        names.FINGERPRINT: plan.fingerprint,
    }
    return _info(names.PRODUCT_INFO, [labels])


def _metric_info(plan: Plan) -> InfoMetricFamily:
    return _info(
        names.METRIC_INFO,
        [_described(plan, metric) | _guarded(plan, metric) for metric in plan.metrics],
    )


def _described(plan: Plan, metric: PlannedMetric) -> dict[str, str | None]:
    return {
        names.PRODUCT: plan.product,
        names.METRIC: metric.name,
        names.ROLE: metric.role.value,
        names.FACET: metric.facet and metric.facet.value,
        names.UNIT: metric.unit,
        names.TITLE: metric.label,
        names.DEFINITION: metric.definition,
        names.TEAM: (metric.guard and metric.guard.owner) or metric.owner,
    }


def _guarded(plan: Plan, metric: PlannedMetric) -> dict[str, str | None]:
    if metric.guard is None:
        return {}
    return {
        names.PROTECTS: plan.metrics[metric.guard.protects].name,
        names.SEVERITY: metric.guard.severity,
    }


class StandingCollector(Collector):
    """What runs, and whether it shows readings."""

    def __init__(self, version: str, is_ready: Callable[[], bool]) -> None:
        self._build = _info(names.BUILD_INFO, [{names.VERSION: version}])
        self._is_ready = is_ready

    def collect(self) -> Iterator[Metric]:
        """Both families."""
        yield self._build
        yield _gauge(names.READY, int(self._is_ready()))


class ProcessesCollector(Collector):
    """What a supervisor knows of its processes."""

    def __init__(self, figures: ProcessFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield _gauge(names.PROCESSES, self._figures.wanted)
        yield _gauge(names.PROCESSES_UP, self._figures.up)
        yield _counter(names.RESTARTS, self._figures.restarts)


class TelemetryCollector(Collector):
    """The engine's figures of one process.

    `partition_names` gives topic and partition of a source partition's number, `is_ready` whether
    readings are shown. Reasons are there
    from the start with 0, so that the first rejected record is already an increase.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        version: str,
        partition_names: Names,
        is_ready: Callable[[], bool],
    ) -> None:
        self._telemetry = telemetry
        self._standing = StandingCollector(version, is_ready)
        self._partition_names = partition_names

    def collect(self) -> Iterator[Metric]:
        """All families, whether or not they have samples yet."""
        yield from self._standing.collect()
        yield from self._of_process()
        yield from self._of_records()
        yield from self._of_partitions()

    def _of_process(self) -> Iterator[Metric]:
        telemetry = self._telemetry
        yield from (
            _counter(names.TICKS, telemetry.ticks),
            _gauge(names.PENDING_ROWS, telemetry.pending_rows),
            _gauge(names.EVALUATED, _seconds(telemetry.evaluated_ms)),
        )
        entities = GaugeMetricFamily(
            names.TABLE_ENTITIES, names.HELP[names.TABLE_ENTITIES], labels=(names.TABLE,)
        )
        for table, rows in telemetry.entities.items():
            entities.add_metric((names.label_value(table),), rows)
        yield entities

    def _of_records(self) -> Iterator[Metric]:
        # Copies, since the engine's thread may add a partition or a reason while we add up.
        counts = [figures.counts for figures in list(self._telemetry.partitions.values())]
        yield _counter(names.RECORDS_MATCHED, sum(count.matched for count in counts))
        yield _counter(names.RECORDS_DUPLICATE, sum(count.duplicate for count in counts))
        yield _counter(names.RECORDS_LATE, sum(count.late for count in counts))
        filtered = [count.filtered.copy() for count in counts]
        yield _by_kind(names.RECORDS_FILTERED, names.REASON, Filtered, filtered)
        rejected = [count.rejected.copy() for count in counts]
        yield _by_kind(names.RECORDS_REJECTED, names.REASON, Reason, rejected)
        letters = [self._telemetry.dead_letters.copy()]
        yield _by_kind(names.DEAD_LETTERS, names.OUTCOME, LetterOutcome, letters)

    def _of_partitions(self) -> Iterator[Metric]:
        labels = (names.TOPIC, names.PARTITION)
        partitions = [
            ([names.label_value(text) for text in self._partition_names(number)], figures)
            for number, figures in list(self._telemetry.partitions.items())
        ]
        for name, figure in _OF_PARTITION.items():
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            family = kind(name, names.HELP[name], labels=labels)
            for of, figures in partitions:
                value = figure(figures)
                if value is not None:
                    family.add_metric(of, value)
            yield family
        ids = GaugeMetricFamily(
            names.PARTITION_IDS, names.HELP[names.PARTITION_IDS], labels=(*labels, names.ENTITY)
        )
        for of, figures in partitions:
            for entity, known in figures.ids.items():
                ids.add_metric([*of, names.label_value(entity)], known)
        yield ids


def _seconds(time_ms: int | None) -> float | None:
    if time_ms is None or abs(time_ms) >= HOLDS_NOBODY_BACK:  # no time yet, or no more
        return None
    return time_ms / 1000


_OF_PARTITION: Final[dict[str, Callable[[PartitionFigures], Number | None]]] = {
    names.RECORDS_CONSUMED: lambda figures: figures.counts.consumed,
    names.RECORDS_LOST: lambda figures: figures.lost_messages,
    names.PARTITION_WATERMARK: lambda figures: _seconds(figures.watermark_ms),
    names.PARTITION_LAG_MESSAGES: lambda figures: figures.lag_messages,
    names.PARTITION_LAG_SECONDS: lambda figures: _seconds(figures.lag_ms),
    names.PARTITION_IDLE: lambda figures: int(figures.idle),
}


def _gauge(name: str, value: Number | None) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, names.HELP[name], value)


def _counter(name: str, value: int) -> CounterMetricFamily:
    return CounterMetricFamily(name, names.HELP[name], value)


def _by_kind(
    name: str, label: str, kinds: type[StrEnum], counts: Sequence[Mapping[Any, int]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, names.HELP[name], labels=(label,))
    for kind in kinds:
        family.add_metric((kind.value,), sum(count.get(kind, 0) for count in counts))
    return family
