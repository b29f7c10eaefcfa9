"""Conditions of a set on what its entity is: `plan == "premium"`, `seats >= 5`, `is_admin`."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.core.expression import Kind
from pipeline.core.plan import MICROS
from pipeline.core.sets import AllHeld, AnyHeld, Condition, NotHeld, OfValue, ValueAtLeast, ValueIn
from pipeline.spec.attributes import what_is
from pipeline.spec.expression import infer
from pipeline.spec.findings import Broken
from pipeline.spec.kinds import Place
from pipeline.spec.problem import Refusal, a, suggestion
from pipeline.spec.syntax import operator, place_of
from pipeline.spec.thresholds import check_size, number_of, passed, reached

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.spec.events import DraftEvent
    from pipeline.spec.kinds import Kinds
    from pipeline.spec.names import Names
    from pipeline.spec.schema import Attribute
    from pipeline.spec.syntax import Code
    from pipeline.spec.written import Written


def place_in(node: ast.expr) -> ast.expr | None:
    """The place that a comparison is about; None for one of an aggregate."""
    sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else [node]
    if any(isinstance(side, ast.Call) for side in sides):
        return None
    return next((side for side in sides if place_of(side) is not None), None)


def states_in(node: ast.expr) -> Iterator[ast.expr]:
    """The comparisons of a set's condition that are about attributes."""
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from states_in(value)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield from states_in(node.operand)
    elif place_in(node) is not None:
        yield node


@dataclass(frozen=True, slots=True)
class State:
    """One attribute compared with what is written."""

    attribute: str
    event: str
    value: str


@dataclass(frozen=True, slots=True)
class _StateScope:
    """The one name there is stands for a value of the event that teaches the attribute."""

    kinds: Kinds
    line: int
    state: State

    def place(self, code: Code, node: ast.expr) -> Place:
        assert code.written(node)
        return Place((self.state.value,), is_value=True)


def use_in_state(
    names: Names, events: Mapping[str, DraftEvent], entity: str, within: Written, node: ast.expr
) -> None:
    """Note what a comparison uses an attribute's value as."""
    with names.findings.catching(within.at):
        state = read_state(names, entity, within, node)
        event = events[state.event]
        infer(within.code, node, _StateScope(event.kinds, within.line, state), Kind.TRUTH)


def read_state(names: Names, entity: str, within: Written, node: ast.expr) -> State:
    """Look up the attribute of a comparison.

    Raises:
        Refusal: where the entity has no such value, or the comparison is of another form.
        Broken: where the attribute has a problem of its own.
    """
    place = place_in(node)
    assert place is not None
    path = place_of(place) or ()
    with within.code.pointing_at(place):
        if len(path) > 1:
            raise _no_attribute(within, place, entity)
        attribute = _attribute(names, entity, path[0])
        if names.findings.is_broken("entities", entity, path[0]):
            raise Broken
        if attribute.is_ is not None:
            raise Refusal(
                "wrong-attribute",
                f"`{path[0]}` of {a(entity)} is {what_is(attribute)}; there is no value to compare",
                f"Take an attribute that is a value: `{{{path[0]}: {{from: event.value}}}}`.",
            )
    _check_form(within, node, place)
    return State(path[0], *attribute.from_.split("."))


def _attribute(names: Names, entity: str, name: str) -> Attribute:
    try:
        return names.attribute(entity, name)
    except Refusal as refusal:
        section = names.section_of(name)
        if section is not None:
            raise _no_state(entity, name, section) from None
        known = names.definition.entities.get(entity, {})
        others = f"{suggestion(name, known, f'attributes of `{entity}`')} " if known else ""
        refusal.advice = (
            f"{others}Add it, `entities: {{{entity}: {{{name}: {{from: event.value}}}}}}`, "
            "or compare an aggregate: `count(event) >= 1`."
        )
        raise


def _no_state(entity: str, name: str, section: str) -> Refusal:
    """What to write for the name of something else in a set's condition."""
    advice = f"Count it: `count({name}) >= 1`."
    if section == "sets":
        advice = f"Count its members by what they are: `count({name}.attribute) >= 1`, with an "
        advice += f"attribute that is {a(entity)}."
    if section == "metrics":
        advice = "A metric is one number for all; a set compares what is counted for each."
    noun = {"events": "an event", "streams": "a stream", "sets": "a set", "metrics": "a metric"}
    message = f"`{name}` is {noun[section]}, and nothing that {a(entity)} is"
    return Refusal("wrong-noun", message, advice)


def _no_attribute(within: Written, place: ast.expr, entity: str) -> Refusal:
    return within.code.refusal(
        place,
        "bad-comparison",
        f"`{within.code.written(place)}` is no attribute of {a(entity)}",
        "A set compares aggregates, and attributes of its own entity by their bare names: "
        '`plan == "premium"`.',
    )


def _check_form(within: Written, node: ast.expr, place: ast.expr) -> None:
    """Refuse all but an attribute alone, or on the left of what is written as it is."""
    code = within.code
    if node is place:
        return
    assert isinstance(node, ast.Compare)
    right = node.comparators[0]
    if node.left is not place and isinstance(node.left, ast.Constant):
        message = "the attribute stands on the left of a comparison"
        raise code.refusal(node, "bad-comparison", message, "Turn it round: `seats >= 5`.")
    negative = isinstance(right, ast.UnaryOp) and isinstance(right.operand, ast.Constant)
    plain = isinstance(right, ast.Constant | ast.Tuple) or negative
    if node.left is not place or not plain:
        raise code.refusal(
            node if node.left is not place else right,
            "bad-comparison",
            "an attribute is compared with a plain number, text, true or false",
            'Write `seats >= 5`, `plan == "premium"` or `plan in ("pro", "team")`; '
            "arithmetic belongs in the event's `values`.",
        )


def condition_of(code: Code, node: ast.expr, memory: int, kind: Kind) -> OfValue:
    """What a comparison of an attribute comes down to.

    Raises:
        Refusal: for a number too large to be a value.
    """
    if not isinstance(node, ast.Compare):
        return ValueIn(memory, (1,), negated=False)
    spelled, right = operator(node.ops[0]), node.comparators[0]
    if spelled in ("<", "<=", ">", ">="):
        number = number_of(code, right)
        with code.pointing_at(right):
            check_size(number)
        limit = reached(number * MICROS) if spelled in ("<", ">=") else passed(number * MICROS)
        return ValueAtLeast(memory, limit, negated=spelled in ("<", "<="))
    written = right.elts if isinstance(right, ast.Tuple) else [right]
    options = [_option(code, each, kind) for each in written]
    known = tuple(option for option in options if option is not None)
    return ValueIn(memory, known, negated=spelled in ("!=", "not in"))


def _option(code: Code, node: ast.expr, kind: Kind) -> str | int | None:
    """A literal as it is remembered; None for a number that no value can be."""
    if kind is not Kind.NUMBER:
        assert isinstance(node, ast.Constant)
        assert isinstance(node.value, str | bool)
        return node.value if isinstance(node.value, str) else int(node.value)
    number = number_of(code, node)
    with code.pointing_at(node):
        check_size(number)
    micros = number * MICROS
    return int(micros) if micros == micros.to_integral_value() else None


def negation(condition: Condition) -> Condition:
    """`not condition`, with comparisons of values turned round: not to know is neither."""
    match condition:
        case ValueIn(negated=negated) | ValueAtLeast(negated=negated):
            return replace(condition, negated=not negated)
        case AllHeld(conditions=parts) if _has_values(condition):
            return AnyHeld(tuple(map(negation, parts)))
        case AnyHeld(conditions=parts) if _has_values(condition):
            return AllHeld(tuple(map(negation, parts)))
    return NotHeld(condition)


def _has_values(condition: Condition) -> bool:
    if isinstance(condition, AllHeld | AnyHeld):
        return any(map(_has_values, condition.conditions))
    return isinstance(condition, OfValue)
