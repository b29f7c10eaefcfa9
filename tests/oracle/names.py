"""Names that stand for something else: parameters for numbers, a variant's sets for sets."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.oracle.words import expression


class _Replaced(ast.NodeTransformer):
    """Puts other names and numbers where names stand."""

    def __init__(self, numbers: Mapping[str, Any], names: Mapping[str, str]) -> None:
        self.numbers = numbers
        self.names = names
        self.is_within = False

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Within the parentheses of a function a name may be a set's, elsewhere it is no set's."""
        before, self.is_within = self.is_within, True
        args = [self.visit(part) for part in node.args]
        options = [ast.keyword(part.arg, self.visit(part.value)) for part in node.keywords]
        self.is_within = before
        return ast.Call(node.func, args, options)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace a name that stands for a number, or for another name."""
        if node.id in self.numbers:
            return expression(Decimal(str(self.numbers[node.id])))
        name = self.names.get(node.id, node.id) if self.is_within else node.id
        return ast.Name(name, node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Keep `viewed.hours` from being taken for the parameter `viewed`."""
        if isinstance(node.value, ast.Name):
            name = node.value.id
            if self.is_within:
                name = self.names.get(name, name)
            return ast.Attribute(ast.Name(name, ast.Load()), node.attr, node.ctx)
        return node


@dataclass(frozen=True)
class Names:
    """What names mean in one place of a definition.

    The nearest parameter of a name counts: that of a metric or set before that of the file,
    and that of a variant before both, in the metric and in every set it uses.
    """

    sets: set[str]
    params: Mapping[str, Any]
    varied: Mapping[str, Any] = field(default_factory=dict)
    suffix: str = ""
    """What the names of a variant's own sets end in."""

    def within(self, raw: Mapping[str, Any]) -> "Names":
        """Give the names within a metric or set, which may have parameters of its own."""
        own = {**self.params, **raw.get("params", {})}
        return Names(self.sets, own, self.varied, self.suffix)

    def settled(self, text: object) -> ast.expr:
        """Parse an expression, with each name replaced by what it stands for."""
        renamed = {n: n + self.suffix for n in self.sets if n + self.suffix in self.sets}
        replaced = _Replaced({**self.params, **self.varied}, renamed if self.suffix else {})
        found = replaced.visit(expression(text))
        assert isinstance(found, ast.expr)
        return found
