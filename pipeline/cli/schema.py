"""`northstar schema`: what may stand in a definition, for editors and for readers."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pipeline.spec import json_schema, reference_page


class SchemaFormat(StrEnum):
    """How the schema is written."""

    JSON = "json"
    MARKDOWN = "markdown"


def schema(
    form: Annotated[SchemaFormat, typer.Option("--format", help="How it is written.")] = (
        SchemaFormat.JSON
    ),
) -> None:
    """Print the JSON Schema of definition files, or a page of all their keys."""
    typer.echo(json_schema() if form is SchemaFormat.JSON else reference_page(), nl=False)
