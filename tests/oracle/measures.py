"""The terms of metrics in SQL, and the arithmetic that joins them."""
# ruff: noqa: S608 - the SQL is made of a test's own definition

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import duckdb

from tests.oracle.language import Aggregate, Definition, Metric, Window
from tests.oracle.membership import MILLIONTHS, condition
from tests.oracle.windows import Spans

Number = int | float | None


@dataclass(frozen=True)
class Term:
    """What one term of a metric is at one tick."""

    value: Number
    samples: int
    coverage: float
    total: Number = None
    """The sum that a mean divides by its samples."""


class Terms:
    """Every aggregate of every metric at every tick."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, definition: Definition, spans: Spans
    ) -> None:
        self.connection = connection
        self.definition = definition
        self.spans = spans
        self.coverages = self._coverages()
        self.found: dict[tuple[ast.Call, int], Term] = {}
        for metric in definition.metrics.values():
            for call, aggregate in metric.aggregates.items():
                for tick, value, samples, total in self._query(aggregate):
                    coverage = min(self.coverages[w, tick] for w in self._windows(aggregate))
                    self.found[call, tick] = Term(value, samples, coverage, total)

    def _query(self, aggregate: Aggregate) -> list[tuple[int, Number, int, Number]]:
        """Give `(tick, value, samples, total)` at every tick."""
        if aggregate.function == "size":
            return self.connection.execute(
                f"""
                SELECT tick, count(entity), count(entity), NULL
                FROM tick LEFT JOIN members_{aggregate.subject} USING (tick) GROUP BY tick
                """
            ).fetchall()
        assert aggregate.window is not None
        return self.connection.execute(
            f"""
            SELECT span.tick, {self._measured(aggregate)}
            FROM span LEFT JOIN event_{aggregate.subject} AS event
                ON event.t >= span.start AND event.t < span.stop AND event.x < span.tick
                AND {condition(aggregate.where)}
            WHERE span.win = {self.spans.numbers[aggregate.window]}
            GROUP BY span.tick
            """
        ).fetchall()

    def _measured(self, aggregate: Aggregate) -> str:
        value = f"event.value_{aggregate.field}"
        total = f"coalesce(sum({MILLIONTHS.format(value=value)}), 0)::DOUBLE / 1e6"
        return {
            "count": "count(event.t), count(event.t), NULL",
            "distinct": f"{(ids := f'count(DISTINCT event.id_{aggregate.field})')}, {ids}, NULL",
            "sum": f"{total}, count({value}), NULL",
            "mean": f"{total} / nullif(count({value}), 0), count({value}), {total}",
        }[aggregate.function]

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

    def _windows(self, aggregate: Aggregate) -> Iterator[Window]:
        """Name the windows that a term looks through, those of its set and of sets below."""
        if aggregate.window is not None:
            yield aggregate.window
        else:
            for below in self.definition.sets[aggregate.subject].aggregates.values():
                yield from self._windows(below)


@dataclass(frozen=True)
class Measure:
    """A metric at a tick, before anything is said about it."""

    value: Number
    numerator: Number
    denominator: Number
    samples: int
    coverage: float


def divided(above: Number, below: Number) -> Number:
    """Divide, or give nothing where a side is missing or the lower one is 0."""
    return None if above is None or below is None or below == 0 else above / below


def arithmetic(node: ast.expr, leaf: Callable[[ast.expr], Number]) -> Number:
    """Work out an expression; anything missing makes the whole missing."""
    match node:
        case ast.Constant(value=number):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = arithmetic(operand, leaf)
            return None if inner is None else -inner
        case ast.BinOp(left=left, op=op, right=right):
            return _joined(op, arithmetic(left, leaf), arithmetic(right, leaf))
    return leaf(node)


def _joined(op: ast.operator, left: Number, right: Number) -> Number:
    if isinstance(op, ast.Div):
        return divided(left, right)
    if left is None or right is None:
        return None
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
    raise AssertionError(op)


class Measures:
    """Every metric at every tick, each worked out once."""

    def __init__(self, definition: Definition, terms: Terms) -> None:
        self.definition = definition
        self.terms = terms
        self.known: dict[tuple[str, int], Measure] = {}

    def of(self, name: str, tick: int) -> Measure:
        """Give a metric at a tick."""
        key = (name, tick)
        if key not in self.known:
            self.known[key] = self._work_out(self.definition.metrics[name], tick)
        return self.known[key]

    def expression(self, node: ast.expr, tick: int) -> Number:
        """Work out any arithmetic over terms, metrics and numbers."""
        return arithmetic(node, lambda leaf: self._leaf(leaf, tick).value)

    def _leaf(self, node: ast.expr, tick: int) -> Term | Measure:
        if isinstance(node, ast.Call):
            return self.terms.found[node, tick]
        assert isinstance(node, ast.Name), ast.dump(node)
        return self.of(node.id, tick)

    def _leaves(self, node: ast.expr, tick: int) -> list[Term | Measure]:
        if isinstance(node, ast.Call | ast.Name):
            return [self._leaf(node, tick)]
        return [
            leaf
            for part in ast.iter_child_nodes(node)
            if isinstance(part, ast.expr)
            for leaf in self._leaves(part, tick)
        ]

    def _samples(self, node: ast.expr, tick: int) -> int:
        return min((leaf.samples for leaf in self._leaves(node, tick)), default=0)

    def _work_out(self, metric: Metric, tick: int) -> Measure:
        node = metric.value
        coverage = min((leaf.coverage for leaf in self._leaves(node, tick)), default=1.0)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            above, below = self.expression(node.left, tick), self.expression(node.right, tick)
            counted = node.right if self._leaves(node.right, tick) else node.left
            samples = self._samples(counted, tick)
            return Measure(divided(above, below), above, below, samples, coverage)
        if isinstance(node, ast.Call) and metric.aggregates[node].function == "mean":
            mean = self.terms.found[node, tick]
            return Measure(mean.value, mean.total, mean.samples, mean.samples, coverage)
        value = self.expression(node, tick)
        if not isinstance(node, ast.Call) and value is not None:
            value = float(value)
        return Measure(value, None, None, self._samples(node, tick), coverage)
