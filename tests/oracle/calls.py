"""Read the calls in an expression: which aggregate of what, with which options."""

import ast
from collections.abc import Iterator
from typing import Any

from tests.oracle.model import Aggregate
from tests.oracle.words import Window, duration_ms, path_of, plain_number, share, window

OF_METRICS = {"index"}
"""Calls that join metrics and are no aggregates of their own."""
OF_SETS = {"size", "cohort", "new", "retained", "resurrected", "churned", "retention"}
HABITS = {"active_units", "streak", "mean_per"}
SECOND = {"quantile": "quantile", "reached": "steps", "retention": "period"} | dict.fromkeys(
    ["new", "retained", "resurrected", "churned"], "period"
)
"""What the second argument is, where there is one."""


def _name(node: ast.expr) -> str:
    assert isinstance(node, ast.Name), ast.dump(node)
    return node.id


def _text(node: ast.expr) -> str:
    return _name(node) if isinstance(node, ast.Name) else str(ast.literal_eval(node))


DEFAULTS: dict[str, dict[str, Any]] = {
    "active_units": {"unit": "day"},
    "streak": {"unit": "day", "grace": 0},
    "mean_per": {"new_members": "zero_fill"},
}
READ = {
    "quantile": plain_number,
    "steps": plain_number,
    "top": lambda node: (
        share(_text(node)) if isinstance(getattr(node, "value", 0), str) else plain_number(node)
    ),
    "of": lambda node: int(plain_number(node)),
    "grace": lambda node: int(plain_number(node)),
    "periods": lambda node: int(plain_number(node)),
    "period": lambda node: duration_ms(_text(node)),
    "by": _name,
    "within": _name,
    "unit": _text,
    "new_members": _text,
}


def _options(call: ast.Call, function: str) -> dict[str, Any]:
    given = {k.arg: k.value for k in call.keywords if k.arg in READ}
    for argument in call.args[1:]:
        given[SECOND[function]] = argument
    options = {name: READ[name](node) for name, node in given.items() if name is not None}
    return DEFAULTS.get(function, {}) | options


def _looks(function: str, options: dict[str, Any], threshold: int | None) -> Iterator[Window]:
    """Name the windows of a habit, which decide its coverage."""
    if function == "active_units":
        yield Window("units", unit=options["unit"], units=options["of"])
    if function == "streak":
        assert threshold is not None
        units = threshold * (options["grace"] + 1) + 1
        yield Window("units", unit=options["unit"], units=units)


def _window(
    function: str, options: dict[str, Any], own: ast.expr | None, default: Window | None
) -> Window | None:
    if function in {"active_units", "streak", "rollup"} | OF_SETS:
        return None
    if function == "mean_per":
        return Window("trailing", length_ms=options["period"] * options["periods"])
    return default if own is None else window(ast.literal_eval(own))


def _aggregate(
    call: ast.Call, default: Window | None, sets: set[str], threshold: int | None
) -> Aggregate:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    subject, *field = path_of(call.args[0]) or ()
    function = _name(call.func)
    if function == "count" and subject in sets:
        function = "rollup"
    options = _options(call, function)
    other_than = given.get("other_than")
    return Aggregate(
        function,
        subject,
        "__".join(field) or None,
        given.get("where"),
        None if other_than is None else _name(other_than),
        _window(function, options, given.get("window"), default),
        options,
        tuple(_looks(function, options, threshold)),
    )


def _thresholds(node: ast.expr) -> dict[ast.expr, int]:
    """Give the least whole number that decides each comparison with one."""
    return {
        part.left: int(plain_number(part.comparators[0]))
        + isinstance(part.ops[0], ast.Gt | ast.LtE)
        for part in ast.walk(node)
        if isinstance(part, ast.Compare) and isinstance(part.left, ast.Call)
    }


def aggregates_of(
    node: ast.expr, default: Window | None, sets: set[str]
) -> dict[ast.Call, Aggregate]:
    """Find all aggregates in an expression.

    Args:
        node: the value of a metric or the condition of a set.
        default: the window of those that have none of their own.
        sets: the names of all sets.
    """
    thresholds = _thresholds(node)
    return {
        part: _aggregate(part, default, sets, thresholds.get(part))
        for part in ast.walk(node)
        if isinstance(part, ast.Call) and _name(part.func) not in OF_METRICS
    }
