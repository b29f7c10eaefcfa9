"""Turn the language's expressions into SQL text, and say of which type each place is.

A place is a path in the record (in an event's `values` and `where`) or an event's value (in
`where=`): both are columns by the time SQL sees them.
"""

import ast
from collections.abc import Callable, Iterator

from tests.oracle.words import Path, path_of

NUMBER, TEXT, TRUTH = "DOUBLE", "VARCHAR", "BOOLEAN"

ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
COMPARISON = {
    ast.Eq: "=",
    ast.NotEq: "<>",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "IN",
    ast.NotIn: "NOT IN",
}
Column = Callable[[Path], str]


def is_condition(node: ast.expr) -> bool:
    """Tell a condition from a number or a bare place."""
    return isinstance(node, (ast.BoolOp, ast.Compare)) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    )


def _truth_literal(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name) and node.id in {"true", "false"}:
        return node.id.upper()
    return None


def _literals(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _is_text(node: ast.expr) -> bool:
    return all(isinstance(n, ast.Constant) and isinstance(n.value, str) for n in _literals(node))


def _compared_as(compare: ast.Compare) -> str:
    sides = (compare.left, *compare.comparators)
    if any(_is_text(side) for side in sides):
        return TEXT
    if any(_truth_literal(side) for side in sides):
        return TRUTH
    return NUMBER


def places(node: ast.expr, wanted: str) -> Iterator[tuple[Path, str]]:
    """Name every place of an expression, outside of calls, with the type its use asks for."""
    if isinstance(node, ast.Call):
        return
    found = path_of(node)
    if found is not None:
        if _truth_literal(node) is None:
            yield found, wanted
        return
    if isinstance(node, ast.Compare):
        wanted = _compared_as(node)
    elif isinstance(node, ast.BinOp) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    ):
        wanted = NUMBER
    elif isinstance(node, ast.BoolOp | ast.UnaryOp):
        wanted = TRUTH
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.expr):
            yield from places(part, wanted)


def _literal(node: ast.expr) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return "'" + text.replace("'", "''") + "'"
        case ast.Constant(value=number):
            return f"CAST('{float(number)!r}' AS DOUBLE)"
    return _truth_literal(node)


def _operation(node: ast.expr, column: Column) -> str:
    match node:
        case ast.UnaryOp(op=op, operand=operand):
            return f"{'NOT' if isinstance(op, ast.Not) else '-'} {sql(operand, column)}"
        case ast.BoolOp(op=op, values=values):
            joint = " AND " if isinstance(op, ast.And) else " OR "
            return joint.join(sql(value, column) for value in values)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return f"{sql(left, column)} / nullif({sql(right, column)}, 0)"
        case ast.BinOp(left=left, op=op, right=right):
            return f"{sql(left, column)} {ARITHMETIC[type(op)]} {sql(right, column)}"
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            one_or_more = ", ".join(sql(element, column) for element in _literals(right))
            return f"{sql(left, column)} {COMPARISON[type(op)]} ({one_or_more})"
    raise AssertionError(ast.dump(node))


def sql(node: ast.expr, column: Column) -> str:
    """Write an expression as SQL, whose three-valued logic is the language's own."""
    literal = _literal(node)
    if literal is not None:
        return literal
    place = path_of(node)
    return column(place) if place is not None else f"({_operation(node, column)})"
