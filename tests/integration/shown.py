"""What a process shows of a product at a tick, and what the oracle says it must show."""

import functools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from pipeline import names
from tests.oracle.oracle import Reading, Record, Settings, expected
from tests.scenarios.scenario import moment_ms

Series = dict[tuple[str, str], float]
"""Values by family and metric. What has no value is not there."""

STATES = {"green": 0, "yellow": 1, "red": 2, "unknown": 3}
PARTS = {
    "numerator": names.METRIC_NUMERATOR,
    "denominator": names.METRIC_DENOMINATOR,
    "samples": names.METRIC_SAMPLES,
    "coverage": names.METRIC_COVERAGE,
    "residual": names.METRIC_RESIDUAL,
}
VALUES = (names.METRIC_VALUE, names.METRIC_RATIO, names.METRIC_SECONDS, names.METRIC_AMOUNT)
FAMILIES = frozenset({*VALUES, *PARTS.values(), names.METRIC_STATE})
"""The families that are compared. Baselines and limits are behind the state, which is."""


class Truth:
    """What a definition comes to over records, by the oracle."""

    def __init__(self, definition: str, records: Sequence[Record], settings: Settings) -> None:
        self._definition = definition
        self._records = list(records)
        self._settings = settings
        written = YAML(typ="safe").load(definition)["metrics"]
        self.units = {name: metric["unit"] for name, metric in written.items()}
        self.guarded = {name for name, metric in written.items() if "guard" in metric}

    def at(self, ticks_ms: Iterable[int]) -> tuple[dict[int, Series], dict[str, Any]]:
        """What must be shown at each of these ticks, and what becomes of the records."""
        ticks = sorted(set(ticks_ms))
        found = expected(self._definition, self._records, self._settings, ticks)
        series: dict[int, Series] = {tick: {} for tick in ticks}
        for (metric, tick), reading in found.readings.items():
            series[tick] |= self._series(metric, reading)
        return series, found.counts

    def _series(self, metric: str, reading: Reading) -> Series:
        parts = {names.metric_family(self.units[metric]): reading.value}
        parts |= {family: getattr(reading, part) for part, family in PARTS.items()}
        if metric in self.guarded:
            parts[names.METRIC_STATE] = STATES[reading.state]
        return {(family, metric): value for family, value in parts.items() if value is not None}

    def of_readings(self, body: str) -> tuple[int, Series] | None:
        """The tick of an answer of `/api/v1/readings` and its series, None where it is empty."""
        rows = json.loads(body)
        if not rows:
            return None
        (at,) = {row["at"] for row in rows}
        series: Series = {}
        for row in rows:
            metric = row["metric"]
            parts = {names.metric_family(self.units[metric]): row["value"]}
            parts |= {PARTS[part]: row[part] for part in PARTS if part in row}
            if metric in self.guarded:
                parts[names.METRIC_STATE] = STATES[row["state"]]
            series |= {(family, metric): value for family, value in parts.items()}
        return moment_ms(at), {key: value for key, value in series.items() if value is not None}


def of_metrics(text: str) -> tuple[int, Series] | None:
    """The tick of an answer of `/metrics` and its series, None where it shows no gauge."""
    return _parsed("".join(line for line in text.splitlines(keepends=True) if _is_shown(line)))


def _is_shown(line: str) -> bool:
    """Whether a line is of a metric's gauge; what a metric is, is told before it has a value."""
    return line.startswith("northstar_metric_") and not line.startswith(names.METRIC_INFO)


@functools.cache
def _parsed(gauges: str) -> tuple[int, Series] | None:
    """The same, of the lines that matter: they are few texts, each seen many times."""
    samples = [each for family in text_string_to_metric_families(gauges) for each in family.samples]
    if not samples:
        return None
    (at_s,) = [each.value for each in samples if each.name == names.METRIC_EVALUATED_AT]
    series = {
        (each.name, each.labels[names.METRIC]): each.value
        for each in samples
        if each.name in FAMILIES
    }
    return round(at_s * 1000), series


def by_scrape(result: Iterable[dict[str, Any]]) -> list[tuple[int, Series]]:
    """The tick and the series of every scrape, from Prometheus' answer for a range of time.

    All samples of a scrape bear one timestamp.
    """
    ticks: dict[float, int] = {}
    scrapes: dict[float, Series] = defaultdict(dict)
    for found in result:
        family = found["metric"]["__name__"]
        for at, value in found["values"]:
            if family == names.METRIC_EVALUATED_AT:
                ticks[at] = round(float(value) * 1000)
            elif family in FAMILIES:
                scrapes[at][family, found["metric"][names.METRIC]] = float(value)
    assert ticks.keys() == scrapes.keys()
    return [(ticks[at], scrapes[at]) for at in sorted(scrapes)]


def differences(expected: Series, seen: Series) -> Iterator[str]:
    """A line for each series that is not as it must be; nothing is rounded."""
    for family, metric in sorted(expected.keys() | seen.keys()):
        must, is_now = expected.get((family, metric)), seen.get((family, metric))
        if must != is_now:
            yield f"{family} of {metric}: expected {must}, got {is_now}"
