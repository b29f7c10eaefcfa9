"""`northstar run` as the supervisor of several processes, which do the work."""

from __future__ import annotations

import sys
import threading
from typing import Final

import structlog

from pipeline.cli.exits import Exit, leave
from pipeline.cli.service import serve_processes, stopped_by_signals
from pipeline.cli.start import (
    check_reachable,
    deployment_of,
    running_of,
    source_of,
    tell,
    topics_of,
)
from pipeline.core.plan import Plan
from pipeline.edges.faults import DataLossError, UnreachableError
from pipeline.edges.newest import Newest
from pipeline.engine import runtime
from pipeline.engine.backfill import BackfillStopped
from pipeline.engine.recovery import StoreRefused
from pipeline.engine.supervisor import NotKept, Orders, Showing, Supervisor
from pipeline.settings import Settings
from pipeline.telemetry import ProcessFigures, Telemetry

# With these a process has said on its own what is wrong, and it will be wrong again.
_FINAL: Final = frozenset({Exit.USAGE, Exit.INVALID, Exit.DATA_LOSS, Exit.STATE_UNUSABLE})
_TELLING: Final = _FINAL | {Exit.UNREACHABLE}
_PORT_MAX: Final = 65_535

log = structlog.get_logger()


def supervise(plan: Plan, settings: Settings) -> None:
    """Run processes until we are asked to stop, and show what they make."""
    _check(settings)
    check_reachable(plan, settings)
    gate, figures = Telemetry(), ProcessFigures(settings.engine.processes)
    stop = threading.Event()
    newest = Newest(plan, lambda at_ms: gate.shows(at_ms, settings.time.tick_ms))
    showing = Showing(newest.publish, newest.forget, gate, figures)
    supervisor = Supervisor(_orders(plan, settings, stop), showing, stop)
    server = serve_processes(settings.http, newest, gate, figures)
    topics = list(topics_of(plan, settings))
    log.info("serving", url=server.url, product=plan.product, topics=topics)
    try:
        with stopped_by_signals(stop):
            supervisor.run()
    except NotKept as failed:
        known = {int(code): code for code in _TELLING}
        leave(known.get(failed.code, Exit.OURS), str(failed))
    except BackfillStopped:
        pass  # we were asked to stop; the next start begins it again
    except (StoreRefused, DataLossError, UnreachableError) as refused:
        tell(refused)
    finally:
        server.close()
    log.info("stopped", consumed=supervisor.consumed)


def _check(settings: Settings) -> None:
    processes, slots = settings.engine.processes, settings.kafka.slots
    if processes > slots:
        leave(
            Exit.USAGE,
            f"engine.processes: {processes} are more than the {slots} of kafka.slots, and some "
            "would have nothing to read; write fewer",
        )
    if settings.http.port + processes > _PORT_MAX:
        leave(
            Exit.USAGE,
            f"http.port: {processes} more are needed above {settings.http.port}; write a lower one",
        )


def _orders(plan: Plan, settings: Settings, stop: threading.Event) -> Orders:
    deployment, slots = deployment_of(settings), settings.kafka.slots
    running = running_of(settings, source_of(plan, settings, Telemetry()))
    return Orders(
        # The very command that started us: the same interpreter, options and arguments.
        command=[sys.executable, *sys.orig_argv[1:]],
        processes=settings.engine.processes,
        slots=slots,
        agreement=runtime.agreement(plan, deployment, slots, running),
        open_store=lambda: runtime.open_store(plan, deployment, slots, running, stop),
        telling=_TELLING,
        final=_FINAL,
        hung_after_s=settings.engine.hung_after_ms / 1000,
        stop_within_s=settings.engine.stop_within_ms / 1000,
    )
