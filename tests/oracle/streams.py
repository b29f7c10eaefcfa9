"""The items of streams, as queries of `(tick, t, id_…, value_…)` over the rows of their parts."""
# ruff: noqa: S608 - the SQL is made of a test's own definition

from collections.abc import Iterator

from tests.oracle.expression import NUMBER, TEXT, TRUTH
from tests.oracle.model import Stream

NEAREST = """
    -- The nearest whole number, and of two equally near the even one.
    CREATE OR REPLACE TEMP MACRO nearest(number) AS CASE number - floor(number)
        WHEN 0.5 THEN 2 * round(number / 2) ELSE round(number)
    END
"""
MILLIONTHS = "CAST(nearest({value} * 1e6) AS BIGINT)"
"""A value as a whole number of millionths, rounded once."""
ROUNDED = f"({MILLIONTHS}::DOUBLE / 1e6)"
"""A value as the number that its millionths are."""
BEFORE_EVERYTHING = -(2**62)
"""The time of a seed that has none."""
NO_ROW = 2**62
"""In place of a seed's row: at one moment every row comes before it."""
OWN_COLUMNS = {
    "first": (),
    "gap": ("elapsed",),
    "session": ("length", "count", "is_first", "ended"),
    "pair": ("matched", "decided", "elapsed"),
    "sequence": ("steps", "elapsed"),
}
Types = dict[str, dict[str, str]]
"""Event → value → type."""


def kept(value: str, kind: str) -> str:
    """Write a value as it is kept: numbers are rounded once."""
    return ROUNDED.format(value=value) if kind == NUMBER else value


def _values(stream: Stream, types: Types) -> Iterator[tuple[str, str]]:
    for alias, event in stream.parts.items():
        for value, kind in types[event].items():
            if stream.kind != "session" or kind != TRUTH:
                yield alias, value


def columns_of(stream: Stream, types: Types) -> set[str]:
    """Name the columns of a stream's items, those of a part as `alias__value`."""
    found = set(OWN_COLUMNS[stream.kind])
    found |= {f"{alias}__{value}" for alias, value in _values(stream, types)}
    if stream.kind in {"first", "gap"}:
        found |= {value for _, value in _values(stream, types)}
    if stream.kind == "session":
        found |= set(stream.parts)
    if stream.kind in {"pair", "sequence"}:
        found |= {f"{alias}__at" for alias in stream.parts}
    return found | set(_in_short(stream, found))


def _in_short(stream: Stream, columns: set[str]) -> dict[str, str]:
    """Give further names of columns, by a part's short name, with the column each stands for."""
    found = {}
    for column in sorted(columns):
        part, *rest = column.split("__", 1)
        if part in stream.short:
            found["__".join([stream.short[part], *rest])] = column
    return found


def _group(stream: Stream) -> list[str]:
    """Name the columns that rows of one group have in common."""
    ids = [stream.by, *stream.same, *([stream.id] if stream.id else [])]
    return [f"id_{entity}" for entity in dict.fromkeys(ids)]


def _part(stream: Stream, types: Types, alias: str) -> str:
    """Select the visible rows of one part that belong to a group."""
    event, keys, place = stream.parts[alias], _group(stream), [*stream.parts].index(alias)
    values = "".join(
        f", {kept(f'value_{v}', kind)} AS {alias}__{v}" for v, kind in types[event].items()
    )
    return f"""
        SELECT tick, row, '{alias}' AS part, {place} AS place, t, {", ".join(keys)}{values}
        FROM seen_{event} WHERE {" AND ".join(f"{key} IS NOT NULL" for key in keys)}
    """


def _parts(stream: Stream, types: Types) -> str:
    return " UNION ALL BY NAME ".join(_part(stream, types, alias) for alias in stream.parts)


def items(stream: Stream, types: Types, seeds: list[tuple[str, int | None]], reach_ms: int) -> str:
    """Write the query of a stream's items.

    Args:
        stream: what makes the items.
        types: the values of events that exist as columns.
        seeds: entities that had their first row at a time, or before everything.
        reach_ms: the longest of the windows that look at the stream.
    """
    short = _in_short(stream, columns_of(stream, types)).items()
    more = "".join(f", value_{column} AS value_{name}" for name, column in short)
    return f"SELECT *{more} FROM ({_items(stream, types, seeds, reach_ms)})"


def _items(stream: Stream, types: Types, seeds: list[tuple[str, int | None]], reach_ms: int) -> str:
    match stream.kind:
        case "first":
            return _firsts(stream, types, seeds)
        case "gap":
            return _gaps(stream, types)
        case "session":
            return _sessions(stream, types, reach_ms)
        case "pair":
            return _pairs(stream, types)
    return _sequences(stream, types)


def _of_one_row(stream: Stream, types: Types) -> list[str]:
    """Select the values of the row that an item stands for, by either name."""
    bare: dict[str, list[str]] = {}
    for alias, value in _values(stream, types):
        if value not in OWN_COLUMNS[stream.kind]:
            bare.setdefault(value, []).append(f"{alias}__{value}")
    values = [f"coalesce({', '.join(from_)}) AS value_{value}" for value, from_ in bare.items()]
    return values + [
        f"{alias}__{value} AS value_{alias}__{value}" for alias, value in _values(stream, types)
    ]


def _firsts(stream: Stream, types: Types, seeds: list[tuple[str, int | None]]) -> str:
    values = _of_one_row(stream, types)
    keys = ", ".join(["tick", *_group(stream)])
    seeded = "".join(
        f""" UNION ALL BY NAME
        SELECT tick, {BEFORE_EVERYTHING if at is None else at} AS t, {NO_ROW} AS row, 0 AS place,
            '{entity.replace("'", "''")}' AS id_{stream.by} FROM tick"""
        for entity, at in seeds
    )
    return f"""
        SELECT {keys}, row, t{"".join(", " + v for v in values)} FROM (
            SELECT DISTINCT ON ({keys}) * FROM ({_parts(stream, types)}{seeded})
            ORDER BY {keys}, t, row, place
        )
    """


def _gaps(stream: Stream, types: Types) -> str:
    keys = ", ".join(["tick", *_group(stream)])
    return f"""
        SELECT {", ".join([keys, "row", "t", *_of_one_row(stream, types)])},
            (t - before) / 1000 AS value_elapsed
        FROM (
            SELECT *, lag(t) OVER (PARTITION BY {keys} ORDER BY t, row, place) AS before
            FROM ({_parts(stream, types)})
        )
        WHERE t - before <= {stream.within_ms}
    """


def _sessions(stream: Stream, types: Types, reach_ms: int) -> str:
    keys = ", ".join(["tick", *_group(stream)])
    rests_ms = stream.gap_ms + (reach_ms if stream.id else 0)
    begins = f"CASE WHEN t - before <= {rests_ms} THEN 0 ELSE 1 END"
    sums = "".join(
        f", coalesce(sum({MILLIONTHS.format(value=f'{alias}__{value}')}), 0)::DOUBLE / 1e6"
        f" AS value_{alias}__{value}"
        for alias, value in _values(stream, types)
        if types[stream.parts[alias]][value] == NUMBER
    )
    sums += "".join(
        f", arg_min({alias}__{value}, t) FILTER ({alias}__{value} IS NOT NULL)"
        f" AS value_{alias}__{value}"
        for alias, value in _values(stream, types)
        if types[stream.parts[alias]][value] == TEXT
    )
    counts = "".join(f", count(*) FILTER (part = '{a}') AS value_{a}" for a in stream.parts)
    return f"""
        WITH placed AS (
            SELECT *, lag(t) OVER (PARTITION BY {keys} ORDER BY t, row, part) AS before
            FROM ({_parts(stream, types)})
        ), numbered AS (
            SELECT *, sum({begins}) OVER (PARTITION BY {keys} ORDER BY t, row, part) AS number
            FROM placed
        ), grouped AS (
            SELECT {keys}, min(row) AS row, min(t) AS t, max(t) AS until,
                (max(t) - min(t)) / 1000 AS value_length, count(*) AS value_count{counts}{sums}
            FROM numbered GROUP BY {keys}, number
        )
        SELECT * EXCLUDE (until), tick - until > {stream.gap_ms} AS value_ended,
            t = min(t) OVER (PARTITION BY tick, id_{stream.by}) AS value_is_first
        FROM grouped
    """


def _chain(stream: Stream, types: Types) -> str:
    """Join to each row of the first part the earliest row of each next one, step by step."""
    keys = ["tick", *_group(stream)]
    aliases = list(stream.parts)
    chain = ""
    for number, alias in enumerate(aliases):
        values = "".join(
            f", part.{alias}__{v} AS value_{alias}__{v}" for v in types[stream.parts[alias]]
        )
        at = f"part.t AS t_{number}, part.t / 1000 AS value_{alias}__at{values}"
        if number == 0:
            own = ", ".join(f"part.{key}" for key in keys)
            chain = f"SELECT {own}, part.row, {at} FROM ({_part(stream, types, alias)}) AS part"
            continue
        same = " AND ".join(f"part.{key} = chain.{key}" for key in keys)
        chain = f"""
            SELECT chain.*, {at}
            FROM ({chain}) AS chain LEFT JOIN ({_part(stream, types, alias)}) AS part
                ON {same} AND part.t >= chain.t_{number - 1}
                AND part.t <= chain.t_0 + {stream.within_ms}
            QUALIFY row_number() OVER (
                PARTITION BY chain.tick, chain.row ORDER BY part.t NULLS LAST, part.row
            ) = 1
        """
    return chain


def _pairs(stream: Stream, types: Types) -> str:
    keep = {"all": "true", "matched": "value_matched", "unmatched": "decided AND NOT value_matched"}
    at = "t_1" if stream.at == "second" else "t_0"
    return f"""
        SELECT * EXCLUDE (t_0, t_1, decided), {at} AS t, decided AS value_decided,
            (t_1 - t_0) / 1000 AS value_elapsed
        FROM (
            SELECT *, t_1 IS NOT NULL AS value_matched,
                t_1 IS NOT NULL OR t_0 + {stream.within_ms} < tick AS decided
            FROM ({_chain(stream, types)})
        )
        WHERE {keep[stream.keep]}
    """


def _sequences(stream: Stream, types: Types) -> str:
    times = [f"t_{number}" for number in range(len(stream.parts))]
    steps = " + ".join(f"({time} IS NOT NULL)::INTEGER" for time in times)
    return f"""
        SELECT * EXCLUDE ({", ".join(times)}), t_0 AS t, {steps} AS value_steps,
            (coalesce({", ".join(reversed(times))}) - t_0) / 1000 AS value_elapsed
        FROM ({_chain(stream, types)})
    """
