"""Terms: the leaves of metrics, from aggregates to memories and what shards say of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pipeline.core.formula import Formula, OfTerm, TermPart
from pipeline.core.plan import Term, TermKind
from pipeline.core.sets import Reach
from pipeline.spec import growth
from pipeline.spec.as_of import Reader

if TYPE_CHECKING:
    from pipeline.core.streams import OfItems
    from pipeline.core.windows import Window
    from pipeline.spec.aggregate import Aggregate
    from pipeline.spec.rows import Rows
    from pipeline.spec.sets import Sets
    from pipeline.spec.tables import Tables
    from pipeline.spec.written import Written

_WITHIN_LEVEL_MAX: Final = 3  # each level is one more step for every tick to pass
_PARTS: Final = {
    "sum": TermPart.SUM,
    "mean": TermPart.MEAN,
    "min": TermPart.MIN,
    "max": TermPart.MAX,
    "median": TermPart.QUANTILE,
    "quantile": TermPart.QUANTILE,
    "approx_distinct": TermPart.APPROX_DISTINCT,
    "top_share": TermPart.TOP_SHARE,
}
_OF_VALUES: Final = {
    "min": TermKind.EXTREMES,
    "max": TermKind.EXTREMES,
    "median": TermKind.SKETCH,
    "quantile": TermKind.SKETCH,
}
_OF_ITEMS: Final = {"distinct": TermKind.ITEM_ENTITIES, **_OF_VALUES}
_OF_ROWS: Final = {"distinct": TermKind.DISTINCT, **_OF_VALUES}


@dataclass(slots=True)
class Terms:
    """The terms of a definition on their way into the plan; equal ones are counted once."""

    tables: Tables
    sets: Sets
    numbers: dict[Term, int] = field(default_factory=dict)
    reaches: dict[Reach, None] = field(default_factory=dict)

    def count(self, rows: Rows, value: str | None, window: Window) -> OfTerm:
        """How many rows there are, those with a value if one is asked for."""
        memory = self.tables.memories.panes(rows, value, window)
        return self._counted(Term(TermKind.PANES, 0, memory, None, (window,)), TermPart.COUNT)

    def of(self, found: Written, aggregate: Aggregate) -> Formula:
        """The leaf of a metric for an aggregate."""
        if aggregate.is_of_set:
            name = aggregate.subject
            at = self.sets.index(name)
            term = Term(TermKind.SIZE, self.sets.levels[name], None, at, self.sets.windows[name])
            if aggregate.function == "cohort":
                window = self.sets.cohort(name).window
                term = replace(term, kind=TermKind.COHORT, windows=(window,))
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

    def _growth(self, aggregate: Aggregate, size: Term) -> Formula:
        period_ms = aggregate.period_ms or growth.default_period_ms(size.windows)
        of = replace(size, memory=self.sets.growth(aggregate.subject, period_ms))
        return growth.grown(aggregate.function, of, period_ms, self._number)

    def _number(self, term: Term) -> int:
        return self.numbers.setdefault(term, len(self.numbers))

    def _of_rows(self, found: Written, aggregate: Aggregate, window: Window) -> Term:
        """A term over rows of which it matters what their entity was at the time."""
        entity, is_distinct = aggregate.known_of, aggregate.function == "distinct"
        assert entity is not None
        rows = self.tables.rows(0, entity, found, aggregate)
        value = None if is_distinct else aggregate.part
        reader = Reader(self.tables, 0, entity, window, found, aggregate)
        as_of, marks = reader.condition(), reader.marks
        # What is about the row alone may suffice, whoever did it.
        lacks = bool(marks) and not is_distinct
        kind = _OF_ROWS.get(aggregate.function, TermKind.PANES)
        rows = replace(rows, marks=marks, may_lack_entity=lacks)
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
        self.reaches[Reach(at, pairs, window, tally)] = None
        return Term(TermKind.REACH, level + 1, tally, at, windows)

    def _counted(self, term: Term, part: TermPart, share: float | None = None) -> OfTerm:
        return OfTerm(self._number(term), part, share)


def _of_items(aggregate: Aggregate, memory: int, items: OfItems) -> Term:
    """A term of a stream's items."""
    assert aggregate.window is not None
    kind = _OF_ITEMS.get(aggregate.function, TermKind.ITEMS)
    return Term(kind, 0, memory, None, (aggregate.window,), items=items)


def _entity_of(aggregate: Aggregate) -> str | None:
    """The entity whose different ids are counted."""
    return aggregate.part if aggregate.function == "distinct" else None
