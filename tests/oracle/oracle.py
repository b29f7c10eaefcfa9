"""What an engine must publish, worked out from the raw records by SQL.

Independent of the engine: it shares the reference of the definition language with it, and
not a line of code. It looks at all records at once and at every tick from nothing, so it has
no state that could be wrong.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import duckdb

from tests.oracle.baselines import baseline, past_ticks
from tests.oracle.growth import grid
from tests.oracle.intake import Intake, Settings, create
from tests.oracle.language import read
from tests.oracle.measures import Measure, Measures
from tests.oracle.membership import Membership
from tests.oracle.model import Definition, Metric
from tests.oracle.proxies import closes, correlated
from tests.oracle.rows import Rows
from tests.oracle.segments import segments
from tests.oracle.streams import NEAREST
from tests.oracle.surveys import Interval
from tests.oracle.targets import Progress, progress, starts_ms
from tests.oracle.terms import Number, Terms
from tests.oracle.unpacking import Record
from tests.oracle.verdicts import judge
from tests.oracle.windows import MACROS, Spans

__all__ = ["Expected", "Reading", "Record", "Settings", "expected"]

Seeds = Mapping[str, list[tuple[str, int | None]]]
"""Stream → entities that had their first row then, or before everything."""


@dataclass(frozen=True)
class Reading:
    """A metric at a tick."""

    value: Number
    numerator: Number
    denominator: Number
    samples: int
    coverage: float
    residual: float | None
    state: str
    interval: Interval | None = None
    missing: tuple[str, ...] = ()
    segments: dict[tuple[str, str], Measure] = field(default_factory=dict)
    """Dimension and text → what the metric is in that segment."""
    progress: Progress | None = None
    correlation: Number = None


@dataclass(frozen=True)
class Expected:
    """All readings asked for, and what became of the records."""

    readings: dict[tuple[str, int], Reading]
    counts: dict[str, object]


@functools.cache
def _connection() -> duckdb.DuckDBPyConnection:
    """Open one connection for all cases: opening one takes longer than a case."""
    connection = duckdb.connect(":memory:", config={"threads": 1})
    for macro in (*MACROS, NEAREST):
        connection.execute(macro)
    return connection


def _all_ticks(definition: Definition, ticks_ms: list[int]) -> Iterator[int]:
    yield from ticks_ms
    for metric in definition.metrics.values():
        for tick in ticks_ms:
            yield from past_ticks(metric.guard, tick)
            if metric.proxy_for is not None:
                yield from closes(tick)
        if metric.since is not None:
            yield starts_ms(metric.since)


class _Readings:
    """All there is to say of metrics at ticks."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, definition: Definition, terms: Terms
    ) -> None:
        found = {name: terms.of(metric) for name, metric in definition.metrics.items()}
        self.measures = Measures(definition, found)
        self.segments = {
            (metric.name, segment): {
                part.name: terms.of(part, segment) for part in definition.parts(metric)
            }
            for metric in definition.metrics.values()
            for segment in segments(connection, definition, metric)
        }

    def of(self, metric: Metric, tick: int) -> Reading:
        """Give everything that is published of a metric at a tick."""
        now = self.measures.of(metric.name, tick)
        formula = None
        if metric.formula is not None:
            formula = self.measures.expression(metric.formula, tick)
        return Reading(
            now.value,
            now.numerator,
            now.denominator,
            now.samples,
            now.coverage,
            None if now.value is None or formula is None else float(now.value - formula),
            self._state(metric, tick),
            now.interval,
            now.missing,
            self._segments(metric, tick),
            progress(metric, tick, self._at(metric.name)) if metric.targets else None,
            self._correlation(metric, tick),
        )

    def _at(self, name: str) -> "functools.partial[Measure]":
        return functools.partial(self.measures.of, name)

    def _state(self, metric: Metric, tick: int) -> str:
        if metric.guard is None:
            return "unknown"
        of = functools.partial(self.measures.of, metric.name)
        return judge(metric.guard, of(tick), baseline(metric.guard, tick, of))

    def _segments(self, metric: Metric, tick: int) -> dict[tuple[str, str], Measure]:
        return {
            (segment.dimension, segment.name): self.measures.work_out(metric, tick, found)
            for (name, segment), found in self.segments.items()
            if name == metric.name and segment.is_shown(tick)
        }

    def _correlation(self, metric: Metric, tick: int) -> Number:
        if metric.proxy_for is None:
            return None
        return correlated(tick, self._at(metric.name), self._at(metric.proxy_for))


def _answer(
    connection: duckdb.DuckDBPyConnection,
    definition: Definition,
    records: list[Record],
    settings: Settings,
    ticks_ms: list[int],
    seeds: Seeds,
) -> Expected:
    counts = Intake(connection, definition, settings).take(records)
    asked = set(_all_ticks(definition, ticks_ms))
    ticks = asked | set(grid(connection, definition, asked))
    create(connection, "asked", {"tick": "BIGINT"}, [[tick] for tick in sorted(asked)])
    create(connection, "tick", {"tick": "BIGINT"}, [[tick] for tick in sorted(ticks)])
    spans = Spans(connection, definition)
    rows = Rows(connection, definition, dict(seeds))
    Membership(connection, definition, spans, rows)
    readings = _Readings(connection, definition, Terms(connection, definition, spans, rows))
    return Expected(
        {
            (metric.name, tick): readings.of(metric, tick)
            for tick in ticks_ms
            for metric in definition.metrics.values()
        },
        counts,
    )


def expected(
    definition: str,
    records: list[Record],
    settings: Settings,
    ticks_ms: list[int],
    seeds: Seeds | None = None,
) -> Expected:
    """Work out every metric's reading at the given ticks, and the account of the records.

    Args:
        definition: the YAML text of a valid definition.
        records: in any order; a partition's order is that of the offsets.
        settings: of the deployment.
        ticks_ms: milliseconds since 1970.
        seeds: what the files that streams name as `seed` say.

    Values are whole for a single count, distinct or size, and None where there is none.
    """
    connection = _connection()
    connection.execute("BEGIN")
    try:
        return _answer(connection, read(definition), records, settings, ticks_ms, seeds or {})
    finally:
        connection.execute("ROLLBACK")
