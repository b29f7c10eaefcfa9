"""`northstar run` as one of several processes: what it hears from its supervisor, and tells it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from pipeline.cli.exits import Exit, leave
from pipeline.core.publish import Tick
from pipeline.engine.cluster import LINK_VARIABLE
from pipeline.engine.link import Link, Ticked, status_of
from pipeline.engine.runtime import Place
from pipeline.settings import HttpSettings
from pipeline.telemetry import Telemetry

STATUS_INTERVAL_S: Final = 1.0
LOOK_S: Final = 0.1  # for what is told at once: having caught up, having to stop
LAST_STATUS_S: Final = 5.0


def supervisor_link() -> Link | None:
    """The link to our supervisor, None where nobody supervises us."""
    descriptor = os.environ.pop(LINK_VARIABLE, None)
    return None if descriptor is None else Link(int(descriptor))


class Supervised:
    """This process, as its supervisor has to do with it. It ends at once when that is gone."""

    def __init__(self, link: Link) -> None:
        self._link = link
        try:
            self._assignment = link.assignment()
        except OSError:
            os._exit(Exit.OURS)
        threading.Thread(target=self._end_with_supervisor, name="supervisor", daemon=True).start()

    def _end_with_supervisor(self) -> None:
        with suppress(OSError):
            self._link.wait_until_gone()
        os._exit(Exit.OURS)

    def place(self, agreement: str) -> Place:
        """Our place, if we have found what the supervisor was started with; leave if not."""
        if agreement != self._assignment.agreement:
            leave(
                Exit.USAGE,
                "the definition or the settings have changed since the supervisor was started; "
                "start it anew",
            )
        return Place(self._assignment.process, self._assignment.addresses)

    def http(self, settings: HttpSettings) -> HttpSettings:
        """Where we serve: on a port of our own above the supervisor's, or on any free one."""
        own = settings.port and settings.port + 1 + self._assignment.process
        return settings.model_copy(update={"port": own})

    def publish(self, tick: Tick) -> None:
        """Hand a tick to the supervisor."""
        try:
            self._link.send(Ticked(tick))
        except OSError:
            os._exit(Exit.OURS)

    @contextmanager
    def reporting(self, telemetry: Telemetry, stop: threading.Event) -> Iterator[None]:
        """Tell the supervisor how we are, until the end and once more then."""
        over = threading.Event()
        reports = threading.Thread(
            target=self._report, args=(telemetry, stop, over), name="status", daemon=True
        )
        reports.start()
        try:
            yield
        finally:
            over.set()
            reports.join(LAST_STATUS_S)

    def _report(self, telemetry: Telemetry, stop: threading.Event, over: threading.Event) -> None:
        told, due_s = None, 0.0
        is_over = False
        while not is_over:
            is_over = over.wait(LOOK_S)
            status = status_of(telemetry, stopping=stop.is_set())
            news = (status.caught_up_ms, status.stopping, is_over)
            now_s = time.monotonic()
            if news == told and now_s < due_s:
                continue
            told, due_s = news, now_s + STATUS_INTERVAL_S
            with suppress(OSError):  # the other thread ends us for it
                self._link.send(status)
