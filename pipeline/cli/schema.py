"""`northstar schema`: the JSON Schema of definitions, for editors that check while one types."""

import typer

from pipeline.spec import json_schema


def schema() -> None:
    """Print the JSON Schema of definition files."""
    typer.echo(json_schema(), nl=False)
