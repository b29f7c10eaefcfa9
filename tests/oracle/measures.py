"""Metrics at a tick: the arithmetic that joins their terms."""

import ast
from collections.abc import Callable
from dataclasses import dataclass

from tests.oracle.model import Definition, Metric
from tests.oracle.surveys import Interval
from tests.oracle.terms import Number, Term
from tests.oracle.words import plain_number

RATIOS = {"mean", "csat", "top_share", "retention"}
"""Terms that keep both sides where they stand alone."""
Leaf = Callable[[ast.expr], "Term | Measure"]


@dataclass(frozen=True)
class Measure:
    """A metric at a tick, before anything is said about it."""

    value: Number
    numerator: Number
    denominator: Number
    samples: int
    coverage: float
    interval: Interval | None = None
    missing: tuple[str, ...] = ()
    """The parts of an index that had no value and were left out."""


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


def _is_index(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "index"
    )


class Measures:
    """Every metric at every tick, each worked out once."""

    def __init__(
        self, definition: Definition, found: dict[str, dict[tuple[ast.Call, int], Term]]
    ) -> None:
        self.definition = definition
        self.found = found
        self.known: dict[tuple[str, int], Measure] = {}

    def of(self, name: str, tick: int) -> Measure:
        """Give a metric at a tick."""
        key = (name, tick)
        if key not in self.known:
            metric = self.definition.metrics[name]
            self.known[key] = self.work_out(metric, tick, self.found[name])
        return self.known[key]

    def expression(self, node: ast.expr, tick: int) -> Number:
        """Work out any arithmetic over metrics and numbers."""
        return arithmetic(node, lambda leaf: self._leaf(leaf, tick, {}).value)

    def work_out(
        self, metric: Metric, tick: int, terms: dict[tuple[ast.Call, int], Term]
    ) -> Measure:
        """Give what a metric comes to with these terms, which may be those of a segment."""
        node = metric.value
        if _is_index(node):
            return self._index(metric, tick)

        def leaf(node: ast.expr) -> Term | Measure:
            return self._leaf(node, tick, terms)

        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return _ratio(node, leaf)
        coverage = min((part.coverage for part in leaves(node, leaf)), default=1.0)
        if isinstance(node, ast.Call):
            term = terms[node, tick]
            sides = (None, None)
            if metric.aggregates[node].function in RATIOS:
                sides = (term.numerator, term.denominator)
            return Measure(term.value, *sides, term.samples, coverage, term.interval)
        value = arithmetic(node, lambda part: leaf(part).value)
        return Measure(
            None if value is None else float(value), None, None, _samples(node, leaf), coverage
        )

    def _leaf(
        self, node: ast.expr, tick: int, terms: dict[tuple[ast.Call, int], Term]
    ) -> Term | Measure:
        if isinstance(node, ast.Call):
            return terms[node, tick]
        assert isinstance(node, ast.Name), ast.dump(node)
        return self.of(node.id, tick)

    def _index(self, metric: Metric, tick: int) -> Measure:
        """Weigh other metrics' values, all of them or those there are."""
        call = metric.value
        assert isinstance(call, ast.Call)
        weights = {str(k.arg): float(plain_number(k.value)) for k in call.keywords}
        parts = {name: self.of(name, tick) for name in weights}
        missing = tuple(name for name, part in parts.items() if part.value is None)
        known = {name: part for name, part in parts.items() if part.value is not None}
        used = parts if metric.missing == "refuse" else known
        value = None
        if known and not (missing and metric.missing == "refuse"):
            total = sum(weights[name] * float(part.value or 0) for name, part in known.items())
            value = total / sum(weights[name] for name in known)
        return Measure(
            value,
            None,
            None,
            min((part.samples for part in used.values()), default=0),
            min(part.coverage for part in parts.values()),
            missing=missing,
        )


def leaves(node: ast.expr, leaf: Leaf) -> list[Term | Measure]:
    """Give all terms and metrics of an expression."""
    if isinstance(node, ast.Call | ast.Name):
        return [leaf(node)]
    return [
        found
        for part in ast.iter_child_nodes(node)
        if isinstance(part, ast.expr)
        for found in leaves(part, leaf)
    ]


def _samples(node: ast.expr, leaf: Leaf) -> int:
    return min((found.samples for found in leaves(node, leaf)), default=0)


def _ratio(node: ast.BinOp, leaf: Leaf) -> Measure:
    def side(part: ast.expr) -> Number:
        return arithmetic(part, lambda found: leaf(found).value)

    above, below = side(node.left), side(node.right)
    counted = node.right if leaves(node.right, leaf) else node.left
    coverage = min((part.coverage for part in leaves(node, leaf)), default=1.0)
    return Measure(divided(above, below), above, below, _samples(counted, leaf), coverage)
