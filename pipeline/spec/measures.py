"""What the measures of metrics ask for beyond an event: the q of a quantile, `top`, `by`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from pipeline.spec.literals import share_of
from pipeline.spec.problem import Refusal, suggestion

if TYPE_CHECKING:
    from pipeline.spec.parts import Home

FORMS: Final = {
    "min": "min(event.value)",
    "max": "max(event.value)",
    "median": "median(event.value)",
    "quantile": "quantile(event.value, 0.95)",
    "approx_distinct": "approx_distinct(event.entity)",
    "nps": "nps(event.value)",
    "csat": "csat(event.value, top=4)",
    "top_share": "top_share(event, by=entity, top=1%)",
}
OPTIONS: Final = {
    "csat": ("where", "window", "top"),
    "top_share": ("where", "window", "by", "top"),
}
SURVEYS: Final = ("nps", "csat")
OF_IDS: Final = ("distinct", "sum_distinct", "approx_distinct")
OF_PARTS: Final = (
    *("sum", "mean", "distinct", "sum_distinct"),
    *("min", "max", "median", "quantile", "approx_distinct", *SURVEYS),
)

_MEDIAN: Final = 0.5


def asked_share(home: Home, node: ast.Call, function: str) -> float | None:
    """The q of a quantile, the threshold of a csat, or the share of a top share; else None.

    Raises:
        Refusal: where it is left out, or no such number.
    """
    match function:
        case "median":
            return _MEDIAN
        case "quantile":
            return _q(home, node)
        case "csat":
            return _threshold(home, node)
        case "top_share":
            return _top(home, node)
    return None


def asked_by(home: Home, node: ast.Call, function: str, event: str) -> str | None:
    """The entity that a top share is about; else None.

    Raises:
        Refusal: where it is left out, or the event has no such id.
    """
    if function != "top_share":
        return None
    given = _option(home, node, function, "by")
    ids = home.names.event(event).ids
    name = given.id if isinstance(given, ast.Name) else ""
    if name not in ids:
        written = home.code.written(given)
        message = f"the event `{event}` has no id `{written}`"
        advice = suggestion(written, ids, f"ids of `{event}`")
        raise home.code.refusal(given, "unknown-entity", message, advice)
    return name


def _option(home: Home, node: ast.Call, function: str, name: str) -> ast.expr:
    found = next((option.value for option in node.keywords if option.arg == name), None)
    if found is None:
        raise home.code.refusal(
            node, "bad-aggregate", f"`{function}` needs `{name}`", f"Write `{FORMS[function]}`."
        )
    return found


def _q(home: Home, node: ast.Call) -> float:
    given = node.args[1] if len(node.args) > 1 else node
    number = _number(given)
    if number is None or not 0 < number < 1:
        raise home.code.refusal(
            given,
            "bad-aggregate",
            "`quantile` needs a number between 0 and 1 beside the value",
            "Write `quantile(event.value, 0.95)`; for the ends there are `min` and `max`.",
        )
    return number


def _threshold(home: Home, node: ast.Call) -> float:
    given = _option(home, node, "csat", "top")
    number = _number(given)
    if number is None:
        message = "`top` of a `csat` is the lowest score that counts as satisfied"
        advice = "Write a number: `csat(event.value, top=4)`."
        raise home.code.refusal(given, "bad-aggregate", message, advice)
    return number


def _top(home: Home, node: ast.Call) -> float:
    given = _option(home, node, "top_share", "top")
    try:
        share = share_of(home.code, given)
    except Refusal:
        share = 0.0
    if not 0 < share <= 1:
        message = "`top` of a `top_share` is a percentage of the entities"
        advice = "Write `top=1%`, more than 0 and at most 100 percent."
        raise home.code.refusal(given, "bad-percentage", message, advice)
    return share


def _number(node: ast.expr) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
    return None
