"""Sets: conditions over memories, level by level."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from decimal import localcontext
from typing import TYPE_CHECKING, Final

from pipeline.core.plan import MICROS
from pipeline.core.sets import (
    ENTITY_ITSELF,
    AllHeld,
    AnyHeld,
    AtLeast,
    Cohort,
    Condition,
    EntitySet,
    Marked,
    NotHeld,
    RollUp,
    SinceFirst,
    ValueAtLeast,
    ValueIn,
    comparisons,
)
from pipeline.core.windows import Anchored
from pipeline.spec.as_of import Reader
from pipeline.spec.findings import Broken
from pipeline.spec.habits import ActiveUnits, Streak, check_threshold
from pipeline.spec.order import ordered
from pipeline.spec.problem import Refusal, a
from pipeline.spec.states import condition_of, negation, place_in, read_state
from pipeline.spec.syntax import LENGTH_MAX, operator
from pipeline.spec.thresholds import check_number, check_open, compared, least_of, number_of
from pipeline.spec.written import read_with_calls

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from pipeline.core.windows import Window
    from pipeline.spec.aggregate import Aggregate
    from pipeline.spec.habits import Habit
    from pipeline.spec.names import Names
    from pipeline.spec.rows import Rows
    from pipeline.spec.tables import Tables
    from pipeline.spec.written import Written

_ANYTHING: Final = AtLeast(0, None, 1)  # in place of a comparison that has a problem
_FLIPPED: Final = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def read_sets(names: Names) -> dict[str, Written]:
    """The conditions of all sets that can be read."""
    found = {}
    for name, source in names.definition.sets.items():
        at = ("sets", name, "of")
        with names.findings.catching(at):
            names.check_entity(source.of)
            written = read_with_calls(names, ("sets", name, "when"), source.of)
            if written is not None:
                found[name] = written
    return found


@dataclass(slots=True)
class Sets:
    """The sets of a definition on their way into the plan."""

    tables: Tables
    written: dict[str, Written]
    levels: dict[str, int] = field(default_factory=dict)
    windows: dict[str, tuple[Window, ...]] = field(default_factory=dict)
    roll_ups: dict[str, dict[RollUp, None]] = field(default_factory=dict)
    grown: dict[str, dict[int, None]] = field(default_factory=dict)
    cohorts: dict[str, Cohort] = field(default_factory=dict)
    order: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.order = {name: at for at, name in enumerate(self.written)}

    def compile(self) -> tuple[EntitySet, ...]:
        """All sets, as written in the file; problems are reported on the way."""
        order, circles = ordered({name: self._counted(name) for name in self.written})
        for circle in circles:
            self._refuse_circle(circle)
        whens = {}
        for name in order:
            self._place(name)
            whens[name] = self._condition(name, self.written[name].code.tree)
            self._look_at(name, whens[name])
            self._add_cohort(name)
            self._refuse_everybody(name, whens[name])
        return tuple(self._finished(name, whens[name]) for name in self.written if name in whens)

    def index(self, name: str) -> int:
        """Where a set stands in the plan. Raises Broken for one that has a problem."""
        if name not in self.levels:
            raise Broken
        return self.order[name]

    def cohort(self, name: str) -> Cohort:
        """Who takes part in a set. Raises Broken where its window or condition has a problem."""
        if name not in self.cohorts:
            raise Broken
        return self.cohorts[name]

    def growth(self, name: str, period_ms: int) -> int:
        """The memory of how a set grows, which it then feeds."""
        entity = self.tables.names.set(name).of
        memory = self.tables.memories.growth(self.levels[name], entity, name, period_ms)
        self.grown.setdefault(name, {})[memory] = None
        return memory

    def with_growth(self, compiled: Iterable[EntitySet]) -> tuple[EntitySet, ...]:
        """The sets again, once metrics have asked for their growth."""
        return tuple(replace(one, growth=tuple(self.grown.get(one.name, ()))) for one in compiled)

    def _aggregates(self, name: str) -> list[Aggregate]:
        return list(self.written[name].calls.values())

    def _counted(self, name: str) -> list[str]:
        """The sets whose members a set counts."""
        return [one.subject for one in self._aggregates(name) if one.is_of_set]

    def _refuse_circle(self, circle: list[str]) -> None:
        chain = ", which counts ".join(f"`{name}`" for name in [*circle[1:], circle[0]])
        refusal = Refusal(
            "set-circle",
            f"`{circle[0]}` counts {chain}: a circle",
            "A set can only count sets that do without it; take one of them out.",
        )
        self.tables.names.findings.refuse(("sets", circle[0], "when"), refusal)

    def _place(self, name: str) -> None:
        """Give a set its level; those it counts have theirs."""
        counted = [one for one in self._counted(name) if one in self.levels]
        self.levels[name] = max((self.levels[one] + 1 for one in counted), default=0)

    def _look_at(self, name: str, when: Condition) -> None:
        """Note the windows of a set; those it counts have theirs."""
        aggregates = [one for one in comparisons(when) if isinstance(one, AtLeast)]
        own = [one.window for one in aggregates if one.window is not None]
        counted = [one for one in self._counted(name) if one in self.windows]
        below = [window for one in counted for window in self.windows[one]]
        self.windows[name] = tuple(dict.fromkeys([*own, *below]))

    def _condition(self, name: str, node: ast.expr) -> Condition:
        match node:
            case ast.BoolOp(op=op, values=values):
                parts = tuple(self._condition(name, value) for value in values)
                return AllHeld(parts) if isinstance(op, ast.And) else AnyHeld(parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return negation(self._condition(name, operand))
        with self.tables.names.findings.catching(("sets", name, "when")):
            if place_in(node) is not None:
                return self._state(name, node)
            return self._comparison(name, node)
        return _ANYTHING

    def _comparison(self, name: str, node: ast.expr) -> Condition:
        written = self.written[name]
        call, compares, right = _parts(written, node)
        number = number_of(written.code, right)
        if call not in written.calls:
            raise Broken
        aggregate = written.calls[call]
        with written.code.pointing_at(right):
            if aggregate.habit is not None:
                check_threshold(aggregate.habit, compares, number)
            else:
                check_number(aggregate.function, compares, number)
        with written.code.pointing_at(node):
            if not self._may_be_negative(aggregate):
                check_open(compares, number)
        with localcontext(prec=LENGTH_MAX):  # no number has more digits than that
            if aggregate.habit is not None:
                held = self._habit(name, aggregate, aggregate.habit, compares, number)
                return held if compares in (">=", ">") else NotHeld(held)
            scaled = number * MICROS if aggregate.function == "sum" else number
            return compared(compares, scaled, lambda least: self._at_least(name, aggregate, least))

    def _state(self, name: str, node: ast.expr) -> Condition:
        """A comparison of a value attribute of the set's entity."""
        names, written = self.tables.names, self.written[name]
        if names.findings.is_broken(*written.at):
            raise Broken
        entity = names.set(name).of
        state = read_state(names, entity, written, node)
        memory = self.tables.attribute(self.levels[name], entity, state.attribute)
        return condition_of(written.code, node, memory, self.tables.kind(state.event, state.value))

    def _may_be_negative(self, aggregate: Aggregate) -> bool:
        if aggregate.function != "sum" or aggregate.part is None:
            return False
        if aggregate.is_of_stream:
            return self.tables.may_be_negative(aggregate.subject, aggregate.part)
        source = self.tables.names.event(aggregate.subject).values[aggregate.part]
        return source.min is not None and source.min < 0

    def _at_least(self, name: str, aggregate: Aggregate, least: int) -> AtLeast:
        """The condition that an aggregate's quantity is at least a whole number."""
        if aggregate.is_of_set:
            return AtLeast(self._tally(name, aggregate), None, least)
        assert aggregate.window is not None
        memories, window = self.tables.memories, aggregate.window
        of_items = self._of_items(name, aggregate, window, least)
        if of_items is not None:
            return of_items
        rows = self._rows(name, aggregate)
        if isinstance(window, Anchored) or aggregate.states:
            return self._of_rows_kept(name, aggregate, window, least)
        if aggregate.function == "distinct" and aggregate.part is not None:
            memory = memories.top_k(rows, aggregate.part, window, least)
            return AtLeast(memory, window, least, self._left_out(name, aggregate))
        if aggregate.function == "count" and least == 1:
            return AtLeast(memories.last_seen(rows, window), window, least)
        return AtLeast(memories.ledger(rows, aggregate.part, window), window, least)

    def _of_items(
        self, name: str, aggregate: Aggregate, window: Window, least: int
    ) -> AtLeast | None:
        """The condition over a stream, or events that others undo; None for all other events."""
        written, level = self.written[name], self.levels[name]
        if not aggregate.is_of_stream:
            entity = self.tables.names.set(name).of
            found = self.tables.undone(level, entity, written, aggregate)
        elif isinstance(window, Anchored):
            message = f"`{aggregate.subject}` is a stream, and has no window of each entity"
            advice = 'Look at its events, or give it a window: `window="trailing 7d"`.'
            raise written.code.refusal(aggregate.node, "bad-stream", message, advice)
        else:
            found = self.tables.stream(level, written, aggregate)
        if found is None:
            return None
        memory, items = found
        left_out = None if aggregate.is_of_stream else self._left_out(name, aggregate)
        return AtLeast(memory, window, least, left_out, items=items)

    def _of_rows_kept(self, name: str, aggregate: Aggregate, window: Window, least: int) -> AtLeast:
        """The condition over rows of which more matters than their number."""
        entity, level = self.tables.names.set(name).of, self.levels[name]
        reader = Reader(self.tables, level, entity, window, self.written[name], aggregate)
        rows = replace(self._rows(name, aggregate), marks=reader.marks)
        memory, as_of = self.tables.diary(rows, aggregate, window), reader.condition()
        of_others = aggregate.function == "distinct"
        left_out = self._left_out(name, aggregate) if of_others else None
        return AtLeast(memory, window, least, left_out, as_of=as_of)

    def _habit(
        self, name: str, aggregate: Aggregate, habit: Habit, operator: str, number: Decimal
    ) -> AtLeast:
        """The condition that an entity has a habit; `<` and `<=` ask whether it has not."""
        rows = self._rows(name, aggregate)
        memories, least = self.tables.memories, least_of(operator, number)
        if isinstance(habit, ActiveUnits):
            return AtLeast(memories.active_units(rows, habit.units), habit.units, least)
        if isinstance(habit, Streak):
            units = habit.looks_at(least)
            return AtLeast(memories.active_units(rows, units), units, least, grace=habit.grace)
        thresholds = habit.thresholds(operator, number)
        if not habit.since_first:
            ledger = memories.ledger(rows, None, habit.window)
            return AtLeast(ledger, habit.window, thresholds[-1])
        since = SinceFirst(memories.first_seen(rows), habit.period_ms, thresholds)
        ledger = memories.ledger(rows, None, habit.window)
        return AtLeast(ledger, habit.window, thresholds[0], since_first=since)

    def _rows(self, name: str, aggregate: Aggregate) -> Rows:
        entity = self.tables.names.set(name).of
        return self.tables.rows(self.levels[name], entity, self.written[name], aggregate)

    def _left_out(self, name: str, aggregate: Aggregate) -> int | None:
        entity = self.tables.names.set(name).of
        if aggregate.other_than is None:
            return None
        if aggregate.other_than == entity:
            return ENTITY_ITSELF
        return self.tables.attribute(self.levels[name], entity, aggregate.other_than)

    def _tally(self, name: str, aggregate: Aggregate) -> int:
        """The tally of a roll-up; the counted set learns whom to count for."""
        counted, attribute = aggregate.subject, aggregate.part
        assert attribute is not None
        if counted not in self.levels:
            raise Broken
        names = self.tables.names
        tally = self.tables.memories.tally(
            self.levels[name], names.set(name).of, f"{counted}.{attribute}"
        )
        held = self.tables.attribute(self.levels[counted], names.set(counted).of, attribute)
        self.roll_ups.setdefault(counted, {})[RollUp(held, tally)] = None
        return tally

    def _add_cohort(self, name: str) -> None:
        """Note who takes part in a set whose entities have windows of their own."""
        own = [one for one in self._aggregates(name) if isinstance(one.window, Anchored)]
        if own and isinstance(own[0].window, Anchored):
            entity, window = self.tables.names.set(name).of, own[0].window
            events = dict.fromkeys(one.subject for one in own)
            self.cohorts[name] = self.tables.cohort(self.levels[name], entity, window, events)

    def _refuse_everybody(self, name: str, when: Condition) -> None:
        findings = self.tables.names.findings
        is_kept_out = name in self.cohorts or not _holds_for_nothing(when)
        if findings.is_broken("sets", name) or is_kept_out:
            return
        refusal = Refusal(
            "set-of-everybody",
            f"`{name}` would hold for {a(self.tables.names.set(name).of)} that did nothing",
            "Add what brings one in, joined with `and`: `count(active) >= 1 and …`.",
        )
        findings.refuse(("sets", name, "when"), refusal)

    def _finished(self, name: str, when: Condition) -> EntitySet:
        return EntitySet(
            name,
            self.tables.names.set(name).of,
            self.levels[name],
            when,
            tuple(self.roll_ups.get(name, ())),
            self.windows[name],
            cohort=self.cohorts.get(name),
        )


def _parts(written: Written, node: ast.expr) -> tuple[ast.Call, str, ast.expr]:
    """The aggregate, operator and number of a comparison."""
    code = written.code
    match node:
        case ast.Compare(left=ast.Call() as call, ops=[op], comparators=[right]) if not isinstance(
            op, ast.In | ast.NotIn
        ):
            return call, operator(op), right
        case ast.Compare(left=left, ops=[op], comparators=[ast.Call() as call]):
            spelled = operator(op)
            turned = f"{code.written(call)} {_FLIPPED.get(spelled, spelled)} {code.written(left)}"
            advice = f"Turn it round: `{turned}`."
        case ast.Call():
            advice = f"Compare it with a number: `{code.written(node)} >= 1`."
        case _:
            advice = "Write `count(event) >= 1`, `sum(event.value) > 60` or the like."
    message = "a condition of a set compares an aggregate with a number"
    raise code.refusal(node, "bad-comparison", message, advice)


def _holds_for_nothing(condition: Condition) -> bool:
    """Whether a condition holds when every quantity is 0."""
    match condition:
        case AtLeast(threshold=threshold):
            return threshold <= 0
        case ValueIn() | ValueAtLeast() | Marked():
            return False
        case NotHeld(condition=inner):
            return not _holds_for_nothing(inner)
        case AllHeld(conditions=conditions):
            return all(_holds_for_nothing(one) for one in conditions)
    return any(_holds_for_nothing(one) for one in condition.conditions)
