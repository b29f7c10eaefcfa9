"""The step that composes, called as Bytewax calls it."""

from pipeline.core.deployment import Deployment
from pipeline.core.partial import Partial
from pipeline.engine.messages import Part
from pipeline.engine.operators import ComposeLogic, Steps
from pipeline.telemetry import Telemetry
from tests.engine.both_engines import compiled

PLAN = compiled("""\
version: 1
product: shop
source: {topics: [orders], envelope: segment}
events: {ordered: {name: order, ids: {user: userId}}}
metrics: {orders: {role: north_star, value: count(ordered), window: trailing 7d}}
""")
STEPS = Steps(PLAN, Deployment(shards=1), 1, Telemetry(), 12)


def part(at_ms, orders):
    """What the only shard says of a tick."""
    return Part(at_ms, Partial((orders,), (0,), 0), "roll-0")


def restarted():
    """The step after a restart; 3 orders at second 5 were the last it gave."""
    before = ComposeLogic(STEPS, None)
    before.on_batch([part(5_000, 3)])
    return ComposeLogic(STEPS, before.snapshot())


def given(ticks):
    """When ticks were, and what they said."""
    return [(tick.at_ms, tick.readings[0].value) for tick in ticks]


def test_after_a_restart_the_last_tick_is_given_once_more():
    """In a quiet stream the next may be far."""
    step = restarted()
    assert step.notify_at() is not None
    assert given(step.on_notify()[0]) == [(5_000, 3)]
    assert step.notify_at() is None
    assert given(step.on_notify()[0]) == []


def test_a_new_tick_is_not_given_twice():
    """Where one comes before Bytewax has called, it is the last, and was given."""
    step = restarted()
    assert given(step.on_batch([part(10_000, 4)])[0]) == [(10_000, 4)]
    assert step.notify_at() is None
    assert given(step.on_notify()[0]) == []
