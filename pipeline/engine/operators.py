"""The keyed steps of the dataflow: clock, roll and compose, as Bytewax calls them.

They keep count of who has been heard and call the core; they compute nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any

from bytewax.operators import StatefulBatchLogic

from pipeline.core.clock import Clock, baselines
from pipeline.core.compose import merge
from pipeline.core.decode import LONG_AGO
from pipeline.core.deployment import Deployment
from pipeline.core.judge import History, Published
from pipeline.core.plan import Plan
from pipeline.core.publish import Tick, tick
from pipeline.core.roll import Changes, Partial, Shard, changes_by_shard
from pipeline.core.snapshot import pack, unpack
from pipeline.engine.messages import (
    READINGS_KEY,
    SAME_KEY,
    Delivery,
    Due,
    Handed,
    Mark,
    Message,
    Part,
    Watermark,
    shard_key,
)
from pipeline.telemetry import ShardFigures, Telemetry

Keyed = tuple[str, Message]


@dataclass(frozen=True, slots=True)
class Steps:
    """What the keyed steps of a process are built from."""

    plan: Plan
    deployment: Deployment
    slots: int
    telemetry: Telemetry
    catch_up_ticks: int


class ClockLogic(StatefulBatchLogic[Message, Keyed, bytes]):
    """Turns watermarks of slots into ticks for the shards."""

    def __init__(self, steps: Steps, saved: bytes | None) -> None:
        self._shards = steps.deployment.shards
        self._clock = Clock(
            steps.slots,
            steps.deployment.tick_ms,
            baselines(steps.plan),
            steps.catch_up_ticks,
        )
        if saved is not None:
            self._clock.load(unpack(saved)[1])

    def on_batch(self, values: list[Message]) -> tuple[list[Keyed], bool]:
        """Take in watermarks; tell every shard what is due."""
        for value in values:
            assert isinstance(value, Watermark)
            self._clock.hear(value.slot, value.watermark_ms, value.first_ms, value.newest_ms)
        due = self._clock.due()
        if not due:
            return [], self.RETAIN
        message = Due(tuple(due))
        return [(shard_key(shard), message) for shard in range(self._shards)], self.RETAIN

    def snapshot(self) -> bytes:
        """The clock's state."""
        return pack({}, self._clock.dump())


class RollLogic(StatefulBatchLogic[Message, Keyed, bytes]):
    """One shard of one level.

    Level 0 evaluates a tick when the clock says so and every slot has delivered up to it; a higher
    level when every shard of the level below has marked it. Rows for higher levels pass through
    here first, so that they are always ahead of the mark.
    """

    def __init__(self, steps: Steps, level: int, saved: bytes | None) -> None:
        self._steps = steps
        self._level = level
        self._shard = Shard(steps.plan, level)
        self._watermarks = [LONG_AGO] * steps.slots
        self._due: list[int] = []
        self._marks: dict[int, int] = defaultdict(int)
        self._parts: dict[int, Partial] = {}
        self._saved = saved
        if saved is not None:
            self._load(saved)
        self._figures = ShardFigures()
        steps.telemetry.shards[id(self)] = self._figures

    def on_batch(self, values: list[Message]) -> tuple[list[Keyed], bool]:
        """Take in messages, and evaluate the ticks that they make ready."""
        self._saved = None
        sent: list[Keyed] = []
        for value in values:
            sent += self._take_in(value)
        for at_ms in self._ready():
            sent += self._evaluate(at_ms)
        tables = self._shard.tables.items()
        self._figures.entities = {entity: len(table.index) for entity, table in tables}
        self._figures.pending_rows = self._shard.waiting
        return sent, self.RETAIN

    def _take_in(self, value: Message) -> list[Keyed]:
        """Keep what is for this level; what is for higher ones goes on."""
        if isinstance(value, Delivery):
            return self._deliver(value)
        if isinstance(value, Handed):
            return self._hand_on(value)
        if isinstance(value, Due):
            self._due.extend(value.ticks_ms)
        elif isinstance(value, Mark):
            self._marks[value.at_ms] += 1
        else:
            assert isinstance(value, Part)
            self._parts[value.at_ms] = value.part
        return []

    def _deliver(self, delivery: Delivery) -> list[Keyed]:
        self._watermarks[delivery.slot] = delivery.watermark_ms
        self._shard.queue(delivery.rows.get(self._level, {}), delivery.earliest_ms)
        higher = {level: rows for level, rows in delivery.rows.items() if level > self._level}
        if not higher:
            return []
        return [(SAME_KEY, Delivery(delivery.slot, delivery.watermark_ms, higher, None))]

    def _hand_on(self, handed: Handed) -> list[Keyed]:
        memories = self._steps.plan.memories
        here: dict[int, Changes] = {}
        above: dict[int, Changes] = {}
        for tally, changes in handed.changes.items():
            (here if memories[tally].level == self._level else above)[tally] = changes
        self._shard.queue_changes(handed.at_ms, here)
        return [(SAME_KEY, Handed(handed.at_ms, above))] if above else []

    def _ready(self) -> list[int]:
        """The ticks that can be evaluated now, in order."""
        if self._level == 0:
            reached = min(self._watermarks)
            ready = [at_ms for at_ms in self._due if at_ms <= reached]
            self._due = [at_ms for at_ms in self._due if at_ms > reached]
            return ready
        shards = self._steps.deployment.shards
        ready = sorted(at_ms for at_ms, marks in self._marks.items() if marks == shards)
        for at_ms in ready:
            del self._marks[at_ms]
        return ready

    def _evaluate(self, at_ms: int) -> list[Keyed]:
        part, changes = self._shard.evaluate(at_ms)
        below = self._parts.pop(at_ms, None)
        whole = part if below is None else merge([below, part])
        if self._level == self._steps.plan.levels - 1:
            return [(READINGS_KEY, Part(at_ms, whole))]
        shards = self._steps.deployment.shards
        return [
            (SAME_KEY, Part(at_ms, whole)),
            *((shard_key(to), Handed(at_ms, part)) for to, part in _by_shard(changes, shards)),
            *((shard_key(to), Mark(at_ms)) for to in range(shards)),
        ]

    def snapshot(self) -> bytes:
        """The shard's tables and queues, and who has been heard. Kept while nothing comes in."""
        if self._saved is None:
            facts = {
                "watermarks": self._watermarks,
                "due": self._due,
                "marks": [*self._marks.items()],
                "parts": [(at_ms, astuple(part)) for at_ms, part in self._parts.items()],
            }
            self._saved = self._shard.dump(facts)
        return self._saved

    def _load(self, saved: bytes) -> None:
        facts = self._shard.load(saved)
        self._watermarks, self._due = facts["watermarks"], facts["due"]
        self._marks.update(dict(facts["marks"]))
        self._parts = {at_ms: _partial(part) for at_ms, part in facts["parts"]}


class ComposeLogic(StatefulBatchLogic[Message, Tick, bytes]):
    """Puts the shards' parts together, tick by tick, and judges the readings.

    After a restart the last tick is given once more: in a quiet stream the next may be far.
    """

    def __init__(self, steps: Steps, saved: bytes | None) -> None:
        self._steps = steps
        self._history = History()
        self._parts: dict[int, list[Partial]] = defaultdict(list)
        self._last: tuple[int, Partial] | None = None
        self._again: datetime | None = None
        if saved is not None:
            self._load(unpack(saved)[1])

    def on_batch(self, values: list[Message]) -> tuple[list[Tick], bool]:
        """Take in parts; give the ticks that are complete, in order."""
        ticks = []
        for value in values:
            assert isinstance(value, Part)
            parts = self._parts[value.at_ms]
            parts.append(value.part)
            if len(parts) == self._steps.deployment.shards:
                ticks.append(self._tick(value.at_ms, merge(self._parts.pop(value.at_ms))))
        return ticks, self.RETAIN

    def _tick(self, at_ms: int, whole: Partial) -> Tick:
        self._last = (at_ms, whole)
        self._steps.telemetry.evaluated_ms = at_ms
        self._steps.telemetry.ticks += 1
        return tick(self._steps.plan, whole, self._history, at_ms)

    def on_notify(self) -> tuple[list[Tick], bool]:
        """Give the last tick once more, after a restart."""
        self._again = None
        if self._last is None:
            return [], self.RETAIN
        return [self._tick(*self._last)], self.RETAIN

    def notify_at(self) -> datetime | None:
        """At once after a restart, never otherwise."""
        return self._again

    def snapshot(self) -> bytes:
        """Past readings for baselines, the last tick, and ticks not complete yet."""
        facts = {
            "history": [
                (metric, tick_ms, kept.value, kept.coverage)
                for metric, by_tick in self._history.readings.items()
                for tick_ms, kept in by_tick.items()
            ],
            "last": None if self._last is None else [self._last[0], astuple(self._last[1])],
            "parts": [
                (at_ms, [astuple(part) for part in parts]) for at_ms, parts in self._parts.items()
            ],
        }
        return pack({}, facts)

    def _load(self, facts: dict[str, Any]) -> None:
        for metric, tick_ms, value, coverage in facts["history"]:
            self._history.readings.setdefault(metric, {})[tick_ms] = Published(value, coverage)
        for at_ms, parts in facts["parts"]:
            self._parts[at_ms] = [_partial(part) for part in parts]
        if facts["last"] is not None:
            at_ms, part = facts["last"]
            self._last, self._again = (at_ms, _partial(part)), datetime.now(UTC)


def _partial(saved: list[Any]) -> Partial:
    counts, micros, earliest_ms = saved
    return Partial(tuple(counts), tuple(micros), earliest_ms)


def _by_shard(
    changes: Mapping[int, Changes], shards: int
) -> Iterable[tuple[int, dict[int, Changes]]]:
    found: dict[int, dict[int, Changes]] = defaultdict(dict)
    for tally, change in changes.items():
        for shard, part in changes_by_shard(change, shards):
            found[shard][tally] = part
    return found.items()


def route(sent: Iterable[tuple[str, Keyed]]) -> list[Keyed]:
    """Address what a keyed step sent: to the key it named, or to the step's own."""
    return [(key if to == SAME_KEY else to, message) for key, (to, message) in sent]
