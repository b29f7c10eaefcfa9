"""Warnings: what runs, but was hardly meant so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.plan import Role, TermKind
from pipeline.spec.problem import Refusal

if TYPE_CHECKING:
    from pipeline.core.plan import Plan
    from pipeline.spec.findings import Findings


def lint(plan: Plan, findings: Findings) -> None:
    """Report what a plan makes no use of, and who is missing."""
    _unused_events(plan, findings)
    _unused_sets(plan, findings)
    _missing_owners(plan, findings)


def _unused_events(plan: Plan, findings: Findings) -> None:
    used = {feed.event for feed in plan.feeds}
    for at, event in enumerate(plan.events):
        if at not in used:
            message = f"nothing looks at the event `{event.name}`"
            refusal = Refusal("unused-event", message, "Use it in a set or metric, or remove it.")
            findings.warn(("events", event.name), refusal)


def _unused_sets(plan: Plan, findings: Findings) -> None:
    sizes = {term.set for term in plan.terms if term.kind is TermKind.SIZE}
    for at, one in enumerate(plan.sets):
        if at not in sizes and not one.roll_ups:
            message = f"nothing counts the set `{one.name}`"
            advice = f"Use `size({one.name})` in a metric, or remove it."
            findings.warn(("sets", one.name), Refusal("unused-set", message, advice))


def _missing_owners(plan: Plan, findings: Findings) -> None:
    for metric in plan.metrics:
        if metric.role in (Role.NORTH_STAR, Role.INPUT) and metric.owner is None:
            noun = "the North Star" if metric.role is Role.NORTH_STAR else "an input"
            message = f"`{metric.name}` is {noun} without an owner"
            advice = "Add `owner:` with the team that answers for it."
            findings.warn(("metrics", metric.name), Refusal("owner-missing", message, advice))
