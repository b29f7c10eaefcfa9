"""Run the Bytewax engine in this process until it is asked to stop, or its source has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event

from bytewax.run import cli_main

from pipeline.core.clock import CATCH_UP_TICKS
from pipeline.core.deployment import Deployment
from pipeline.core.plan import Plan
from pipeline.core.publish import Tick
from pipeline.engine.dataflow import build
from pipeline.engine.operators import Steps
from pipeline.engine.recovery import Store, manifest_of
from pipeline.engine.slots import POLL_RECORDS, Intake
from pipeline.engine.source import Source
from pipeline.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Running:
    """How the engine runs here; nothing of it changes a number.

    `topics` are those that are really read, None where they are the definition's.

    `store` is where state is saved, None to start anew every time, cut into `store_parts` when it
    is made. `epoch_s` is how often it is
    saved, and how much is read again after a crash.
    """

    store: Path | None = None
    store_parts: int = 8
    topics: tuple[str, ...] | None = None
    epoch_s: float = 10.0
    idle_after_s: float = 30.0
    poll_records: int = POLL_RECORDS
    workers: int = 1
    catch_up_ticks: int = CATCH_UP_TICKS


def run(  # noqa: PLR0913 - the composition root's own list of parts
    plan: Plan,
    deployment: Deployment,
    source: Source,
    publish: Callable[[Tick], None],
    *,
    telemetry: Telemetry,
    stop: Event,
    running: Running | None = None,
) -> None:
    """Run to the end: `stop` is set, the source has ended, or something is beyond repair.

    `publish` is called with each tick, in order. What was read is saved before the return.

    Raises:
        StoreRefused: The saved state cannot be used.
        Exception: What the source raised, when it could not go on.
    """
    running = running or Running()
    intake = Intake(
        plan, deployment, source, telemetry, stop, running.idle_after_s, running.poll_records
    )
    steps = Steps(plan, deployment, source.slots, telemetry, running.catch_up_ticks)
    flow = build(intake, steps, publish)
    epoch = timedelta(seconds=running.epoch_s)
    store = None
    if running.store is not None:
        parts, topics = running.store_parts, running.topics
        manifest = manifest_of(plan, deployment, source.slots, parts, topics)
        store = Store(running.store, manifest)
    try:
        cli_main(
            flow,
            workers_per_process=running.workers,
            epoch_interval=epoch,
            recovery_config=None if store is None else store.config(),
        )
    finally:
        if store is not None:
            store.close()
    if intake.faults:
        raise intake.faults[0]
