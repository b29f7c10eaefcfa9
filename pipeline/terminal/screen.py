"""Shows a view until it is time to stop: drawn over and over on a terminal, else line by line."""

from __future__ import annotations

import time
from threading import Event
from typing import Final

from rich.console import Console
from rich.live import Live

from pipeline.terminal.view import View

FRAME_S: Final = 0.25
LINE_S: Final = 2.0
LOOK_S: Final = 0.1  # how late we hear of a signal


def show(view: View, console: Console, stop: Event) -> None:
    """Draw the view until `stop` is set, and once more then."""
    if not console.is_terminal or console.is_dumb_terminal:
        _show_lines(view, console, stop)
        return
    with Live(view, console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while not _stopped_within(stop, FRAME_S):
            live.refresh()
        live.refresh()


def _show_lines(view: View, console: Console, stop: Event) -> None:
    told, stopped = "", False
    while not stopped:
        stopped = _stopped_within(stop, LINE_S)
        line = view.line()
        if line != told:
            console.file.write(f"{line}\n")
            console.file.flush()
        told = line


def _stopped_within(stop: Event, seconds: float) -> bool:
    """As `stop.wait`, whose lock the handler of a signal in this thread could find taken."""
    until_s = time.monotonic() + seconds
    while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
        time.sleep(min(LOOK_S, left_s))
    return stop.is_set()
