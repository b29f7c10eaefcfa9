"""The command line: one file for each verb, and here the list of them."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from pipeline.cli.demo import demo
from pipeline.cli.explain import explain
from pipeline.cli.init import init
from pipeline.cli.replay import replay
from pipeline.cli.run import run
from pipeline.cli.schema import schema
from pipeline.cli.sniff import sniff
from pipeline.cli.tree import tree
from pipeline.cli.try_candidate import try_candidate
from pipeline.cli.validate import validate


def _show_version(asked: bool) -> None:  # noqa: FBT001 - typer's way
    if asked:
        typer.echo(f"northstar {version('northstar')}")
        raise typer.Exit


app = typer.Typer(
    name="northstar",
    help="A product's North Star Metric, computed from its event stream, exactly and live.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def northstar(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """A product's North Star Metric, computed from its event stream, exactly and live."""


for verb in (init, sniff, demo, run, replay, validate, explain, tree, schema):
    app.command()(verb)
app.command(name="try")(try_candidate)
