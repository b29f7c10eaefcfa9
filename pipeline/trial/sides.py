"""The two sides of a trial: a metric of a plan each, and whether they can be held together."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core.formula import OfMetric, OfTerm
from pipeline.core.plan import IdSource, Plan, TermKind
from pipeline.core.tree import Metric, Role
from pipeline.core.windows import Window
from pipeline.spec.findings import Findings
from pipeline.spec.load import Document, load
from pipeline.spec.problem import Problem, Refusal
from pipeline.spec.trace import trace

_COUNTING = (TermKind.SIZE, TermKind.DISTINCT)


@dataclass(frozen=True, slots=True)
class Side:
    """A metric of a plan."""

    plan: Plan
    number: int

    @property
    def metric(self) -> Metric:
        """The metric itself."""
        return self.plan.metrics[self.number]

    @property
    def term(self) -> int | None:
        """The term whose entities the metric counts, one by one; None where it is anything else.

        A metric that is nothing but another one counts as that does.
        """
        formula = self.metric.value
        while isinstance(formula, OfMetric):
            formula = self.plan.metrics[formula.metric].value
        if not isinstance(formula, OfTerm) or self.plan.terms[formula.term].kind not in _COUNTING:
            return None
        return formula.term

    @property
    def entity(self) -> str | None:
        """Whom it counts; None where it does not count entities."""
        if self.term is None:
            return None
        term = self.plan.terms[self.term]
        if term.set is not None:
            return self.plan.sets[term.set].entity
        assert term.memory is not None
        return self.plan.memories[term.memory].entity

    @property
    def windows(self) -> tuple[Window, ...]:
        """The windows of all that its value is made of."""
        terms = trace(self.plan, self.number).terms
        return tuple(window for term in terms for window in self.plan.terms[term].windows)

    def named(self, name: str) -> Side | None:
        """The same plan's metric of a name."""
        found = number_of(self.plan, name)
        return None if found is None else Side(self.plan, found)


def number_of(plan: Plan, name: str | None) -> int | None:
    """Where a metric of a plan stands, the North Star for None; None where there is no such."""
    found = (
        number
        for number, metric in enumerate(plan.metrics)
        if (metric.role is Role.NORTH_STAR if name is None else metric.name == name)
    )
    return next(found, None)


def why_not_overlapped(candidate: Side, present: Side) -> str | None:
    """Why nobody can say whom both count; None where it can be said."""
    for side in (candidate, present):
        if side.term is None:
            return (
                f"`{side.metric.name}` is neither the size of a set nor a number of different ids"
            )
    if candidate.entity != present.entity:
        return (
            f"`{candidate.metric.name}` counts by `{candidate.entity}`, "
            f"`{present.metric.name}` by `{present.entity}`"
        )
    assert candidate.entity is not None
    if _id_sources(candidate.plan, candidate.entity).isdisjoint(
        _id_sources(present.plan, candidate.entity)
    ):
        return f"the two read the ids of `{candidate.entity}` from different places of the records"
    return None


def _id_sources(plan: Plan, entity: str) -> set[IdSource]:
    return {source for event in plan.events for of, source in event.ids if of == entity}


def other_source(candidate: Plan, present: Plan, text: str, file: str) -> tuple[Problem, ...]:
    """What keeps both from being read off the same records, at the candidate's own text.

    `text` is what the file of the candidate holds.
    """
    document: Document = load(text.removeprefix("\ufeff"), file)
    findings = Findings(document)
    if set(candidate.topics) != set(present.topics):
        topics = ", ".join(present.topics)
        refusal = Refusal(
            "other-source",
            f"the candidate reads other topics than `{present.product}`, which reads {topics}",
            "Both are tried on the same records: write the topics of the present definition.",
        )
        findings.refuse(("source", "topics"), refusal)
    if candidate.envelope != present.envelope:
        refusal = Refusal(
            "other-source",
            f"the candidate reads another envelope than `{present.product}`",
            "Both are tried on the same records: write `envelope` as the present definition does.",
        )
        findings.refuse(("source", "envelope"), refusal)
    return findings.in_order()
