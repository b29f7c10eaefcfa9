"""Conditions and arithmetic over one event: kinds from uses, then the plan's typed trees.

Two passes over the same syntax tree: `infer` notes what each place is used as, for the whole
definition, before `emit` builds the tree with the kinds that came out.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Protocol

from pipeline.core import expression as tree
from pipeline.core.expression import Kind
from pipeline.spec.kinds import Place, Use, called
from pipeline.spec.literals import as_number, literal_of
from pipeline.spec.problem import Refusal
from pipeline.spec.syntax import operator, place_of

if TYPE_CHECKING:
    from pipeline.spec.syntax import Code


class KindsOfPlaces(Protocol):
    """What is known of the kinds of places; see `Kinds`."""

    def ask(self, place: Place, use: Use) -> None:
        """Note a use."""

    def unite(self, one: Place, other: Place) -> None:
        """Note that two places are of one kind."""

    def kind(self, place: Place) -> Kind | None:
        """The kind that the uses have agreed on."""


class Scope(Protocol):
    """What the names of an expression stand for."""

    @property
    def kinds(self) -> KindsOfPlaces:
        """The kinds of the event that the expression is about."""

    @property
    def line(self) -> int:
        """Where the expression stands in the file, for the other side of a conflict."""

    def place(self, code: Code, node: ast.expr) -> Place:
        """The place that a name stands for. Raises Refusal for a name that is unknown."""


def infer(code: Code, node: ast.expr, scope: Scope, wanted: Kind | None) -> Kind | None:
    """Note what the places of an expression are used as.

    Args:
        code: the expression that the node is part of.
        node: where to start.
        scope: what names stand for.
        wanted: the kind that is asked for here; None where any will do.

    Returns:
        The kind of the whole; None for a place of which nothing was asked.

    Raises:
        Refusal: where a part is of another kind than its use asks for.
    """
    if place_of(node) is not None:
        scope.place(code, node)
        if wanted is not None:
            _ask(code, node, scope, wanted)
        return wanted
    kind = _kind_of(code, node)
    if wanted not in (None, kind):
        raise _wrong(code, node, kind, wanted)
    for child in _operands(node):
        infer(code, child, scope, kind)
    if isinstance(node, ast.Compare):
        _infer_comparison(code, node, scope)
    return kind


def place_alone(code: Code, scope: Scope) -> Place | None:
    """The place that a whole expression is, None where it is more than that."""
    return None if place_of(code.tree) is None else scope.place(code, code.tree)


def emit(  # noqa: PLR0911 - one for each kind of node
    code: Code, node: ast.expr, scope: Scope
) -> tree.Expression:
    """The plan's tree of an expression that `infer` has seen.

    Raises:
        Refusal: for places that are compared only with each other, whose kind nothing tells.
    """
    match node:
        case ast.Constant(value=bool() | str() as value):
            return tree.Literal(value)
        case ast.Constant(value=int() | float() as number):
            return tree.Literal(float(number))
        case ast.BinOp(left=left, op=op, right=right):
            return tree.Arithmetic(operator(op), emit(code, left, scope), emit(code, right, scope))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return tree.Not(emit(code, operand, scope))
        case ast.UnaryOp(operand=operand):
            return _negated(emit(code, operand, scope))
        case ast.BoolOp(op=op, values=values):
            operands = tuple(emit(code, value, scope) for value in values)
            return tree.AllOf(operands) if isinstance(op, ast.And) else tree.AnyOf(operands)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _emit_comparison(code, left, op, right, scope)
    return _emit_place(code, node, scope)


def _ask(code: Code, node: ast.expr, scope: Scope, kind: Kind) -> None:
    with code.pointing_at(node):
        scope.kinds.ask(scope.place(code, node), Use(kind, scope.line))


def _kind_of(code: Code, node: ast.expr) -> Kind:
    """The kind of anything but a place."""
    literal = literal_of(node)
    if literal is not None:
        raise code.refusal(
            node,
            "kind-conflict",
            f"`{code.written(node)}` is no value of an event",
            "Times are numbers of seconds and shares are numbers here: "
            f"write `{as_number(literal)}`.",
        )
    match node:
        case ast.Constant(value=bool()) | ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
            return Kind.TRUTH
        case ast.Constant(value=str()):
            return Kind.TEXT
        case ast.Constant() | ast.BinOp() | ast.UnaryOp():
            return Kind.NUMBER
        case ast.Call():
            raise code.refusal(
                node,
                "expression-forbidden",
                "there are no functions in an expression over one event",
                "Functions such as `count(…)` stand in sets and metrics.",
            )
    raise code.refusal(
        node,
        "expression-forbidden",
        "a list of options stands after `in` only",
        'Write `plan in ("pro", "team")`, or two comparisons joined with `and`.',
    )


def _operands(node: ast.expr) -> list[ast.expr]:
    match node:
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.UnaryOp(operand=operand):
            return [operand]
        case ast.BoolOp(values=values):
            return values
    return []


def _infer_comparison(code: Code, node: ast.Compare, scope: Scope) -> None:
    left, right = node.left, node.comparators[0]
    if isinstance(node.ops[0], ast.In | ast.NotIn):
        infer(code, left, scope, _options_kind(code, right))
        return
    for side in (left, right):
        _refuse_nested(code, side)
    known = [_kind_of(code, side) for side in (left, right) if place_of(side) is None]
    if not isinstance(node.ops[0], ast.Eq | ast.NotEq):
        if any(kind is not Kind.NUMBER for kind in known):
            raise _no_order(code, node)
        known = [Kind.NUMBER]
    for side in (left, right):
        infer(code, side, scope, known[0] if known else None)
    if not known:
        with code.pointing_at(node):
            scope.kinds.unite(scope.place(code, left), scope.place(code, right))


def _options_kind(code: Code, node: ast.expr) -> Kind:
    """The kind of the options after `in`."""
    options = node.elts if isinstance(node, ast.Tuple) else []
    values = [_constant(option) for option in options]
    kinds = {Kind.TEXT if isinstance(value, str) else Kind.NUMBER for value in values}
    if len(kinds) != 1 or None in values:
        raise code.refusal(
            node,
            "expression-options",
            "`in` takes a list of texts, or of numbers, in parentheses",
            'Write `plan in ("pro", "team")`; for a single one `plan == "pro"`.',
        )
    return kinds.pop()


def _constant(node: ast.expr) -> float | str | None:
    """A text or a number, with or without a minus before it; None for anything else."""
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return 0.0 - number
    return None


def _refuse_nested(code: Code, side: ast.expr) -> None:
    if isinstance(side, ast.Compare | ast.BoolOp) or (
        isinstance(side, ast.UnaryOp) and isinstance(side.op, ast.Not)
    ):
        raise code.refusal(
            side,
            "expression-forbidden",
            "a condition cannot be compared",
            "Join conditions with `and`, `or` and `not`.",
        )


def _no_order(code: Code, node: ast.Compare) -> Refusal:
    return code.refusal(
        node,
        "kind-conflict",
        f"`{operator(node.ops[0])}` compares numbers only",
        "Text knows `==`, `!=`, `in` and `not in`; true and false know `==` and `!=`.",
    )


def _wrong(code: Code, node: ast.expr, kind: Kind, wanted: Kind) -> Refusal:
    advice = {
        Kind.TRUTH: "A condition needs a comparison: `seconds > 30`.",
        Kind.NUMBER: "Write a number, without quotes.",
        Kind.TEXT: "Write a text, in quotes.",
    }
    message = f"`{code.written(node)}` is {called(kind)}, but {called(wanted)} is needed here"
    return code.refusal(node, "kind-conflict", message, advice[wanted])


def _negated(operand: tree.Expression) -> tree.Expression:
    if isinstance(operand, tree.Literal) and isinstance(operand.value, float):
        return tree.Literal(0.0 - operand.value)
    return tree.Arithmetic("-", tree.Literal(0.0), operand)


def _emit_comparison(
    code: Code, left: ast.expr, op: ast.cmpop, right: ast.expr, scope: Scope
) -> tree.Expression:
    if not isinstance(op, ast.In | ast.NotIn):
        _refuse_bare_text(code, left, right, scope)
        sides = emit(code, left, scope), emit(code, right, scope)
        return tree.Comparison(operator(op), *sides)
    assert isinstance(right, ast.Tuple)
    options = (_constant(option) for option in right.elts)
    known = tree.OneOf(emit(code, left, scope), tuple(o for o in options if o is not None))
    return tree.Not(known) if isinstance(op, ast.NotIn) else known


def _refuse_bare_text(code: Code, left: ast.expr, right: ast.expr, scope: Scope) -> None:
    """`status == ok` compares two places, of which nobody can tell the kind."""
    if place_of(left) is None or not isinstance(right, ast.Name):
        return
    if scope.kinds.kind(scope.place(code, left)) is not None:
        return
    one, other = code.written(left), right.id
    raise code.refusal(
        right,
        "kind-unknown",
        f"`{other}` without quotes is a place, as `{one}` is, and not a text",
        f'For the text, put it in quotes: `{one} == "{other}"`. If both are meant to be places, '
        f'say what they are: `{one} == {other} and {one} != ""` for texts.',
    )


def _emit_place(code: Code, node: ast.expr, scope: Scope) -> tree.Expression:
    place = scope.place(code, node)
    kind = scope.kinds.kind(place)
    if kind is None:
        raise code.refusal(
            node,
            "kind-unknown",
            f"nothing tells whether `{code.written(node)}` is a number or text",
            "Compare one of the two with a number or a text as well, such as "
            f'`{code.written(node)} != ""`.',
        )
    return tree.Named(".".join(place.path), kind) if place.is_value else tree.At(place.path, kind)
