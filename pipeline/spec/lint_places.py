"""Warnings about places of a record: what reads as one and is reckoned with, or the reverse.

Both give no value to any record, without an error: a place that is not there is absent.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pipeline.spec.problem import Refusal
from pipeline.spec.syntax import parse, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.spec.findings import Findings
    from pipeline.spec.load import DataPath
    from pipeline.spec.schema import Definition
    from pipeline.spec.syntax import Code

_SIGNS = {ast.Sub: "-", ast.Div: "/"}


def lint_places(definition: Definition, findings: Findings) -> None:
    """Warn of dashes and slashes within a word, and of numbers with a name among places."""
    for at in _expressions(definition, findings):
        code = parse(findings.document.scalar(at))
        for node in ast.walk(code.tree):
            if isinstance(node, ast.BinOp):
                _dashed(code, node, at, findings)
            elif isinstance(node, ast.Name) and node.id in definition.params:
                _named_number(node.id, at, findings)


def _expressions(definition: Definition, findings: Findings) -> Iterator[DataPath]:
    """Where the expressions over places of a record stand."""
    for name, source in definition.events.items():
        for value in source.values:
            at = ("events", name, "values", value)
            yield (*at, "from") if (*at, "from") in findings.document.values else at
        if source.where is not None:
            yield ("events", name, "where")


def _dashed(code: Code, node: ast.BinOp, at: DataPath, findings: Findings) -> None:
    """A difference or quotient of two places that is written as one word."""
    sign, left, right = _SIGNS.get(type(node.op)), place_of(node.left), place_of(node.right)
    written = code.written(node)
    if sign is None or left is None or right is None or " " in written:
        return
    *before, last = left
    key = f"{last}{sign}{right[0]}"
    path = f'{".".join(before)}["{key}"]'
    verb = "subtracts" if sign == "-" else "divides by"
    spaced = f"{code.written(node.left)} {sign} {code.written(node.right)}"
    findings.warn(
        at,
        Refusal(
            "word-of-two-places",
            f"`{written}` {verb} a place `{'.'.join(right)}`, if this is no key of its own",
            f"For the key `{key}` write `{path}`; to reckon with two places put spaces: "
            f"`{spaced}`.",
        ),
    )


def _named_number(name: str, at: DataPath, findings: Findings) -> None:
    message = f"`{name}` is a place of the record here, not the number of that name"
    advice = "Write the number itself. Names of numbers hold in sets and metrics only."
    findings.warn(at, Refusal("number-as-place", message, advice))
