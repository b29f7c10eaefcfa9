"""`northstar validate`: every problem of every definition, in one run."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipeline.cli.exits import Exit, leave
from pipeline.spec import Result, Severity, definition_files, read_definitions
from pipeline.spec.fields import date_of
from pipeline.spec.problem import Refusal
from pipeline.spec.render import Format, rendered

if TYPE_CHECKING:
    from rich.text import Text


def validate(
    definitions: Annotated[
        list[Path], typer.Argument(help="Definitions, or folders of them.", show_default=False)
    ],
    form: Annotated[Format, typer.Option("--format", help="How problems are written.")] = (
        Format.TEXT
    ),
    strict: Annotated[
        bool, typer.Option("--strict", help="Warnings fail too, with exit code 1.")
    ] = False,
    today: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="What is overdue on that day; today, unless given."),
    ] = None,
) -> None:
    """Check definitions, and say what to write instead."""
    results = results_at(*definitions, today=_day(today))
    problems = [problem for result in results for problem in result.problems]
    shown = rendered(problems, form)
    if shown:
        show(shown)
    if form is Format.TEXT:
        typer.echo(("\n" if shown else "") + summary(results))
    if any(result.has_errors for result in results):
        raise typer.Exit(Exit.INVALID)
    if strict and problems:
        raise typer.Exit(Exit.FINDINGS)


def _day(today: str | None) -> date:
    """The day that is asked for. Exits where it is none."""
    if today is None:
        return datetime.now(UTC).date()
    try:
        return date_of(today)
    except Refusal as refusal:
        leave(Exit.USAGE, f"--today: {refusal.message}. {refusal.advice}")


def results_at(*paths: Path, today: date | None = None) -> tuple[Result, ...]:
    """What came of the definitions at some paths. Exits where one has none or is unreadable."""
    try:
        for path in paths:
            if not path.exists():
                leave(Exit.USAGE, f"there is no file or folder {path}")
            if not definition_files(path):
                message = f"{path} has no definition: write one to a file that ends in .yaml."
                leave(Exit.USAGE, message)
        return read_definitions(*paths, today=today)
    except OSError as error:
        leave(Exit.USAGE, f"{error.filename} cannot be read: {error.strerror}")


def valid_results_at(path: Path) -> tuple[Result, ...]:
    """The same, for a command that needs plans. Exits with the problems where one has errors."""
    results = results_at(path)
    broken = [result for result in results if result.has_errors]
    if broken:
        problems = [problem for result in broken for problem in result.problems]
        show(rendered(problems, Format.TEXT), to_stderr=True)
        raise typer.Exit(Exit.INVALID)
    return results


def show(text: Text, *, to_stderr: bool = False) -> None:
    """Print text; with colours only on a terminal, and where `NO_COLOR` is not set."""
    Console(stderr=to_stderr, soft_wrap=True).print(text, highlight=False)


def summary(results: tuple[Result, ...]) -> str:
    """How many definitions were read and how many problems they have, in a line."""
    severities = Counter(problem.severity for result in results for problem in result.problems)
    parts = [
        counted(severities[severity], severity) for severity in Severity if severities[severity]
    ]
    return f"{counted(len(results), 'definition')}: {', '.join(parts) or 'no problems'}"


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "error"), counted(2, "warning")
    ('1 error', '2 warnings')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
