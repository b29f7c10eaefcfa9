"""How a set grows: who is new, stays, returns and leaves, as seen at a fixed grid of ticks."""
# ruff: noqa: S608 - the SQL is made of a test's own definition

from collections.abc import Iterator

import duckdb

from tests.oracle.model import Aggregate, Definition, EntitySet
from tests.oracle.words import MILLISECONDS, baseline_step_ms, resolution_ms

FUNCTIONS = {"new", "retained", "resurrected", "churned", "retention"}
DEFAULT_MS = 7 * MILLISECONDS["d"]


def period_ms(definition: Definition, aggregate: Aggregate) -> int:
    """Give the period asked for, or the longest trailing window the set looks through."""
    if "period" in aggregate.options:
        return int(aggregate.options["period"])
    return max(_lengths_ms(definition, aggregate.subject), default=DEFAULT_MS)


def _lengths_ms(definition: Definition, name: str) -> Iterator[int]:
    """Give the lengths of the trailing windows of a set and of those it counts."""
    for aggregate in definition.sets[name].aggregates.values():
        if aggregate.function == "rollup":
            yield from _lengths_ms(definition, aggregate.subject)
        elif aggregate.window is not None and aggregate.window.kind == "trailing":
            yield aggregate.window.length_ms


def tick_before(period: int, tick: int) -> int:
    """Give the tick of the grid that growth is measured against."""
    step = baseline_step_ms(period)
    return (tick - period) // step * step


def growths(definition: Definition) -> list[Aggregate]:
    """Name the terms that measure growth."""
    return [a for a in definition.aggregates() if a.function in FUNCTIONS]


def grid(
    connection: duckdb.DuckDBPyConnection, definition: Definition, ticks: set[int]
) -> Iterator[int]:
    """Name the ticks of the grid at which some entity may have been a member.

    A set keeps out whoever did nothing, so a tick with no row within reach has no members. Where
    no reach bounds a set, every tick of the grid counts.
    """
    for aggregate in growths(definition):
        period = period_ms(definition, aggregate)
        step = baseline_step_ms(period)
        before = {tick_before(period, tick) for tick in ticks}
        yield from before
        reach = _reach_ms(definition, definition.sets[aggregate.subject])
        for seen, at in _rows(connection, definition):
            first = (seen // step + 1) * step
            until = max(before) if reach is None else min(max(before), at + reach)
            yield from range(first, until + 1, step)


def _rows(connection: duckdb.DuckDBPyConnection, definition: Definition) -> list[tuple[int, int]]:
    everything = " UNION ".join(f"SELECT x, t FROM event_{event}" for event in definition.events)
    return connection.execute(everything).fetchall()


def _reach_ms(definition: Definition, entity_set: EntitySet) -> int | None:
    """Give how long after a row its entity, or one above it, may still be a member."""
    reaches: list[int | None] = []
    for aggregate in entity_set.aggregates.values():
        if aggregate.function == "rollup":
            reaches.append(_reach_ms(definition, definition.sets[aggregate.subject]))
        elif aggregate.window is None or aggregate.subject in definition.streams:
            reaches.append(None)
        else:
            reaches.append(aggregate.window.reach_ms)
    known = [reach for reach in reaches if reach is not None]
    if not known or len(known) < len(reaches) or entity_set.anchor is not None:
        return None
    return max(known) + resolution_ms(max(known))


def _count(function: str) -> str:
    now, then, before = "now IS NOT NULL", "past IS NOT NULL", "old IS NOT NULL"
    return {
        "size": now,
        "new": f"{now} AND NOT ({before})",
        "retained": f"{now} AND {then}",
        "resurrected": f"{now} AND NOT ({then}) AND {before}",
        "churned": f"{then} AND NOT ({now})",
        "past": then,
    }[function]


def growth(aggregate: Aggregate, period: int, segment: str) -> str:
    """Write the query of `(tick, value, samples, numerator, denominator, counts)`.

    Args:
        aggregate: the term.
        period: in milliseconds.
        segment: a condition on a `member` that those counted meet.
    """
    step = baseline_step_ms(period)
    members = f"members_{aggregate.subject}"
    everyone = f"""
        past_of AS (SELECT tick, (tick - {period}) // {step} * {step} AS tick_past FROM asked),
        now AS (SELECT tick, entity, true AS now FROM {members} SEMI JOIN asked USING (tick)),
        past AS (
            SELECT past_of.tick, entity, true AS past
            FROM past_of JOIN {members} AS member ON member.tick = tick_past
        ), old AS (
            SELECT past_of.tick, entity, true AS old
            FROM past_of JOIN (
                SELECT entity, min(tick) AS first FROM {members}
                WHERE tick % {step} = 0 GROUP BY entity
            ) ON first <= tick_past
        ), everyone AS (
            SELECT * FROM (
                SELECT tick, entity, now, past, old FROM now
                FULL JOIN past USING (tick, entity) FULL JOIN old USING (tick, entity)
            ) AS member
            WHERE {segment}
        )
    """

    def counted(function: str) -> str:
        return f"count(entity) FILTER ({_count(function)})"

    if aggregate.function == "retention":
        above, below = counted("retained"), counted("past")
        selected = f"{above} / nullif({below}, 0), {below}, {above}, {below}, NULL"
    else:
        number = counted(aggregate.function)
        selected = f"{number}, {number}, NULL, NULL, NULL"
    return f"""
        WITH {everyone}
        SELECT tick, {selected} FROM asked LEFT JOIN everyone USING (tick) GROUP BY tick
    """
