"""The span of every window at every tick, as the table `span`."""

import duckdb

from tests.oracle.model import Definition
from tests.oracle.words import Window, resolution_ms

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
PERIODS_BACK = """
    CREATE OR REPLACE TEMP MACRO periods_back(unit, number, start) AS CASE unit
        WHEN 'day' THEN start - to_days((number)::INTEGER)
        WHEN 'week' THEN start - to_days((7 * number)::INTEGER)
        ELSE start - to_months((number)::INTEGER)
    END
"""
UNIT_NUMBER = """
    -- Counts days, weeks or months of the calendar; 1970 began on a Thursday, the fourth day.
    CREATE OR REPLACE TEMP MACRO unit_number(unit, week_starts, local) AS CASE unit
        WHEN 'day' THEN date_diff('day', TIMESTAMP '1970-01-01', local)
        WHEN 'week' THEN
            (date_diff('day', TIMESTAMP '1970-01-01', local) + 3 - (week_starts - 1)) // 7
        ELSE year(local) * 12 + month(local)
    END
"""
MACROS = (FIRST_INSTANT, PERIOD_START, PERIOD_BEFORE, PERIODS_BACK, UNIT_NUMBER)
TRAILING = """
    INSERT INTO span
    SELECT $window, tick, (tick - $length) // $resolution * $resolution, tick FROM tick
"""
UNITS = """
    INSERT INTO span
    SELECT $window, tick, epoch_ms(first_instant($zone, periods_back($unit, $units - 1,
        period_start($unit, $week_starts, timezone($zone, make_timestamptz(tick * 1000)))
    ))), tick
    FROM tick
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
        self.connection = connection
        self.definition = definition
        self.numbers = {window: n for n, window in enumerate(sorted(definition.windows(), key=str))}
        connection.execute("CREATE TABLE span (win INT, tick BIGINT, start BIGINT, stop BIGINT)")
        for window, number in self.numbers.items():
            match window.kind:
                case "trailing":
                    self._trailing(window, number)
                case "cohort":
                    continue
                case "units":
                    self._units(window, number)
                case _:
                    self._calendar(window, number)
        for window, number in self.numbers.items():
            if window.of is not None:
                connection.execute(
                    "INSERT INTO span SELECT $window, tick, start - $before, tick FROM span "
                    "WHERE win = $of",
                    {
                        "window": number,
                        "before": window.before_ms,
                        "of": self.numbers[window.of],
                    },
                )

    def _trailing(self, window: Window, number: int) -> None:
        self.connection.execute(
            TRAILING,
            {
                "window": number,
                "length": window.length_ms,
                "resolution": resolution_ms(window.length_ms),
            },
        )

    def _calendar(self, window: Window, number: int) -> None:
        self.connection.execute(
            CALENDAR,
            {
                "window": number,
                "kind": window.kind,
                "unit": window.unit,
                "zone": self.definition.zone,
                "week_starts": self.definition.week_starts,
            },
        )

    def _units(self, window: Window, number: int) -> None:
        self.connection.execute(
            UNITS,
            {
                "window": number,
                "unit": window.unit,
                "units": window.units,
                "zone": self.definition.zone,
                "week_starts": self.definition.week_starts,
            },
        )
