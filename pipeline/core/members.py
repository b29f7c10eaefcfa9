"""Members: which rows of a table qualify for a set at a tick, read from their memories."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.core import items
from pipeline.core.as_of import chosen_as_of, of_value
from pipeline.core.cohorts import OwnSpans
from pipeline.core.memories.active_units import ActiveUnits
from pipeline.core.memories.attribute import Attribute
from pipeline.core.memories.diary import Diary
from pipeline.core.memories.first_seen import FirstSeen
from pipeline.core.memories.last_seen import LastSeen
from pipeline.core.memories.ledger import Ledger
from pipeline.core.memories.memory import Flags
from pipeline.core.memories.stream import OfStream
from pipeline.core.memories.tally import Tally
from pipeline.core.memories.top_k import TopK
from pipeline.core.memories.value import Value
from pipeline.core.plan import Plan
from pipeline.core.remembered import Remembered, from_ms
from pipeline.core.sets import (
    ENTITY_ITSELF,
    AllHeld,
    AtLeast,
    Condition,
    EntitySet,
    Marked,
    NotHeld,
    OfValue,
    SinceFirst,
)
from pipeline.core.windows import Anchored, Units


class Members:
    """Reads the conditions of sets; `salt` is that of the texts' hashes."""

    def __init__(self, plan: Plan, remembered: Remembered, salt: int) -> None:
        self._plan = plan
        self._remembered = remembered
        self._salt = salt

    def of(self, each: EntitySet, tick_ms: int, spans: OwnSpans | None) -> Flags:
        """Flags for the rows of the set's table; `spans` are where each has a window of its own."""
        if not len(self._remembered.tables[each.entity].index):
            return np.empty(0, np.bool_)
        held = self._holds(each.when, tick_ms, spans)
        return held if spans is None else held & spans.taking_part

    def _holds(self, condition: Condition, tick_ms: int, spans: OwnSpans | None = None) -> Flags:
        if isinstance(condition, NotHeld):
            return ~self._holds(condition.condition, tick_ms, spans)
        if isinstance(condition, AtLeast):
            return self._at_least(condition, tick_ms, spans)
        if isinstance(condition, OfValue):
            return self._of_value(condition)
        assert not isinstance(condition, Marked), "marks are of rows"
        parts = [self._holds(part, tick_ms, spans) for part in condition.conditions]
        join = np.logical_and if isinstance(condition, AllHeld) else np.logical_or
        return np.asarray(join.reduce(parts))

    def _at_least(  # noqa: PLR0911 - one for each kind of memory
        self, condition: AtLeast, tick_ms: int, spans: OwnSpans | None
    ) -> Flags:
        memory, threshold = self._remembered.at(condition.memory, tick_ms), condition.threshold
        if isinstance(memory, Diary):
            return self._in_rows(condition, memory, tick_ms, spans) >= threshold
        if isinstance(memory, ActiveUnits):
            return _habit(memory, condition)
        if isinstance(memory, Ledger) and condition.since_first is not None:
            return memory.at_least(self._since_first(condition.since_first, tick_ms))
        if isinstance(memory, Ledger):
            of_values = self._plan.memories[condition.memory].column is not None
            return memory.sum_at_least(threshold) if of_values else memory.at_least(threshold)
        if isinstance(memory, Tally):
            return memory.at_least(threshold)
        assert condition.window is not None
        if isinstance(memory, OfStream):
            return self._items_at_least(condition, memory, tick_ms)
        start_ms = from_ms(condition.window, tick_ms)
        if isinstance(memory, TopK):
            return memory.at_least(start_ms, threshold, self._left_out(condition))
        assert isinstance(memory, LastSeen)
        return memory.at_least(start_ms, threshold)

    def _in_rows(
        self, condition: AtLeast, diary: Diary, tick_ms: int, spans: OwnSpans | None
    ) -> NDArray[np.int64]:
        """What the rows in each entity's span come to, its own or that of all."""
        if not isinstance(condition.window, Anchored):
            assert condition.window is not None
            spans = OwnSpans.shared(condition.window, tick_ms, diary.rows)
        assert spans is not None
        described, chosen = (
            self._plan.memories[condition.memory],
            chosen_as_of(condition.as_of, diary, self._remembered.memory, self._salt),
        )
        return spans.of(described, diary, self._left_out(condition), chosen)

    def _of_value(self, condition: OfValue) -> Flags:
        value = self._remembered.memory(condition.memory)
        assert isinstance(value, Value)
        return of_value(condition, value, self._salt)

    def _since_first(self, asked: SinceFirst, tick_ms: int) -> NDArray[np.int64]:
        """The threshold of each row."""
        first = self._remembered.memory(asked.memory)
        assert isinstance(first, FirstSeen)
        periods = -((first.times - tick_ms) // asked.period_ms)
        thresholds = np.array(asked.thresholds, np.int64)
        return thresholds[np.clip(periods, 1, len(thresholds)) - 1]

    def _items_at_least(self, condition: AtLeast, memory: OfStream, tick_ms: int) -> Flags:
        wanted, window = condition.items, condition.window
        assert wanted is not None
        assert window is not None
        chosen = items.chosen(memory.items(tick_ms), wanted, window, tick_ms, self._salt)
        left_out = self._left_out(condition)
        return items.at_least(chosen, wanted, memory.rows, condition.threshold, left_out)

    def _left_out(self, condition: AtLeast) -> NDArray[np.uint64] | None:
        if condition.leave_out is None:
            return None
        if condition.leave_out == ENTITY_ITSELF:
            return self._remembered.keys(condition.memory)
        attribute = self._remembered.memory(condition.leave_out)
        assert isinstance(attribute, Attribute)
        return attribute.values


def _habit(memory: ActiveUnits, condition: AtLeast) -> Flags:
    assert isinstance(condition.window, Units)
    if condition.grace is not None:
        return memory.streak_at_least(condition.threshold, condition.grace)
    return memory.at_least(condition.window.of, condition.threshold)
