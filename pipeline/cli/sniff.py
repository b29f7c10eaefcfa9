"""`northstar sniff`: what a topic or a file holds, before anybody has described it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.exits import Exit
from pipeline.cli.sampled import RECORDS, Sniffed, sniffed, why_no_fit
from pipeline.cli.validate import show
from pipeline.sniff.fields import shown_name, told
from pipeline.terminal.width import console_for

NAMES_MAX = 50
FIELDS_MAX = 40  # of an event, in the table; JSON has all


class Output(StrEnum):
    """How findings are written."""

    TABLE = "table"
    JSON = "json"


def sniff(
    origin: Annotated[
        str,
        typer.Argument(metavar="TOPIC|FILE", help="JSON lines, or a topic.", show_default=False),
    ],
    kafka_bootstrap: Annotated[
        str | None, typer.Option(help="host:port of brokers, joined by commas, for a topic.")
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="A YAML file of settings.")] = None,
    records: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many to look at.")] = (
        RECORDS
    ),
    output: Annotated[Output, typer.Option(help="How findings are written.")] = Output.TABLE,
) -> None:
    """Say which envelope, events and fields a topic or file has; ids and values stay unseen."""
    found = sniffed(origin, records, kafka_bootstrap, settings)
    facts = facts_of(found)
    if output is Output.JSON:
        sys.stdout.buffer.write(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
        sys.stdout.buffer.write(b"\n")
        sys.stdout.buffer.flush()
    else:
        _show(facts)
    if found.fit is None:
        instead = "spell one out: definitions/LANGUAGE.md, source"
        typer.echo(why_no_fit(found.sample, instead), err=True)
        raise typer.Exit(Exit.FINDINGS)


def facts_of(found: Sniffed) -> dict[str, Any]:
    """All that is told, as plain data; `version` counts changes of its form."""
    fit = found.fit
    total = sum(event.count for event in found.events.values())
    return {
        "version": 1,
        "origin": found.origin,
        "lines": found.lines.value if found.topic is None else None,
        "records": found.sample.records,
        "unreadable": dict(found.sample.unreadable),
        "envelope": None
        if fit is None
        else {
            "preset": fit.preset,
            "spelled_out": None if fit.spelled_out is None else dict(fit.spelled_out),
            "evidence": fit.evidence,
        },
        "names": len(found.events),
        "events": [
            {
                "name": shown_name(name),
                "events": event.count,
                "share": round(event.count / total, 4),
                "users": len(event.users),
                "fields": told(event, fit),
            }
            for name, event in [*found.events.items()][:NAMES_MAX]
            if fit is not None
        ],
    }


def _show(facts: Mapping[str, Any]) -> None:
    for line in _head(facts):
        show(Text(line))
    if facts["events"]:
        _print(_names(facts))
    for event in facts["events"]:
        _print(_fields(event))


def _print(table: Table) -> None:
    console_for(table).print(table)


def _head(facts: Mapping[str, Any]) -> Iterator[str]:
    broken = ", ".join(f"{number:,} {why}" for why, number in facts["unreadable"].items())
    of_them = f", of them {broken}" if broken else ""
    yield f"{facts['origin']}: {facts['records']:,} records{of_them}"
    envelope = facts["envelope"]
    if envelope is None:
        return
    changed = ", and what differs from it" if envelope["spelled_out"] else ""
    preset = envelope["preset"] and f"{envelope['preset']}{changed}"
    yield f"envelope: {preset or 'none of the presets; a guess, place by place'}"
    yield from (f"  {each}" for each in envelope["evidence"])
    if envelope["spelled_out"]:
        yield f"  {orjson.dumps(envelope['spelled_out']).decode()}"


def _names(facts: Mapping[str, Any]) -> Table:
    told_all = facts["names"] <= len(facts["events"])
    title = "Events" if told_all else f"Events: the first {NAMES_MAX} of {facts['names']}"
    table = Table("name", title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("events", "share", "users"):
        table.add_column(column, justify="right")
    for event in facts["events"]:
        row = (f"{event['events']:,}", f"{event['share']:.1%}", f"{event['users']:,}")
        table.add_row(Text(event["name"]), *row)
    return table


def _fields(event: Mapping[str, Any]) -> Table:
    title = Text(f"\n{event['name']}")
    table = Table("field", title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("present", justify="right")
    for column in ("types", "values"):
        table.add_column(column)
    for found in event["fields"][:FIELDS_MAX]:
        table.add_row(
            Text(found["field"]),
            f"{found['present']:.0%}",
            ", ".join(found["types"]),
            Text(", ".join(found["values"])),
        )
    return table
