"""Is it a tree that people can work with? Inputs, owners, guardrails, and the checklist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipeline.spec.problem import Refusal, listed

if TYPE_CHECKING:
    from pipeline.spec.findings import Findings
    from pipeline.spec.schema import Definition, MetricSource

INPUTS_MIN: Final = 3  # the North Star Playbook: three to five inputs
INPUTS_MAX: Final = 5
POINTS: Final = {  # the framework's seven, and what to ask oneself
    "expresses_value": "what do customers get out of it?",
    "represents_strategy": "which part of the strategy does it stand for?",
    "leading": "which later result does it foretell?",
    "actionable": "what can teams do about it? Inputs with owners say it too.",
    "understandable": "how do people say it? `definition` and `unit` say it too.",
    "measurable": "how is it measured?",
    "not_vanity": "why can it not rise without anybody being better off?",
}


def north_star_of(definition: Definition) -> tuple[str, MetricSource]:
    """The one North Star of a definition without errors."""
    return next((name, one) for name, one in definition.metrics.items() if one.role == "north_star")


def lint_tree(definition: Definition, findings: Findings) -> None:
    """Report what the tree lacks."""
    name, star = north_star_of(definition)
    _number_of_inputs(name, star, findings)
    _guardrail(name, definition, findings)
    _checklist(name, definition, findings)
    _owners(definition, findings)
    _inputs_adrift(definition, findings)


def _number_of_inputs(name: str, star: MetricSource, findings: Findings) -> None:
    number = len(star.inputs)
    at = ("metrics", name, "inputs") if star.inputs else ("metrics", name)
    noun = "input" if number == 1 else "inputs"
    if number < INPUTS_MIN:
        message = f"`{name}` has {number} {noun}: teams need {INPUTS_MIN} to {INPUTS_MAX} to move"
        advice = "Add metrics that teams can move, and that move this one, to `inputs`."
        findings.warn(at, Refusal("few-inputs", message, advice))
    if number > INPUTS_MAX:
        message = f"`{name}` has {number} {noun}: nobody keeps more than {INPUTS_MAX} in mind"
        advice = "Keep the few that matter most; make the others inputs of those."
        findings.warn(at, Refusal("many-inputs", message, advice))


def _guardrail(name: str, definition: Definition, findings: Findings) -> None:
    """A success is guarded where a guardrail protects it, or anything that it is made of."""
    below = _with_inputs(name, definition)
    guards = [one.guard for one in definition.metrics.values() if one.guard is not None]
    if any(guard.protects in below for guard in guards):
        return
    refusal = Refusal(
        "guardrail-missing",
        f"no guardrail protects `{name}` or one of its inputs",
        "Add a metric of what its success might be paid for with: `role: guardrail`, and "
        f"`guard: {{protects: {name}, better: lower, baseline: previous(7d), warn: 5%, …}}`.",
    )
    findings.warn(("metrics", name), refusal)


def _with_inputs(name: str, definition: Definition) -> set[str]:
    found, waiting = {name}, [name]
    while waiting:
        more = [one for one in definition.metrics[waiting.pop()].inputs if one not in found]
        found.update(more)
        waiting += more
    return found


def _checklist(name: str, definition: Definition, findings: Findings) -> None:
    star = definition.metrics[name]
    answers = {} if star.checklist is None else star.checklist.model_dump(exclude_none=True)
    open_points = [
        point for point in POINTS if point not in answers and not _shown(point, definition, star)
    ]
    if not open_points:
        return
    questions = "; ".join(f"`{point}`: {POINTS[point]}" for point in open_points)
    refusal = Refusal(
        "checklist-incomplete",
        f"nothing says of `{name}` that it is a good North Star: {listed(open_points)} "
        f"{'is' if len(open_points) == 1 else 'are'} open",
        f"Answer in `checklist: {{…}}`, in a sentence each. {questions}",
    )
    at = ("metrics", name, "checklist") if star.checklist else ("metrics", name)
    findings.warn(at, refusal)


def _shown(point: str, definition: Definition, star: MetricSource) -> bool:
    """Whether the definition shows a point without a word; vanity has a warning of its own."""
    if point == "understandable":
        return bool(star.definition and star.unit)
    if point == "actionable":
        return any(definition.metrics[one].owner for one in star.inputs)
    return point in ("measurable", "not_vanity")


def _owners(definition: Definition, findings: Findings) -> None:
    for name, metric in definition.metrics.items():
        if metric.role in ("north_star", "input") and metric.owner is None:
            noun = "the North Star" if metric.role == "north_star" else "an input"
            message = f"`{name}` is {noun} without an owner"
            advice = "Add `owner:` with the team that answers for it."
            findings.warn(("metrics", name), Refusal("owner-missing", message, advice))


def _inputs_adrift(definition: Definition, findings: Findings) -> None:
    listed_ones = {one for metric in definition.metrics.values() for one in metric.inputs}
    for name, metric in definition.metrics.items():
        if metric.role == "input" and name not in listed_ones:
            message = f"`{name}` is an input, but of no metric"
            star, _ = north_star_of(definition)
            advice = f"Add it to the `inputs` of what it drives, such as `{star}`, or take "
            advice += "`role: reference`."
            findings.warn(("metrics", name, "role"), Refusal("input-adrift", message, advice))
