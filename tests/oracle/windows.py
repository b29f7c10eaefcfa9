"""The span of every window at every tick, as the table `span`."""

import duckdb

from tests.oracle.language import Definition, Window, resolution_ms

FIRST_INSTANT = """
    -- The first instant of a local day: clocks that are set back may show midnight twice, and
    -- clocks that are set forward may not show it at all.
    CREATE OR REPLACE TEMP MACRO first_instant(zone, day) AS list_min(list_filter(
        [timezone(zone, day) - to_minutes(back) for back in [0, 30, 60]],
        lambda instant: timezone(zone, instant) >= day
    ))
"""
PERIOD_START = """
    CREATE OR REPLACE TEMP MACRO period_start(unit, week_starts, local) AS CASE unit
        WHEN 'week' THEN date_trunc('day', local)
            - to_days(((isodow(local) - week_starts + 7) % 7)::INTEGER)
        ELSE date_trunc(unit, local)
    END
"""
PERIOD_BEFORE = """
    CREATE OR REPLACE TEMP MACRO period_before(unit, start) AS CASE unit
        WHEN 'day' THEN start - INTERVAL 1 DAY
        WHEN 'week' THEN start - INTERVAL 7 DAY
        WHEN 'month' THEN start - INTERVAL 1 MONTH
        ELSE start - INTERVAL 3 MONTH
    END
"""
TRAILING = """
    INSERT INTO span
    SELECT $window, tick, (tick - $length) // $resolution * $resolution, tick FROM tick
"""
CALENDAR = """
    INSERT INTO span
    SELECT $window, tick,
        epoch_ms(first_instant($zone, CASE $kind WHEN 'running' THEN start ELSE
            period_before($unit, start) END)),
        CASE $kind WHEN 'running' THEN tick ELSE epoch_ms(first_instant($zone, start)) END
    FROM (
        SELECT tick, period_start(
            $unit, $week_starts, timezone($zone, make_timestamptz(tick * 1000))
        ) AS start
        FROM tick
    )
"""


class Spans:
    """Numbers the windows of a definition; `span` has `(win, tick, start, stop)`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, definition: Definition) -> None:
        self.numbers = {window: n for n, window in enumerate(sorted(definition.windows(), key=str))}
        connection.execute("CREATE TABLE span (win INT, tick BIGINT, start BIGINT, stop BIGINT)")
        for window, number in self.numbers.items():
            if window.kind == "trailing":
                self._trailing(connection, window, number)
            else:
                self._calendar(connection, definition, window, number)

    def _trailing(self, connection: duckdb.DuckDBPyConnection, window: Window, number: int) -> None:
        resolution = resolution_ms(window.length_ms)
        connection.execute(
            TRAILING, {"window": number, "length": window.length_ms, "resolution": resolution}
        )

    def _calendar(
        self,
        connection: duckdb.DuckDBPyConnection,
        definition: Definition,
        window: Window,
        number: int,
    ) -> None:
        connection.execute(
            CALENDAR,
            {
                "window": number,
                "kind": window.kind,
                "unit": window.unit,
                "zone": definition.zone,
                "week_starts": definition.week_starts,
            },
        )
