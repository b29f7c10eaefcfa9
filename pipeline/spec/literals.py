"""Durations and percentages within expressions: `retention(active, 7d)`, `top=1%`.

Python's parser knows neither. So each is masked by a name of the same width before parsing, and
every place in the tree stays true to the text; afterwards a constant takes the name's place.
"""

from __future__ import annotations

import ast
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.core.windows import SECOND_MS
from pipeline.spec import spans
from pipeline.spec.problem import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.spec.syntax import Code

QUOTED: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")

# What is no option's name, and no remainder: `5 % 3` and `5% of` are left to the parser.
_LITERAL: Final = re.compile(
    r"(?<![\w.])(?:\d+(?:ms|s|m|h|d|w)(?!\w)|\d+(?:\.\d+)?%(?!\s*[\w(\"'\[.]))(?!\s*=[^=])"
)


@dataclass(frozen=True, slots=True)
class Duration:
    """`7d`, as it was written."""

    text: str


@dataclass(frozen=True, slots=True)
class Share:
    """`1%`, as it was written."""

    text: str


Literal = Duration | Share


def as_number(literal: Literal) -> str:
    """What stands for it where only numbers do: seconds, or a share.

    >>> as_number(Duration("30m")), as_number(Duration("500ms")), as_number(Share("1%"))
    ('1800', '0.5', '0.01')
    """
    if isinstance(literal, Duration):
        return f"{spans.duration_ms(literal.text) / SECOND_MS:.10g}"
    return f"{spans.share_of(literal.text):.10g}"


def masked(text: str) -> tuple[str, dict[int, Literal]]:
    """The text with a name in place of each literal, and what stands where.

    Places are in bytes of UTF-8, as the parser counts.

    >>> masked("retention(active, 7d)")
    ('retention(active, __)', {18: Duration(text='7d')})
    """
    bare = QUOTED.sub(lambda quoted: "_" * len(quoted.group()), text)
    found = {}
    for literal in _LITERAL.finditer(bare):
        at, written = literal.start(), literal.group()
        text = text[:at] + "_" * len(written) + text[literal.end() :]
        place = len(text[:at].encode("utf-8", "replace"))
        found[place] = Share(written) if written.endswith("%") else Duration(written)
    return text, found


def unmasked(tree: ast.expr, literals: dict[int, Literal]) -> ast.expr:
    """The tree with the literals where they belong."""
    return tree if not literals else _Unmasked(literals).visit(tree)


class _Unmasked(ast.NodeTransformer):
    def __init__(self, literals: dict[int, Literal]) -> None:
        self._literals = literals

    def visit_Name(self, node: ast.Name) -> ast.expr:
        literal = self._literals.get(node.col_offset)
        if literal is None:
            return node
        constant = ast.Constant(0)
        constant.value = literal  # type: ignore[assignment]  # no constant of Python's
        return ast.copy_location(constant, node)


def literal_of(node: ast.expr) -> Literal | None:
    """The duration or percentage that a node is."""
    value: object = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, Duration | Share) else None


def duration_ms_of(code: Code, node: ast.expr) -> int:
    """A duration in milliseconds: `7d`, or `"7d"` in quotes.

    Raises:
        Refusal: for anything else.
    """
    with _pointing_at(code, node):
        return spans.duration_ms(_text_of(code, node, Duration))


def share_of(code: Code, node: ast.expr) -> float:
    """A percentage as a share: `1%`, or `"1%"` in quotes.

    Raises:
        Refusal: for anything else.
    """
    with _pointing_at(code, node):
        return spans.share_of(_text_of(code, node, Share))


def _text_of(code: Code, node: ast.expr, wanted: type[Literal]) -> str:
    literal = literal_of(node)
    if isinstance(literal, wanted):
        return literal.text
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return str(node.value) if isinstance(node, ast.Constant) and is_text else code.written(node)


@contextmanager
def _pointing_at(code: Code, node: ast.expr) -> Iterator[None]:
    """Let a refusal point at all of a node."""
    try:
        yield
    except Refusal as refusal:
        refusal.start, refusal.end = code.span(node)
        raise
