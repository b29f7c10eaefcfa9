"""`northstar run`: the engine on a real topic, until it is told to stop."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Annotated, Final, NoReturn

import structlog
import typer
from xxhash import xxh3_64_intdigest

from pipeline.cli.exits import Exit, leave
from pipeline.cli.products import plan_at
from pipeline.cli.service import EngineThread, serve, stopped_by_signals
from pipeline.core.deployment import Deployment
from pipeline.core.plan import Plan
from pipeline.core.snapshot import UnreadableSnapshot
from pipeline.edges import kafka_client
from pipeline.edges.faults import DataLossError, UnreachableError
from pipeline.edges.kafka import KafkaSource
from pipeline.edges.logging import configure
from pipeline.edges.newest import Newest
from pipeline.engine import runtime
from pipeline.engine.recovery import StoreRefused
from pipeline.engine.source import Source
from pipeline.settings import Settings, SettingsError, load
from pipeline.telemetry import Telemetry

# After the request to stop: a last snapshot of the largest state takes a few seconds.
STOP_WITHIN_S: Final = 60.0

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
    }
    try:
        chosen = load(settings, flags=flags)
    except SettingsError as refused:
        leave(Exit.USAGE, str(refused))
    configure(chosen.log, chosen.secrets())
    for warning in chosen.warnings():
        log.warning(warning)
    _run(plan, chosen)


def _run(plan: Plan, settings: Settings) -> None:
    topics = settings.kafka.topics or plan.topics
    telemetry = Telemetry()
    log.info("connecting", kafka=settings.kafka.bootstrap, topics=list(topics))
    try:
        kafka_client.check_reachable(settings.kafka, topics)
    except SettingsError as refused:  # librdkafka knows properties that we do not
        leave(Exit.USAGE, str(refused))
    except UnreachableError as fault:
        leave(Exit.UNREACHABLE, str(fault))
    source = KafkaSource(settings.kafka, topics, telemetry)
    deployment = deployment_of(settings)
    newest = Newest(plan, lambda at_ms: telemetry.shows(at_ms, deployment.tick_ms))
    server = serve(settings.http, newest, telemetry, source.partition_name)
    log.info("serving", url=server.url, product=plan.product, topics=list(topics))
    try:
        _until_stopped(plan, deployment, source, newest, telemetry, settings)
    finally:
        server.close()


def deployment_of(settings: Settings) -> Deployment:
    """What of the settings decides numbers."""
    return Deployment(
        tick_ms=settings.time.tick_ms,
        lateness_ms=settings.time.lateness_ms,
        future_max_ms=settings.time.future_max_ms,
        dedup_horizon_ms=settings.time.dedup_horizon_ms,
        shards=settings.engine.shards,
        salt=xxh3_64_intdigest(settings.salt.get_secret_value().encode()),
    )


def _until_stopped(
    plan: Plan,
    deployment: Deployment,
    source: Source,
    newest: Newest,
    telemetry: Telemetry,
    settings: Settings,
) -> None:
    stop = threading.Event()

    def work() -> None:
        runtime.run(
            plan,
            deployment,
            source,
            newest.publish,
            telemetry=telemetry,
            stop=stop,
            running=_running(settings),
        )

    with stopped_by_signals(stop):
        engine = EngineThread(work, stop)
        stop.wait()
        log.info("stopping")
        if not engine.ended_within(STOP_WITHIN_S):
            log.error("the engine does not stop; what came after the last snapshot is read again")
            os._exit(Exit.OURS)
    if engine.fault is not None:
        _tell(engine.fault)
    log.info("stopped", consumed=telemetry.totals().consumed, ticks=telemetry.ticks)


def _running(settings: Settings) -> runtime.Running:
    return runtime.Running(
        store=settings.engine.state_directory,
        topics=settings.kafka.topics,
        store_parts=settings.engine.recovery_parts,
        epoch_s=settings.engine.epoch_interval_ms / 1000,
        idle_after_s=settings.time.idle_after_ms / 1000,
        poll_records=settings.engine.batch_records,
    )


_EXITS: Final[dict[type[BaseException], Exit]] = {
    DataLossError: Exit.DATA_LOSS,
    UnreachableError: Exit.UNREACHABLE,
    StoreRefused: Exit.STATE_UNUSABLE,
    UnreadableSnapshot: Exit.STATE_UNUSABLE,
}


def _tell(fault: BaseException) -> NoReturn:
    for kind, code in _EXITS.items():
        if isinstance(fault, kind):
            leave(code, str(fault))
    log.error("the engine failed", exc_info=fault)
    raise typer.Exit(Exit.OURS)
