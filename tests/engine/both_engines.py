"""One plan over one log, on either engine."""

from collections.abc import Iterable
from threading import Event, Timer

from pipeline.core.deployment import Deployment
from pipeline.core.plan import Plan
from pipeline.core.publish import Tick
from pipeline.engine.local import LocalEngine
from pipeline.engine.runtime import Running, run
from pipeline.engine.source import Source
from pipeline.spec import read_text
from pipeline.telemetry import Telemetry
from tests.engine.memory_source import MemorySource, as_polled
from tests.oracle.oracle import Record
from tests.oracle.strategies import Case

HANGS_AFTER_S = 60.0
EVERY_TICK = 1 << 40
"""Catching up on so many ticks, no history is long enough for one of them to be passed over."""


def compiled(text: str) -> Plan:
    """The plan of a definition that has no errors."""
    result = read_text(text, "drawn.yaml")
    assert result.plan is not None, "\n".join(map(str, [*result.problems, text]))
    return result.plan


def deployed(case: Case, shards: int = 3) -> Deployment:
    """The deployment that a case was drawn for."""
    return Deployment(
        tick_ms=case.tick_ms,
        lateness_ms=case.settings.lateness_ms,
        future_max_ms=case.settings.future_max_ms,
        dedup_horizon_ms=case.settings.dedup_horizon_ms,
        shards=shards,
    )


def fed(plan: Plan, deployment: Deployment, records: Iterable[Record]) -> LocalEngine:
    """A local engine that was handed every partition whole."""
    engine = LocalEngine(plan, deployment)
    for log in MemorySource(records).logs.values():
        engine.feed(as_polled(log))
    return engine


def local(
    plan: Plan, deployment: Deployment, records: Iterable[Record], ticks: Iterable[int]
) -> list[Tick]:
    """What the local engine says at these ticks."""
    return fed(plan, deployment, records).ticks_at(ticks)


def bytewax(
    plan: Plan,
    deployment: Deployment,
    source: Source,
    *,
    stop: Event | None = None,
    telemetry: Telemetry | None = None,
    published: list[Tick] | None = None,
    **running: object,
) -> list[Tick]:
    """What the Bytewax engine publishes until it ends, in order."""
    stop = Event() if stop is None else stop
    published = [] if published is None else published
    hung = Event()
    watch = Timer(HANGS_AFTER_S, lambda: (hung.set(), stop.set()))
    watch.start()
    try:
        run(
            plan,
            deployment,
            source,
            published.append,
            telemetry=telemetry or Telemetry(),
            stop=stop,
            running=Running(**{"catch_up_ticks": EVERY_TICK, **running}),
        )
    finally:
        watch.cancel()
    assert not hung.is_set(), "the engine did not end"
    return published


def until_exhausted(source: MemorySource) -> Event:
    """A request to stop that comes when every slot was polled after all was handed out."""
    stop = Event()
    in_vain: set[int] = set()

    def ask(slot: int) -> None:
        if source.exhausted:
            in_vain.add(slot)
        if len(in_vain) == source.slots:
            stop.set()

    source.on_poll = ask
    return stop


def same(expected: Iterable[Tick], actual: Iterable[Tick]) -> bool:
    """Whether ticks are the same to the last digit and type: 1 is not 1.0, nor is -0.0 0.0."""
    return list(map(repr, expected)) == list(map(repr, actual))
