"""Habits: how regularly an entity does something, by the units of the product's calendar.

Each is a query of `(tick, entity, amount)`.
"""
# ruff: noqa: S608 - the SQL is made of a test's own definition

from tests.oracle.model import Aggregate, Definition


def _unit(definition: Definition, unit: str, at: str) -> str:
    local = f"timezone('{definition.zone}', make_timestamptz({at} * 1000))"
    return f"unit_number('{unit}', {definition.week_starts}, {local})"


def active_units(aggregate: Aggregate, definition: Definition, rows: str, entity: str) -> str:
    """Count the different units among the last ones; `rows` joins `span` with the events in it."""
    unit = _unit(definition, aggregate.options["unit"], "event.t")
    return f"""
        SELECT span.tick, event.id_{entity} AS entity, count(DISTINCT {unit}) AS amount
        FROM {rows} WHERE entity IS NOT NULL GROUP BY span.tick, entity
    """


def streak(aggregate: Aggregate, definition: Definition, condition: str, entity: str) -> str:
    """Count the units of the newest chain that is not over.

    `later` is the active unit after a unit, and for the newest one that of the tick: a chain is
    over where more than `grace` whole units lie between.
    """
    unit, grace = aggregate.options["unit"], aggregate.options["grace"]
    return f"""
        SELECT tick, entity, count(*) FILTER (broken = 0) AS amount
        FROM (
            SELECT *, sum(CASE WHEN later - active - 1 > {grace} THEN 1 ELSE 0 END)
                OVER (PARTITION BY tick, entity ORDER BY active DESC) AS broken
            FROM (
                SELECT *, lag(active, 1, {_unit(definition, unit, "tick")})
                    OVER (PARTITION BY tick, entity ORDER BY active DESC) AS later
                FROM (
                    SELECT DISTINCT tick, id_{entity} AS entity,
                        {_unit(definition, unit, "event.t")} AS active
                    FROM seen_{aggregate.subject} AS event
                    WHERE id_{entity} IS NOT NULL AND {condition}
                )
            )
        )
        GROUP BY tick, entity
    """


def mean_per(aggregate: Aggregate, condition: str, entity: str, rows: str) -> str:
    """Count the rows, and give with `periods` what they are to be divided by."""
    period, periods = aggregate.options["period"], aggregate.options["periods"]
    divisor = str(periods)
    if aggregate.options["new_members"] == "since_first":
        divisor = f"least({periods}, greatest(1, ceil((tick - first_t) / {period})))"
    return f"""
        SELECT tick, entity, coalesce(counted, 0) AS amount, ({divisor})::BIGINT AS periods
        FROM (
            SELECT tick, id_{entity} AS entity, min(t) AS first_t
            FROM seen_{aggregate.subject} AS event
            WHERE id_{entity} IS NOT NULL AND {condition} GROUP BY ALL
        ) LEFT JOIN (
            SELECT span.tick, event.id_{entity} AS entity, count(*) AS counted
            FROM {rows} WHERE entity IS NOT NULL GROUP BY span.tick, entity
        ) USING (tick, entity)
    """
