"""How wide a table may be: as the terminal is, or as it is itself where nobody looks at one."""

from __future__ import annotations

from typing import Final

from rich.console import Console, RenderableType
from rich.measure import Measurement

COLUMNS_MAX: Final = 1_000  # paths may be long; nothing that people read is longer


def console_for(shown: RenderableType) -> Console:
    """A console on standard output that cuts nothing of what is shown, unless a terminal does.

    A file or a pipe has no width, and a name that is cut there cannot be copied any more.
    """
    console = Console()
    if console.is_terminal:
        return console
    room = console.options.update(width=COLUMNS_MAX, max_width=COLUMNS_MAX)
    return Console(width=max(1, Measurement.get(console, room, shown).maximum))
