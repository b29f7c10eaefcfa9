"""Transitions: who entered a set and who left it, from one evaluated tick to the next.

A shard keeps beside each row whether it was told as a member. So what was ever told adds up:
whoever has entered and has not left is a member.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pipeline.core.memories.ids import Ids
from pipeline.core.memories.memory import Flags
from pipeline.core.partial import Partial
from pipeline.core.plan import Plan, TermKind
from pipeline.core.summaries import Moves
from pipeline.core.table import TOLD, Table


class Change(StrEnum):
    """What became of a member."""

    ENTERED = "entered"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Transition:
    """An entity that entered a set or left it; `id` is None where it is known by its hash alone."""

    set: str
    entity: str
    id: str | None
    hash: str
    change: Change


def moves(table: Table, number: int, members: Flags, ids: Ids) -> Moves | None:
    """What changed in a set since this was asked last, None where nothing did."""
    told = table.counted[number, TOLD][: len(members)].astype(np.bool_)
    changed = np.flatnonzero(told != members)
    if not len(changed):
        return None
    table.counted[number, TOLD] = members.astype(np.uint64)
    entered = members[changed]
    found = zip(ids.texts(changed), table.index.keys[changed].tolist(), strict=True)
    called = [(text, f"{key:016x}") for text, key in found]
    of = [sorted(one for one, is_in in zip(called, entered.tolist(), strict=True) if is_in is side)
          for side in (True, False)]  # fmt: skip
    return Moves(tuple(of[0]), tuple(of[1]))


def transitions(plan: Plan, whole: Partial) -> Iterator[Transition]:
    """All that changed at a tick, by set, then id, then hash."""
    for number, term in enumerate(plan.terms):
        found = whole.summaries.get(number)
        if term.kind is TermKind.TRANSITIONS and term.set is not None and isinstance(found, Moves):
            of = plan.sets[term.set]
            sides = [(Change.ENTERED, found.entered), (Change.LEFT, found.left)]
            told = sorted((who, change) for change, side in sides for who in side)
            for (text, key), change in told:
                yield Transition(of.name, of.entity, text or None, key, change)
