"""`northstar replay`: the numbers that a live engine would have given, from recorded events."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from rich.table import Table

from pipeline.cli.exits import Exit, leave
from pipeline.cli.products import plan_at
from pipeline.cli.recorded import (
    Lateness,
    duration_option,
    found_span,
    moment_option,
    now_ms,
    summary,
    ticks_between,
    with_progress,
)
from pipeline.cli.transitions import transitions_file
from pipeline.core.deployment import Deployment
from pipeline.core.plan import Plan
from pipeline.core.publish import UNJUDGED, Row, Tick, iso, rows
from pipeline.core.windows import DAY_MS, MINUTE_MS
from pipeline.edges.faults import UnreachableError, UnreadableError
from pipeline.edges.files import FileSource, Lines
from pipeline.edges.transitions import TransitionsFile
from pipeline.engine.local import LocalEngine, replay as replayed
from pipeline.terminal.width import console_for


class Output(StrEnum):
    """How readings are written."""

    JSON = "json"
    TABLE = "table"
    CSV = "csv"


Definition = Annotated[
    Path, typer.Argument(help="A definition, or a folder that holds one.", show_default=False)
]
Events = Annotated[
    list[str],
    typer.Option(
        help="JSON lines, zipped or not; `-` is standard input. May be repeated: each file "
        "is a partition, with a watermark and a memory of message ids of its own."
    ),
]
First = Annotated[
    int | None,
    moment_option("--from", "The first tick; the first after the first event if not given."),
]
Last = Annotated[int | None, moment_option("--to", "The last tick; the newest event if not given.")]
Every = Annotated[int, duration_option("From tick to tick.", "1d")]
AsLines = Annotated[
    Lines,
    typer.Option(
        help="What a line of --events is: a record's value, or a record with its key and "
        "headers, as `kcat -J` prints it."
    ),
]
Transitions = Annotated[
    Path | None,
    typer.Option(
        help="Where to write who entered and left the sets that have `transitions: true`; "
        "JSON lines, with raw ids. A file that is there is replaced.",
        show_default=False,
    ),
]


def replay(
    definitions: Definition,
    events: Events,
    first: First = None,
    last: Last = None,
    every: Every = DAY_MS,
    lateness: Lateness = MINUTE_MS,
    output: Annotated[Output, typer.Option(help="How readings are written.")] = Output.JSON,
    lines: AsLines = Lines.VALUE,
    transitions: Transitions = None,
) -> None:
    """Replay recorded events; print every metric at every tick from --from on.

    Events before that build the state. The numbers are those of a live run with the same lateness.
    """
    plan = plan_at(definitions)
    deployment = Deployment(lateness_ms=lateness, tick_ms=every, shards=1)
    told: TransitionsFile | None = None
    try:
        ticks, beyond = _ticks(plan, deployment, events, lines, first, last)
        if transitions is not None:
            told = transitions_file(plan, transitions, anew=True)
        engine = LocalEngine(plan, deployment, None if told is None else told.write)
        source = FileSource(events, now_ms(), engine.reached_ms, lines)
        made = replayed(engine, source.open(0, {}), ticks, beyond_the_newest=beyond)
        _write(plan, with_progress(made, source), output)
    except UnreachableError as fault:
        leave(Exit.USAGE, str(fault))
    except UnreadableError as fault:
        leave(Exit.FINDINGS, str(fault))
    except OSError as fault:
        if told is None or told.fault is None:
            raise
        leave(Exit.USAGE, f"{transitions} cannot be written: {fault.strerror}")
    typer.echo(summary(engine.counts), err=True)
    if engine.counts.consumed and not engine.counts.matched:
        leave(Exit.FINDINGS, _NOTHING)
    if engine.counts.matched and not beyond and engine.newest_ms < ticks[0]:
        leave(Exit.FINDINGS, f"no tick to show: the newest event is of {iso(engine.newest_ms)}")


_NOTHING: Final = (
    "no record was one of the definition's events: "
    "`northstar sniff` says which envelope and which names the records have"
)


def _ticks(
    plan: Plan,
    deployment: Deployment,
    events: Sequence[str],
    lines: Lines,
    first: int | None,
    last: int | None,
) -> tuple[range, bool]:
    """The ticks asked for, and whether those beyond the newest event are. Exits where none are."""
    every, beyond = deployment.tick_ms, last is not None
    if first is None and every > 0:
        span = found_span(plan, deployment, events, lines)
        if span is None:
            leave(Exit.FINDINGS, _NOTHING)
        first, newest = span
        # Where all events are between two ticks the later one shows them.
        beyond = beyond or first > newest
        last = max(first, newest) if last is None else last
    return ticks_between(first or 0, last, every), beyond


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
