"""The keyed steps of the dataflow: clock, roll and compose, as Bytewax calls them.

They keep count of who has been heard and call the core; they compute nothing.

What a snapshot says of ticks is good for the plan it was made under, whose terms it counts by their
places: under another one it is left out, and the last tick is made once more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from bytewax.operators import StatefulBatchLogic

from pipeline.core.changes import TickChanges, changes_by_shard
from pipeline.core.clock import Clock, look_backs
from pipeline.core.decode import LONG_AGO
from pipeline.core.deployment import Deployment
from pipeline.core.fence import Fence
from pipeline.core.judge import History
from pipeline.core.known import Known
from pipeline.core.partial import Partial, merge
from pipeline.core.plan import Plan
from pipeline.core.publish import Tick, tick
from pipeline.core.roll import Shard
from pipeline.core.seeds import Share
from pipeline.core.snapshot import pack, unpack
from pipeline.engine.failpoints import Failpoint, Reach, nowhere
from pipeline.engine.messages import (
    READINGS_KEY,
    SAME_KEY,
    UNSIGNED,
    Delivery,
    Due,
    Handed,
    Message,
    Part,
    Watermark,
)
from pipeline.engine.outbox import Outbox
from pipeline.engine.routing import shard_key
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
    known: Known = field(default_factory=Known)
    reach: Reach = nowhere
    told: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a shard made of a tick: its part with what levels below came to, and its changes."""

    at_ms: int
    whole: Partial
    changes: TickChanges


class ClockLogic(StatefulBatchLogic[Message, Keyed, bytes]):
    """Turns watermarks of slots into ticks for the shards.

    After a restart it calls the latest ticks again, with the first watermark that it hears and not
    before: what a step sends while Bytewax still loads can reach another before its state does, and
    that then begins anew.
    """

    def __init__(self, steps: Steps, saved: bytes | None) -> None:
        self._reach = steps.reach
        self._shards = steps.deployment.shards
        looked_at, tick_ms = look_backs(steps.plan), steps.deployment.tick_ms
        self._clock = Clock(steps.slots, tick_ms, looked_at, steps.catch_up_ticks, steps.told)
        self._generation = steps.known.generation
        self._sent = Outbox[None]()
        self._again: list[int] = []
        if saved is not None:
            facts = unpack(saved)[1]
            self._clock.load(facts["clock"])
            self._reach(Failpoint.RESTORE)
            of_this_plan = facts["generation"] == self._generation
            self._again = facts["sent"] if of_this_plan else self._clock.last()
            self._sent.load(dict.fromkeys(self._again))

    def on_batch(self, values: list[Message]) -> tuple[list[Keyed], bool]:
        """Take in watermarks; tell every shard what is due."""
        for value in values:
            assert isinstance(value, Watermark)
            self._clock.hear(value.slot, value.watermark_ms, value.first_ms, value.newest_ms)
        return self._call(self._clock.due()), self.RETAIN

    def _call(self, due: list[int]) -> list[Keyed]:
        for at_ms in due:
            self._sent.put(at_ms, None)
        ticks = (*self._again, *due)
        self._again = []
        if not ticks:
            return []
        return [(shard_key(shard), Due(ticks, shard)) for shard in range(self._shards)]

    def snapshot(self) -> bytes:
        """The clock's state, and the ticks it called lately."""
        self._reach(Failpoint.SNAPSHOT)
        sent = [*self._sent.dump()]
        facts = {"clock": self._clock.dump(), "sent": sent, "generation": self._generation}
        return pack({}, facts)


class RollLogic(StatefulBatchLogic[Message, Keyed, bytes]):
    """One shard of one level.

    Level 0 evaluates a tick when the clock says so and every slot has delivered up to it; a higher
    level when every shard of the level below has handed over what it has for it. Rows for higher
    levels pass through here first, so that they are always ahead of that.

    After a crash this shard may be ahead of those that send to it, or behind. So it takes in
    nothing twice, and a tick that it has evaluated before it only repeats.
    """

    def __init__(self, steps: Steps, level: int, saved: bytes | None) -> None:
        self._steps = steps
        self._level = level
        self._shard = Shard(steps.plan, level, steps.known, steps.deployment.salt)
        self._fence = Fence()
        self._watermarks = [LONG_AGO] * steps.slots
        self._due: set[int] = set()
        self._heard: dict[tuple[int, str], int] = {}
        self._handed: dict[int, set[str]] = defaultdict(set)
        self._parts: dict[int, Partial] = {}
        self._evaluated_ms = LONG_AGO
        self._settled_ms = LONG_AGO  # the same, whatever the plan
        self._sent = Outbox[Evaluated]()
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
            self._steps.reach(Failpoint.BATCH)
            sent += self._take_in(value)
        for at_ms in self._ready():
            sent += self._evaluate(at_ms)
        tables = self._shard.tables.items()
        self._figures.entities = {entity: len(table.index) for entity, table in tables}
        self._figures.pending_rows = self._shard.waiting
        return sent, self.RETAIN

    # ── taking in ────────────────────────────────────────────────────────────────────────────────

    def _take_in(self, value: Message) -> list[Keyed]:
        """Keep what is for this level; what is for higher ones goes on."""
        if isinstance(value, Delivery):
            return self._deliver(value)
        if isinstance(value, Handed):
            return self._hand_on(value)
        if isinstance(value, Due):
            self._share_is(value.shard)
            self._due.update(value.ticks_ms)
        else:
            assert isinstance(value, Part)
            if value.at_ms > self._evaluated_ms:
                self._parts[value.at_ms] = value.part
        return []

    def _share_is(self, number: int | None) -> None:
        """A step is told its own number only by those who send to it."""
        if number is not None:
            self._shard.share = Share(number, self._steps.deployment.shards)

    def _deliver(self, delivery: Delivery) -> list[Keyed]:
        self._watermarks[delivery.slot] = delivery.watermark_ms
        rows = self._fence.admit(delivery.spans, delivery.rows.get(self._level, {}))
        self._shard.queue(rows, delivery.visible_ms)
        higher = {level: rows for level, rows in delivery.rows.items() if level > self._level}
        if not higher:
            return []
        return [(SAME_KEY, replace(delivery, rows=higher))]

    def _hand_on(self, handed: Handed) -> list[Keyed]:
        self._share_is(handed.shard)
        memories = self._steps.plan.memories
        above = {
            tally: changes
            for tally, changes in handed.changes.items()
            if memories[tally].level > self._level
        }
        if handed.at_ms > self._heard.get((handed.level, handed.sender), LONG_AGO):
            self._heard[handed.level, handed.sender] = handed.at_ms
            here = {tally: handed.changes[tally] for tally in handed.changes.keys() - above}
            self._shard.queue_changes(handed.at_ms, here)
        if handed.level == self._level - 1:
            self._handed[handed.at_ms].add(handed.sender)
        return [(SAME_KEY, replace(handed, changes=above))] if above else []

    # ── a tick ───────────────────────────────────────────────────────────────────────────────────

    def _ready(self) -> list[int]:
        """The ticks that can be evaluated now, in order."""
        if self._level == 0:
            reached = min(self._watermarks)
            ready = {at_ms for at_ms in self._due if at_ms <= reached}
            self._due -= ready
            return sorted(ready)
        shards = self._steps.deployment.shards
        return sorted(at for at, senders in self._handed.items() if len(senders) == shards)

    def _evaluate(self, at_ms: int) -> list[Keyed]:
        # A tick that some of the level below never had is never complete; a later one is.
        self._handed = defaultdict(set, {at: by for at, by in self._handed.items() if at > at_ms})
        if at_ms <= self._evaluated_ms:
            again = self._sent.sent.get(at_ms)
            return [] if again is None else self._messages(again)
        part, changes = self._shard.evaluate(at_ms)
        self._settled_ms = max(self._settled_ms, at_ms)
        below = self._parts.pop(at_ms, None)
        whole = part if below is None else merge([below, part])
        self._evaluated_ms = at_ms
        self._parts = {at: part for at, part in self._parts.items() if at > at_ms}
        evaluated = Evaluated(at_ms, whole, changes)
        self._sent.put(at_ms, evaluated)
        return self._messages(evaluated)

    def _messages(self, evaluated: Evaluated) -> list[Keyed]:
        at_ms = evaluated.at_ms
        if self._level == self._steps.plan.levels - 1:
            return [(READINGS_KEY, Part(at_ms, evaluated.whole))]
        shards = range(self._steps.deployment.shards)
        changes = _by_shard(evaluated.changes, len(shards))
        return [
            (SAME_KEY, Part(at_ms, evaluated.whole)),
            *((shard_key(n), Handed(at_ms, self._level, changes.get(n, {}), n)) for n in shards),
        ]

    # ── saving ───────────────────────────────────────────────────────────────────────────────────

    def snapshot(self) -> bytes:
        """The shard's tables and queues, who has been heard, and what was said lately."""
        self._steps.reach(Failpoint.SNAPSHOT)
        if self._saved is None:
            sent = self._sent.dump()
            facts = {
                "generation": self._steps.known.generation,
                "due": sorted(self._due),
                "fence": [*self._fence.next_offsets.items()],
                "heard": [(*sender, at_ms) for sender, at_ms in self._heard.items()],
                "handed": [(at_ms, sorted(senders)) for at_ms, senders in self._handed.items()],
                "parts": [(at_ms, part.plain()) for at_ms, part in self._parts.items()],
                "evaluated_ms": self._evaluated_ms,
                "settled_ms": self._settled_ms,
                "shard": None if self._shard.share is None else self._shard.share.number,
                "sent": [(at_ms, each.whole.plain()) for at_ms, each in sent.items()],
            }
            changes = {at_ms: each.changes for at_ms, each in sent.items()}
            self._saved = self._shard.dump(facts, changes)
        return self._saved

    def _load(self, saved: bytes) -> None:
        """Go on from a snapshot. Slots say anew how far they are, and nothing is due before."""
        facts, changes = self._shard.load(saved)
        self._steps.reach(Failpoint.RESTORE)
        self._share_is(facts.get("shard"))
        self._due = set(facts["due"])
        self._settled_ms = facts.get("settled_ms", facts["evaluated_ms"])
        self._fence.next_offsets.update(facts["fence"])
        if facts["generation"] == self._steps.known.generation:
            self._load_ticks(facts, changes)

    def _load_ticks(self, facts: dict[str, Any], changes: dict[int, TickChanges]) -> None:
        self._heard = {(level, sender): at_ms for level, sender, at_ms in facts["heard"]}
        self._handed.update((at_ms, set(senders)) for at_ms, senders in facts["handed"])
        self._parts = {at_ms: Partial.of_plain(part) for at_ms, part in facts["parts"]}
        self._evaluated_ms = facts["evaluated_ms"]
        self._sent.load(
            {
                at_ms: Evaluated(at_ms, Partial.of_plain(whole), changes.get(at_ms, {}))
                for at_ms, whole in facts["sent"]
            }
        )


class ComposeLogic(StatefulBatchLogic[Message, Tick, bytes]):
    """Puts the shards' parts together, tick by tick, and judges the readings.

    After a restart the last tick is given once more: in a quiet stream the next may be far.
    """

    def __init__(self, steps: Steps, saved: bytes | None) -> None:
        self._steps = steps
        firsts_known_after_ms = steps.deployment.firsts_known_after_ms
        self._since_ms = steps.known.terms_since_ms(steps.plan, firsts_known_after_ms)
        self._history = History()
        self._heard: dict[str, int] = {}
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
            if value.at_ms <= self._heard.get(value.sender, LONG_AGO):
                continue
            self._heard[value.sender] = value.at_ms
            parts = self._parts[value.at_ms]
            parts.append(value.part)
            if len(parts) == self._steps.deployment.shards:
                ticks.append(self._tick(value.at_ms, merge(self._parts.pop(value.at_ms))))
        return ticks, self.RETAIN

    def _tick(self, at_ms: int, whole: Partial) -> Tick:
        self._last, self._again = (at_ms, whole), None
        # A tick that some shard never made stays incomplete; the later one is there.
        for earlier in [earlier for earlier in self._parts if earlier < at_ms]:
            del self._parts[earlier]
        self._steps.telemetry.evaluated_ms = at_ms
        self._steps.telemetry.ticks += 1
        return tick(self._steps.plan, whole, self._history, at_ms, self._since_ms)

    def on_notify(self) -> tuple[list[Tick], bool]:
        """Give the last tick once more, after a restart."""
        if self._last is None or self._again is None:
            return [], self.RETAIN
        return [self._tick(*self._last)], self.RETAIN

    def notify_at(self) -> datetime | None:
        """At once after a restart, never otherwise."""
        return self._again

    def snapshot(self) -> bytes:
        """Past readings for baselines, the last tick, and ticks not complete yet."""
        self._steps.reach(Failpoint.SNAPSHOT)
        facts = {
            "generation": self._steps.known.generation,
            "history": self._history.dump(self._steps.plan),
            "closes": self._history.closes.dump(self._steps.plan),
            "heard": self._heard,
            "last": None if self._last is None else [self._last[0], self._last[1].plain()],
            "parts": [
                (at_ms, [part.plain() for part in parts]) for at_ms, parts in self._parts.items()
            ],
        }
        return pack({}, facts)

    def _load(self, facts: dict[str, Any]) -> None:
        self._steps.reach(Failpoint.RESTORE)
        self._history.load(self._steps.plan, facts["history"])
        self._history.closes.load(self._steps.plan, facts.get("closes", ()))
        if facts["generation"] != self._steps.known.generation:
            return
        self._heard = facts["heard"]
        for at_ms, parts in facts["parts"]:
            self._parts[at_ms] = [Partial.of_plain(part) for part in parts]
        if facts["last"] is not None:
            at_ms, part = facts["last"]
            self._last, self._again = (at_ms, Partial.of_plain(part)), datetime.now(UTC)


def _by_shard(changes: TickChanges, shards: int) -> dict[int, TickChanges]:
    found: dict[int, TickChanges] = defaultdict(dict)
    for tally, change in changes.items():
        for shard, part in changes_by_shard(change, shards):
            found[shard][tally] = part
    return found


def route(sent: Iterable[tuple[str, Keyed]]) -> list[Keyed]:
    """Address what a keyed step sent, to the key it named or to the step's own; and sign it."""
    return [(key if to == SAME_KEY else to, _signed(message, key)) for key, (to, message) in sent]


def _signed(message: Message, sender: str) -> Message:
    if isinstance(message, Handed) and message.sender == UNSIGNED:
        return replace(message, sender=sender)
    if isinstance(message, Part) and message.sender == UNSIGNED:
        return Part(message.at_ms, message.part, sender)
    return message
