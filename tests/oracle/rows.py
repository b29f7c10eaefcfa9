"""What is visible at each tick: rows of events, and the items of streams they make.

`seen_X` has, for an event or a stream X, `(tick, row, t, id_…, value_…, state_E__A)`: a row's or
an item's place in time, its ids, its values or columns, and of each value attribute that is asked
for what it was as of `t`, as far as it is known at the tick. `seen_X__E` is the same
of an event that may be undone, for an entity E.
"""
# ruff: noqa: S608 - the SQL is made of a test's own definition

import ast
from collections.abc import Iterable, Iterator

import duckdb

from tests.oracle.expression import TRUTH, places, sql
from tests.oracle.model import Definition, Event, State
from tests.oracle.streams import columns_of, items, kept
from tests.oracle.uses import Reach, entities_of, value_types
from tests.oracle.words import Path


def condition(where: ast.expr | None, columns: set[str]) -> str:
    """Write the `where=` of an aggregate, whose names are values, columns or attributes."""

    def column(path: Path) -> str:
        name = "__".join(path)
        return f"event.value_{name}" if name in columns else f"event.state_{name}"

    return "true" if where is None else sql(where, column)


class Rows:
    """Builds `seen_X` of every event and stream."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        definition: Definition,
        seeds: dict[str, list[tuple[str, int | None]]],
    ) -> None:
        self.connection = connection
        self.definition = definition
        self.types = {event: value_types(definition, event) for event in definition.events}
        self.columns = {event: set(types) for event, types in self.types.items()}
        reach = Reach(definition)
        for event in definition.events.values():
            self._keep(event.name, self._standing(event.name, "undone"))
            for entity in self._undoing_ids(event):
                of_entity = f"{event.name}__{entity}"
                self._keep(event.name, self._standing(event.name, f"undone_{entity}"), of_entity)
        for stream in definition.streams.values():
            self.columns[stream.name] = columns_of(stream, self.types)
            seeded = seeds.get(stream.name, [])
            self._keep(stream.name, items(stream, self.types, seeded, reach.longest(stream.name)))

    def condition(self, subject: str, where: ast.expr | None) -> str:
        """Write the `where=` of an aggregate over a subject."""
        return condition(where, self.columns[subject])

    def seen(self, subject: str, entity: str | None) -> str:
        """Name the table of what is there of a subject, for an entity where it is counted for one.

        What undoes an event undoes it for an entity only where it carries the same id of that.
        """
        event = self.definition.events.get(subject)
        if event is not None and entity in self._undoing_ids(event):
            return f"seen_{subject}__{entity}"
        return f"seen_{subject}"

    def _undoing_ids(self, event: Event) -> set[str]:
        """Name the entities that an event and what may undo it carry the ids of."""
        if event.undone_by is None:
            return set()
        return event.ids.keys() & self.definition.events[event.undone_by.event].ids.keys()

    def _standing(self, event: str, undone: str) -> str:
        return f"""
            SELECT tick.tick, event.record AS row, event.* EXCLUDE (record)
            FROM tick JOIN event_{event} AS event
                ON event.x < tick.tick AND ({undone} IS NULL OR {undone} >= tick.tick)
        """

    def _keep(self, subject: str, rows: str, name: str | None = None) -> None:
        states = list(self._states(subject))
        joined = "".join(f", {self._as_of(state)} AS state_{_named(state)}" for state in states)
        table = f"seen_{name or subject}"
        self.connection.execute(
            f"CREATE TABLE {table} AS SELECT event.*{joined} FROM ({rows}) AS event"
        )

    def _as_of(self, state: State) -> str:
        """Look up what was taught last at or before a row's time."""
        taught = f"lesson.value_{state.value}"
        last = kept(f"arg_max({taught}, lesson.t)", self.types[state.event][state.value])
        return f"""(
            SELECT {last} FROM event_{state.event} AS lesson
            WHERE lesson.id_{state.entity} = event.id_{state.entity} AND {taught} IS NOT NULL
                AND lesson.x < event.tick AND lesson.t <= event.t
        )"""

    def _states(self, subject: str) -> Iterator[State]:
        """Name the value attributes that something asks of the subject's rows."""
        entities = entities_of(self.definition, subject)
        asked = set(self._asked(subject))
        for state in self.definition.states:
            if state.entity in entities and _named(state) in asked:
                yield state

    def _asked(self, subject: str) -> Iterator[str]:
        for aggregate in self.definition.aggregates():
            if aggregate.subject == subject and aggregate.where is not None:
                paths: Iterable[tuple[Path, str]] = places(aggregate.where, TRUTH)
                yield from ("__".join(path) for path, _ in paths if len(path) > 1)
        for metric in self.definition.metrics.values():
            yield from (name.replace(".", "__") for name in metric.by if "." in name)


def _named(state: State) -> str:
    return f"{state.entity}__{state.name}"
