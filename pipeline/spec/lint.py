"""Warnings: what runs, but was hardly meant so. The families of them are in files of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.spec.allowances import apply_allowances
from pipeline.spec.lint_dates import lint_dates
from pipeline.spec.lint_noise import lint_noise
from pipeline.spec.lint_north_star import lint_north_star
from pipeline.spec.lint_places import lint_places
from pipeline.spec.lint_tree import lint_tree
from pipeline.spec.lint_windows import lint_windows
from pipeline.spec.params import unused_params
from pipeline.spec.problem import Refusal

if TYPE_CHECKING:
    from datetime import date

    from pipeline.core.plan import Plan
    from pipeline.spec.findings import Findings
    from pipeline.spec.schema import Definition


def lint(plan: Plan, definition: Definition, findings: Findings, today: date | None) -> None:
    """Report what a definition makes no use of, what its tree lacks, and what is overdue.

    Nothing is overdue where `today` is None.
    """
    _unused_events(plan, findings)
    _unused_sets(plan, findings)
    _unused_params(definition, findings)
    lint_places(definition, findings)
    lint_tree(definition, findings)
    lint_north_star(plan, definition, findings)
    lint_noise(plan, findings)
    lint_windows(plan, findings)
    lint_dates(definition, findings, today)
    apply_allowances(definition, findings, today)


def _unused_events(plan: Plan, findings: Findings) -> None:
    used = {feed.event for feed in plan.feeds}
    for at, event in enumerate(plan.events):
        if at not in used:
            message = f"nothing looks at the event `{event.name}`"
            refusal = Refusal("unused-event", message, "Use it in a set or metric, or remove it.")
            findings.warn(("events", event.name), refusal)


def _unused_sets(plan: Plan, findings: Findings) -> None:
    counted = {term.set for term in plan.terms}
    for at, one in enumerate(plan.sets):
        if at not in counted and not one.roll_ups:
            message = f"nothing counts the set `{one.name}`"
            advice = f"Use `size({one.name})` in a metric, or remove it."
            findings.warn(("sets", one.name), Refusal("unused-set", message, advice))


def _unused_params(definition: Definition, findings: Findings) -> None:
    for at in unused_params(definition, findings.document):
        message = f"no expression uses the number `{at[-1]}`"
        advice = "Write its name where the number stands, or remove it."
        findings.warn(at, Refusal("unused-param", message, advice))
