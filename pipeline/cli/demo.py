"""`northstar demo`: the engine on a made-up product, with its metrics, and nothing to set up."""

from __future__ import annotations

import os
import sys
import threading
import time
from enum import StrEnum
from typing import Annotated, Final

import orjson
import typer
from rich.console import Console

from pipeline.cli.exits import Exit, leave
from pipeline.cli.service import EngineThread, serve, stopped_by_signals
from pipeline.core.deployment import Deployment
from pipeline.core.plan import Plan
from pipeline.core.publish import Tick, rows
from pipeline.core.windows import DAY_MS, HOUR_MS, RESOLUTIONS_MS, SECOND_MS
from pipeline.demo.definition import demo_plan
from pipeline.demo.source import Pace, TrafficSource
from pipeline.demo.traffic import EVENTS_A_DAY, Traffic
from pipeline.edges.http import HttpServer
from pipeline.edges.logging import configure
from pipeline.edges.newest import Newest
from pipeline.engine.runtime import run
from pipeline.settings import HttpSettings, LogFormat, LogLevel, LogSettings, duration_ms
from pipeline.telemetry import Telemetry
from pipeline.terminal.screen import show
from pipeline.terminal.view import View

RATE_MIN: Final = 100.0  # below it hardly anybody would be there
RATE_MAX: Final = 50_000_000.0  # the tables of 25 million users take 1 GB

SPEED_MS_MAX: Final = 7 * DAY_MS  # an hour of it takes a demo to the end of the century

_SHARDS: Final = 2  # the demo is small, and its history is read sooner with few
_TICKS_A_SECOND: Final = 6  # of wall time; the view is drawn four times
_END_WITHIN_S: Final = 10.0
_LOOK_AGAIN_S: Final = 0.1


class Output(StrEnum):
    """What comes out on standard output."""

    TEXT = "text"
    JSON = "json"


def demo(
    *,
    duration: Annotated[
        str | None,
        typer.Option(
            help="End after this long, as 15s, but not before there are readings.",
            show_default="until Ctrl-C",
        ),
    ] = None,
    output: Annotated[
        Output,
        typer.Option(help="A live view, or the last readings as JSON lines when it ends."),
    ] = Output.TEXT,
    rate: Annotated[
        float,
        typer.Option(
            min=RATE_MIN,
            max=RATE_MAX,
            help="Events a day of event time, on average; 18 days of them are read first.",
        ),
    ] = EVENTS_A_DAY,
    speed: Annotated[
        str, typer.Option(help="How much event time passes in a second, as 1h; at most 7d.")
    ] = "1h",
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same traffic.")] = 1,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="On which port of loopback; 0 picks a free one.")
    ] = 9_464,
) -> None:
    """Show a live North Star tree of a made-up product, with metrics and readings served."""
    speed_ms = min(_duration_ms("--speed", speed), SPEED_MS_MAX)
    end_ms = None if duration is None else _duration_ms("--duration", duration)
    configure(LogSettings(level=LogLevel.WARNING, format=LogFormat.CONSOLE))
    plan, telemetry, stop = demo_plan(), Telemetry(), threading.Event()
    source = TrafficSource(Traffic(seed, rate), Pace(speed_ms / SECOND_MS))
    deployment = Deployment(tick_ms=tick_ms(speed_ms), shards=_SHARDS)
    newest = Newest(plan, lambda at_ms: telemetry.shows(at_ms, deployment.tick_ms))
    server = serve(HttpSettings(port=port), newest, telemetry, source.partition_name)
    view = View(plan, telemetry, _served(server))

    def publish(tick: Tick) -> None:
        view.take(tick)
        newest.publish(tick)

    with stopped_by_signals(stop):
        engine = EngineThread(
            lambda: run(plan, deployment, source, publish, telemetry=telemetry, stop=stop), stop
        )
        if end_ms is not None:
            _end_after(end_ms / SECOND_MS, newest, stop)
        _watch(view, server, output, stop)
        ended = engine.ended_within(_END_WITHIN_S)
    server.close()
    if output is Output.JSON and newest.tick is not None:
        _print_rows(plan, newest.tick)
    if engine.fault is not None or not ended:
        leave(Exit.OURS, f"the engine has failed: {engine.fault or 'it does not end'!r}")


def _duration_ms(option: str, text: str) -> int:
    try:
        given_ms = duration_ms(text)
    except ValueError:
        given_ms = 0
    if given_ms <= 0:
        message = f"{text!r} is no duration; write a number and a unit, as 15s"
        raise typer.BadParameter(message, param_hint=option)
    return given_ms


def tick_ms(speed_ms: int) -> int:
    """A tick that is due a few times a second, where `speed_ms` of event time pass in one.

    >>> tick_ms(3_600_000) // 60_000
    10
    """
    longest = min(speed_ms // _TICKS_A_SECOND, HOUR_MS)
    fitting = [step for step in RESOLUTIONS_MS if step <= longest]
    return fitting[-1] if fitting else RESOLUTIONS_MS[0]


def _served(server: HttpServer) -> list[str]:
    return [f"{server.url}  /metrics  /healthz  /readyz  /api/v1/readings"]


def _end_after(duration_s: float, newest: Newest, stop: threading.Event) -> None:
    """Set `stop` when the time is up and there are readings to show for it."""

    def wait() -> None:
        if not stop.wait(duration_s) and newest.tick is None:
            typer.echo("the time is up; waiting for the first readings", err=True)
            while newest.tick is None and not stop.wait(_LOOK_AGAIN_S):
                pass
        stop.set()

    threading.Thread(target=wait, name="duration", daemon=True).start()


# ── showing ──────────────────────────────────────────────────────────────────────────────────────


def _watch(view: View, server: HttpServer, output: Output, stop: threading.Event) -> None:
    """Show what happens until it is time to stop, or until nobody looks any more."""
    console = Console(highlight=False)
    if output is Output.JSON or not console.is_terminal:
        typer.echo(f"reading the history; serving {_served(server)[0]}", err=True)
    if output is Output.JSON:
        while not stop.is_set():
            time.sleep(_LOOK_AGAIN_S)
        return
    try:
        show(view, console, stop)
    except BrokenPipeError:
        stop.set()
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's last flush


def _print_rows(plan: Plan, tick: Tick) -> None:
    for row in rows(plan, tick):
        sys.stdout.buffer.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()
