"""Recorded events on the command line: moments, durations, ticks and progress."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.cli.exits import Exit, leave
from pipeline.core.deployment import Deployment
from pipeline.core.plan import Plan
from pipeline.core.publish import Tick
from pipeline.core.records import Counts
from pipeline.edges.files import STANDARD_INPUT, FileSource, Lines
from pipeline.engine.local import span_of_events
from pipeline.settings import duration_ms

# Beyond this a slip of the pen (--every 1s over a year) would run for hours before it is noticed.
TICKS_MAX = 1_000_000


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


def moment_option(flag: str, text: str) -> Any:  # noqa: ANN401 - as Typer gives it
    """An option that takes a moment; `text` is its help."""
    return typer.Option(flag, parser=moment_ms, help=text, metavar="TIME")


def duration_option(text: str, default: str) -> Any:  # noqa: ANN401 - as Typer gives it
    """An option that takes a duration; `text` is its help, `default` is shown."""
    return typer.Option(parser=span_ms, help=text, metavar="DURATION", show_default=default)


Lateness = Annotated[int, duration_option("How late events may be in time.", "1m")]


def ticks_between(first: int, last: int | None, every: int, at_most: int = TICKS_MAX) -> range:
    """The ticks asked for, up to now without a last one. Exits where none or too many are."""
    ticks = range(first, (now_ms() if last is None else last) + 1, max(every, 1))
    if every <= 0 or not ticks:
        leave(Exit.USAGE, "there is no tick between --from and --to")
    if len(ticks) > at_most:
        leave(Exit.USAGE, f"{len(ticks):,} ticks are too many; ask for {at_most:,} at the most")
    return ticks


def found_span(
    plan: Plan, deployment: Deployment, events: Sequence[str], lines: Lines
) -> tuple[int, int] | None:
    """The first tick after the first event, and the newest event; None where nothing is one.

    Exits for standard input, which can be read once only.

    Raises:
        UnreachableError: A file cannot be read.
        UnreadableError: A line is none.
    """
    if STANDARD_INPUT in events:
        leave(Exit.USAGE, "standard input can be read once only: say --from, or name a file")
    reader = FileSource(events, now_ms(), lines=lines).open(0, {})
    span = span_of_events(plan, deployment, reader)
    reader.close()
    every = deployment.tick_ms
    return None if span is None else ((span[0] // every + 1) * every, span[1])


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


def summary(counts: Counts) -> str:
    """What became of the records, in a line."""
    parts = [f"{counts.consumed:,} records", f"{counts.matched:,} matched"]
    parts += [f"{number:,} filtered ({why})" for why, number in sorted(counts.filtered.items())]
    parts += [f"{number:,} rejected ({why})" for why, number in sorted(counts.rejected.items())]
    parts += [f"{counts.duplicate:,} duplicate"] if counts.duplicate else []
    parts += [f"{counts.late:,} late"] if counts.late else []
    return ", ".join(parts)
