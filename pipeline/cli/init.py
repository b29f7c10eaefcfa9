"""`northstar init`: a definition to start from, as a worksheet or from what a topic holds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.exits import Exit, leave
from pipeline.cli.sampled import RECORDS, Sniffed, sniffed, why_no_fit
from pipeline.core.timestamps import BAD
from pipeline.edges.files import Lines
from pipeline.sniff.envelope import times_ms
from pipeline.sniff.starter import starter
from pipeline.spec import read_text


class Game(StrEnum):
    """What a product is about."""

    ATTENTION = "attention"
    TRANSACTION = "transaction"
    PRODUCTIVITY = "productivity"


def init(
    file: Annotated[
        Path, typer.Argument(help="Where to write it; `-` is standard output.", show_default=False)
    ],
    game: Annotated[
        Game | None, typer.Option(help="A commented worksheet for a product of this kind.")
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option("--from", metavar="TOPIC|FILE", help="Make it of what these records hold."),
    ] = None,
    kafka_bootstrap: Annotated[
        str | None, typer.Option(help="host:port of brokers, joined by commas, for a topic.")
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="A YAML file of settings.")] = None,
) -> None:
    """Write a definition that is valid as it stands. No file is ever overwritten."""
    if (game is None) == (origin is None):
        leave(Exit.USAGE, "say either --game (attention, transaction, productivity) or --from")
    found = None if origin is None else sniffed(origin, RECORDS, kafka_bootstrap, settings)
    text = worksheet(game) if found is None and game else _starter(found, file)
    if str(file) == "-":
        typer.echo(text, nl=False)
        return
    try:
        with file.open("x", encoding="utf-8") as written:
            written.write(text)
    except FileExistsError:
        leave(Exit.USAGE, f"{file} is there already; name another file")
    except OSError as error:
        leave(Exit.USAGE, f"{file} cannot be written: {error.strerror}")
    typer.echo(f"{file} is written; what to run next:", err=True)
    typer.echo(f"northstar validate {file}")
    if found is not None and found.topic is None:
        typer.echo(_replay(found, file))


def worksheet(game: Game) -> str:
    """The worksheet of a game."""
    return (files("pipeline.cli") / "worksheets" / f"{game.value}.yaml").read_text("utf-8")


def _starter(found: Sniffed | None, file: Path) -> str:
    assert found is not None
    if found.fit is None:
        why = why_no_fit(found.sample, "start with --game instead")
        leave(Exit.FINDINGS, f"{found.origin}: {why}")
    product = Path(found.origin).name.partition(".")[0] if str(file) == "-" else file.stem
    topics = [found.topic] if found.topic else _topics(found)
    try:
        text = starter(product, topics, found.fit, found.events) + "\n"
    except ValueError as refused:
        leave(Exit.FINDINGS, f"{found.origin}: {refused}")
    assert read_text(text, str(file)).plan is not None, "what we write is valid"
    return text


def _topics(found: Sniffed) -> list[str]:
    """Those that recorded lines name; else one to be filled in."""
    return found.sample.topics() or ["events"]


def _replay(found: Sniffed, file: Path) -> str:
    """The command that shows the numbers of that very input."""
    assert found.fit is not None
    events = [*found.sample.events(found.fit.envelope)]
    times = times_ms(events, found.fit.envelope.times)
    known = times[times != BAD]
    first, last = (_day(int(at_ms)) for at_ms in (known.min(), known.max()))
    end = last + timedelta(days=1)
    lines = " --lines kcat" if found.lines is Lines.KCAT else ""
    return (
        f"northstar replay {file} --events {found.origin}{lines} --from {first} --to {end} "
        "--lateness 1d --output table"
    )


def _day(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()
