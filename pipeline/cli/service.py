"""What the verbs that run the engine have in common: a thread, signals, and an HTTP server."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry

from pipeline.cli.exits import Exit, leave
from pipeline.edges.http import HttpServer, application, standard_routes
from pipeline.edges.newest import Newest
from pipeline.edges.prometheus import MetricsCollector, TelemetryCollector
from pipeline.settings import HttpSettings
from pipeline.telemetry import Telemetry

_ASKED_TO_STOP: Final = (signal.SIGINT, signal.SIGTERM)


def serve(
    settings: HttpSettings,
    newest: Newest,
    telemetry: Telemetry,
    partition_name: Callable[[int], tuple[str, str]],
) -> HttpServer:
    """Serve metrics, health and readings. Exits where the address cannot be listened on."""
    registry = CollectorRegistry()
    registry.register(MetricsCollector(newest))
    registry.register(
        TelemetryCollector(
            telemetry, version("northstar"), partition_name, lambda: newest.tick is not None
        )
    )
    try:
        return HttpServer(settings, application(standard_routes(newest, telemetry, registry)))
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

    def __init__(self, work: Callable[[], None], stop: threading.Event) -> None:
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
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks for an end in order; a second one ends us on the spot."""
    before = {number: signal.getsignal(number) for number in _ASKED_TO_STOP}

    def ask(number: int, _: object) -> None:
        if stop.is_set():
            os._exit(128 + number)  # in order is not possible: the engine's thread is at work
        stop.set()

    for number in _ASKED_TO_STOP:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
