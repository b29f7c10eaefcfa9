"""The dataflow: the six stages as Bytewax steps.

    slots ─▶ shards ─────────────────▶ roll-0 ─▶ route-0 ─▶ roll-1 ─▶ … ─▶ compose ─▶ publish
    (decode, match)                  ▲           (once for each level)     (and judge)
      └────▶ watermarks ─▶ clock ────┘

Step ids are the names under which state is stored: a renamed step forgets. They are spelled here
and nowhere else, and a test holds them still.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from pipeline.core.publish import Tick
from pipeline.engine.failpoints import Failpoint
from pipeline.engine.operators import ClockLogic, ComposeLogic, RollLogic, Steps, route
from pipeline.engine.slots import Intake, Slots, pick_clock, pick_shards

FLOW_ID: Final = "northstar"

Publish = Callable[[Tick], None]


def build(intake: Intake, steps: Steps, publish: Publish) -> Dataflow:
    """The whole flow. `publish` is called with every tick, in order, in the worker's thread."""
    flow = Dataflow(FLOW_ID)
    polled = op.input("decode", flow, Slots(intake))
    watermarks = op.flat_map_batch("watermarks", polled, pick_clock)
    ticks = op.stateful_batch("clock", watermarks, lambda saved: ClockLogic(steps, saved))
    due = op.flat_map_batch("due", ticks, route)
    shards = op.flat_map_batch("shards", polled, pick_shards)
    rows = op.merge("match", shards, due)
    for level in range(steps.plan.levels):
        rolled = op.stateful_batch(f"roll-{level}", rows, _roll(steps, level))
        rows = op.flat_map_batch(f"route-{level}", rolled, route)
    readings = op.stateful_batch("compose", rows, lambda saved: ComposeLogic(steps, saved))

    def publish_and_reach(tick: Tick) -> None:
        publish(tick)
        steps.reach(Failpoint.PUBLISH)

    op.output("publish", readings, _Sink(publish_and_reach))
    return flow


def _roll(steps: Steps, level: int) -> Callable[[bytes | None], RollLogic]:
    return lambda saved: RollLogic(steps, level, saved)


class _Sink(DynamicSink[tuple[str, Tick]]):
    """Hands ticks to a function. Only the worker that composes ever has any."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _SinkPartition:  # noqa: ARG002
        return _SinkPartition(self._publish)


class _SinkPartition(StatelessSinkPartition[tuple[str, Tick]]):
    def __init__(self, publish: Publish) -> None:
        self._publish = publish

    def write_batch(self, items: list[tuple[str, Tick]]) -> None:
        for _, tick in items:
            self._publish(tick)
