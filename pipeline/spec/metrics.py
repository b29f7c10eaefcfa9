"""Metrics: terms, arithmetic over them, and the tree they form."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pipeline.core import expression as tree, plan
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
from pipeline.core.plan import Term, TermKind
from pipeline.core.targets import Target
from pipeline.spec import growth, written
from pipeline.spec.as_of import Reader
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

    from pipeline.core.streams import OfItems
    from pipeline.core.windows import Window
    from pipeline.spec.aggregate import Aggregate
    from pipeline.spec.memories import Rows
    from pipeline.spec.names import Names
    from pipeline.spec.schema import MetricSource
    from pipeline.spec.sets import Sets
    from pipeline.spec.tables import Tables
    from pipeline.spec.written import Written

_WITHIN_LEVEL_MAX = 3  # each level is one more step for every tick to pass
_NOTHING = Constant(0.0)  # in place of a part that has a problem
PROMOTERS_FROM: Final = 9.0
DETRACTORS_TO: Final = 6.0
_PARTS = {
    "sum": TermPart.SUM,
    "mean": TermPart.MEAN,
    "min": TermPart.MIN,
    "max": TermPart.MAX,
    "median": TermPart.QUANTILE,
    "quantile": TermPart.QUANTILE,
    "approx_distinct": TermPart.APPROX_DISTINCT,
    "top_share": TermPart.TOP_SHARE,
}
_OF_ITEMS = {
    "distinct": TermKind.ITEM_ENTITIES,
    "min": TermKind.EXTREMES,
    "max": TermKind.EXTREMES,
    "median": TermKind.SKETCH,
    "quantile": TermKind.SKETCH,
}
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
    sets: Sets
    written: dict[str, WrittenMetric]
    terms: dict[Term, int] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)
    reaches: dict[plan.Reach, None] = field(default_factory=dict)

    def compile(self) -> tuple[plan.Metric, ...]:
        """All metrics, each after those it refers to; problems are reported on the way."""
        order, circles = ordered({name: self._needed(name) for name in self.written})
        for circle in circles:
            self._refuse_circle(circle)
        every = dict.fromkeys([*order, *self.written])  # those in a circle come last
        self.order = {name: at for at, name in enumerate(every)}
        finished: dict[int, plan.Metric] = {}
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

    def _finished(self, name: str, before: Mapping[int, plan.Metric]) -> plan.Metric:
        source, found = self.tables.names.definition.metrics[name], self.written[name]
        value = self._value(name, source, found.value) or _NOTHING
        self._check_unit(name, source, value)
        return plan.Metric(
            name,
            source.label or label_of(name),
            source.definition,
            plan.Role(source.role),
            None if source.facet is None else plan.Facet(source.facet),
            source.unit,
            source.owner,
            value,
            self._whole(found.formula),
            self._edges(source),
            guard_of(self.tables.names, name, source, self.order),
            targets=tuple(Target(start_ms(one.by), one.value) for one in source.targets),
            since_ms=None if source.since is None else start_ms(source.since),
            proxy_for=self.order.get(source.proxy_for or ""),
            by=Segments(self.tables, self.terms).of(name, value, before),
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
        scores = self._panes(rows, asked.part, window)
        if asked.function == "csat":
            satisfied = _scoring(rows, asked.part, ">=", asked.share or 0.0)
            return Survey(SurveyKind.CSAT, scores, self._panes(satisfied, None, window), None)
        promoters = _scoring(rows, asked.part, ">=", PROMOTERS_FROM)
        detractors = _scoring(rows, asked.part, "<=", DETRACTORS_TO)
        sides = (self._panes(each, None, window) for each in (promoters, detractors))
        return Survey(SurveyKind.NPS, scores, *sides)

    def _panes(self, rows: Rows, value: str | None, window: Window) -> OfTerm:
        memory = self.tables.memories.panes(rows, value, window)
        return self._counted(Term(TermKind.PANES, 0, memory, None, (window,)), TermPart.COUNT)

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
                return self._term(found, found.calls[node])
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
        if may_be_term and section in ("events", "sets"):
            function = "count" if section == "events" else "size"
            advice = f"Write `{function}({name})`."
            message = f"`{name}` is one of the {section}, and has no value of its own"
            raise Refusal("wrong-noun", message, advice)
        names.metric(name)
        return self.order[name]

    def _term(self, found: Written, aggregate: Aggregate) -> Formula:
        """A leaf for an aggregate; equal terms are counted once."""
        if aggregate.is_of_set:
            name = aggregate.subject
            at = self.sets.index(name)
            term = Term(TermKind.SIZE, self.sets.levels[name], None, at, self.sets.windows[name])
            if aggregate.function == "cohort":
                cohort = self.sets.cohorts[name]
                term = replace(term, kind=TermKind.COHORT, windows=(cohort.window,))
            if aggregate.function in growth.FORMS:
                return self._growth(aggregate, term)
            return self._counted(term, TermPart.COUNT)
        assert aggregate.window is not None
        term = self._of_events(found, aggregate, aggregate.window)
        return self._counted(term, _PARTS.get(aggregate.function, TermPart.COUNT), aggregate.share)

    def _of_events(self, found: Written, aggregate: Aggregate, window: Window) -> Term:
        """A term over events, or over what a stream makes of them."""
        if aggregate.is_of_stream:
            return _of_items(aggregate, *self.tables.stream(0, found, aggregate))
        undone = self.tables.undone(0, _entity_of(aggregate), found, aggregate)
        if undone is not None:
            return _of_items(aggregate, *undone)
        if aggregate.within is not None:
            return self._of_members(found, aggregate, window)
        if aggregate.known_of is not None:
            return self._of_rows(found, aggregate, window)
        rows = self.tables.rows(0, aggregate.by or _entity_of(aggregate), found, aggregate)
        kind, memory = self._remembered(aggregate, rows, window)
        return Term(kind, 0, memory, None, (window,))

    def _remembered(self, aggregate: Aggregate, rows: Rows, window: Window) -> tuple[TermKind, int]:
        """The memory that serves an aggregate of an event, and what shards say of it."""
        memories, part = self.tables.memories, aggregate.part
        match aggregate.function:
            case "distinct":
                return TermKind.DISTINCT, memories.last_seen(rows, window)
            case "top_share":
                return TermKind.LEDGER, memories.ledger(rows, None, window)
        if part is not None:
            match aggregate.function:
                case "min" | "max":
                    return TermKind.EXTREMES, memories.extremes(rows, part, window)
                case "median" | "quantile":
                    return TermKind.SKETCH, memories.sketch(rows, part, window)
                case "approx_distinct":
                    return TermKind.REGISTERS, memories.registers(rows, part, window)
        return TermKind.PANES, memories.panes(rows, part, window)

    @staticmethod
    def _refuse_survey(found: Written, node: ast.Call) -> None:
        """A survey has an interval, which nothing can be reckoned with."""
        function = found.calls[node].function
        if function in SURVEYS:
            message = f"`{function}` has an interval, and stands alone"
            raise found.code.refusal(node, "bad-value", message, "Give it a metric of its own.")

    def _growth(self, aggregate: Aggregate, size: Term) -> Formula:
        period_ms = aggregate.period_ms or growth.default_period_ms(size.windows)
        of = replace(size, memory=self.sets.growth(aggregate.subject, period_ms))
        return growth.grown(aggregate.function, of, period_ms, self._number)

    def _number(self, term: Term) -> int:
        return self.terms.setdefault(term, len(self.terms))

    def _of_rows(self, found: Written, aggregate: Aggregate, window: Window) -> Term:
        """A term over rows of which it matters what their entity was at the time."""
        entity, is_distinct = aggregate.known_of, aggregate.function == "distinct"
        assert entity is not None
        rows = self.tables.rows(0, entity, found, aggregate)
        value = None if is_distinct else aggregate.part
        as_of = Reader(self.tables, 0, entity, window, found).condition(aggregate.states)
        kind = TermKind.DISTINCT if is_distinct else TermKind.PANES
        memory = self.tables.memories.diary(rows, value, window)
        return Term(kind, 0, memory, None, (window,), as_of=as_of)

    def _of_members(self, found: Written, aggregate: Aggregate, window: Window) -> Term:
        """A term that counts the others of a set's members: all of them, or for each member."""
        name, other = aggregate.within or "", aggregate.part or ""
        at, level = self.sets.index(name), self.sets.levels[name]
        if level > _WITHIN_LEVEL_MAX:
            raise found.code.refusal(
                aggregate.node,
                "bad-aggregate",
                f"`{name}` counts sets that count sets, {level} deep; {_WITHIN_LEVEL_MAX} is the "
                "most here",
                "Look at one of those sets.",
            )
        memories, windows = self.tables.memories, (window, *self.sets.windows[name])
        rows = self.tables.rows(level, self.tables.names.set(name).of, found, aggregate)
        pairs = memories.pairs(rows, other, window)
        if aggregate.function == "sum_distinct":
            return Term(TermKind.SUM_DISTINCT, level, pairs, at, windows)
        tally = memories.reached(level + 1, other, name, pairs)
        self.reaches[plan.Reach(at, pairs, window, tally)] = None
        return Term(TermKind.REACH, level + 1, tally, at, windows)

    def _counted(self, term: Term, part: TermPart, share: float | None = None) -> OfTerm:
        return OfTerm(self._number(term), part, share)

    def _edges(self, source: MetricSource) -> tuple[plan.Edge, ...]:
        return tuple(
            plan.Edge(self.order[other], plan.EdgeKind(kind))
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


def _of_items(aggregate: Aggregate, memory: int, items: OfItems) -> Term:
    """A term of a stream's items."""
    assert aggregate.window is not None
    kind = _OF_ITEMS.get(aggregate.function, TermKind.ITEMS)
    return Term(kind, 0, memory, None, (aggregate.window,), items=items)


def _entity_of(aggregate: Aggregate) -> str | None:
    """The entity whose different ids are counted."""
    return aggregate.part if aggregate.function == "distinct" else None


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
