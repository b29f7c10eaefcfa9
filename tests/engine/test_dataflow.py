"""The steps' ids: state is stored under them, so a renamed step forgets."""

from threading import Event

import pytest
from bytewax.visualize import to_rendered

from pipeline.core.deployment import Deployment
from pipeline.engine.dataflow import build
from pipeline.engine.messages import CLOCK_KEY, READINGS_KEY, Watermark
from pipeline.engine.operators import ClockLogic, RollLogic, Steps
from pipeline.engine.routing import shard_key
from pipeline.engine.slots import Intake, Slots
from pipeline.telemetry import Telemetry
from tests.engine.both_engines import compiled
from tests.engine.deep_product import PLAN
from tests.engine.memory_source import MemorySource

FLAT = compiled(
    """
    version: 1
    product: flat
    source: {topics: [events], envelope: segment}
    events: {opened: {name: opened, ids: {user: userId}}}
    metrics: {opens: {role: north_star, value: count(opened), window: trailing 1h}}
    """
)


def intake_of(plan, slots=1):
    """An intake of nothing."""
    source = MemorySource([], slots=slots)
    return Intake(plan, Deployment(), source, Telemetry(), Event())


def step_ids(plan):
    """Ids and kinds of the steps that keep state or stand at an end, in order."""
    intake = intake_of(plan)
    steps = Steps(plan, intake.deployment, 1, intake.telemetry, 12)
    rendered = to_rendered(build(intake, steps, print))
    assert rendered.flow_id == "northstar"
    return [(step.step_id, step.op_type) for step in rendered.substeps]


LEVELS = {
    1: FLAT,
    4: PLAN,
}


@pytest.mark.parametrize("levels", [1, 4])
def test_step_ids_are_what_state_is_stored_under(levels):
    """A change of this list loses saved state: raise `FLOW_VERSION` and say so in the changelog."""
    rolls = [
        step
        for level in range(levels)
        for step in (
            (f"northstar.roll-{level}", "stateful_batch"),
            (f"northstar.route-{level}", "flat_map_batch"),
        )
    ]
    assert LEVELS[levels].levels == levels
    assert step_ids(LEVELS[levels]) == [
        ("northstar.decode", "input"),
        ("northstar.watermarks", "flat_map_batch"),
        ("northstar.clock", "stateful_batch"),
        ("northstar.due", "flat_map_batch"),
        ("northstar.shards", "flat_map_batch"),
        ("northstar.match", "merge"),
        *rolls,
        ("northstar.compose", "stateful_batch"),
        ("northstar.publish", "output"),
    ]


def test_keys_are_what_state_is_stored_under():
    """The same goes for the keys of stateful steps and the names of slots."""
    assert CLOCK_KEY == "clock"
    assert READINGS_KEY == "readings"
    keys = [shard_key(number) for number in (0, 7, 31)]
    assert keys == ["shard-000mb", "shard-007qb", "shard-031m"]
    assert Slots(intake_of(FLAT, slots=2)).list_parts() == ["slot-000", "slot-001"]


def test_no_step_speaks_to_another_while_state_is_loaded():
    """Regression: ticks that the clock called again too early reached shards before their state.

    Such a shard then began empty, and was saved so.
    """
    steps = Steps(PLAN, Deployment(), 1, Telemetry(), 12)
    clock = ClockLogic(steps, None)
    clock.on_batch([Watermark(0, 10**12, 10**12, 10**12 - 10**6)])
    saved = clock.snapshot()
    loaded = ClockLogic(steps, saved)
    assert loaded.notify_at() is None
    (_, called), *_ = loaded.on_batch([Watermark(0, 10**12, 10**12, 10**12 - 10**6)])[0]
    assert called.ticks_ms[-1] == 10**12
    assert RollLogic(steps, 0, RollLogic(steps, 0, None).snapshot()).notify_at() is None
