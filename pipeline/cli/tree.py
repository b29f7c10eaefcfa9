"""`northstar tree`: the North Star tree, for terminals and for Mermaid."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from pipeline.cli.validate import show, valid_results_at
from pipeline.core.formula import Survey
from pipeline.core.publish import iso
from pipeline.core.tree import EdgeKind, Role
from pipeline.core.windows import maturity
from pipeline.spec.canonical import number_text
from pipeline.spec.trace import trace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.core.plan import Plan
    from pipeline.core.tree import Metric

_BRANCH: Final = {EdgeKind.FORMULA: "──", EdgeKind.HYPOTHESIS: "┄┄", None: "◇─"}
_LINE: Final = {EdgeKind.FORMULA: "---", EdgeKind.HYPOTHESIS: "-.-"}
_LEGEND: Final = "── formula, checked at every tick   ┄┄ hypothesis   ◇─ guardrail"


class TreeFormat(StrEnum):
    """How a tree is drawn."""

    TEXT = "text"
    MERMAID = "mermaid"


def tree(
    definitions: Annotated[
        Path, typer.Argument(help="A definition, or a folder of definitions.")
    ] = Path("definitions"),
    form: Annotated[TreeFormat, typer.Option("--format", help="How the tree is drawn.")] = (
        TreeFormat.TEXT
    ),
) -> None:
    """Draw the North Star tree of each product."""
    draw = as_text if form is TreeFormat.TEXT else as_mermaid
    plans = [result.plan for result in valid_results_at(definitions) if result.plan is not None]
    show(Text("\n\n").join(draw(plan) for plan in plans))


def as_text(plan: Plan) -> Text:
    """The tree as lines of text, the North Star on top."""
    drawing = _Drawing(plan)
    star = next(at for at, one in enumerate(plan.metrics) if one.role is Role.NORTH_STAR)
    drawing.node(star, "", "")
    beside = [at for at in range(len(plan.metrics)) if at not in drawing.drawn]
    text = Text(f"{plan.label}\n", "bold").append_text(Text("\n").join(drawing.lines))
    if beside:
        text.append("\n\nBeside the tree:")
        for at in beside:
            text.append("\n  ").append_text(_named(plan, at))
    return text.append(f"\n\n{_LEGEND}", "dim")


def as_mermaid(plan: Plan) -> Text:
    """The tree as a Mermaid graph: solid for formula, dotted for hypothesis."""
    lines = ["graph TD"]
    for metric in plan.metrics:
        opening, closing = ("[/", "/]") if metric.role is Role.GUARDRAIL else ("[", "]")
        label = metric.label.replace('"', "#quot;")
        lines.append(f'  {metric.name}{opening}"{label}"{closing}:::{metric.role}')
    for metric in plan.metrics:
        lines += [
            f"  {metric.name} {_LINE[edge.kind]} {plan.metrics[edge.metric].name}"
            for edge in metric.inputs
        ]
        if metric.guard is not None:
            protected = plan.metrics[metric.guard.protects].name
            lines.append(f"  {protected} --o {metric.name}")
    lines += [
        "  classDef north_star stroke-width:4px",
        "  classDef guardrail stroke-dasharray:2",
    ]
    return Text("\n".join(lines))


@dataclass(slots=True)
class _Drawing:
    """Lines so far, and the metrics that stand in them."""

    plan: Plan
    lines: list[Text] = field(default_factory=list)
    drawn: set[int] = field(default_factory=set)

    def node(self, at: int, before: str, below: str) -> None:
        """Draw a metric and what hangs below it; one that was drawn before is only named."""
        line = Text(before).append_text(_named(self.plan, at))
        children = self._children(at)
        if at in self.drawn:
            self.lines.append(line.append("  (see above)" if children else "", "dim"))
            return
        self.drawn.add(at)
        self.lines.append(line)
        for number, (child, kind) in enumerate(children, 1):
            is_last = number == len(children)
            corner = "└" if is_last else "├"
            self.node(
                child, f"{below}{corner}{_BRANCH[kind]} ", below + ("    " if is_last else "│   ")
            )

    def _children(self, at: int) -> list[tuple[int, EdgeKind | None]]:
        """Inputs, then the guardrails that protect a metric."""
        edges = [(edge.metric, edge.kind) for edge in self.plan.metrics[at].inputs]
        guards = [
            number
            for number, one in enumerate(self.plan.metrics)
            if one.guard is not None and one.guard.protects == at
        ]
        return [*edges, *((number, None) for number in guards)]


def _named(plan: Plan, at: int) -> Text:
    metric = plan.metrics[at]
    is_final = maturity(
        window for term in trace(plan, at).terms for window in plan.terms[term].windows
    )
    parts = (metric.role, metric.facet, metric.unit, is_final, *_more(metric))
    what = ", ".join(str(part) for part in parts if part)
    text = Text(metric.name, "bold cyan" if metric.role is Role.NORTH_STAR else "cyan")
    return text.append(f"  {metric.label}").append(f"  {what}", "dim")


def _more(metric: Metric) -> Iterator[str]:
    """What else is shown of a metric: segments, an interval, where it is to be."""
    if metric.by:
        yield f"by {' and '.join(cut.name for cut in metric.by)}"
    if isinstance(metric.value, Survey):
        yield "with its interval"
    for target in metric.targets:
        yield f"{number_text(target.value)} by {iso(target.by_ms)[:10]}"
