"""The terms of metrics at every tick: their values, samples and coverage."""
# ruff: noqa: S608 - the SQL is made of a test's own definition

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from tests.oracle.growth import FUNCTIONS as OF_GROWTH, growth, period_ms, tick_before
from tests.oracle.model import Aggregate, Definition, Metric
from tests.oracle.rows import Rows
from tests.oracle.segments import Segment
from tests.oracle.statistics import measured, top_share
from tests.oracle.surveys import Interval, interval
from tests.oracle.windows import Spans
from tests.oracle.words import Window

Number = int | float | None
Found = tuple[int, Number, int, Number, Number, list[int] | None]
"""Tick, value, samples, numerator, denominator, counts."""


@dataclass(frozen=True)
class Term:
    """What one term of a metric is at one tick."""

    value: Number
    samples: int
    coverage: float
    numerator: Number = None
    denominator: Number = None
    interval: Interval | None = None


class Terms:
    """Every aggregate of every metric, at the ticks in `asked`."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        definition: Definition,
        spans: Spans,
        rows: Rows,
    ) -> None:
        self.connection = connection
        self.definition = definition
        self.spans = spans
        self.rows = rows
        self.coverages = self._coverages()

    def of(
        self, metric: Metric, segment: Segment | None = None
    ) -> dict[tuple[ast.Call, int], Term]:
        """Give each of a metric's terms at each tick, of one segment only where asked."""
        return {
            (call, tick): self._term(aggregate, tick, value, samples, sides, counts)
            for call, aggregate in metric.aggregates.items()
            for tick, value, samples, *sides, counts in self._query(aggregate, segment)
        }

    def _term(
        self,
        aggregate: Aggregate,
        tick: int,
        value: Number,
        samples: int,
        sides: list[Number],
        counts: list[int] | None,
    ) -> Term:
        bounds = None if counts is None else interval(aggregate, counts)
        return Term(value, samples, self._coverage(aggregate, tick), *sides, bounds)

    def _query(self, aggregate: Aggregate, segment: Segment | None) -> list[Found]:
        """Give what is found at every tick."""
        return self.connection.execute(self._sql(aggregate, segment)).fetchall()

    def _sql(self, aggregate: Aggregate, segment: Segment | None) -> str:
        if aggregate.function in OF_GROWTH:
            period = period_ms(self.definition, aggregate)
            return growth(aggregate, period, self._of_members(aggregate, segment))
        if aggregate.function in {"size", "cohort"}:
            table = {"size": "members", "cohort": "anchored"}[aggregate.function]
            return f"""
                SELECT tick, count(entity), count(entity), NULL, NULL, NULL
                FROM asked LEFT JOIN (
                    SELECT tick, entity FROM {table}_{aggregate.subject} AS member
                    WHERE {self._of_members(aggregate, segment)}
                ) USING (tick) GROUP BY tick
            """
        rows = self._rows(aggregate, segment)
        if aggregate.function == "top_share":
            return top_share(aggregate, f"({self._spans(aggregate)}) AS span JOIN {rows}")
        within = aggregate.options.get("within")
        entity = None if within is None else self.definition.sets[within].entity
        return f"""
            SELECT span.tick, {measured(aggregate, entity)}
            FROM ({self._spans(aggregate)}) AS span LEFT JOIN {rows}
            GROUP BY span.tick
        """

    def _spans(self, aggregate: Aggregate) -> str:
        """Select the window at the ticks that are asked for; at others only sets are of use."""
        number = self._number(aggregate)
        return f"SELECT span.* FROM span SEMI JOIN asked USING (tick) WHERE win = {number}"

    def _number(self, aggregate: Aggregate) -> int:
        assert aggregate.window is not None
        return self.spans.numbers[aggregate.window]

    def _rows(self, aggregate: Aggregate, segment: Segment | None) -> str:
        """Write the rows in their windows, as what `span` is joined with."""
        conditions = [
            "event.tick = span.tick",
            "event.t >= span.start AND event.t < span.stop",
            f"coalesce({self.rows.condition(aggregate.subject, aggregate.where)}, false)",
        ]
        if aggregate.function == "reached":
            conditions.append(f"event.value_steps >= {aggregate.options['steps']}")
        if segment is not None:
            entity, _, name = segment.dimension.rpartition(".")
            text = f"event.state_{entity}__{name}" if entity else f"event.value_{name}"
            if aggregate.subject in self.definition.streams:
                text = f"event.value_{segment.dimension.replace('.', '__')}"
            conditions.append(segment.holds(text))
        return f"{self._source(aggregate)} ON {' AND '.join(conditions)}"

    def _source(self, aggregate: Aggregate) -> str:
        """Select the rows, of which only those of a set's members where asked."""
        within = aggregate.options.get("within")
        if within is None:
            of = aggregate.field if aggregate.function == "distinct" else None
            return f"{self.rows.seen(aggregate.subject, of)} AS event"
        entity = self.definition.sets[within].entity
        return f"""(
            SELECT * FROM seen_{aggregate.subject} AS row SEMI JOIN members_{within} AS member
                ON member.tick = row.tick AND member.entity = row.id_{entity}
        ) AS event"""

    def _of_members(self, aggregate: Aggregate, segment: Segment | None) -> str:
        """Write which members are of a segment, by their attribute as of the tick."""
        if segment is None:
            return "true"
        entity = self.definition.sets[aggregate.subject].entity
        text = f"""(
            SELECT own.value FROM attribute_{entity}__{segment.dimension.rpartition(".")[2]} AS own
            WHERE own.tick = member.tick AND own.entity = member.entity
        )"""
        return segment.holds(text)

    def _coverages(self) -> dict[tuple[Window, int], float]:
        """How much of each window lies after the first thing that was ever visible."""
        everything = " UNION ALL ".join(f"SELECT x FROM event_{e}" for e in self.definition.events)
        rows = self.connection.execute(
            f"""
            SELECT win, tick, CASE
                WHEN e IS NULL OR e >= tick THEN 0
                WHEN start = stop THEN 1
                ELSE (stop - least(stop, greatest(start, e))) / (stop - start)
            END
            FROM span, (SELECT min(x) AS e FROM ({everything}))
            """
        ).fetchall()
        windows = {number: window for window, number in self.spans.numbers.items()}
        return {(windows[number], tick): float(share) for number, tick, share in rows}

    def _coverage(self, aggregate: Aggregate, tick: int) -> float:
        ticks = [tick]
        if aggregate.function in OF_GROWTH:
            ticks.append(tick_before(period_ms(self.definition, aggregate), tick))
        windows = set(self._windows(aggregate))
        return min((self.coverages[w, at] for w in windows for at in ticks), default=1.0)

    def _windows(self, aggregate: Aggregate) -> Iterator[Window]:
        """Name the windows that a term looks through, those of its set and of sets below."""
        yield from aggregate.looks
        if aggregate.window is not None:
            yield aggregate.window
        for name in (aggregate.subject, aggregate.options.get("within")):
            if name in self.definition.sets:
                entity_set = self.definition.sets[name]
                yield from (anchor.looks for anchor in [entity_set.anchor] if anchor)
                if aggregate.function == "cohort":
                    continue
                for below in entity_set.aggregates.values():
                    yield from self._windows(below)
