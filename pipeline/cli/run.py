"""`northstar run`: the engine on a real topic, until it is told to stop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import structlog
import typer

from pipeline.cli.exits import Exit, leave
from pipeline.cli.products import plan_at
from pipeline.cli.service import EngineThread, serve, serve_telemetry, stopped_by_signals
from pipeline.cli.start import (
    check_reachable,
    deployment_of,
    running_of,
    source_of,
    tell,
    topics_of,
    warn_of_failpoint,
)
from pipeline.cli.supervise import supervise
from pipeline.cli.supervised import Supervised, supervisor_link
from pipeline.cli.transitions import asked_for, leave_for_fault, told_before, told_ticks
from pipeline.cli.wall_clock import wait_beside_the_clock
from pipeline.core.plan import Plan
from pipeline.core.publish import Tick
from pipeline.edges.dead_letters import DeadLetters
from pipeline.edges.kafka import KafkaSource
from pipeline.edges.logging import configure
from pipeline.edges.newest import Newest
from pipeline.engine import runtime
from pipeline.settings import Settings, SettingsError, load
from pipeline.telemetry import Telemetry

log = structlog.get_logger()


def run(
    definitions: Annotated[
        Path, typer.Argument(help="A definition, or a folder that holds one.", show_default=False)
    ],
    kafka_bootstrap: Annotated[
        str | None, typer.Option(help="host:port of brokers, joined by commas.")
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="A YAML file of settings; flags and environment win.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Where state is saved; nowhere if not given.")
    ] = None,
    lateness: Annotated[str | None, typer.Option(help="How late events may be, as 1m.")] = None,
    tick: Annotated[str | None, typer.Option(help="How often readings are made, as 5s.")] = None,
    host: Annotated[str | None, typer.Option(help="Where to serve HTTP.")] = None,
    port: Annotated[int | None, typer.Option(help="On which port; 0 picks a free one.")] = None,
    backfill_from: Annotated[
        str | None,
        typer.Option(help="earliest: fill what a changed definition starts anew from the topic."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Over how many processes the work is spread.")
    ] = None,
) -> None:
    """Compute a product's tree from its Kafka topics, and serve it to Prometheus."""
    plan = plan_at(definitions)
    flags = {
        "kafka.bootstrap": kafka_bootstrap,
        "engine.state_directory": None if state is None else str(state),
        "time.lateness": lateness,
        "time.tick": tick,
        "http.host": host,
        "http.port": port,
        "engine.backfill_from": backfill_from,
        "engine.processes": processes,
    }
    try:
        chosen = load(settings, flags=flags)
    except SettingsError as refused:
        leave(Exit.USAGE, str(refused))
    configure(chosen.log, chosen.secrets())
    link = supervisor_link()
    if link is not None:
        _run_supervised(plan, chosen, Supervised(link))
        return
    for warning in chosen.warnings():
        log.warning(warning)
    warn_of_failpoint()
    if chosen.engine.processes > 1:
        supervise(plan, chosen)
    else:
        _run(plan, chosen)


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be done by this process, and what it reports to."""

    plan: Plan
    settings: Settings
    source: KafkaSource
    telemetry: Telemetry
    stop: threading.Event
    place: runtime.Place | None = None


def _run(plan: Plan, settings: Settings) -> None:
    """Do all the work in this process."""
    check_reachable(plan, settings)
    telemetry = Telemetry()
    source = source_of(plan, settings, telemetry)
    newest = Newest(plan, lambda at_ms: telemetry.shows(at_ms, settings.time.tick_ms))
    server = serve(settings.http, newest, telemetry, source.partition_name)
    topics = list(topics_of(plan, settings))
    log.info("serving", url=server.url, product=plan.product, topics=topics)
    try:
        _until_stopped(_Job(plan, settings, source, telemetry, threading.Event()), newest.publish)
    finally:
        server.close()
    log.info("stopped", consumed=telemetry.totals().consumed, ticks=telemetry.ticks)


def _run_supervised(plan: Plan, settings: Settings, supervised: Supervised) -> None:
    """Do the share of the work that our supervisor has given us."""
    telemetry, stop = Telemetry(), threading.Event()
    source = source_of(plan, settings, telemetry)
    running = running_of(settings)
    found = runtime.agreement(plan, deployment_of(settings), source.slots, running)
    place = supervised.place(found)
    http = supervised.http(settings.http)
    server = serve_telemetry(http, telemetry, source.partition_name)
    log.info("serving telemetry", process=place.process, url=server.url)
    try:
        with supervised.reporting(telemetry, stop):
            _until_stopped(_Job(plan, settings, source, telemetry, stop, place), supervised.publish)
    finally:
        server.close()


def _dead_letters(
    plan: Plan, settings: Settings, source: KafkaSource, telemetry: Telemetry
) -> AbstractContextManager[DeadLetters | None]:
    if settings.dead_letters.topic is None:
        return nullcontext()
    return DeadLetters(settings, plan.product, source.partition_name, telemetry)


def _until_stopped(job: _Job, publish: Callable[[Tick], None]) -> None:
    settings, telemetry, stop = job.settings, job.telemetry, job.stop

    told = asked_for(job.plan, settings)

    def work() -> None:
        positions = runtime.run(
            job.plan,
            deployment_of(settings),
            job.source,
            told_before(told, publish),
            telemetry=telemetry,
            stop=stop,
            running=replace(
                running_of(settings, job.source),
                dead_letters=letters,
                place=job.place,
                told=told_ticks(told),
            ),
        )
        job.source.tell_group(positions)

    with (
        _dead_letters(job.plan, settings, job.source, telemetry) as letters,
        stopped_by_signals(stop, at_once=job.place is None),
    ):
        engine = EngineThread(work, stop)
        wait_beside_the_clock(stop)
        log.info("stopping")
        if not engine.ended_within(settings.engine.stop_within_ms / 1000):
            log.error("the engine does not stop; what came after the last snapshot is read again")
            os._exit(Exit.OURS)
    leave_for_fault(told)
    if engine.fault is not None:
        tell(engine.fault)
