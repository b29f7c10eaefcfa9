"""Segments: which terms say of each text what a metric's own terms say of all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pipeline.core.expression import Kind
from pipeline.core.formula import Dimension, OfMetric, OfTerm, leaves
from pipeline.core.plan import TEXTS, Term, TermKind
from pipeline.core.streams import Keep
from pipeline.spec.findings import Broken
from pipeline.spec.kinds import Place, Use
from pipeline.spec.memories import ROW
from pipeline.spec.problem import Refusal, a, listed, suggestion
from pipeline.spec.rows import Rows
from pipeline.spec.stream_columns import OF_ONE_ROW, short_names, spellings
from pipeline.spec.streams import draft_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pipeline.core.formula import Formula
    from pipeline.core.streams import OfItems
    from pipeline.core.tree import Metric
    from pipeline.spec.aggregate import Aggregate
    from pipeline.spec.events import DraftEvent
    from pipeline.spec.load import DataPath
    from pipeline.spec.names import Names
    from pipeline.spec.streams import DraftStream
    from pipeline.spec.tables import Tables

_BY: Final = {
    TermKind.PANES: TermKind.PANES_BY,
    TermKind.DISTINCT: TermKind.DISTINCT_BY,
    TermKind.EXTREMES: TermKind.EXTREMES_BY,
    TermKind.SKETCH: TermKind.SKETCH_BY,
    TermKind.REGISTERS: TermKind.REGISTERS_BY,
}
_BY_VALUES_ONLY: Final = (TermKind.REGISTERS,)
_OF_MEMBERS: Final = (
    TermKind.COHORT,
    TermKind.NEW,
    TermKind.RETAINED,
    TermKind.RESURRECTED,
    TermKind.CHURNED,
    TermKind.SIZE_BEFORE,
)
_OF_ITEMS: Final = {
    TermKind.ITEMS: TermKind.PANES_BY,
    TermKind.ITEM_ENTITIES: TermKind.DISTINCT_BY,
    TermKind.EXTREMES: TermKind.EXTREMES_BY,
    TermKind.SKETCH: TermKind.SKETCH_BY,
}
_HAVE: Final = (
    "count",
    "sum",
    "mean",
    "distinct",
    "min",
    "max",
    "median",
    "quantile",
    "approx_distinct",
)
_INSTEAD: Final = {  # what a term that cannot be cut is called by people, and what can be
    TermKind.LEDGER: ("`top_share`", "the `count` of its events"),
    TermKind.REACH: ("`distinct` with `within=`", "`distinct` without it, or the set's `size`"),
    TermKind.SUM_DISTINCT: ("`sum_distinct`", "`distinct` without `within=`, or the set's `size`"),
}
CAP: Final = 20  # segments that people can still tell apart
SERIES_MAX: Final = 1_000  # of all segments together; what a dashboard and a scrape can bear


def use_as_dimensions(
    names: Names, events: Mapping[str, DraftEvent], metric: str, aggregates: Iterable[Aggregate]
) -> None:
    """Note that the values a metric is cut by are texts."""
    parts = [part for one in aggregates for part in _values_of(names, one)]
    for at, dimension in enumerate(names.definition.metrics[metric].by):
        path = _path(names, metric, at)
        for event, value in (found for name, *found in parts if name == dimension):
            with names.findings.catching(path):
                line = names.findings.document.line(names.findings.document.values[path].start)
                events[event].kinds.ask(Place((value,), is_value=True), Use(Kind.TEXT, line))


def _path(names: Names, metric: str, at: int) -> DataPath:
    """Where a dimension is written, alone or as one of a list."""
    path = ("metrics", metric, "by")
    return (*path, at) if (*path, at) in names.findings.document.values else path


def _values_of(names: Names, aggregate: Aggregate) -> Iterator[tuple[str, str, str]]:
    """What an aggregate may be cut by: a name, and the event and value that it stands for."""
    if aggregate.is_of_stream:
        stream = draft_of(aggregate.subject, names.stream(aggregate.subject))
        yield from _columns_of(names, stream)
    elif not aggregate.is_of_set:
        for value in names.event(aggregate.subject).values:
            yield value, aggregate.subject, value
        for entity in names.event(aggregate.subject).ids:
            yield from _states_of(names, entity, f"{entity}.")
    else:
        of = names.set(aggregate.subject).of
        for prefix in ("", f"{of}."):
            yield from _states_of(names, of, prefix)


def _columns_of(names: Names, stream: DraftStream) -> Iterator[tuple[str, str, str]]:
    """The columns of a stream that are a value as it was, with the event and its value."""
    short = {alias: name for name, alias in short_names(stream).items()}
    for alias, event in stream.parts.items():
        for value in names.event(event).values:
            if stream.kind in OF_ONE_ROW:
                yield value, event, value
            yield f"{alias}.{value}", event, value
            if alias in short:
                yield f"{short[alias]}.{value}", event, value


def _states_of(names: Names, entity: str, prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, attribute in names.definition.entities.get(entity, {}).items():
        if attribute.is_ is None and not names.findings.is_broken("entities", entity, name):
            event, _, value = attribute.from_.partition(".")
            yield f"{prefix}{name}", event, value


@dataclass(slots=True)
class Segments:
    """Adds to a plan's terms what its metrics' dimensions need."""

    tables: Tables
    terms: dict[Term, int]

    def of(
        self, metric: str, value: Formula, before: Mapping[int, Metric]
    ) -> tuple[Dimension, ...]:
        """The dimensions of a metric; `before` has the metrics that its value may name."""
        names = self.tables.names
        source = names.definition.metrics[metric]
        if source.cap is not None and not source.by:
            advice = "Add `by: [plan]`, or remove it."
            refusal = Refusal("cap-unused", "there are no segments to cap", advice)
            names.findings.refuse_key(("metrics", metric, "cap"), refusal)
        used = dict.fromkeys(_terms_in(value, before))
        if not used and names.findings.is_broken("metrics", metric, "value"):
            return ()
        found = []
        for at, name in enumerate(source.by):
            with names.findings.catching(_path(names, metric, at)):
                if name in source.by[:at]:
                    raise Refusal("listed-twice", f"`{name}` is listed twice", "Remove one.")
                found.append(self._dimension(name, source.cap or CAP, used))
        return tuple(found)

    def _dimension(self, name: str, cap: int, used: Iterable[int]) -> Dimension:
        by_number = {number: term for term, number in self.terms.items()}
        pairs: list[tuple[int, int]] = []
        texts: dict[int, None] = {}
        for number in used:
            by_text, *of_names = self._by_text(name, by_number[number])
            pairs.append((number, self._number(by_text)))
            texts |= dict.fromkeys(map(self._number, of_names))
        if not pairs:
            message = "there is nothing to cut: the value is made of numbers only"
            raise Refusal("bad-segments", message, "Remove `by`.")
        return Dimension(name, cap, tuple(texts), tuple(pairs))

    def _number(self, term: Term) -> int:
        return self.terms.setdefault(term, len(self.terms))

    def _by_text(self, name: str, term: Term) -> tuple[Term, ...]:
        """A term for each text, and those of their names."""
        if term.kind is TermKind.SIZE and term.set is not None:
            value, texts = self._attribute(name, term, term.set)
            cut = Term(TermKind.SIZE_BY, term.level, value, term.set, term.windows)
            return cut, self._names(texts)
        memory = term.memory
        if term.kind in _OF_MEMBERS and term.set is not None:
            value, texts = self._attribute(name, term, term.set)
            return replace(term, by=value), self._names(texts)
        if memory is not None and term.items is not None:
            return self._of_items(name, term, term.items, memory)
        of_state = "." in name
        if memory is None or term.kind not in _BY or (of_state and term.kind in _BY_VALUES_ONLY):
            raise _not_cut(name, term)
        if of_state:
            return self._by_state(name, term, memory)
        rows, column = self.tables.memories.looked_at(memory)
        self._check_value(name, rows)
        if term.as_of is not None:
            raise Refusal(
                "bad-segments",
                f"`{name}` of `{rows.event_name}` does not cut what is told apart by what an "
                "entity was",
                "Cut it by an attribute of that entity, as in `by: user.plan`, or take out `by`.",
            )
        texts = replace(rows, entity=TEXTS, text=name)
        (window,) = term.windows
        if term.kind is TermKind.PANES:
            memory = self.tables.memories.ledger(texts, column, window)
        elif term.kind is TermKind.DISTINCT:
            memory = self.tables.memories.seen_with(rows, name, window)
        elif term.kind is TermKind.REGISTERS:
            memory = self.tables.memories.registers_by(texts, column or "", window)
        else:
            memory = self.tables.memories.diary(texts, column, window)
        return Term(_BY[term.kind], 0, memory, None, term.windows), self._names(texts)

    def _of_items(self, name: str, term: Term, items: OfItems, memory: int) -> tuple[Term, ...]:
        """A term for each text of a stream's items, or of rows that nothing has undone so far."""
        stream, rows = self.tables.memories.stream_of(memory)
        if stream.keep is Keep.STANDING:
            self._check_undone(name, rows[ROW])
            values = {ROW: name}
        else:
            name, values = self._column(name, stream)
        self.tables.memories.with_column(memory, name, values)
        cut = replace(term, kind=_OF_ITEMS[term.kind], items=replace(items, by=name))
        texts = [
            Rows(0, rows[part].event, rows[part].event_name, None, TEXTS, text=value)
            for part, value in values.items()
        ]
        return cut, *map(self._names, texts)

    def _check_undone(self, name: str, rows: Rows) -> None:
        if "." in name:
            message = f"`{rows.event_name}` may be undone, and is not cut by what an entity was"
            raise Refusal("bad-segments", message, "Cut it by a value of the event.")
        self._check_value(name, rows)

    def _column(self, name: str, stream: DraftStream) -> tuple[str, dict[str, str]]:
        """A text column of a stream by its own name, and which values of which parts it is."""
        names = self.tables.names
        events = stream.parts.values()
        if any(names.findings.is_broken("events", event, "values") for event in events):
            raise Broken
        known = [*dict.fromkeys(column for column, *_ in _columns_of(names, stream))]
        if name not in known:
            raise Refusal(
                "bad-segments",
                f"`{name}` is no text that items of `{stream.name}` have",
                suggestion(name, known, f"columns of `{stream.name}`")
                if known
                else f"No item of {a(stream.kind.value)} has one.",
            )
        column = spellings(names, stream)[name]
        return column, self.tables.parts_of(stream, {column})[column]

    def _by_state(self, name: str, term: Term, memory: int) -> tuple[Term, Term]:
        """A term for each text that an attribute of an entity was when its rows happened."""
        entity, _, attribute = name.partition(".")
        rows, column = self.tables.memories.looked_at(memory)
        names = self.tables.names
        names.check_carries(rows.event_name, entity)
        texts = self._taught(entity, attribute)
        is_distinct = term.kind is TermKind.DISTINCT
        if rows.entity not in (None, entity):
            what = f"different ids of {a(rows.entity)}" if is_distinct else "rows"
            message = f"`{name}` does not cut {what}: it is about {a(entity)}"
            advice = f"Take an attribute of `{rows.entity}`, or a value of `{rows.event_name}`."
            raise Refusal("bad-segments", message, advice)
        (window,) = term.windows
        lacks = rows.may_lack_entity or rows.entity is None
        of_entity = replace(rows, entity=entity, may_lack_entity=lacks)
        diary = self.tables.memories.diary(of_entity, None if is_distinct else column, window)
        history = self.tables.history(0, entity, attribute, window)
        cut = Term(_BY[term.kind], 0, diary, None, term.windows, as_of=term.as_of, by=history)
        return cut, self._names(texts)

    def _taught(self, entity: str, name: str) -> Rows:
        """The rows that teach a value attribute, by text."""
        names = self.tables.names
        attribute = names.attribute(entity, name)
        if names.findings.is_broken("entities", entity, name):
            raise Broken
        if attribute.is_ is not None:
            raise Refusal(
                "wrong-attribute",
                f"`{name}` of {a(entity)} is {a(attribute.is_)}, and segments need a text",
                f"Take an attribute that is a value: `{{{name}: {{from: event.value}}}}`.",
            )
        event, value = attribute.from_.split(".")
        return Rows(0, self.tables.event_index(event), event, None, TEXTS, text=value)

    def _names(self, texts: Rows) -> Term:
        """Whatever a term's condition: metrics of one event have the same names."""
        memory = self.tables.memories.names(replace(texts, where=None, names=True))
        return Term(TermKind.NAMES, 0, memory, None, ())

    def _check_value(self, name: str, rows: Rows) -> None:
        """Refuse a name that is no value of an event."""
        names = self.tables.names
        source = names.event(rows.event_name)
        if name in source.values:
            if names.findings.is_broken("events", rows.event_name, "values", name):
                raise Broken
            return
        if names.findings.is_broken("events", rows.event_name, "values"):
            raise Broken
        entities = names.definition.entities
        having = [entity for entity in source.ids if name in entities.get(entity, {})]
        if having:
            raise Refusal(
                "bad-segments",
                f"`{name}` is no value of `{rows.event_name}`, but what {a(having[0])} is",
                f"Write `{having[0]}.{name}`: what it was when the event happened.",
            )
        raise Refusal(
            "unknown-value",
            f"the event `{rows.event_name}` has no value `{name}`",
            suggestion(name, source.values, f"values of `{rows.event_name}`"),
        )

    def _attribute(self, name: str, term: Term, number: int) -> tuple[int, Rows]:
        """The memory of what members of a set are, and the rows that teach it."""
        names = self.tables.names
        of = names.set([*names.definition.sets][number]).of
        entity, _, attribute = name.rpartition(".")
        if entity not in ("", of):
            message = f"`{name}` does not cut a set of `{of}`: it is about {a(entity)}"
            raise Refusal("bad-segments", message, f"Take an attribute of `{of}`.")
        texts = self._taught(of, attribute)
        return self.tables.attribute(term.level, of, attribute), texts


def _not_cut(name: str, term: Term) -> Refusal:
    """What a term that has no segments says, and what may be cut instead."""
    if term.kind in _BY_VALUES_ONLY:
        message = f"`approx_distinct` is not cut by what an entity was, such as `{name}`"
        advice = "Cut it by a value of its events, or take `distinct`, which is exact."
        return Refusal("bad-segments", message, advice)
    what, instead = _INSTEAD[term.kind]
    return Refusal(
        "bad-segments",
        f"{what} has no segments",
        f"Cut {instead} in a metric of its own, or take out `by`. {listed(_HAVE)} of events have "
        "segments, and `size`, `cohort` and growth of a set.",
    )


def _terms_in(value: Formula, before: Mapping[int, Metric]) -> Iterator[int]:
    """The terms of a value, those of other metrics in it too."""
    for leaf in leaves(value):
        if isinstance(leaf, OfTerm):
            yield leaf.term
        elif isinstance(leaf, OfMetric) and leaf.metric in before:
            yield from _terms_in(before[leaf.metric].value, before)


def check_series(names: Names, metrics: Iterable[Metric]) -> None:
    """Refuse more segments than anybody could look at."""
    cut = [metric for metric in metrics if metric.by]
    total = sum(dimension.cap + 2 for metric in cut for dimension in metric.by)
    if total > SERIES_MAX:
        largest = max(cut, key=lambda metric: sum(each.cap for each in metric.by))
        refusal = Refusal(
            "too-many-segments",
            f"all metrics together could have {total:,} segments; {SERIES_MAX:,} are the most",
            "Lower a `cap`, or take out a dimension; each counts its `cap` and two.",
        )
        names.findings.refuse_key(("metrics", largest.name, "by"), refusal)
