"""The names under which a shard's arrays are saved: what they hold, not where the plan has it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.changes import Changes, TickChanges
from pipeline.core.known import Known
from pipeline.core.match import Rows
from pipeline.core.memories.memory import ABSENT_ID, ABSENT_MICROS
from pipeline.core.plan import MemoryKind, Plan
from pipeline.core.snapshot import Arrays
from pipeline.core.table import TOLD


@dataclass(frozen=True, slots=True)
class StoredNames:
    """Names for the parts of a plan, given by their places in it."""

    plan: Plan
    known: Known

    def stored_as(self, memory: int) -> str:
        """What a memory is found again by."""
        return self.known.stored_as(self.plan.memories[memory].identity)

    def memory(self, number: int) -> str:
        """The name of a memory."""
        return f"memory/{self.stored_as(number)}"

    def counted(self, number: int, place: int) -> str:
        """The name of whom a set's members were last counted for: that of the tally they are in.

        Who was told of as a member is found by the set's name: others know the set by that.
        """
        each = self.plan.sets[number]
        if place == TOLD:
            return f"told/{each.level}/{each.entity}/{each.name}"
        return f"counted/{self.stored_as(each.roll_ups[place].tally)}"

    def handed_up(self, tally: int) -> str:
        """The name of the others that were last handed up to a tally."""
        return f"handed_up/{self.stored_as(tally)}"

    def _queue(self, feed: int) -> str:
        return f"queue/{self.known.stored_as(self.plan.feeds[feed].identity)}"

    def _columns(self, feed: int) -> list[str]:
        return [f"column/{identity}" for identity in self.plan.feeds[feed].column_identities]

    def rows_to_arrays(self, feed: int, rows: Rows) -> Iterator[tuple[str, NDArray[Any]]]:
        """Rows of a feed that wait, each array with its name."""
        prefix = self._queue(feed)
        yield f"{prefix}/keys", rows.keys
        yield f"{prefix}/times_ms", rows.times_ms
        yield f"{prefix}/visible_ms", rows.visible_ms
        for column, array in zip(self._columns(feed), rows.columns, strict=True):
            yield f"{prefix}/{column}", array

    def rows_from_arrays(self, feed: int, arrays: Arrays) -> Rows | None:
        """Those rows again. A column that nobody asked for when they came is absent."""
        saved = below(arrays, f"{self._queue(feed)}/")
        if not saved:
            return None
        times_ms, others = saved["times_ms"], len(self.plan.feeds[feed].others)
        columns = [
            saved.get(name, np.full(len(times_ms), ABSENT_ID if place < others else ABSENT_MICROS))
            for place, name in enumerate(self._columns(feed))
        ]
        return Rows(saved["keys"], times_ms, saved["visible_ms"], tuple(columns))

    def changes_to_arrays(
        self, prefix: str, by_tick: Mapping[int, TickChanges]
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        """Changes by tick, each array with its name."""
        for tick, by_tally in by_tick.items():
            for tally, changes in by_tally.items():
                key = f"{prefix}/{tick}/{self.stored_as(tally)}"
                yield f"{key}/keys", changes.keys
                yield f"{key}/deltas", changes.deltas

    def changes_from_arrays(self, prefix: str, arrays: Arrays) -> dict[int, TickChanges]:
        """Those changes again, for the tallies that the plan has."""
        by_tick: dict[int, TickChanges] = defaultdict(dict)
        tallies = [
            (number, self.stored_as(number))
            for number, memory in enumerate(self.plan.memories)
            if memory.kind is MemoryKind.TALLY
        ]
        for name, keys in below(arrays, f"{prefix}/").items():
            tick, stored_as, what = name.split("/")
            for tally in (number for number, of in tallies if what == "keys" and of == stored_as):
                deltas = arrays[f"{prefix}/{tick}/{stored_as}/deltas"]
                by_tick[int(tick)][tally] = Changes(keys, deltas)
        return by_tick


def below(arrays: Arrays, prefix: str) -> Arrays:
    """The arrays whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
