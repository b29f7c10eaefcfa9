"""Metrics at a tick: the arithmetic that joins their terms."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.oracle.model import Definition, Metric
from tests.oracle.surveys import Interval
from tests.oracle.terms import Number, Term
from tests.oracle.words import plain_number

RATIOS = {"mean", "csat", "top_share", "retention"}
"""Terms that keep both sides where they stand alone."""
Found = Mapping[str, Mapping[tuple[ast.Call, int], Term]]
"""Metric → its terms at every tick."""
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


def _name(node: ast.expr) -> str:
    assert isinstance(node, ast.Name), ast.dump(node)
    return node.id


def _is_index(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "index"
    )


class Measures:
    """Every metric at every tick, each worked out once."""

    def __init__(self, definition: Definition, found: Found) -> None:
        self.definition = definition
        self.found = found
        self.known: dict[tuple[str, int], Measure] = {}

    def of(self, name: str, tick: int) -> Measure:
        """Give a metric at a tick."""
        key = (name, tick)
        if key not in self.known:
            metric = self.definition.metrics[name]
            self.known[key] = self.work_out(metric, tick, self.found)
        return self.known[key]

    def expression(self, node: ast.expr, tick: int) -> Number:
        """Work out any arithmetic over metrics and numbers."""
        return arithmetic(node, lambda leaf: self.of(_name(leaf), tick).value)

    def work_out(self, metric: Metric, tick: int, found: Found) -> Measure:
        """Give what a metric comes to with these terms, which may be those of a segment."""
        node, terms = metric.value, found[metric.name]
        if _is_index(node):
            return self._index(metric, tick)

        def leaf(node: ast.expr) -> Term | Measure:
            if isinstance(node, ast.Call):
                return terms[node, tick]
            if found is self.found:
                return self.of(_name(node), tick)
            return self.work_out(self.definition.metrics[_name(node)], tick, found)

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
