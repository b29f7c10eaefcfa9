"""Conditions on what an entity is: now, or as of the time of a row.

What is not known holds neither way, so comparisons are negated themselves (`sets.ValueIn`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.core.memories.diary import Diary
from pipeline.core.memories.history import History
from pipeline.core.memories.memory import Flags, Memory
from pipeline.core.memories.value import Value
from pipeline.core.sets import AllHeld, AnyHeld, Condition, Marked, OfValue, ValueAtLeast
from pipeline.core.texts import text_hashes


def of_value(condition: OfValue, value: Value, salt: int) -> Flags:
    """Which of some values a comparison holds of; `salt` is that of the texts' hashes."""
    negated = condition.negated
    if isinstance(condition, ValueAtLeast):
        return value.at_least(condition.threshold, negated=negated)
    texts = [option for option in condition.options if isinstance(option, str)]
    numbers = [option for option in condition.options if isinstance(option, int)]
    options = np.concatenate([text_hashes(texts, salt), np.array(numbers, np.int64)])
    return value.one_of(options, negated=negated)


def chosen_as_of(
    condition: Condition | None, diary: Diary, memory: Callable[[int], Memory], salt: int
) -> Flags | None:
    """Which entries of a diary count, by what was known at their time; None for all of them."""
    return None if condition is None else held_as_of(condition, diary, memory, salt)


def held_as_of(
    condition: Condition, diary: Diary, memory: Callable[[int], Memory], salt: int
) -> Flags:
    """Of which entries a condition held at their time."""
    if isinstance(condition, Marked):
        return diary.marked(condition.mark)
    if isinstance(condition, OfValue):
        history = memory(condition.memory)
        assert isinstance(history, History)
        return of_value(condition, history.as_of(*diary.entries), salt)
    assert isinstance(condition, AllHeld | AnyHeld)
    parts = [held_as_of(part, diary, memory, salt) for part in condition.conditions]
    join = np.logical_and if isinstance(condition, AllHeld) else np.logical_or
    return np.asarray(join.reduce(parts))
