"""`where=user.plan == "premium" and seconds > 3`: what an entity was when a row happened.

What is joined by `and` is parted: that which is about an entity is read as conditions of a set on
its attributes are, the rest is about the row alone. Where both stand within one `or` or `not`, the
parts that are about the row alone become its marks: whether it met them is kept beside it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.core.expression import Not
from pipeline.core.sets import AllHeld, AnyHeld, Condition, Marked
from pipeline.core.windows import Anchored
from pipeline.spec.canonical import expression_text
from pipeline.spec.findings import Broken
from pipeline.spec.problem import listed
from pipeline.spec.states import condition_of, negation, read_state
from pipeline.spec.syntax import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.core.expression import Expression
    from pipeline.core.windows import Window
    from pipeline.spec.aggregate import Aggregate
    from pipeline.spec.parts import Home
    from pipeline.spec.rows import Marks
    from pipeline.spec.tables import Tables
    from pipeline.spec.written import Written

FUNCTIONS: Final = ("count", "sum", "mean", "distinct", "min", "max", "median", "quantile")


@dataclass(frozen=True, slots=True)
class Split:
    """A condition in two: on the row alone, and on what an entity was (by bare attributes).

    Within `states` an `OfRow` is about the row alone.
    """

    where: ast.expr | None
    entity: str | None = None
    states: tuple[ast.expr, ...] = ()


class OfRow(ast.expr):
    """A part of a condition on what an entity was that is about the row alone."""

    _fields = ("condition",)

    def __init__(self, condition: ast.expr) -> None:
        super().__init__()
        self.condition = condition


def split(home: Home, function: str, where: ast.expr | None) -> Split:
    """Take a `where=` apart.

    Raises:
        Refusal: where both are compared, the entity is none of the event's, or of several.
    """
    if where is None or not any(_attributes(home, where)):
        return Split(where)
    joined_by_and = isinstance(where, ast.BoolOp) and isinstance(where.op, ast.And)
    parts = where.values if joined_by_and and isinstance(where, ast.BoolOp) else [where]
    of_state = [part for part in parts if any(_attributes(home, part))]
    rest = [part for part in parts if part not in of_state]
    found = [place for part in of_state for place in _attributes(home, part)]
    entities = list(dict.fromkeys((place_of(place) or ("",))[0] for place in found))
    _check_entities(home, function, found, entities)
    states = tuple(_Bare(entities[0]).visit(_parted(home, part)) for part in of_state)
    return Split(_joined(ast.And(), rest, where) if rest else None, entities[0], states)


def _parted(home: Home, node: ast.expr) -> ast.expr:
    """A condition with what is about the row alone set apart, in parts as large as can be."""
    if not any(_attributes(home, node)):
        return _of_row(node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = ast.UnaryOp(ast.Not(), _parted(home, node.operand))
        return ast.copy_location(inner, node)
    if not isinstance(node, ast.BoolOp):
        _refuse_mixed(home, node)
        return node
    of_state = [part for part in node.values if any(_attributes(home, part))]
    rest = [part for part in node.values if part not in of_state]
    parts = [_parted(home, part) for part in of_state]
    return _joined(
        node.op, [*parts, *map(_of_row, [_joined(node.op, rest, node)] * bool(rest))], node
    )


def _of_row(node: ast.expr) -> OfRow:
    return ast.copy_location(OfRow(node), node)


def _joined(operator: ast.boolop, parts: list[ast.expr], at: ast.expr) -> ast.expr:
    return parts[0] if len(parts) == 1 else ast.copy_location(ast.BoolOp(operator, parts), at)


def states_of(node: ast.expr) -> Iterator[ast.expr]:
    """The comparisons that a condition on an entity is made of, and what is about the row alone."""
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from states_of(value)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield from states_of(node.operand)
    else:
        yield node


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes the plan's condition, for the table of an entity at a level and rows of a window."""

    tables: Tables
    level: int
    entity: str
    window: Window
    within: Written
    aggregate: Aggregate

    def condition(self) -> Condition | None:
        """That all of the aggregate's states held; None where there are none."""
        states, marks = self.aggregate.states, self.marks
        parts = tuple(self._condition(each, marks, negated=False) for each in states)
        return None if not parts else parts[0] if len(parts) == 1 else AllHeld(parts)

    @property
    def marks(self) -> Marks:
        """The conditions on the row alone that the condition is made of."""
        if self.aggregate.states and self.tables.names.findings.is_broken(*self.within.at):
            raise Broken
        found = {
            each for node in self.aggregate.states for each in self._marks(node, negated=False)
        }
        return tuple(sorted(found, key=expression_text))

    def _marks(self, node: ast.expr, *, negated: bool) -> Iterator[Expression]:
        if isinstance(node, ast.BoolOp):
            for value in node.values:
                yield from self._marks(value, negated=negated)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield from self._marks(node.operand, negated=not negated)
        elif isinstance(node, OfRow):
            yield self._mark(node, negated=negated)

    def _mark(self, node: OfRow, *, negated: bool) -> Expression:
        """What is unknown of a row is so of its opposite: each is a condition of its own."""
        found = self.tables.row_condition(self.within, self.aggregate.subject, node.condition)
        return Not(found) if negated else found

    def _condition(self, node: ast.expr, marks: Marks, *, negated: bool) -> Condition:
        """A part of the condition, or its opposite: `not` is carried down to what is compared."""
        if isinstance(node, ast.BoolOp):
            parts = tuple(self._condition(each, marks, negated=negated) for each in node.values)
            return AllHeld(parts) if isinstance(node.op, ast.And) != negated else AnyHeld(parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self._condition(node.operand, marks, negated=not negated)
        if isinstance(node, OfRow):
            return Marked(marks.index(self._mark(node, negated=negated)))
        state = read_state(self.tables.names, self.entity, self.within, node)
        history = self.tables.history(self.level, self.entity, state.attribute, self._forgets)
        kind = self.tables.kind(state.event, state.value)
        compared = condition_of(self.within.code, node, history, kind)
        return negation(compared) if negated else compared

    @property
    def _forgets(self) -> Window | None:
        """The window of the rows, None where they may be from before it."""
        window = self.window
        is_open = isinstance(window, Anchored) and window.is_session and window.is_matured
        return None if is_open else window


class _Bare(ast.NodeTransformer):
    """`user.plan` as sets of users write it: `plan`."""

    def __init__(self, entity: str) -> None:
        self._entity = entity

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return ast.copy_location(ast.Name(node.attr), node)

    def visit_OfRow(self, node: OfRow) -> ast.expr:
        return node


def _attributes(home: Home, node: ast.expr) -> Iterator[ast.expr]:
    """The places in a condition that are an attribute of one of the event's entities."""
    for place in _places(node):
        path = place_of(place) or ()
        if len(path) == 2 and path[0] in home.names.entities():  # noqa: PLR2004 - entity.attribute
            yield place


def _places(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.expr) and place_of(node) is not None:
        yield node
        return
    for child in ast.iter_child_nodes(node):
        yield from _places(child)


def _refuse_mixed(home: Home, part: ast.expr) -> None:
    of_entity = list(_attributes(home, part))
    for place in _places(part):
        if place not in of_entity:
            raise home.code.refusal(
                part,
                "bad-aggregate",
                f"`{home.code.written(place)}` of the event is compared with "
                f"`{home.code.written(of_entity[0])}`",
                "Compare each with a number or a text, and join the two.",
            )


def _check_entities(home: Home, function: str, places: list[ast.expr], entities: list[str]) -> None:
    code, first = home.code, places[0]
    if function not in FUNCTIONS:
        raise code.refusal(
            first,
            "bad-aggregate",
            f"`{function}` does not know what `{code.written(first)}` was at the time of an event",
            f"Only {listed(FUNCTIONS)} do.",
        )
    if len(entities) > 1:
        message = f"this looks at `{entities[0]}` and `{entities[1]}` at once"
        advice = "Look at one of them; make a value of the event of the other."
        raise code.refusal(places[-1], "bad-aggregate", message, advice)
    if home.entity is not None and entities[0] != home.entity:
        message = f"in a set of `{home.entity}` nothing is known of `{entities[0]}`"
        advice = f"Take an attribute of `{home.entity}`."
        raise code.refusal(first, "bad-aggregate", message, advice)
