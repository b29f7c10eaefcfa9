"""`northstar replay`: the numbers that a live engine would have given, from recorded events."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from pipeline.cli.exits import Exit, leave
from pipeline.cli.products import plan_at
from pipeline.cli.transitions import transitions_file
from pipeline.core.deployment import Deployment
from pipeline.core.plan import Plan
from pipeline.core.publish import UNJUDGED, Row, Tick, rows
from pipeline.core.records import Counts
from pipeline.edges.faults import UnreachableError, UnreadableError
from pipeline.edges.files import FileSource, Lines
from pipeline.engine.local import LocalEngine, replay as replayed
from pipeline.settings import duration_ms
from pipeline.terminal.width import console_for

# Beyond this a slip of the pen (--every 1s over a year) would run for hours before it is noticed.
TICKS_MAX = 1_000_000


class Output(StrEnum):
    """How readings are written."""

    JSON = "json"
    TABLE = "table"
    CSV = "csv"


def moment_ms(text: str) -> int:
    """A day, or a moment with its zone, in milliseconds.

    >>> moment_ms("2023-01-02"), moment_ms("2023-01-02T01:00+01:00")
    (1672617600000, 1672617600000)

    Raises:
        typer.BadParameter: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or (moment.tzinfo is None and len(text) > len("2023-01-02")):
        raise typer.BadParameter(f"{text!r} is no moment; write 2023-01-02 or 2023-01-02T08:00Z")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def span_ms(text: str | int) -> int:
    """A duration, in milliseconds; numbers pass, as defaults come through here too.

    Raises:
        typer.BadParameter: it is none.
    """
    if isinstance(text, int):
        return text
    try:
        return duration_ms(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no duration; write 90s, 5m, 1h or 7d") from None


def replay(
    definitions: Annotated[
        Path, typer.Argument(help="A definition, or a folder that holds one.", show_default=False)
    ],
    events: Annotated[
        list[str],
        typer.Option(
            help="JSON lines, zipped or not; `-` is standard input. May be repeated: each file "
            "is a partition, with a watermark and a memory of message ids of its own."
        ),
    ],
    first: Annotated[
        int, typer.Option("--from", parser=moment_ms, help="The first tick.", metavar="TIME")
    ],
    last: Annotated[
        int | None,
        typer.Option(
            "--to",
            parser=moment_ms,
            help="The last tick; the newest event if not given.",
            metavar="TIME",
        ),
    ] = None,
    every: Annotated[
        int,
        typer.Option(
            parser=span_ms, help="From tick to tick.", metavar="DURATION", show_default="1d"
        ),
    ] = span_ms("1d"),
    lateness: Annotated[
        int,
        typer.Option(
            parser=span_ms,
            help="How late events may be in time.",
            metavar="DURATION",
            show_default="1m",
        ),
    ] = span_ms("1m"),
    output: Annotated[Output, typer.Option(help="How readings are written.")] = Output.JSON,
    lines: Annotated[
        Lines,
        typer.Option(
            help="What a line of --events is: a record's value, or a record with its key and "
            "headers, as `kcat -J` prints it."
        ),
    ] = Lines.VALUE,
    transitions: Annotated[
        Path | None,
        typer.Option(
            help="Where to write who entered and left the sets that have `transitions: true`; "
            "JSON lines, with raw ids. A file that is there is replaced.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Replay recorded events; print every metric at every tick from --from on.

    Earlier events build the state. The numbers are those of a live run with the same lateness.
    """
    plan = plan_at(definitions)
    ticks = ticks_between(first, last, every)
    told = None if transitions is None else transitions_file(plan, transitions, anew=True)
    hear = None if told is None else told.write
    engine = LocalEngine(plan, Deployment(lateness_ms=lateness, tick_ms=every, shards=1), hear)
    try:
        source = FileSource(events, now_ms(), engine.reached_ms, lines)
        made = replayed(engine, source.open(0, {}), ticks, beyond_the_newest=last is not None)
        _write(plan, with_progress(made, source), output)
    except UnreachableError as fault:
        leave(Exit.USAGE, str(fault))
    except UnreadableError as fault:
        leave(Exit.FINDINGS, str(fault))
    typer.echo(summary(engine.counts), err=True)
    if engine.counts.consumed and not engine.counts.matched:
        instead = "`northstar sniff` says which envelope and which names the records have"
        leave(Exit.FINDINGS, f"no record was one of the definition's events: {instead}")


def ticks_between(first: int, last: int | None, every: int, at_most: int = TICKS_MAX) -> range:
    """The ticks asked for, up to now without a last one. Exits where none or too many are."""
    ticks = range(first, (now_ms() if last is None else last) + 1, max(every, 1))
    if every <= 0 or not ticks:
        leave(Exit.USAGE, "there is no tick between --from and --to")
    if len(ticks) > at_most:
        leave(Exit.USAGE, f"{len(ticks):,} ticks are too many; ask for {at_most:,} at the most")
    return ticks


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def with_progress(ticks: Iterator[Tick], source: FileSource) -> Iterator[Tick]:
    """The same ticks, with a bar on standard error while it is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from ticks
        return
    columns = (TextColumn("replaying"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        for tick in ticks:
            done, total = source.progress()
            progress.update(task, completed=done, total=total)
            yield tick


def _write(plan: Plan, ticks: Iterable[Tick], output: Output) -> None:
    found = (row for tick in ticks for row in rows(plan, tick))
    if output is Output.JSON:
        for row in found:
            sys.stdout.buffer.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.buffer.flush()
    elif output is Output.CSV:
        _write_csv(found)
    else:
        _write_table(found)


_COLUMNS = (
    *("at", "product", "metric", "segment"),
    *("value", "numerator", "denominator", "samples", "coverage", "state"),
    *("low", "high", "missing"),
    *("attainment", "pace", "correlation"),
    *("unit", "maturity", "residual", "reason", "baseline", "warn_at", "breach_at"),
)


def _write_csv(found: Iterable[Row]) -> None:
    writer = csv.DictWriter(sys.stdout, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in found:
        missing = row["missing"]
        assert isinstance(missing, list)
        writer.writerow({**row, "missing": " ".join(missing), "segment": _segment(row)})


def _segment(row: Row) -> str:
    """The segment that a row is of, as `plan=pro`."""
    segment = row["segment"]
    assert not isinstance(segment, str | int | float | list)
    return "".join(f"{dimension}={text}" for dimension, text in (segment or {}).items())


def _write_table(found: Iterable[Row]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("at", "metric"):
        table.add_column(name, no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("unit")
    for name in ("samples", "coverage"):
        table.add_column(name, justify="right")
    table.add_column("state")
    for row in found:
        table.add_row(*_cells(row))
    console_for(table).print(table)


def _cells(row: Row) -> Iterator[str]:
    """What the table shows of a row; of what nothing judges there is no state."""
    coverage = row["coverage"]
    assert isinstance(coverage, float)
    yield str(row["at"])
    yield f"{row['metric']} {_segment(row)}".rstrip()
    yield shown(row["value"])
    yield f"{row['unit'] or ''} {row['maturity'] or ''}".strip()
    yield shown(row["samples"])
    yield f"{coverage:.0%}"
    yield "" if row["reason"] in UNJUDGED else str(row["state"])


def shown(value: Any) -> str:  # noqa: ANN401 - a cell of a row
    """A number for people."""
    if value is None:
        return "—"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def summary(counts: Counts) -> str:
    """What became of the records, in a line."""
    parts = [f"{counts.consumed:,} records", f"{counts.matched:,} matched"]
    parts += [f"{number:,} filtered ({why})" for why, number in sorted(counts.filtered.items())]
    parts += [f"{number:,} rejected ({why})" for why, number in sorted(counts.rejected.items())]
    parts += [f"{counts.duplicate:,} duplicate"] if counts.duplicate else []
    parts += [f"{counts.late:,} late"] if counts.late else []
    return ", ".join(parts)
