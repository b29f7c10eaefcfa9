"""The command line: one file for each verb, and here the list of them."""

from __future__ import annotations

import typer

from pipeline.cli.demo import demo
from pipeline.cli.explain import explain
from pipeline.cli.replay import replay
from pipeline.cli.run import run
from pipeline.cli.schema import schema
from pipeline.cli.tree import tree
from pipeline.cli.validate import validate

app = typer.Typer(
    name="northstar",
    help="A product's North Star Metric, computed from its event stream, exactly and live.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for verb in (demo, run, replay, validate, explain, tree, schema):
    app.command()(verb)
