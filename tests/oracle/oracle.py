"""What an engine must publish, worked out from the raw records by SQL.

Independent of the engine: it shares the reference of the definition language with it, and
not a line of code. It looks at all records at once and at every tick from nothing, so it has
no state that could be wrong.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from tests.oracle.intake import Intake, Record, Settings, create
from tests.oracle.language import Definition, Metric, baseline_step_ms, read
from tests.oracle.measures import Measure, Measures, Number, Terms
from tests.oracle.membership import Membership
from tests.oracle.verdicts import judge
from tests.oracle.windows import FIRST_INSTANT, PERIOD_BEFORE, PERIOD_START, Spans

__all__ = ["Expected", "Reading", "Record", "Settings", "expected"]


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


@dataclass(frozen=True)
class Expected:
    """All readings asked for, and what became of the records."""

    readings: dict[tuple[str, int], Reading]
    counts: dict[str, object]


@functools.cache
def _connection() -> duckdb.DuckDBPyConnection:
    """Open one connection for all cases: opening one takes longer than a case."""
    connection = duckdb.connect(":memory:", config={"threads": 1})
    for macro in (FIRST_INSTANT, PERIOD_START, PERIOD_BEFORE):
        connection.execute(macro)
    return connection


def _previous_tick(metric: Metric, tick: int) -> int | None:
    """Give the tick whose reading is the baseline of a guard that looks back."""
    back = metric.guard.previous_ms if metric.guard is not None else None
    if back is None:
        return None
    step = baseline_step_ms(back)
    return (tick - back) // step * step


def _all_ticks(definition: Definition, ticks_ms: list[int]) -> Iterator[int]:
    yield from ticks_ms
    for metric in definition.metrics.values():
        for tick in ticks_ms:
            before = _previous_tick(metric, tick)
            if before is not None:
                yield before


def _reading(metric: Metric, tick: int, measures: Measures) -> Reading:
    now = measures.of(metric.name, tick)
    before = _previous_tick(metric, tick)
    previous: Measure | None = None if before is None else measures.of(metric.name, before)
    formula = None if metric.formula is None else measures.expression(metric.formula, tick)
    return Reading(
        now.value,
        now.numerator,
        now.denominator,
        now.samples,
        now.coverage,
        None if now.value is None or formula is None else float(now.value - formula),
        "unknown" if metric.guard is None else judge(metric.guard, now, previous),
    )


def _answer(
    connection: duckdb.DuckDBPyConnection,
    definition: Definition,
    records: list[Record],
    settings: Settings,
    ticks_ms: list[int],
) -> Expected:
    counts = Intake(connection, definition, settings).take(records)
    ticks = sorted(set(_all_ticks(definition, ticks_ms)))
    create(connection, "tick", {"tick": "BIGINT"}, [[tick] for tick in ticks])
    spans = Spans(connection, definition)
    Membership(connection, definition, spans)
    measures = Measures(definition, Terms(connection, definition, spans))
    readings = {
        (metric.name, tick): _reading(metric, tick, measures)
        for tick in ticks_ms
        for metric in definition.metrics.values()
    }
    return Expected(readings, counts)


def expected(
    definition: str, records: list[Record], settings: Settings, ticks_ms: list[int]
) -> Expected:
    """Work out every metric's reading at the given ticks, and the account of the records.

    Args:
        definition: the YAML text of a valid definition.
        records: in any order; a partition's order is that of the offsets.
        settings: of the deployment.
        ticks_ms: milliseconds since 1970.

    Values are whole for a single count, distinct or size, and None where there is none.
    """
    connection = _connection()
    connection.execute("BEGIN")
    try:
        return _answer(connection, read(definition), records, settings, ticks_ms)
    finally:
        connection.execute("ROLLBACK")
