"""Metrics: terms, arithmetic over them, and the tree they form."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pipeline.core import expression as tree
from pipeline.core.expression import Kind
from pipeline.core.formula import (
    Calculation,
    Constant,
    Formula,
    Index,
    OfMetric,
    OfTerm,
    Survey,
    SurveyKind,
    TermPart,
)
from pipeline.core.targets import Target
from pipeline.core.tree import Edge, EdgeKind, Facet, Metric, Role
from pipeline.spec import written
from pipeline.spec.fields import start_ms
from pipeline.spec.findings import Broken
from pipeline.spec.guards import guard_of
from pipeline.spec.indices import is_index, parts_of, weights_of
from pipeline.spec.measures import SURVEYS
from pipeline.spec.order import ordered
from pipeline.spec.problem import Refusal
from pipeline.spec.segments import Segments, check_series
from pipeline.spec.syntax import operator, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.spec.aggregate import Aggregate
    from pipeline.spec.names import Names
    from pipeline.spec.rows import Rows
    from pipeline.spec.schema import MetricSource
    from pipeline.spec.tables import Tables
    from pipeline.spec.terms import Terms
    from pipeline.spec.written import Written

_NOTHING = Constant(0.0)  # in place of a part that has a problem
PROMOTERS_FROM: Final = 9.0
DETRACTORS_TO: Final = 6.0
_COUNTS = (TermPart.COUNT, TermPart.SUM, TermPart.APPROX_DISTINCT)


@dataclass(frozen=True, slots=True)
class WrittenMetric:
    """A metric's expressions, as far as they can be read."""

    value: Written | None
    formula: Written | None


def read_metrics(names: Names) -> dict[str, WrittenMetric]:
    """The expressions of all metrics."""
    return {name: _read(names, name, source) for name, source in names.definition.metrics.items()}


def _read(names: Names, name: str, source: MetricSource) -> WrittenMetric:
    formula = None
    if source.formula is not None:
        at = ("metrics", name, "formula")
        formula = written.read(names.findings, at, names.given(at))
    return WrittenMetric(written.read_with_calls(names, ("metrics", name, "value"), None), formula)


def aggregates_of(
    metrics: dict[str, WrittenMetric], name: str, above: tuple[str, ...] = ()
) -> list[Aggregate]:
    """The aggregates that a metric's value is made of, those of other metrics in it too."""
    value = metrics[name].value
    if value is None or name in above:  # a circle, which is refused elsewhere
        return []
    found = [*value.calls.values()]
    for other in names_in(value.code.tree):
        if other.id in metrics:
            found += aggregates_of(metrics, other.id, (*above, name))
    return found


@dataclass(slots=True)
class Metrics:
    """The metrics of a definition on their way into the plan."""

    tables: Tables
    written: dict[str, WrittenMetric]
    terms: Terms
    order: dict[str, int] = field(default_factory=dict)

    def compile(self) -> tuple[Metric, ...]:
        """All metrics, each after those it refers to; problems are reported on the way."""
        order, circles = ordered({name: self._needed(name) for name in self.written})
        for circle in circles:
            self._refuse_circle(circle)
        every = dict.fromkeys([*order, *self.written])  # those in a circle come last
        self.order = {name: at for at, name in enumerate(every)}
        finished: dict[int, Metric] = {}
        for number, name in enumerate(self.order):
            finished[number] = self._finished(name, finished)
        check_series(self.tables.names, finished.values())
        return tuple(finished.values())

    def _needed(self, name: str) -> list[str]:
        """The metrics whose values a metric's value or formula is made of."""
        found = self.written[name]
        codes = [one.code for one in (found.value, found.formula) if one is not None]
        return [other.id for code in codes for other in names_in(code.tree)]

    def _refuse_circle(self, circle: list[str]) -> None:
        chain = ", which needs ".join(f"`{name}`" for name in [*circle[1:], circle[0]])
        refusal = Refusal(
            "metric-circle",
            f"`{circle[0]}` needs {chain}: a circle",
            "Take one of them out of the `value` or `formula` of the other.",
        )
        self.tables.names.findings.refuse(("metrics", circle[0], "value"), refusal)

    def _finished(self, name: str, before: Mapping[int, Metric]) -> Metric:
        source, found = self.tables.names.definition.metrics[name], self.written[name]
        value = self._value(name, source, found.value) or _NOTHING
        self._check_unit(name, source, value)
        return Metric(
            name,
            source.label or label_of(name),
            source.definition,
            Role(source.role),
            None if source.facet is None else Facet(source.facet),
            source.unit,
            source.owner,
            value,
            self._whole(found.formula),
            self._edges(source),
            guard_of(self.tables.names, name, source, self.order),
            targets=tuple(Target(start_ms(one.by), one.value) for one in source.targets),
            since_ms=None if source.since is None else start_ms(source.since),
            proxy_for=self.order.get(source.proxy_for or ""),
            by=Segments(self.tables, self.terms.numbers).of(name, value, before),
        )

    def _value(self, name: str, source: MetricSource, found: Written | None) -> Formula | None:
        """The value of a metric; an index and a survey are the whole of one."""
        is_an_index = found is not None and is_index(found.code.tree)
        if source.missing is not None and not is_an_index:
            refusal = Refusal(
                "missing-unused",
                "only an index can have parts that are missing",
                "Remove it, or write `value: index(…)`.",
            )
            self.tables.names.findings.refuse_key(("metrics", name, "missing"), refusal)
        if found is None:
            return None
        tree = found.code.tree
        with self.tables.names.findings.catching(found.at):
            if is_an_index:
                return self._index(found, tree, skips_missing=source.missing == "skip_and_say")
            if tree in found.calls and found.calls[tree].function in SURVEYS:
                return self._survey(found, found.calls[tree])
            return self._whole(found)
        return None

    def _index(self, found: Written, tree: ast.expr, *, skips_missing: bool) -> Index:
        weights = weights_of(found.code, tree)
        metrics = []
        for part in parts_of(tree):
            with found.code.pointing_at(part):
                metrics.append(OfMetric(self._metric(part.id, may_be_term=True)))
        return Index(tuple(metrics), tuple(weights), skips_missing)

    def _survey(self, found: Written, asked: Aggregate) -> Survey:
        """A survey counts its scores three times: all, the favourable, the others."""
        assert asked.part is not None
        assert asked.window is not None
        rows, window = self.tables.rows(0, None, found, asked), asked.window
        scores = self.terms.count(rows, asked.part, window)
        if asked.function == "csat":
            satisfied = _scoring(rows, asked.part, ">=", asked.share or 0.0)
            return Survey(SurveyKind.CSAT, scores, self.terms.count(satisfied, None, window), None)
        promoters = _scoring(rows, asked.part, ">=", PROMOTERS_FROM)
        detractors = _scoring(rows, asked.part, "<=", DETRACTORS_TO)
        sides = (self.terms.count(each, None, window) for each in (promoters, detractors))
        return Survey(SurveyKind.NPS, scores, *sides)

    def _whole(self, found: Written | None) -> Formula | None:
        return None if found is None else self._formula(found, found.code.tree)

    def _formula(self, found: Written, node: ast.expr) -> Formula:
        match node:
            case ast.BinOp(left=left, op=op, right=right):
                sides = self._formula(found, left), self._formula(found, right)
                return Calculation(operator(op), *sides)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Calculation("-", Constant(0.0), self._formula(found, operand))
        with self.tables.names.findings.catching(found.at):
            return self._leaf(found, node)
        return _NOTHING

    def _leaf(self, found: Written, node: ast.expr) -> Formula:
        match node:
            case ast.Call() if is_index(node):
                message, advice = "an index is the whole of a value", "Give it a metric of its own."
                raise found.code.refusal(node, "bad-index", message, advice)
            case ast.Call() if found.at[-1] == "value":
                if node not in found.calls:
                    raise Broken
                self._refuse_survey(found, node)
                return self.terms.of(found, found.calls[node])
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return Constant(float(number))
            case ast.Name(id=name):
                with found.code.pointing_at(node):
                    return OfMetric(self._metric(name, may_be_term=found.at[-1] == "value"))
        raise _no_term(found, node)

    def _metric(self, name: str, *, may_be_term: bool) -> int:
        """Where a metric stands in the plan."""
        names = self.tables.names
        section = names.section_of(name)
        if may_be_term and section in ("events", "sets") and not names.is_metric(name):
            function = "count" if section == "events" else "size"
            advice = f"Write `{function}({name})`."
            message = f"`{name}` is one of the {section}, and has no value of its own"
            raise Refusal("wrong-noun", message, advice)
        names.metric(name)
        return self.order[name]

    @staticmethod
    def _refuse_survey(found: Written, node: ast.Call) -> None:
        """A survey has an interval, which nothing can be reckoned with."""
        function = found.calls[node].function
        if function in SURVEYS:
            message = f"`{function}` has an interval, and stands alone"
            raise found.code.refusal(node, "bad-value", message, "Give it a metric of its own.")

    def _edges(self, source: MetricSource) -> tuple[Edge, ...]:
        return tuple(
            Edge(self.order[other], EdgeKind(kind))
            for other, kind in source.inputs.items()
            if other in self.order
        )

    def _check_unit(self, name: str, source: MetricSource, value: Formula) -> None:
        """A share from 0 to 1 cannot be a mere count."""
        findings = self.tables.names.findings
        if (
            source.unit != "ratio"
            or findings.is_broken("metrics", name)
            or not _is_sum_of_counts(value)
        ):
            return
        refusal = Refusal(
            "bad-unit",
            f"`{name}` counts or adds up, which is no `ratio`",
            "A ratio is a share from 0 to 1: divide by the whole, "
            "`count(late) / count(delivered)`, or write another unit.",
        )
        findings.refuse(("metrics", name, "unit"), refusal)


def names_in(node: ast.expr) -> list[ast.Name]:
    """The names in an expression that are not part of an aggregate."""
    if isinstance(node, ast.Name):
        return [node]
    if is_index(node):
        return parts_of(node)
    if isinstance(node, ast.Call):
        return []
    children = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    return [name for child in children for name in names_in(child)]


def label_of(name: str) -> str:
    """What people read where no label is written.

    >>> label_of("weekly_users")
    'Weekly users'
    """
    return name.replace("_", " ").capitalize()


def _is_sum_of_counts(value: Formula) -> bool:
    """Whether a value is made of counts and sums, with nothing divided."""
    if isinstance(value, Calculation):
        sides = _is_sum_of_counts(value.left), _is_sum_of_counts(value.right)
        return value.operator != "/" and all(sides)
    return isinstance(value, OfTerm) and value.part in _COUNTS


def _scoring(rows: Rows, value: str, than: str, score: float) -> Rows:
    """Those of the rows whose score is at least, or at most, so much."""
    compared = tree.Comparison(than, tree.Named(value, Kind.NUMBER), tree.Literal(score))
    return replace(
        rows, where=compared if rows.where is None else tree.AllOf((rows.where, compared))
    )


def _no_term(found: Written, node: ast.expr) -> Refusal:
    key = str(found.at[-1])
    if key == "formula":
        advice = "Write names of inputs, numbers and `+ - * /`; give an aggregate its own metric."
        message = "a formula is arithmetic over the metric's formula inputs"
        return found.code.refusal(node, "bad-formula", message, advice)
    message = "a value is arithmetic over aggregates, metrics and numbers"
    advice = "Write `count(event)`, `sum(event.value)`, `mean(event.value)`, "
    advice += "`distinct(event.entity)`, `size(set)`, a metric's name, or a number."
    if place_of(node) is not None:
        advice = f"Did you mean `sum({found.code.written(node)})`? {advice}"
    return found.code.refusal(node, "bad-value", message, advice)
