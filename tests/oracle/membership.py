"""Attributes as of a tick and members of sets at a tick, as tables.

`attribute_E__A` has `(tick, entity, value)`, `members_S` has `(tick, entity)`.
"""
# ruff: noqa: S608 - the SQL is made of a test's own definition

import ast
from decimal import Decimal

import duckdb

from tests.oracle.expression import COMPARISON, plain_number, sql
from tests.oracle.language import Aggregate, Attribute, Definition, EntitySet
from tests.oracle.windows import Spans

MILLIONTHS = "CAST(round({value} * 1e6) AS BIGINT)"
"""A value as a whole number of millionths, rounded once."""


def condition(where: ast.expr | None) -> str:
    """Write the `where=` of an aggregate, whose names are the event's values."""
    return "true" if where is None else sql(where, lambda path: f"event.value_{path[0]}")


def in_window(aggregate: Aggregate, spans: Spans) -> str:
    """Join the events an aggregate is over: visible at the tick, in its window, as it asks."""
    assert aggregate.window is not None
    return f"""
        span JOIN event_{aggregate.subject} AS event
            ON span.win = {spans.numbers[aggregate.window]}
            AND event.t >= span.start AND event.t < span.stop AND event.x < span.tick
            AND {condition(aggregate.where)}
    """


class Membership:
    """Builds the tables of attributes, then of sets, those that others count first."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, definition: Definition, spans: Spans
    ) -> None:
        self.connection = connection
        self.definition = definition
        self.spans = spans
        self.built: set[str] = set()
        for attribute in definition.attributes:
            self._attribute(attribute)
        for entity_set in definition.sets.values():
            self._set(entity_set)

    def _attribute(self, attribute: Attribute) -> None:
        """The newest teaching event that is visible says what the attribute is."""
        self.connection.execute(
            f"""
            CREATE TABLE attribute_{attribute.entity}__{attribute.name} AS
            SELECT tick, id_{attribute.entity} AS entity, arg_max(id_{attribute.field}, t) AS value
            FROM tick JOIN event_{attribute.event} ON x < tick
            WHERE id_{attribute.entity} IS NOT NULL AND id_{attribute.field} IS NOT NULL
            GROUP BY tick, entity
            """
        )

    def _set(self, entity_set: EntitySet) -> None:
        if entity_set.name in self.built:
            return
        self.built.add(entity_set.name)
        for aggregate in entity_set.aggregates.values():
            if aggregate.function == "rollup":
                self._set(self.definition.sets[aggregate.subject])
        parts = {call: f"part_{i}" for i, call in enumerate(entity_set.aggregates)}
        tables = ", ".join(
            f"{part} AS ({self._aggregate(entity_set, entity_set.aggregates[call])})"
            for call, part in parts.items()
        )
        anyone = " UNION ".join(f"SELECT tick, entity FROM {part}" for part in parts.values())
        joins = " ".join(f"LEFT JOIN {part} USING (tick, entity)" for part in parts.values())
        self.connection.execute(
            f"""
            CREATE TABLE members_{entity_set.name} AS
            WITH {tables}, anyone AS ({anyone})
            SELECT tick, entity FROM anyone {joins}
            WHERE {self._when(entity_set, entity_set.when, parts)}
            """
        )

    def _when(self, entity_set: EntitySet, node: ast.expr, parts: dict[ast.Call, str]) -> str:
        """Write a set's condition; an entity that an aggregate knows nothing of has 0 there."""
        match node:
            case ast.BoolOp(op=op, values=values):
                joint = " AND " if isinstance(op, ast.And) else " OR "
                return "(" + joint.join(self._when(entity_set, v, parts) for v in values) + ")"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"(NOT {self._when(entity_set, operand, parts)})"
            case ast.Compare(left=ast.Call() as call, ops=[op], comparators=[number]):
                threshold = plain_number(number)
                if entity_set.aggregates[call].function == "sum":
                    threshold *= Decimal(1_000_000)
                return f"(coalesce({parts[call]}.amount, 0) {COMPARISON[type(op)]} {threshold:f})"
        raise AssertionError(ast.dump(node))

    def _aggregate(self, entity_set: EntitySet, aggregate: Aggregate) -> str:
        """Write the query of `(tick, entity, amount)` of one aggregate of a set."""
        if aggregate.function == "rollup":
            return self._roll_up(entity_set, aggregate)
        if aggregate.function == "distinct":
            return self._distinct(entity_set, aggregate)
        counted = {
            "count": "count(*)",
            "sum": f"sum({MILLIONTHS.format(value=f'event.value_{aggregate.field}')})",
        }[aggregate.function]
        return f"""
            SELECT span.tick, event.id_{entity_set.entity} AS entity, {counted} AS amount
            FROM {in_window(aggregate, self.spans)}
            WHERE entity IS NOT NULL
            GROUP BY span.tick, entity
        """

    def _distinct(self, entity_set: EntitySet, aggregate: Aggregate) -> str:
        """Count other ids; one that equals the left-out id is not among them."""
        entity = f"event.id_{entity_set.entity}"
        left_out, join = "NULL", ""
        if aggregate.other_than == entity_set.entity:
            left_out = entity
        elif aggregate.other_than is not None:
            left_out = "own.value"
            join = f"""
                LEFT JOIN attribute_{entity_set.entity}__{aggregate.other_than} AS own
                ON own.tick = span.tick AND own.entity = {entity}
            """
        other = f"event.id_{aggregate.field}"
        return f"""
            SELECT span.tick, {entity} AS entity, count(DISTINCT {other}) AS amount
            FROM {in_window(aggregate, self.spans)} {join}
            WHERE {entity} IS NOT NULL AND {other} IS DISTINCT FROM {left_out}
            GROUP BY span.tick, {entity}
        """

    def _roll_up(self, entity_set: EntitySet, aggregate: Aggregate) -> str:
        """Count the members of another set by the attribute they have at the tick."""
        child = self.definition.sets[aggregate.subject]
        assert entity_set.entity == next(
            a.kind
            for a in self.definition.attributes
            if (a.entity, a.name) == (child.entity, aggregate.field)
        )
        return f"""
            SELECT tick, own.value AS entity, count(*) AS amount
            FROM members_{child.name} AS member
            JOIN attribute_{child.entity}__{aggregate.field} AS own USING (tick, entity)
            GROUP BY tick, own.value
        """
