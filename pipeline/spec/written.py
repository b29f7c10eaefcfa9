"""Expressions as they were read: where they stand, their code, and the aggregates within."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.spec.aggregate import Aggregate, read_aggregate
from pipeline.spec.anchored import set_window
from pipeline.spec.indices import is_index
from pipeline.spec.params import NOTHING, Given
from pipeline.spec.parts import Home
from pipeline.spec.problem import Refusal
from pipeline.spec.spans import window_of
from pipeline.spec.syntax import Code, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.core.windows import Window
    from pipeline.spec.findings import Findings
    from pipeline.spec.load import DataPath
    from pipeline.spec.names import Names


@dataclass(frozen=True, slots=True)
class Written:
    """One expression of the file. `calls` has only those that could be read."""

    at: DataPath
    line: int
    code: Code
    calls: dict[ast.Call, Aggregate] = field(default_factory=dict)


def read(findings: Findings, at: DataPath, given: Given = NOTHING) -> Written | None:
    """Parse the expression at a data path; None where it has a problem, which is then reported."""
    if findings.is_broken(*at):
        return None
    mark = findings.document.values[at]
    line = findings.document.line(mark.start)
    with findings.catching(at):
        return Written(at, line, given.put_into(parse(findings.document.scalar(at))))
    return None


def read_with_calls(names: Names, at: DataPath, entity: str | None) -> Written | None:
    """Read the condition of a set (of an entity) or the value of a metric, and its aggregates.

    The window is the one beside it. A window that nothing looks at is reported.
    """
    written = read(names.findings, at, names.given(at))
    if written is None:
        return None
    beside = (*at[:-1], "window")
    home = Home(
        at,
        written.code,
        names,
        entity,
        _window(names, beside) if entity is None else set_window(names, str(at[1])),
        is_window_broken=names.findings.is_broken(*beside),
    )
    for node in _calls(written.code.tree):
        if entity is None and is_index(node):
            continue
        with names.findings.catching(at):
            written.calls[node] = read_aggregate(home, node)
    if not _has_other_nouns(home, written.code.tree):
        _check_window_is_used(home, beside)
    return written


def _has_other_nouns(home: Home, node: ast.expr) -> bool:
    """Whether a set names something that it should count, which is reported as such."""
    if home.entity is None or isinstance(node, ast.Call):
        return False
    if isinstance(node, ast.Name):
        return home.names.section_of(node.id) is not None
    children = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    return any(_has_other_nouns(home, child) for child in children)


def _window(names: Names, at: DataPath) -> Window | None:
    if at not in names.findings.document.values or names.findings.is_broken(*at):
        return None
    return window_of(names.findings.document.scalar(at), names.zone)


def _check_window_is_used(home: Home, at: DataPath) -> None:
    findings = home.names.findings
    if home.window is None or home.uses_window or findings.is_broken(*home.at):
        return
    findings.refuse_key(
        at,
        Refusal(
            "window-unused",
            f"nothing in `{home.at[-1]}` looks at this window",
            "Remove it. Sets and metrics that are named there have windows of their own.",
        ),
    )


def _calls(node: ast.expr) -> Iterator[ast.Call]:
    """The calls of an expression, not those within their arguments."""
    if isinstance(node, ast.Call):
        yield node
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            yield from _calls(child)
