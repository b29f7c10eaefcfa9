"""Numbers with names: what stands for a name of `params` in an expression.

A name is looked for beside the expression first (in the set or metric), then at the top of the
file. It is replaced in the syntax tree, so that whoever reads the tree meets a number, while
messages still quote what the user wrote.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pipeline.spec.problem import Refusal
from pipeline.spec.syntax import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.spec.findings import Findings
    from pipeline.spec.load import DataPath, Document
    from pipeline.spec.schema import Definition
    from pipeline.spec.syntax import Code

# Words that mean something else where a number might stand: columns of streams, and units.
_TAKEN: Final = (
    "length", "count", "is_first", "ended", "matched", "decided", "elapsed", "steps",
    "day", "week", "month", "zero_fill", "since_first",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Given:
    """What names of an expression stand for: numbers as written, and sets under another name."""

    numbers: Mapping[str, str] = field(default_factory=dict)
    sets: Mapping[str, str] = field(default_factory=dict)

    def put_into(self, code: Code) -> Code:
        """The expression with everything that is given in its place."""
        if not (self.numbers or self.sets):
            return code
        return replace(code, tree=_Put(self).visit(code.tree), numbers=self.numbers)


NOTHING: Final = Given()


class _Put(ast.NodeTransformer):
    """Puts numbers anywhere, and sets within calls: beside them a name is a metric's."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._calls = 0

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._given.numbers:
            number = ast.Constant(as_number(self._given.numbers[node.id]))
            return ast.copy_location(number, node)
        return self._named(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """`set.attribute`: the set may be given, and a number has no parts."""
        if isinstance(node.value, ast.Name):
            node.value = self._named(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """A function keeps its name."""
        self._calls += 1
        node.args = [self.visit(one) for one in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
        self._calls -= 1
        return node

    def _named(self, node: ast.Name) -> ast.Name:
        if node.id not in self._given.sets or not self._calls:
            return node
        return ast.copy_location(ast.Name(self._given.sets[node.id]), node)


def as_number(text: str) -> int | float:
    """A number of the file.

    >>> as_number("80"), as_number("0.5")
    (80, 0.5)
    """
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def numbers_at(definition: Definition, findings: Findings, at: DataPath) -> dict[str, str]:
    """The numbers that have names in the expressions of a set or metric, as written."""
    own = at[:2]
    source = definition.sets if own[0] == "sets" else definition.metrics
    beside = source[str(own[1])].params if str(own[1]) in source else {}
    top = {name: _written(findings, ("params", name)) for name in definition.params}
    return top | {name: _written(findings, (*own, "params", name)) for name in beside}


def _written(findings: Findings, at: DataPath) -> str:
    """The number at a data path; one that can stand anywhere in place of what is no number."""
    return "1" if findings.is_broken(*at) else findings.document.scalar(at)


def check_params(definition: Definition, findings: Findings) -> None:
    """Refuse names of numbers that mean something else in an expression already."""
    taken = _meanings(definition)
    for at in params_of(definition):
        name = str(at[-1])
        if name in taken:
            message = f"`{name}` is {taken[name]} already"
            advice = f"Take another name for the number, such as `min_{name}`."
            findings.refuse_key(at, Refusal("name-twice", message, advice))


def params_of(definition: Definition) -> list[DataPath]:
    """Where every number with a name stands."""
    found: list[DataPath] = [("params", name) for name in definition.params]
    for section, sources in (("sets", definition.sets), ("metrics", definition.metrics)):
        found += [
            (section, name, "params", param)
            for name, source in sources.items()
            for param in source.params
        ]
    return found


def _meanings(definition: Definition) -> dict[str, str]:
    """What names mean beside numbers."""
    found = dict.fromkeys(_TAKEN, "a word of the language")
    for entity, attributes in definition.entities.items():
        found |= dict.fromkeys(attributes, f"an attribute of `{entity}`")
    for event, source in definition.events.items():
        found |= dict.fromkeys(source.ids, "an entity")
        found |= dict.fromkeys(source.values, f"a value of `{event}`")
    found |= dict.fromkeys(definition.events, "one of the events")
    found |= dict.fromkeys(definition.sets, "one of the sets")
    return found | dict.fromkeys(definition.metrics, "one of the metrics")


def unused_params(definition: Definition, document: Document) -> list[DataPath]:
    """Where a number has a name that no expression uses."""
    sets = [("sets", name, "when") for name in definition.sets]
    metrics = [
        ("metrics", name, key) for name in definition.metrics for key in ("value", "formula")
    ]
    words = {at: names_in(document, at) for at in [*sets, *metrics]}
    return [
        at
        for at in params_of(definition)
        if not any(
            at[-1] in found
            for place, found in words.items()
            if at[0] == "params" or at[:2] == place[:2]
        )
    ]


def can_be_read(document: Document, at: DataPath) -> bool:
    """Whether there is an expression at a data path, and no slip in how it is written."""
    try:
        parse(document.scalar(at))
    except (KeyError, Refusal):
        return False
    return True


def names_in(document: Document, at: DataPath) -> set[str]:
    """The names that the places of an expression start with; none where it cannot be read."""
    return _names(_tree(document, at))


def names_in_calls(document: Document, at: DataPath) -> set[str]:
    """Those of them that stand within parentheses: events, streams and sets, not metrics."""
    calls = [node for node in _nodes(_tree(document, at)) if isinstance(node, ast.Call)]
    given = [[*call.args, *(keyword.value for keyword in call.keywords)] for call in calls]
    return {name for values in given for value in values for name in _names(value)}


def _tree(document: Document, at: DataPath) -> ast.expr | None:
    try:
        return parse(document.scalar(at)).tree
    except (KeyError, Refusal):
        return None  # reported where the expression itself is read


def _nodes(tree: ast.expr | None) -> Iterator[ast.AST]:
    return iter(()) if tree is None else ast.walk(tree)


def _names(tree: ast.expr | None) -> set[str]:
    return {node.id for node in _nodes(tree) if isinstance(node, ast.Name)}
