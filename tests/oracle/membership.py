"""Attributes as of a tick and members of sets at a tick, as tables.

`attribute_E__A` has `(tick, entity, value)`, `members_S` has `(tick, entity)`.
"""
# ruff: noqa: S608 - the SQL is made of a test's own definition

import ast
from collections.abc import Iterator
from decimal import Decimal

import duckdb

from tests.oracle.anchored import anchored
from tests.oracle.expression import COMPARISON, TRUTH, places, sql
from tests.oracle.habits import active_units, mean_per, streak
from tests.oracle.model import Aggregate, Definition, EntitySet, State
from tests.oracle.rows import Rows
from tests.oracle.streams import MILLIONTHS, kept
from tests.oracle.windows import Spans
from tests.oracle.words import plain_number


def in_window(aggregate: Aggregate, seen: str, spans: Spans, condition: str) -> str:
    """Join the rows an aggregate is over: visible at the tick, in its window, as it asks."""
    assert aggregate.window is not None
    return f"""
        span JOIN {seen} AS event
            ON span.win = {spans.numbers[aggregate.window]} AND event.tick = span.tick
            AND event.t >= span.start AND event.t < span.stop AND {condition}
    """


class Membership:
    """Builds the tables of attributes, then of sets, those that others count first."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        definition: Definition,
        spans: Spans,
        rows: Rows,
    ) -> None:
        self.connection = connection
        self.definition = definition
        self.spans = spans
        self.rows = rows
        self.built: set[str] = set()
        for a in definition.attributes:
            self._attribute(a.entity, a.name, a.event, f"id_{a.field}")
        for state in definition.states:
            if state.value in rows.types[state.event]:  # else nothing asks for it
                taught = kept(f"value_{state.value}", rows.types[state.event][state.value])
                self._attribute(state.entity, state.name, state.event, taught)
        for entity_set in definition.sets.values():
            self._set(entity_set)

    def _attribute(self, entity: str, name: str, event: str, taught: str) -> None:
        """The newest teaching event that is visible says what the attribute is."""
        self.connection.execute(
            f"""
            CREATE TABLE attribute_{entity}__{name} AS
            SELECT tick, id_{entity} AS entity, arg_max({taught}, t) AS value
            FROM tick JOIN event_{event} ON x < tick
            WHERE id_{entity} IS NOT NULL AND {taught} IS NOT NULL
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
        anyone = self._anchor(entity_set)
        parts = {call: f"part_{i}" for i, call in enumerate(entity_set.aggregates)}
        states = {
            f"state_{s.name}": f"attribute_{s.entity}__{s.name}" for s in self._states(entity_set)
        }
        tables = {
            parts[call]: self._aggregate(entity_set, aggregate)
            for call, aggregate in entity_set.aggregates.items()
        } | {part: f"SELECT * FROM {table}" for part, table in states.items()}
        anyone = anyone or " UNION ".join(f"SELECT tick, entity FROM {part}" for part in tables)
        joins = " ".join(f"LEFT JOIN {part} USING (tick, entity)" for part in tables)
        self.connection.execute(
            f"""
            CREATE TABLE members_{entity_set.name} AS
            WITH {", ".join(f"{part} AS ({query})" for part, query in tables.items())},
                anyone AS ({anyone})
            SELECT tick, entity FROM anyone {joins}
            WHERE {self._when(entity_set, entity_set.when, parts)}
            """
        )

    def _anchor(self, entity_set: EntitySet) -> str | None:
        """Build the windows of an anchored set, outside of which nobody is a member."""
        if entity_set.anchor is None:
            return None
        query = anchored(entity_set, self.spans.numbers[entity_set.anchor.cohort])
        self.connection.execute(f"CREATE TABLE anchored_{entity_set.name} AS {query}")
        return f"SELECT tick, entity FROM anchored_{entity_set.name}"

    def _states(self, entity_set: EntitySet) -> Iterator[State]:
        """Name the value attributes that the condition asks for."""
        names = {path[0] for path, _ in places(entity_set.when, TRUTH)}
        for state in self.definition.states:
            if state.entity == entity_set.entity and state.name in names:
                yield state

    def _when(self, entity_set: EntitySet, node: ast.expr, parts: dict[ast.Call, str]) -> str:
        """Write a set's condition; an entity that an aggregate knows nothing of has 0 there."""
        match node:
            case ast.BoolOp(op=op, values=values):
                joint = " AND " if isinstance(op, ast.And) else " OR "
                return "(" + joint.join(self._when(entity_set, v, parts) for v in values) + ")"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"(NOT {self._when(entity_set, operand, parts)})"
            case ast.Compare(left=ast.Call() as call, ops=[op], comparators=[number]):
                part, aggregate = parts[call], entity_set.aggregates[call]
                threshold = plain_number(number)
                if aggregate.function == "sum":
                    threshold *= Decimal(1_000_000)
                times = (
                    f" * coalesce({part}.periods, 1)" if aggregate.function == "mean_per" else ""
                )
                compared = COMPARISON[type(op)]
                return f"(coalesce({part}.amount, 0) {compared} {threshold:f}{times})"
        return sql(node, lambda path: f"state_{path[0]}.value")

    def _aggregate(self, entity_set: EntitySet, aggregate: Aggregate) -> str:
        """Write the query of `(tick, entity, amount)` of one aggregate of a set."""
        if aggregate.function == "rollup":
            return self._roll_up(entity_set, aggregate)
        condition = self.rows.condition(aggregate.subject, aggregate.where)
        if aggregate.function == "streak":
            return streak(aggregate, self.definition, condition, entity_set.entity)
        rows = self._rows(entity_set, aggregate, condition)
        if aggregate.function == "active_units":
            return active_units(aggregate, self.definition, rows, entity_set.entity)
        if aggregate.function == "mean_per":
            return mean_per(aggregate, condition, entity_set.entity, rows)
        if aggregate.function == "distinct":
            return self._distinct(entity_set, aggregate, rows)
        counted = {
            "count": "count(*)",
            "sum": f"sum({MILLIONTHS.format(value=f'event.value_{aggregate.field}')})",
        }[aggregate.function]
        return f"""
            SELECT span.tick, event.id_{entity_set.entity} AS entity, {counted} AS amount
            FROM {rows}
            WHERE event.id_{entity_set.entity} IS NOT NULL
            GROUP BY span.tick, event.id_{entity_set.entity}
        """

    def _rows(self, entity_set: EntitySet, aggregate: Aggregate, condition: str) -> str:
        """Join the rows with their windows, which may be each entity's own."""
        if aggregate.function == "active_units":
            aggregate = Aggregate("", aggregate.subject, window=aggregate.looks[0])
        if aggregate.window is not None:
            seen = self.rows.seen(aggregate.subject, entity_set.entity)
            return in_window(aggregate, seen, self.spans, condition)
        return f"""
            anchored_{entity_set.name} AS span JOIN seen_{aggregate.subject} AS event
                ON event.tick = span.tick AND event.id_{entity_set.entity} = span.entity
                AND event.t >= span.start AND event.t < span.stop AND {condition}
        """

    def _distinct(self, entity_set: EntitySet, aggregate: Aggregate, rows: str) -> str:
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
            FROM {rows} {join}
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
