"""Run the Bytewax engine in this process until it is asked to stop, or its source has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event

import msgspec
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig
from bytewax.run import cli_main

from pipeline.core.clock import CATCH_UP_TICKS
from pipeline.core.deployment import Deployment
from pipeline.core.known import Known
from pipeline.core.plan import Plan
from pipeline.core.publish import Tick
from pipeline.core.snapshot import digest
from pipeline.engine.backfill import Backfill, BackfillStopped, History
from pipeline.engine.dataflow import build
from pipeline.engine.epochs import epoch_s
from pipeline.engine.failpoints import Reach, nowhere
from pipeline.engine.operators import Steps
from pipeline.engine.recovery import (
    Manifest,
    Store,
    known_in,
    manifest_of,
    recovery_config,
    written,
)
from pipeline.engine.slots import POLL_RECORDS, Intake
from pipeline.engine.source import DeadLetters, Source
from pipeline.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Place:
    """The place of this process among those of a run: its number, and where each one listens.

    Their supervisor has opened the store for all of them.
    """

    process: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Running:
    """How the engine runs here; nothing of it changes a number.

    `topics` are those that are really read, None where they are the definition's.

    `store` is where state is saved, None to start anew every time, cut into `store_parts` when it
    is made. `epoch_s` is how often it is saved, and how much is read again after a crash; None
    goes by the size of what is saved. `told` are ticks of before a crash that are made again.
    `place` is None where this process does all the work. From `history` is filled what a changed
    definition starts anew, None to let it.
    """

    store: Path | None = None
    store_parts: int = 8
    topics: tuple[str, ...] | None = None
    epoch_s: float | None = None
    idle_after_s: float = 30.0
    poll_records: int = POLL_RECORDS
    workers: int = 1
    catch_up_ticks: int = CATCH_UP_TICKS
    place: Place | None = None
    dead_letters: DeadLetters | None = None
    reach: Reach = nowhere
    history: History | None = None
    told: frozenset[int] = frozenset()


def run(  # noqa: PLR0913 - the composition root's own list of parts
    plan: Plan,
    deployment: Deployment,
    source: Source,
    publish: Callable[[Tick], None],
    *,
    telemetry: Telemetry,
    stop: Event,
    running: Running | None = None,
) -> Mapping[int, int]:
    """Run to the end: `stop` is set, the source has ended, or something is beyond repair.

    `publish` is called with each tick, in order. What was read is saved before the return; the
    positions that are saved, by partition, are what is returned.

    Raises:
        StoreRefused: The saved state cannot be used.
        Exception: What the source raised, when it could not go on.
    """
    running = running or Running()
    intake = Intake(
        plan,
        deployment,
        source,
        telemetry,
        stop,
        running.idle_after_s,
        running.poll_records,
        dead_letters=running.dead_letters,
        reach=running.reach,
    )

    def flow(known: Known) -> Dataflow:
        steps = Steps(
            plan,
            deployment,
            source.slots,
            telemetry,
            running.catch_up_ticks,
            known,
            running.reach,
            running.told,
        )
        return build(intake, steps, publish)

    if running.place is None:
        # All of them, before the first is open: one that is quick must not make us ready.
        telemetry.wait_for_slots(range(source.slots))
        try:
            store = open_store(plan, deployment, source.slots, running, stop)
        except BackfillStopped:
            return {}
        _work_alone(flow, running, store)
    elif running.store is None:
        _work(flow(Known()), running, None)
    else:
        _work(flow(known_in(running.store)), running, recovery_config(running.store))
    if intake.faults:
        raise intake.faults[0]
    return intake.saved


def _work_alone(flow: Callable[[Known], Dataflow], running: Running, store: Store | None) -> None:
    """Do all the work in this process, and let go of the store in the end."""
    if store is None:
        _work(flow(Known()), running, None)
        return
    try:
        _work(flow(store.known), running, store.config())
    finally:
        store.close()


def _work(flow: Dataflow, running: Running, recovery: RecoveryConfig | None) -> None:
    place = running.place
    interval_s = epoch_s(running.store) if running.epoch_s is None else running.epoch_s
    with nullcontext() if running.store is None else written(running.store):
        cli_main(
            flow,
            workers_per_process=running.workers,
            process_id=None if place is None else place.process,
            addresses=None if place is None else list(place.addresses),
            epoch_interval=timedelta(seconds=interval_s),
            recovery_config=recovery,
        )


def open_store(
    plan: Plan, deployment: Deployment, slots: int, running: Running, stop: Event
) -> Store | None:
    """Open the store, made ready for a start; None where nothing is saved.

    Raises:
        BackfillStopped: `stop` was set while history was read.
        StoreRefused: The saved state cannot be used.
    """
    if running.store is None:
        return None
    history = running.history
    backfill = None if history is None else Backfill(deployment, history, stop)
    manifest = _manifest(plan, deployment, slots, running)
    return Store(running.store, manifest, plan, backfill, deployment.firsts_known_after_ms)


def agreement(plan: Plan, deployment: Deployment, slots: int, running: Running) -> str:
    """What all processes of a run must have alike, as a digest."""
    manifest = _manifest(plan, deployment, slots, running)
    return digest(msgspec.json.encode([asdict(manifest), plan.fingerprint, asdict(deployment)]))


def _manifest(plan: Plan, deployment: Deployment, slots: int, running: Running) -> Manifest:
    return manifest_of(plan, deployment, slots, running.store_parts, running.topics)
