"""What the verbs that run the engine have in common: a thread, signals, and an HTTP server."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry

from pipeline.cli.exits import Exit, leave
from pipeline.edges.http import (
    HttpServer,
    Route,
    application,
    standard_routes,
    telemetry_routes,
)
from pipeline.edges.newest import Newest
from pipeline.edges.prometheus import (
    MetricsCollector,
    Names,
    ProcessesCollector,
    StandingCollector,
    TelemetryCollector,
)
from pipeline.settings import HttpSettings
from pipeline.telemetry import ProcessFigures, Telemetry

_VERSION: Final = version("northstar")
_ASKED_TO_STOP: Final = (signal.SIGINT, signal.SIGTERM)


def serve(
    settings: HttpSettings,
    newest: Newest,
    telemetry: Telemetry,
    partition_name: Names,
) -> HttpServer:
    """Serve metrics, health and readings. Exits where the address cannot be listened on."""
    registry = CollectorRegistry()
    registry.register(MetricsCollector(newest))
    registry.register(
        TelemetryCollector(telemetry, _VERSION, partition_name, lambda: newest.tick is not None)
    )
    return _listening(settings, standard_routes(newest, telemetry, registry))


def serve_processes(
    settings: HttpSettings, newest: Newest, gate: Telemetry, figures: ProcessFigures
) -> HttpServer:
    """The same for a supervisor, whose processes serve the engine's telemetry themselves."""
    registry = CollectorRegistry()
    registry.register(MetricsCollector(newest))
    registry.register(StandingCollector(_VERSION, lambda: newest.tick is not None))
    registry.register(ProcessesCollector(figures))
    return _listening(settings, standard_routes(newest, gate, registry))


def serve_telemetry(
    settings: HttpSettings, telemetry: Telemetry, partition_name: Names
) -> HttpServer:
    """Serve what one of several processes knows of itself; it is ready when its slots are."""

    def is_ready() -> bool:
        return bool(telemetry.slot_watermarks) and not telemetry.waiting_for

    registry = CollectorRegistry()
    registry.register(TelemetryCollector(telemetry, _VERSION, partition_name, is_ready))
    return _listening(settings, telemetry_routes(registry))


def _listening(settings: HttpSettings, routes: Mapping[str, Route]) -> HttpServer:
    try:
        return HttpServer(settings, application(routes))
    except OSError as taken:
        where = f"{settings.host}:{settings.port}"
        leave(
            Exit.UNREACHABLE,
            f"cannot listen on {where}: {taken.strerror}; choose another --host or --port",
        )


class EngineThread:
    """The engine in a thread of its own; `fault` is what it has failed with.

    Signals reach the main thread only, so that one must be free to hear them. `stop` is set when
    the engine has ended for whatever reason.
    """

    def __init__(self, work: Callable[[], object], stop: threading.Event) -> None:
        self.fault: BaseException | None = None
        self._work = work
        self._stop = stop
        # A daemon, so that an engine that does not end cannot keep the process.
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def ended_within(self, seconds: float) -> bool:
        """Wait for the engine, which has been asked to end; whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as fault:  # noqa: BLE001 - told by the main thread, whatever it is
            self.fault = fault
        finally:
            self._stop.set()


@contextmanager
def stopped_by_signals(stop: threading.Event, *, at_once: bool = True) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks for an end in order; a second one ends us on the spot.

    Unless it is not to do so `at_once`: what a supervisor asks, others may have asked before. Its
    process ignores both ever after, since it may be asked while it exits with a code of its own.

    Nobody may wait for `stop` in the main thread: that takes a lock, and `ask` may find it taken.
    """
    before = {number: signal.getsignal(number) for number in _ASKED_TO_STOP}
    is_asked = False

    def ask(number: int, _: object) -> None:
        nonlocal is_asked
        if at_once and (is_asked or stop.is_set()):
            os._exit(128 + number)  # in order is not possible: the engine's thread is at work
        if not is_asked:
            is_asked = True  # the second signal may come while `set` holds its lock
            stop.set()

    for number in _ASKED_TO_STOP:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if at_once else signal.SIG_IGN)
