"""Segments: which text of a dimension each row or member has, and which texts keep their name."""
# ruff: noqa: S608 - the SQL is made of a test's own definition

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from tests.oracle.model import Definition, Metric
from tests.oracle.uses import entities_of

OTHER, NONE = "__other__", "__none__"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class Segment:
    """One text of one dimension of a metric, or all other texts, or none."""

    dimension: str
    name: str
    kept: tuple[str, ...]
    """The texts that keep their names."""

    def holds(self, text: str) -> str:
        """Write that a text in SQL belongs here."""
        if self.name == NONE:
            return f"{text} IS NULL"
        if self.name != OTHER:
            return f"{text} = {_quoted(self.name)}"
        return " AND ".join(
            [f"{text} IS NOT NULL", *(f"{text} <> {_quoted(k)}" for k in self.kept)]
        )


def is_value(definition: Definition, subject: str, dimension: str) -> bool:
    """Whether rows of the subject carry the dimension themselves."""
    event = definition.events.get(subject)
    return event is not None and dimension in event.values


def state_of(definition: Definition, subject: str, dimension: str) -> str:
    """Name the attribute that the dimension is, as `entity__name`."""
    entities = entities_of(definition, subject)
    (found,) = (s for s in definition.states if s.entity in entities and s.name == dimension)
    return f"{found.entity}__{found.name}"


def _sources(definition: Definition, metric: Metric, dimension: str) -> Iterator[str]:
    """Select each text of a dimension with the time it was seen."""
    for aggregate in metric.aggregates.values():
        if is_value(definition, aggregate.subject, dimension):
            yield f"SELECT value_{dimension} AS text, x FROM event_{aggregate.subject}"
            continue
        entities = entities_of(definition, aggregate.subject)
        for state in definition.states:
            if state.entity in entities and state.name == dimension:
                yield f"SELECT value_{state.value} AS text, x FROM event_{state.event}"


def segments(
    connection: duckdb.DuckDBPyConnection, definition: Definition, metric: Metric
) -> Iterator[Segment]:
    """Name the segments of a metric. Those seen first keep their names, by text where at once."""
    for dimension in metric.by:
        seen = " UNION ALL ".join(_sources(definition, metric, dimension))
        rows = connection.execute(
            f"""
            SELECT text FROM ({seen}) WHERE text IS NOT NULL
            GROUP BY text ORDER BY min(x), text
            """
        ).fetchall()
        kept = tuple(text for (text,) in rows[: metric.cap])
        for name in (*kept, OTHER, NONE):
            yield Segment(dimension, name, kept)
