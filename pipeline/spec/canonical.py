"""The plan's expressions as text: one spelling for each, however it was spaced."""

from __future__ import annotations

import json
from typing import Final

from pipeline.core import expression as tree
from pipeline.spec.paths import path_text

_OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _ATOM = range(7)  # how tightly each binds
_ARITHMETIC: Final = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT}
_WHOLE_MAX: Final = 1e15  # above this a float's repr is the shorter text


def expression_text(expression: tree.Expression) -> str:
    """An expression as a definition would write it, with no parenthesis more than needed.

    >>> seconds = tree.Named("seconds", tree.Kind.NUMBER)
    >>> expression_text(tree.Comparison(">", seconds, tree.Literal(30.0)))
    'seconds > 30'
    """
    return _text(expression, _OR)


def number_text(value: float) -> str:
    """A number without a needless `.0`.

    >>> number_text(30.0), number_text(0.5)
    ('30', '0.5')
    """
    whole = float(value).is_integer() and abs(value) < _WHOLE_MAX
    return str(int(value)) if whole else repr(value)


def literal_text(value: float | str | bool) -> str:  # noqa: FBT001 - it is what is written
    """A literal as a definition would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else number_text(value)


def _text(expression: tree.Expression, around: int) -> str:
    binding, text = _bound(expression)
    return f"({text})" if binding < around else text


def _bound(expression: tree.Expression) -> tuple[int, str]:  # noqa: PLR0911 - one a kind of node
    """How tightly an expression binds, and its text."""
    match expression:
        case tree.At(path=path):
            return _ATOM, path_text(path)
        case tree.Named(name=name):
            return _ATOM, name
        case tree.Literal(value=value):
            return _ATOM, literal_text(value)
        case tree.Arithmetic(operator=operator, left=left, right=right):
            binding = _ARITHMETIC[operator]
            return binding, f"{_text(left, binding)} {operator} {_text(right, binding + 1)}"
        case tree.Comparison(operator=operator, left=left, right=right):
            return _COMPARISON, f"{_text(left, _SUM)} {operator} {_text(right, _SUM)}"
        case tree.OneOf(item=item, options=options):
            listed = ", ".join(literal_text(option) for option in options)
            comma = "," if len(options) == 1 else ""
            return _COMPARISON, f"{_text(item, _SUM)} in ({listed}{comma})"
        case tree.Not(operand=operand):
            return _NOT, f"not {_text(operand, _NOT)}"
        case tree.AllOf(operands=operands):
            return _AND, " and ".join(_text(operand, _NOT) for operand in operands)
    return _OR, " or ".join(_text(operand, _AND) for operand in expression.operands)
