"""`northstar demo`: the engine on a made-up product, with its metrics, and nothing to set up."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib.metadata import version
from typing import Annotated, Final

import orjson
import typer
from prometheus_client import CollectorRegistry
from rich.console import Console

from pipeline.cli.exits import Exit, leave
from pipeline.core.deployment import Deployment
from pipeline.core.plan import Plan
from pipeline.core.publish import Tick, rows
from pipeline.core.windows import DAY_MS, HOUR_MS, RESOLUTIONS_MS, SECOND_MS
from pipeline.demo.definition import demo_plan
from pipeline.demo.source import Pace, TrafficSource
from pipeline.demo.traffic import EVENTS_A_DAY, Traffic
from pipeline.edges.http import HttpServer, application, standard_routes
from pipeline.edges.logging import configure
from pipeline.edges.newest import Newest
from pipeline.edges.prometheus import MetricsCollector, TelemetryCollector
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
_ASKED_TO_STOP: Final = (signal.SIGINT, signal.SIGTERM)


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
    server = _serve(newest, telemetry, source, port)
    view = View(plan, telemetry, _served(server))

    def publish(tick: Tick) -> None:
        view.take(tick)
        newest.publish(tick)

    engine = _Engine(
        lambda: run(plan, deployment, source, publish, telemetry=telemetry, stop=stop), stop
    )
    with _signals_set(stop):
        engine.start()
        if end_ms is not None:
            _end_after(end_ms / SECOND_MS, newest, stop)
        _watch(view, server, output, stop)
        engine.end()
    server.close()
    if output is Output.JSON and newest.tick is not None:
        _print_rows(plan, newest.tick)
    if engine.fault is not None:
        leave(Exit.OURS, f"the engine has failed: {engine.fault!r}")


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


# ── serving ──────────────────────────────────────────────────────────────────────────────────────


def _serve(newest: Newest, telemetry: Telemetry, source: TrafficSource, port: int) -> HttpServer:
    registry = CollectorRegistry()
    registry.register(MetricsCollector(newest))
    registry.register(TelemetryCollector(telemetry, version("northstar"), source.partition_name))
    settings = HttpSettings(port=port)
    try:
        return HttpServer(settings, application(standard_routes(newest, telemetry, registry)))
    except OSError as taken:
        where = f"{settings.host}:{port}"
        leave(
            Exit.UNREACHABLE, f"cannot listen on {where}: {taken.strerror}; choose another --port"
        )


def _served(server: HttpServer) -> list[str]:
    return [f"{server.url}  /metrics  /healthz  /readyz  /api/v1/readings"]


# ── running ──────────────────────────────────────────────────────────────────────────────────────


class _Engine:
    """The engine in a thread of its own; `fault` is what it has failed with."""

    def __init__(self, work: Callable[[], None], stop: threading.Event) -> None:
        self.fault: BaseException | None = None
        self._work = work
        self._stop = stop
        # A daemon, so that an engine that does not end cannot keep the process.
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Wait until the engine has ended, which it has been asked to."""
        self._thread.join(_END_WITHIN_S)
        if self._thread.is_alive():
            self.fault = TimeoutError(f"not ended within {_END_WITHIN_S:g} s")

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as fault:  # noqa: BLE001 - told by the main thread, whatever it is
            self.fault = fault
        finally:
            self._stop.set()


@contextmanager
def _signals_set(stop: threading.Event) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks for an end in order; a second one is as ever."""
    before = {number: signal.getsignal(number) for number in _ASKED_TO_STOP}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(*_: object) -> None:
        stop.set()
        restore()

    for number in _ASKED_TO_STOP:
        signal.signal(number, ask)
    try:
        yield
    finally:
        restore()


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
        stop.wait()
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
