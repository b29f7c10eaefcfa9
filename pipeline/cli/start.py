"""What a run is started with, whether it is one process or several."""

from __future__ import annotations

import os
from typing import Final, NoReturn

import structlog
import typer
from xxhash import xxh3_64_intdigest

from pipeline.cli.exits import Exit, leave
from pipeline.core.deployment import Deployment
from pipeline.core.plan import Plan
from pipeline.core.snapshot import UnreadableSnapshot
from pipeline.core.wanted import asks_the_log
from pipeline.edges import kafka_client
from pipeline.edges.faults import DataLossError, UnreachableError
from pipeline.edges.kafka import KafkaSource
from pipeline.engine import failpoints
from pipeline.engine.recovery import StoreRefused
from pipeline.engine.runtime import Running
from pipeline.settings import TOPICS_MAX, Settings, SettingsError
from pipeline.telemetry import Telemetry

log = structlog.get_logger()


def topics_of(plan: Plan, settings: Settings) -> tuple[str, ...]:
    """The topics that are read."""
    return settings.kafka.topics or plan.topics


def check_reachable(plan: Plan, settings: Settings) -> None:
    """Return when the cluster has all topics; leave where it does not."""
    topics = topics_of(plan, settings)
    log.info("connecting", kafka=settings.kafka.bootstrap, topics=list(topics))
    written = {
        "dead_letters.topic": settings.dead_letters.topic,
        "transitions.topic": settings.transitions.topic,
    }
    told = {name: topic for name, topic in written.items() if topic is not None}
    for name, topic in told.items():
        if topic in topics:
            leave(Exit.USAGE, f"{name}: {topic} is a topic that is read; name another")
    if len({*told.values()}) < len(told):
        leave(Exit.USAGE, f"{' and '.join(told)} are one topic; name another for one of them")
    if len(topics) > TOPICS_MAX:
        leave(
            Exit.USAGE,
            f"the definition has {len(topics)} topics, and at most {TOPICS_MAX} can be read; "
            "write fewer, or several definitions",
        )
    try:
        if told:
            kafka_client.check_producer_properties(settings.kafka)
        kafka_client.check_reachable(settings.kafka, [*topics, *told.values()])
    except SettingsError as refused:  # librdkafka knows properties that we do not
        leave(Exit.USAGE, str(refused))
    except UnreachableError as fault:
        leave(Exit.UNREACHABLE, str(fault))


def source_of(plan: Plan, settings: Settings, telemetry: Telemetry) -> KafkaSource:
    """Where records come from."""
    keeps_originals = settings.dead_letters.topic is not None
    topics = topics_of(plan, settings)
    return KafkaSource(
        settings.kafka,
        topics,
        telemetry,
        keeps_originals=keeps_originals,
        carries=asks_the_log(plan),
    )


def deployment_of(settings: Settings) -> Deployment:
    """What of the settings decides numbers."""
    return Deployment(
        tick_ms=settings.time.tick_ms,
        lateness_ms=settings.time.lateness_ms,
        future_max_ms=settings.time.future_max_ms,
        dedup_horizon_ms=settings.time.dedup_horizon_ms,
        shards=settings.engine.shards,
        ids_max=settings.limits.ids,
        salt=xxh3_64_intdigest(settings.salt.get_secret_value().encode()),
        firsts_known_after_ms=settings.engine.firsts_known_after_ms,
    )


def running_of(settings: Settings, source: KafkaSource | None = None) -> Running:
    """What of the settings decides no number; `source` is where history is read, if it is."""
    interval_ms = settings.engine.epoch_interval_ms
    return Running(
        history=None if settings.engine.backfill_from is None or source is None else source.history,
        store=settings.engine.state_directory,
        topics=settings.kafka.topics,
        store_parts=settings.engine.recovery_parts,
        epoch_s=None if interval_ms is None else interval_ms / 1000,
        idle_after_s=settings.time.idle_after_ms / 1000,
        poll_records=settings.engine.batch_records,
        reach=failpoints.asked_for(os.environ),
    )


def warn_of_failpoint() -> None:
    """Say that this run will not last, if a test wants it so; leave where it cannot be had."""
    try:
        if failpoints.asked_for(os.environ) is not failpoints.nowhere:
            asked = os.environ[failpoints.VARIABLE]
            log.warning("a failpoint is set, and will end this as a crash does", failpoint=asked)
    except ValueError as refused:
        leave(Exit.USAGE, f"{failpoints.VARIABLE}: {refused}")


_EXITS: Final[dict[type[BaseException], Exit]] = {
    DataLossError: Exit.DATA_LOSS,
    UnreachableError: Exit.UNREACHABLE,
    StoreRefused: Exit.STATE_UNUSABLE,
    UnreadableSnapshot: Exit.STATE_UNUSABLE,
}


def tell(fault: BaseException) -> NoReturn:
    """Leave with what the engine has failed with."""
    for kind, code in _EXITS.items():
        if isinstance(fault, kind):
            leave(code, str(fault))
    log.error("the engine failed", exc_info=fault)
    raise typer.Exit(Exit.OURS)
