"""The own window of each entity of a set whose window is anchored: `anchored_S`.

It has `(tick, entity, start, stop)` of the entities that take part at the tick.
"""
# ruff: noqa: S608 - the SQL is made of a test's own definition

from tests.oracle.model import Anchor, EntitySet

FOREVER = 2**62


def _ends_after(anchor: Anchor) -> str:
    """Let each window end so much after the row that anchors it."""
    return f"""
        SELECT tick, entity, start, start + {anchor.length_ms} AS stop,
            start + {anchor.length_ms} AS over
        FROM anchor
    """


def _ends_with_the_session(anchor: Anchor, entity_set: EntitySet) -> str:
    """Let each window end with the run of rows in which none is more than the gap after another.

    `broken` counts the pauses so far, that between the anchor and the first row among them.
    """
    rows = " UNION ALL ".join(
        f"SELECT tick, id_{entity_set.entity} AS entity, t FROM seen_{subject}"
        for subject in sorted(entity_set.in_own_window())
    )
    return f"""
        SELECT tick, entity, start, until + 1 AS stop, until + {anchor.gap_ms} AS over FROM (
            SELECT tick, entity, any_value(start) AS start,
                coalesce(max(t) FILTER (broken = 0), any_value(start)) AS until
            FROM (
                SELECT *, sum(CASE WHEN t - before > {anchor.gap_ms} THEN 1 ELSE 0 END)
                    OVER (PARTITION BY tick, entity ORDER BY t) AS broken
                FROM (
                    SELECT anchor.*, event.t,
                        lag(event.t, 1, start) OVER (
                            PARTITION BY anchor.tick, anchor.entity ORDER BY event.t
                        ) AS before
                    FROM anchor LEFT JOIN ({rows}) AS event
                        ON event.tick = anchor.tick AND event.entity = anchor.entity
                        AND event.t >= anchor.start
                )
            )
            GROUP BY tick, entity
        )
    """


def anchored(entity_set: EntitySet, cohort_number: int) -> str:
    """Write the query of `anchored_S`.

    Args:
        entity_set: the set.
        cohort_number: which window of `span` decides who takes part.
    """
    anchor = entity_set.anchor
    assert anchor is not None
    ends = (
        _ends_with_the_session(anchor, entity_set)
        if anchor.length_ms is None
        else _ends_after(anchor)
    )
    decisive = "over" if anchor.cohort_by == "matured" else "own.start"
    return f"""
        WITH anchor AS (
            SELECT tick, id_{entity_set.entity} AS entity, min(t) AS start
            FROM seen_{anchor.event} WHERE id_{entity_set.entity} IS NOT NULL GROUP BY ALL
        ), own AS ({ends})
        SELECT own.tick, own.entity, own.start, own.stop
        FROM own JOIN span ON span.win = {cohort_number} AND span.tick = own.tick
            AND {decisive} >= span.start AND {decisive} < span.stop
    """
