"""`index(a=0.4, b=0.6)`: the weighted mean of other metrics, as the whole of a value."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from pipeline.spec.syntax import place_of

if TYPE_CHECKING:
    from pipeline.spec.syntax import Code

FORM: Final = "index(metric=0.4, other=0.6)"


def is_index(node: ast.expr) -> bool:
    """Whether a node is an index, well written or not."""
    return isinstance(node, ast.Call) and place_of(node.func) == ("index",)


def parts_of(node: ast.expr) -> list[ast.Name]:
    """The metrics that an index names, as if they stood there alone."""
    keywords = node.keywords if isinstance(node, ast.Call) else []
    return [_name(keyword) for keyword in keywords if keyword.arg is not None]


def _name(keyword: ast.keyword) -> ast.Name:
    name = ast.Name(keyword.arg or "", ast.Load())
    name.lineno, name.end_lineno = keyword.lineno, keyword.lineno
    name.col_offset = keyword.col_offset
    name.end_col_offset = keyword.col_offset + len((keyword.arg or "").encode())
    return name


def weights_of(code: Code, node: ast.expr) -> list[float]:
    """The weight of each part, in the order of `parts_of`.

    Raises:
        Refusal: where there are no parts, one stands twice, or a weight is no number above 0.
    """
    assert isinstance(node, ast.Call)
    if node.args or not node.keywords:
        place = node.args[0] if node.args else node
        message = "an index needs metrics with their weights"
        raise code.refusal(place, "bad-index", message, f"Write `{FORM}`.")
    weights: list[float] = []
    seen: set[str | None] = {None}
    for keyword in node.keywords:
        if keyword.arg in seen:
            message = f"`{keyword.arg or '**'}` stands here a second time"
            raise code.refusal(keyword, "bad-index", message, "Keep one.")
        seen.add(keyword.arg)
        weights.append(_weight(code, keyword.value))
    return weights


def _weight(code: Code, node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            if number > 0:
                return float(number)
    message = f"`{code.written(node)}` is no weight"
    raise code.refusal(node, "bad-index", message, "Write a number above 0: `0.4`.")
