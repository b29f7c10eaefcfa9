"""Exit codes, and the one line that goes with them."""

from __future__ import annotations

from enum import IntEnum
from typing import NoReturn

import typer


class Exit(IntEnum):
    """What a command's exit code means."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    INVALID = 3
    DATA_LOSS = 4
    UNREACHABLE = 5
    STATE_UNUSABLE = 6
    OURS = 70


def leave(code: Exit, message: str) -> NoReturn:
    """Say why on standard error, and exit."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
