"""Expression text -> a checked syntax tree of Python's `ast`. Python never evaluates it.

Everything that is not on the white list is refused here, so that the readers of the tree (see
`expression.py`, `aggregate.py`, `formula.py`) meet only what the language has. Which part of the
language may stand where is theirs to say.
"""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pipeline.spec.literals import literal_of, masked, unmasked
from pipeline.spec.paths import UNREADABLE, UNREADABLE_KEY
from pipeline.spec.problem import Refusal
from pipeline.spec.syntax_errors import explained

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.core.expression import Path

LENGTH_MAX: Final = 1000  # characters; what is longer is better named and built upon
DEPTH_MAX: Final = 20

_ALLOWED: Final = (
    ast.BoolOp | ast.UnaryOp | ast.BinOp | ast.Compare | ast.Call | ast.Constant
    | ast.Name | ast.Attribute | ast.Subscript | ast.Tuple | ast.List
)  # fmt: skip
_OPERATORS: Final = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.USub: "-",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.In: "in", ast.NotIn: "not in", ast.And: "and", ast.Or: "or", ast.Not: "not",
}  # fmt: skip
_INSTEAD: Final = {
    ast.Pow: ("`**`", "Multiply: `a * a`."),
    ast.FloorDiv: ("`//`", "Divide with `/`."),
    ast.Mod: ("`%` between two", "There is no remainder; a percentage is written `1%`."),
    ast.BitAnd: ("`&`", "Write `and`."),
    ast.BitOr: ("`|`", "Write `or`."),
    ast.BitXor: ("`^`", "Multiply: `a * a`."),
    ast.Invert: ("`~`", "Write `not`."),
    ast.UAdd: ("`+` as a sign", "Leave it out."),
    ast.Is: ("`is`", "Write `==`."),
    ast.IsNot: ("`is not`", "Write `!=`."),
    ast.Lambda: ("`lambda`", "Use the listed functions only."),
    ast.IfExp: ("`if … else …`", "Give each case a value or a metric of its own."),
    ast.JoinedStr: ("text with `f` before it", "Write the text as it is, in plain quotes."),
    ast.NamedExpr: ("`:=`", "Write `==` to compare."),
    ast.Set: ("`{…}`", 'Write a list of options in parentheses: `in ("a", "b")`.'),
    ast.Dict: ("`{…}`", 'Write a list of options in parentheses: `in ("a", "b")`.'),
}
_NUMBER: Final = re.compile(r"(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?")


@dataclass(frozen=True, slots=True)
class Code:
    """An expression's text as written, and its tree."""

    text: str
    tree: ast.expr
    lead: int  # white space before it, which the tree knows nothing of
    numbers: Mapping[str, str] = field(default_factory=dict)  # what names in it stand for

    def span(self, node: ast.expr | ast.keyword) -> tuple[int, int]:
        """The offsets `[start, end)` of a node within the text."""
        line = self.text[self.lead :].encode("utf-8", "replace")
        start = len(line[: node.col_offset].decode("utf-8", "ignore"))
        end = len(line[: node.end_col_offset].decode("utf-8", "ignore"))
        return self.lead + start, self.lead + end

    def written(self, node: ast.expr) -> str:
        """A node's own text."""
        start, end = self.span(node)
        return self.text[start:end]

    def number(self, node: ast.expr) -> str:
        """The text of a number, which may stand elsewhere under a name."""
        written = self.written(node)
        return self.numbers.get(written, written)

    def refusal(
        self, node: ast.expr | ast.keyword, name: str, message: str, advice: str = ""
    ) -> Refusal:
        """A refusal that points at a node."""
        start, end = self.span(node)
        return Refusal(name, message, advice, start=start, end=end)

    @contextmanager
    def pointing_at(self, node: ast.expr, *, last: bool = False) -> Iterator[None]:
        """Let a refusal that knows no place in the text point at a node, or its last name."""
        try:
            yield
        except Refusal as refusal:
            if refusal.end is None:
                refusal.start, refusal.end = self.span(node)
                if last and isinstance(node, ast.Attribute):
                    refusal.start = refusal.end - len(node.attr)
            raise

    @contextmanager
    def within_quotes(self, node: ast.expr) -> Iterator[None]:
        """Let a refusal of what stands between a node's quotes point there."""
        try:
            yield
        except Refusal as refusal:
            if refusal.end is not None:
                start = self.span(node)[0] + 1
                refusal.start, refusal.end = refusal.start + start, refusal.end + start
            raise


def parse(text: str) -> Code:
    """Parse an expression and hold it against the white list.

    Raises:
        Refusal: at the first thing that is not in the language.
    """
    if len(text) > LENGTH_MAX:
        raise Refusal(
            "expression-too-long",
            f"the expression has {len(text)} characters; {LENGTH_MAX} are the most",
            "Give a part of it a name: a value of the event, a set or a metric.",
            start=LENGTH_MAX,
        )
    line = re.sub(r"[\s\x00]", " ", text)  # folded or literal text is one line to us
    stripped = line.lstrip(" ")
    lead = len(line) - len(stripped)
    if not stripped:
        raise Refusal("expression-syntax", "the expression is empty", "Write one, or remove it.")
    readable, literals = masked(stripped)
    tree = unmasked(_tree(line, readable, lead), literals)
    code = Code(line, tree, lead)
    _refuse_comment(readable, lead)
    _check(code, code.tree, 1)
    return replace(code, tree=_Truths().visit(code.tree))


class _Truths(ast.NodeTransformer):
    """`true` and `false` beside Python's own spelling."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in ("true", "false"):
            return node
        return ast.copy_location(ast.Constant(node.id == "true"), node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return node  # a path such as `flags.true` keeps its names


def operator(node: ast.operator | ast.unaryop | ast.cmpop | ast.boolop) -> str:
    """How the language writes an operator."""
    return _OPERATORS[type(node)]


def place_of(node: ast.expr) -> Path | None:
    """The path that names, dots and quoted keys spell, None for anything else.

    >>> place_of(parse('properties["Chart ID"].x').tree)
    ('properties', 'Chart ID', 'x')
    """
    match node:
        case ast.Name(id=name):
            return (name,)
        case ast.Attribute(value=inner, attr=name):
            before = place_of(inner)
            return None if before is None else (*before, name)
        case ast.Subscript(value=inner, slice=ast.Constant(value=str(key))):
            before = place_of(inner)
            return None if before is None else (*before, key)
        case ast.List(elts=[ast.Constant(value=str(key))]):
            return (key,)
    return None


def _tree(text: str, stripped: str, lead: int) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # `"\d"` and `1or 2` are warnings to Python only
            return ast.parse(stripped, mode="eval").body
    except SyntaxError as error:
        raise explained(error, text, lead) from None
    except (RecursionError, MemoryError):
        raise _too_deep() from None


def _refuse_comment(stripped: str, lead: int) -> None:
    for token in tokenize.generate_tokens(io.StringIO(stripped).readline):
        if token.type == tokenize.COMMENT:
            raise Refusal(
                "expression-syntax",
                "a comment within an expression",
                "Put the comment on a line of its own, outside of the quotes.",
                start=lead + token.start[1],
            )


def _too_deep() -> Refusal:
    return Refusal(
        "expression-too-deep",
        f"the expression is nested deeper than {DEPTH_MAX} levels",
        "Give a part of it a name: a value of the event, a set or a metric. "
        "A long sum nests one level with each term.",
    )


def _check(code: Code, node: ast.expr, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise _too_deep()
    if not isinstance(node, _ALLOWED):
        what, advice = _INSTEAD.get(type(node), ("this", "See the expressions in the reference."))
        raise code.refusal(node, "expression-forbidden", f"{what} is not in the language", advice)
    if isinstance(node, ast.Constant):
        _check_constant(code, node)
    elif place_of(node) is not None:
        _check_place(code, node)
    else:
        _check_operators(code, node)
        for child in _children(node):
            _check(code, child, depth + 1)


def _children(node: ast.expr) -> list[ast.expr]:
    keywords = node.keywords if isinstance(node, ast.Call) else []
    inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    return [*inner, *(keyword.value for keyword in keywords)]


def _check_operators(code: Code, node: ast.expr) -> None:
    if isinstance(node, ast.Subscript | ast.Attribute):
        raise code.refusal(
            node,
            "expression-forbidden",
            "`[…]` takes a key in quotes, and a dot follows a name",
            'Write `properties["Chart ID"]`; items of a list cannot be reached.',
        )
    if isinstance(node, ast.List):
        raise code.refusal(
            node,
            "expression-forbidden",
            "a list in square brackets is not in the language",
            'Write options in parentheses: `in ("a", "b")`.',
        )
    if isinstance(node, ast.Compare) and len(node.ops) > 1:
        raise code.refusal(
            node,
            "expression-forbidden",
            "a chain of comparisons is not in the language",
            "Write two, joined with `and`: `0 < x and x < 5`.",
        )
    if isinstance(node, ast.Compare) and code.written(node.comparators[0]) in WORDS_FOR_NOTHING:
        raise no_nothing(code, node.comparators[0])
    used = node.ops[0] if isinstance(node, ast.Compare) else getattr(node, "op", None)
    if used is not None and type(used) not in _OPERATORS:
        what, advice = _INSTEAD.get(type(used), ("this operator", "Use `+ - * /`."))
        raise code.refusal(node, "expression-forbidden", f"{what} is not in the language", advice)


def _check_place(code: Code, node: ast.expr) -> None:
    if any(map(UNREADABLE.search, place_of(node) or ())):
        raise code.refusal(node, "bad-path", *UNREADABLE_KEY)
    if not code.written(node).isascii() and not re.search("[\"']", code.written(node)):
        raise code.refusal(
            node,
            "expression-forbidden",
            "plain names have ASCII letters, digits and `_` only",
            'Put any other key into quotes: `properties["größe"]`, `["größe"]`.',
        )


WORDS_FOR_NOTHING: Final = ("None", "null", "NULL", "nil", "none")


def no_nothing(code: Code, node: ast.expr) -> Refusal:
    """A refusal of a word for what is absent."""
    return code.refusal(
        node,
        "expression-forbidden",
        f"`{code.written(node)}` is not in the language",
        "What is absent meets no condition. To ask whether something is there, write what holds "
        'for all that is: `city != ""` of texts, `seconds >= 0` of numbers.',
    )


def _check_constant(code: Code, node: ast.Constant) -> None:
    value = node.value
    if isinstance(value, bool) or literal_of(node) is not None:
        return
    if isinstance(value, str):
        _check_text(code, node, value)
    elif value is None:
        raise no_nothing(code, node)
    elif not _NUMBER.fullmatch(code.written(node)) or not _is_finite(value):
        raise code.refusal(
            node,
            "expression-forbidden",
            f"`{code.written(node)}` is no number of the language",
            "Write digits and a point: `1000`, `0.5`, `1e6`.",
        )


def _check_text(code: Code, node: ast.Constant, value: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise code.refusal(
            node,
            "expression-forbidden",
            "half of a surrogate pair is no text",
            "Write the character itself.",
        )


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(float(value))
    except OverflowError:
        return False
