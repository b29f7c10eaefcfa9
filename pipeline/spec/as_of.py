"""`where=user.plan == "premium" and seconds > 3`: what an entity was when a row happened.

Parts of such a condition that are about an entity are taken out, and read as conditions of a set on
its attributes are; the rest is about the row alone.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.core.sets import AllHeld, AnyHeld, Condition
from pipeline.core.windows import Anchored
from pipeline.spec.findings import Broken
from pipeline.spec.problem import listed
from pipeline.spec.states import condition_of, negation, read_state
from pipeline.spec.syntax import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.core.windows import Window
    from pipeline.spec.parts import Home
    from pipeline.spec.tables import Tables
    from pipeline.spec.written import Written

FUNCTIONS: Final = ("count", "sum", "mean", "distinct", "min", "max", "median", "quantile")


@dataclass(frozen=True, slots=True)
class Split:
    """A condition in two: on the row alone, and on what an entity was (by bare attributes)."""

    where: ast.expr | None
    entity: str | None = None
    states: tuple[ast.expr, ...] = ()


def split(home: Home, function: str, where: ast.expr | None) -> Split:
    """Take a `where=` apart.

    Raises:
        Refusal: where both are mixed, the entity is none of the event's, or of several.
    """
    if where is None or not any(_attributes(home, where)):
        return Split(where)
    joined_by_and = isinstance(where, ast.BoolOp) and isinstance(where.op, ast.And)
    parts = where.values if joined_by_and and isinstance(where, ast.BoolOp) else [where]
    of_state = [part for part in parts if any(_attributes(home, part))]
    rest = [part for part in parts if part not in of_state]
    for part in of_state:
        _refuse_mixed(home, part)
    found = [place for part in of_state for place in _attributes(home, part)]
    entities = list(dict.fromkeys((place_of(place) or ("",))[0] for place in found))
    _check_entities(home, function, found, entities)
    states = tuple(_Bare(entities[0]).visit(part) for part in of_state)
    whole = rest[0] if len(rest) == 1 else ast.BoolOp(ast.And(), rest) if rest else None
    if isinstance(whole, ast.BoolOp) and len(rest) > 1:
        ast.copy_location(whole, where)
    return Split(whole, entities[0], states)


def states_of(node: ast.expr) -> Iterator[ast.expr]:
    """The comparisons that a condition on an entity is made of."""
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from states_of(value)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield from states_of(node.operand)
    else:
        yield node


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes the plan's conditions, for the table of an entity at a level and rows of a window."""

    tables: Tables
    level: int
    entity: str
    window: Window
    within: Written

    def condition(self, states: tuple[ast.expr, ...]) -> Condition | None:
        """That all of these held; None where there are none."""
        if states and self.tables.names.findings.is_broken(*self.within.at):
            raise Broken
        parts = tuple(map(self._condition, states))
        return None if not parts else parts[0] if len(parts) == 1 else AllHeld(parts)

    def _condition(self, node: ast.expr) -> Condition:
        if isinstance(node, ast.BoolOp):
            parts = tuple(map(self._condition, node.values))
            return AllHeld(parts) if isinstance(node.op, ast.And) else AnyHeld(parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return negation(self._condition(node.operand))
        state = read_state(self.tables.names, self.entity, self.within, node)
        history = self.tables.history(self.level, self.entity, state.attribute, self._forgets)
        kind = self.tables.kind(state.event, state.value)
        return condition_of(self.within.code, node, history, kind)

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
                f"`{home.code.written(place)}` of the event and `{home.code.written(of_entity[0])}`"
                " stand within one `or` or `not`, or are compared with each other",
                "Join what is about the event and what is about an entity with `and` only.",
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
