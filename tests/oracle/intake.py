"""Take all records in: watermarks, what becomes of each record, and the tables of events.

Leaves behind, for every event E of the definition, a table `event_E` with the event time `t`,
the time `x` it becomes visible, the time `undone` from which it does not exist (if ever; for an
entity `undone_E`), a column per id and per value.
"""
# ruff: noqa: S608 - the SQL is made of a test's own definition

import ast
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb

from tests.oracle.decoding import TIMES, Decoded, Decoder
from tests.oracle.expression import NUMBER, sql
from tests.oracle.model import Definition, Event, Undoing
from tests.oracle.unpacking import Record
from tests.oracle.uses import Reach, place_types, value_types

VALUE_MAX = 9_007_199_254
DEDUP_PARTS = 4
OUTCOMES = ("matched", "filtered", "duplicate")


@dataclass(frozen=True)
class Settings:
    """What a deployment decides."""

    lateness_ms: int
    future_max_ms: int = 300_000
    dedup_horizon_ms: int = 3_600_000


def create(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: dict[str, str],
    rows: Sequence[Sequence[object]],
) -> None:
    """Create a table of the named and typed columns from rows."""
    values = [[row[i] for row in rows] for i in range(len(columns))]
    selected = ", ".join(
        f'unnest(CAST(${i} AS {kind}[])) AS "{name}"'
        for i, (name, kind) in enumerate(columns.items(), start=1)
    )
    connection.execute(f"CREATE TABLE {table} AS SELECT {selected}", values)


class Intake:
    """The records of one case on their way into tables."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, definition: Definition, settings: Settings
    ) -> None:
        self.connection = connection
        self.definition = definition
        self.settings = settings

    def take(self, records: Iterable[Record]) -> dict[str, object]:
        """Fill the tables of events and count what became of the records."""
        ordered = sorted(records, key=lambda r: (r.partition, r.offset))
        decoder = Decoder(self.definition)
        each = [(record, about) for record in ordered for about in decoder.decode(record)]
        decoded = [about for _, about in each]
        self._lay_out(each)
        for event in self.definition.events.values():
            self._bear(event, decoded)
        self._set_clock()
        self._refuse()
        duplicates = self._duplicates()
        create(self.connection, "duplicate", {"record": "BIGINT"}, [[d] for d in duplicates])
        for event in self.definition.events.values():
            self._keep(event)
        for event in self.definition.events.values():
            self._undo(event)
        return self._counts()

    def _lay_out(self, each: list[tuple[Record, Decoded]]) -> None:
        """Number all events: those of one record in their own order, as if they were records."""
        reach = Reach(self.definition)
        rows = [
            (
                number,
                record.partition,
                record.ingested_ms,
                about.id,
                about.time_ms,
                reach.of(set(about.bearings)),
                about.fate,
            )
            for number, (record, about) in enumerate(each)
        ]
        columns = {
            "record": "BIGINT",
            "partition": "BIGINT",
            "ingested": "BIGINT",
            "id": "VARCHAR",
            "t": "BIGINT",
            "reach": "BIGINT",
            "fate": "VARCHAR",
        }
        create(self.connection, "record", columns, rows)

    def _bear(self, event: Event, decoded: list[Decoded]) -> None:
        """Put down what each record that bears the event's name carries, computed but unjudged."""
        types = place_types(self.definition, event.name)
        columns = {"record": "BIGINT"}
        columns |= {f"id_{entity}": "VARCHAR" for entity in event.ids}
        columns |= {
            f"place_{i}": NUMBER if kind in TIMES else kind for i, kind in enumerate(types.values())
        }
        rows = [
            (number, *bearing.ids.values(), *(bearing.places[path] for path in types))
            for number, about in enumerate(decoded)
            if about.fate is None and (bearing := about.bearings.get(event.name)) is not None
        ]
        create(self.connection, f"places_{event.name}", columns, rows)
        numbers = {path: f"place_{i}" for i, path in enumerate(types)}
        computed = [
            f"{sql(value.expression, numbers.__getitem__)} AS value_{name}"
            for name, value in event.values.items()
            if name in value_types(self.definition, event.name)
        ]
        met = event.where if event.where is not None else ast.Name("true")
        self.connection.execute(
            f"""
            CREATE TABLE bearing_{event.name} AS
            SELECT *, {sql(met, numbers.__getitem__)} AS met
            {"".join(", " + c for c in computed)}
            FROM places_{event.name}
            """
        )

    def _set_clock(self) -> None:
        """Find each record's watermark `w` (before it), and the time `x` it becomes visible."""
        self.connection.execute(
            """
            CREATE TABLE clock AS
            SELECT *, CASE WHEN w > t THEN w ELSE t END AS x
            FROM (
                SELECT *,
                    t > ingested + $future_max AS future,
                    max(t) FILTER (t <= ingested + $future_max) OVER (
                        PARTITION BY "partition" ORDER BY record
                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                    ) - $lateness AS w
                FROM record
            )
            """,
            {"future_max": self.settings.future_max_ms, "lateness": self.settings.lateness_ms},
        )

    def _out_of_bounds(self) -> str:
        """Select the records with a number that is not within its bounds."""
        parts = ["SELECT NULL::BIGINT AS record WHERE false"]
        for event in self.definition.events.values():
            types = value_types(self.definition, event.name)
            for name, value in event.values.items():
                if types.get(name) != NUMBER:
                    continue
                number = f"value_{name}"
                high = VALUE_MAX if value.high is None else min(value.high, VALUE_MAX)
                low = max(value.low, -VALUE_MAX)
                parts.append(
                    f"SELECT record FROM bearing_{event.name} "
                    f"WHERE NOT ({number} >= {low!r} AND {number} <= {high!r})"
                )
        return " UNION ".join(parts)

    def _refuse(self) -> None:
        """Settle steps 5 (bounds) to 7, in their order."""
        self.connection.execute(
            f"""
            CREATE TABLE judged AS
            SELECT record, "partition", id, t, w, x, CASE
                WHEN fate IS NOT NULL THEN fate
                WHEN record IN ({self._out_of_bounds()}) THEN 'out_of_range'
                WHEN future THEN 'future'
                WHEN x - t > reach THEN 'too_old'
            END AS fate
            FROM clock
            """
        )

    def _duplicates(self) -> list[int]:
        """Step 8, record by record: whether one is remembered depends on those before it."""
        part = self.settings.dedup_horizon_ms // DEDUP_PARTS
        rows = self.connection.execute(
            """
            SELECT record, "partition", id, w, x FROM judged
            WHERE fate IS NULL AND id IS NOT NULL ORDER BY record
            """
        ).fetchall()
        remembered: dict[tuple[int, str], int] = {}
        duplicates = []
        for record, partition, identity, watermark, visible in rows:
            before = remembered.get((partition, identity))
            if (
                before is not None
                and watermark is not None
                and before // part >= watermark // part - DEDUP_PARTS
            ):
                duplicates.append(record)
            else:
                remembered[partition, identity] = max(visible, before or visible)
        return duplicates

    def _keep(self, event: Event) -> None:
        """Step 9 and 10: the events, out of the records that were accepted."""
        self.connection.execute(
            f"""
            CREATE TABLE event_{event.name} AS
            SELECT judged.t, judged.x, NULL::BIGINT AS undone, bearing.*
            FROM bearing_{event.name} AS bearing JOIN judged USING (record)
            WHERE judged.fate IS NULL AND bearing.met
                AND record NOT IN (SELECT record FROM duplicate)
            """
        )

    def _undo(self, event: Event) -> None:
        """Set `undone`: the time of visibility from which a row does not exist.

        `undone_E` is the same for an entity, whose id must be that of what undoes the row, too.
        """
        if event.undone_by is None:
            return
        self._undo_as(event, event.undone_by, "undone", [event.undone_by.by])
        for entity in event.ids.keys() & self.definition.events[event.undone_by.event].ids.keys():
            column = f"undone_{entity}"
            self.connection.execute(f"ALTER TABLE event_{event.name} ADD COLUMN {column} BIGINT")
            self._undo_as(event, event.undone_by, column, [event.undone_by.by, entity])

    def _undo_as(self, event: Event, undoing: Undoing, column: str, alike: list[str]) -> None:
        same = " AND ".join(f"gone.id_{entity} = event.id_{entity}" for entity in alike)
        self.connection.execute(
            f"""
            UPDATE event_{event.name} AS event SET {column} = (
                SELECT min(gone.x) FROM event_{undoing.event} AS gone
                WHERE {same} AND gone.t >= event.t AND gone.t <= event.t + {undoing.within_ms}
            )
            """
        )

    def _counts(self) -> dict[str, object]:
        matched = " UNION ".join(f"SELECT record FROM event_{e}" for e in self.definition.events)
        rows = self.connection.execute(
            f"""
            SELECT CASE
                WHEN fate IS NOT NULL THEN fate
                WHEN record IN (SELECT record FROM duplicate) THEN 'duplicate'
                WHEN record IN ({matched}) THEN 'matched'
                ELSE 'filtered'
            END AS outcome, count(*) FROM judged GROUP BY outcome
            """
        ).fetchall()
        found = Counter(dict(rows))
        rejected = {reason: n for reason, n in sorted(found.items()) if reason not in OUTCOMES}
        return {
            "consumed": sum(found.values()),
            **{outcome: found[outcome] for outcome in OUTCOMES},
            "rejected": rejected,
        }
