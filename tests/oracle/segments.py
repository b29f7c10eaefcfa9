"""Segments: which text of a dimension each row or member has, and which texts keep their name."""
# ruff: noqa: S608 - the SQL is made of a test's own definition

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from tests.oracle.model import Definition, Metric

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
    seen_ms: int | None = None
    """When a text that keeps its name was seen first: it is shown from then on."""

    def is_shown(self, tick: int) -> bool:
        """Whether the segment is there at a tick."""
        return self.seen_ms is None or self.seen_ms < tick

    def holds(self, text: str) -> str:
        """Write that a text in SQL belongs here."""
        if self.name == NONE:
            return f"{text} IS NULL"
        if self.name != OTHER:
            return f"{text} = {_quoted(self.name)}"
        return " AND ".join(
            [f"{text} IS NOT NULL", *(f"{text} <> {_quoted(k)}" for k in self.kept)]
        )


def _sources(definition: Definition, metric: Metric, dimension: str) -> Iterator[str]:
    """Select each text of a dimension with the time it was seen."""
    entity, _, name = dimension.rpartition(".")
    for aggregate in metric.aggregates.values():
        if aggregate.subject in definition.events and not entity:
            yield f"SELECT value_{dimension} AS text, x FROM event_{aggregate.subject}"
            continue
        if aggregate.subject in definition.streams:
            stream = definition.streams[aggregate.subject]
            for alias, event in stream.parts.items():
                if stream.alias(entity) in ("", alias) and name in definition.events[event].values:
                    yield f"SELECT value_{name} AS text, x FROM event_{event}"
            continue
        of = entity or definition.sets[aggregate.subject].entity
        state = definition.state(of, name)
        assert state is not None
        yield f"SELECT value_{state.value} AS text, x FROM event_{state.event}"


def segments(
    connection: duckdb.DuckDBPyConnection, definition: Definition, metric: Metric
) -> Iterator[Segment]:
    """Name the segments of a metric. Those seen first keep their names, by text where at once."""
    for dimension in metric.by:
        seen = " UNION ALL ".join(
            source
            for part in definition.parts(metric)
            for source in _sources(definition, part, dimension)
        )
        rows = connection.execute(
            f"""
            SELECT text, min(x) FROM ({seen}) WHERE text IS NOT NULL
            GROUP BY text ORDER BY min(x), text LIMIT {metric.cap}
            """
        ).fetchall()
        kept = tuple(text for text, _ in rows)
        for text, seen_ms in rows:
            yield Segment(dimension, text, kept, seen_ms)
        for name in (OTHER, NONE):
            yield Segment(dimension, name, kept)
