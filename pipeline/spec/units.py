"""Units: what can be added up, and what feeds a metric at all."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pipeline.core.formula import Constant, OfMetric, leaves
from pipeline.core.tree import Role
from pipeline.spec.problem import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.core.tree import Metric
    from pipeline.spec.metrics import WrittenMetric
    from pipeline.spec.names import Names
    from pipeline.spec.written import Written


def check_units(names: Names, written: dict[str, WrittenMetric]) -> None:
    """Refuse sums of metrics with different units."""
    for name, found in written.items():
        for expression in (found.value, found.formula):
            if expression is not None and not names.findings.is_broken(*expression.at):
                with names.findings.catching(expression.at):
                    _check_whole(names, name, expression)


def _check_whole(names: Names, name: str, expression: Written) -> None:
    own = names.definition.metrics[name].unit
    for sum_of in _sums(expression.code.tree):
        _check_sum(names, expression, sum_of)
    parts = _summands(expression.code.tree)
    units = {_unit(names, part) for part in parts}
    if len(parts) == 1 or not own or "" in units or units == {own}:
        return
    unit = units.pop()
    raise Refusal(
        "unit-mismatch",
        f"this adds up {unit}, but `{name}` is in {own}",
        f"Write `unit: {unit}`, or convert: multiply or divide by what leads to {own}.",
    )


def _check_sum(names: Names, expression: Written, parts: list[ast.expr]) -> None:
    so_far = ""
    for part in parts:
        unit = _unit(names, part)
        if so_far and unit and unit != so_far:
            code = expression.code
            raise code.refusal(
                part,
                "unit-mismatch",
                f"`{code.written(part)}` is in {unit}, and {so_far} were added up so far",
                "Add up what is of one unit; convert the other before, or mend its `unit`.",
            )
        so_far = so_far or unit


def _sums(node: ast.expr) -> list[list[ast.expr]]:
    """The summands of every sum within an expression."""
    parts = _summands(node)
    inner = parts if len(parts) > 1 else list(_sides(node))
    below = [found for part in inner for found in _sums(part)]
    return [parts, *below] if len(parts) > 1 else below


def _summands(node: ast.expr) -> list[ast.expr]:
    match node:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            return [*_summands(left), *_summands(right)]
    return [node]


def _sides(node: ast.expr) -> tuple[ast.expr, ...]:
    match node:
        case ast.BinOp(left=left, right=right):
            return left, right
        case ast.UnaryOp(operand=operand):
            return (operand,)
    return ()


def _unit(names: Names, node: ast.expr) -> str:
    """The unit of a summand; empty where nobody says it."""
    if isinstance(node, ast.Name) and node.id in names.definition.metrics:
        return names.definition.metrics[node.id].unit
    return ""


def check_fed(names: Names, metrics: Sequence[Metric]) -> None:
    """Refuse metrics of the tree that are nothing but numbers."""
    fed: list[bool] = []
    for metric in metrics:  # each after those it refers to
        found = list(leaves(metric.value))
        others = [leaf.metric for leaf in found if isinstance(leaf, OfMetric)]
        by_term = any(not isinstance(leaf, OfMetric | Constant) for leaf in found)
        fed.append(by_term or any(other >= len(fed) or fed[other] for other in others))
        if metric.role is not Role.REFERENCE and not fed[-1]:
            _refuse_unfed(names, metric)


def _refuse_unfed(names: Names, metric: Metric) -> None:
    at = ("metrics", metric.name)
    if names.findings.is_broken(*at):
        return
    refusal = Refusal(
        "metric-unfed",
        f"nothing feeds `{metric.name}`: it is made of numbers alone, and never moves",
        "Count something: `count(event)`, `size(set)`. A number to compare with is a "
        "`role: reference`, or a target in `targets`.",
    )
    names.findings.refuse((*at, "value"), refusal)
