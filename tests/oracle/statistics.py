"""What a term of a metric comes to over the rows in its window, as SQL.

Each is a list of `value, samples, numerator, denominator, counts`, of which the last is for terms
with an interval.
"""
# ruff: noqa: S608 - the SQL is made of a test's own definition

from decimal import Decimal

from tests.oracle.model import Aggregate
from tests.oracle.streams import MILLIONTHS, ROUNDED
from tests.oracle.surveys import csat, nps

NOTHING = "NULL, NULL, NULL"


def _at_rank(value: str, quantile: Decimal) -> str:
    """Give the value at rank floor(q (n - 1)) of those present, the smallest being at 0."""
    rank = f"floor(CAST({quantile} AS DECIMAL(18, 9)) * (count({value}) - 1))::BIGINT"
    return f"list_sort(list({value}) FILTER ({value} IS NOT NULL))[{rank} + 1]"


def measured(aggregate: Aggregate, entity: str | None) -> str:
    """Write what a term selects for each tick.

    Args:
        aggregate: the term.
        entity: of the set within which is counted, where there is one.
    """
    value, other = f"event.value_{aggregate.field}", f"event.id_{aggregate.field}"
    if aggregate.function == "nps":
        return nps(value)
    if aggregate.function == "csat":
        return csat(value, aggregate.options["top"])
    total = f"coalesce(sum({MILLIONTHS.format(value=value)}), 0)::DOUBLE / 1e6"
    rounded = ROUNDED.format(value=value)
    number, rows, ids = f"count({value})", "count(event.t)", f"count(DISTINCT {other})"
    pairs = f"count(DISTINCT CASE WHEN {other} IS NOT NULL THEN ({other}, event.id_{entity}) END)"
    quantile = aggregate.options.get("quantile", Decimal("0.5"))
    return {
        "count": f"{rows}, {rows}, {NOTHING}",
        "reached": f"{rows}, {rows}, {NOTHING}",
        "distinct": f"{ids}, {ids}, {NOTHING}",
        "approx_distinct": f"{ids}, {ids}, {NOTHING}",
        "sum_distinct": f"{pairs}, {pairs}, {NOTHING}",
        "sum": f"{total}, {number}, {NOTHING}",
        "mean": f"{total} / nullif({number}, 0), {number}, {total}, {number}, NULL",
        "min": f"min({rounded}), {number}, {NOTHING}",
        "max": f"max({rounded}), {number}, {NOTHING}",
        "median": f"{_at_rank(rounded, quantile)}, {number}, {NOTHING}",
        "quantile": f"{_at_rank(rounded, quantile)}, {number}, {NOTHING}",
    }[aggregate.function]


def top_share(aggregate: Aggregate, rows: str) -> str:
    """Write the query of the share that the most active entities have of all rows.

    Of N entities those are the ceil(share N) with most rows, whichever of equals that are.
    """
    who = f"event.id_{aggregate.options['by']}"
    top = f"CAST({aggregate.options['top']} AS DECIMAL(18, 9))"
    return f"""
        WITH each AS (
            SELECT span.tick, {who} AS entity, count(*) AS number
            FROM {rows} WHERE {who} IS NOT NULL GROUP BY ALL
        ), ranked AS (
            SELECT tick, number, ceil({top} * count(*) OVER (PARTITION BY tick)) AS top,
                row_number() OVER (PARTITION BY tick ORDER BY number DESC) AS rank
            FROM each
        ), summed AS (
            SELECT tick, coalesce(sum(number), 0)::BIGINT AS below,
                coalesce(sum(number) FILTER (rank <= top), 0)::BIGINT AS above
            FROM asked LEFT JOIN ranked USING (tick) GROUP BY tick
        )
        SELECT tick, above / nullif(below, 0), below, above, below, NULL FROM summed
    """
