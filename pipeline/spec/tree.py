"""The North Star tree: one root, inputs without circles, formulas over their inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.spec.metrics import names_in
from pipeline.spec.order import ordered
from pipeline.spec.problem import Refusal, listed

if TYPE_CHECKING:
    from pipeline.spec.metrics import WrittenMetric
    from pipeline.spec.names import Names
    from pipeline.spec.schema import MetricSource
    from pipeline.spec.written import Written


def check_tree(names: Names, written: dict[str, WrittenMetric]) -> None:
    """Report everything that keeps the metrics from being one tree."""
    _check_north_star(names)
    metrics = names.definition.metrics
    for name, source in metrics.items():
        _check_inputs(names, name, source)
        _check_formula(names, name, source, written[name].formula)
    _, circles = ordered({name: list(source.inputs) for name, source in metrics.items()})
    for circle in circles:
        _refuse_circle(names, circle)


def _check_north_star(names: Names) -> None:
    stars = [name for name, one in names.definition.metrics.items() if one.role == "north_star"]
    if not stars and not names.findings.is_broken("metrics"):
        refusal = Refusal(
            "north-star-missing",
            "no metric has the role `north_star`",
            "Give `role: north_star` to the one number that says whether customers get value.",
        )
        names.findings.refuse_key(("metrics",), refusal)
    for name in stars[1:]:
        refusal = Refusal(
            "north-star-twice",
            f"`{stars[0]}` is the North Star already; a product has one",
            "Take another role for one of them: `input`, `result` or `reference`.",
        )
        names.findings.refuse(("metrics", name, "role"), refusal)


def _check_inputs(names: Names, name: str, source: MetricSource) -> None:
    for other in source.inputs:
        with names.findings.catching(("metrics", name, "inputs", other), key=True):
            names.metric(other)


def _check_formula(names: Names, name: str, source: MetricSource, formula: Written | None) -> None:
    if not source.inputs and names.findings.is_broken("metrics", name, "inputs"):
        return
    parts = [other for other, kind in source.inputs.items() if kind == "formula"]
    at = ("metrics", name, "formula")
    if formula is None:
        if parts and not names.findings.is_broken(*at):
            _refuse_lonely_inputs(names, name, parts)
        return
    used = {node.id: node for node in names_in(formula.code.tree)}
    for other, node in used.items():
        with names.findings.catching(at), formula.code.pointing_at(node):
            _check_part(names, other, source)
    with names.findings.catching(at):
        unused = [part for part in parts if part not in used]
        if unused:
            raise Refusal(
                "formula-mismatch",
                f"{listed(unused)} {'is' if len(unused) == 1 else 'are'} a formula input, "
                "but not in the formula",
                "Use it in the formula, or make it a `hypothesis` in `inputs`.",
            )
        if not used:
            raise Refusal("formula-mismatch", "the formula has no inputs", "Name some in it.")


def _check_part(names: Names, other: str, source: MetricSource) -> None:
    """Refuse what is no formula input."""
    if source.inputs.get(other) == "formula":
        return
    if other in source.inputs:
        raise Refusal(
            "formula-mismatch",
            f"`{other}` is in the formula, but a hypothesis in `inputs`",
            f"Write `{other}: formula` in `inputs`.",
        )
    if not names.is_metric(other):
        return  # reported with the other names of the formula, by `metrics.py`
    raise Refusal(
        "formula-mismatch",
        f"`{other}` is in the formula, but not in `inputs`",
        f"Add `{other}: formula` to `inputs`.",
    )


def _refuse_lonely_inputs(names: Names, name: str, parts: list[str]) -> None:
    refusal = Refusal(
        "formula-mismatch",
        f"`{parts[0]}` is a formula input, but `{name}` has no formula",
        f"Add `formula: {' * '.join(parts)}` or the like, or make it a `hypothesis`.",
    )
    names.findings.refuse_key(("metrics", name, "inputs", parts[0]), refusal)


def _refuse_circle(names: Names, circle: list[str]) -> None:
    chain = ", which has the input ".join(f"`{name}`" for name in [*circle[1:], circle[0]])
    first = circle[1] if len(circle) > 1 else circle[0]
    refusal = Refusal(
        "input-circle",
        f"`{circle[0]}` has the input {chain}: a circle",
        "Inputs point from the North Star downwards; remove one of them.",
    )
    names.findings.refuse_key(("metrics", circle[0], "inputs", first), refusal)
