"""The registry of memories: which one serves each kind of the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from pipeline.core import plan
from pipeline.core.memories.active_units import ActiveUnits
from pipeline.core.memories.attribute import Attribute
from pipeline.core.memories.diary import Diary
from pipeline.core.memories.extremes import Extremes
from pipeline.core.memories.first import First
from pipeline.core.memories.first_seen import FirstSeen
from pipeline.core.memories.gap import Gap
from pipeline.core.memories.growth import Growth
from pipeline.core.memories.history import History
from pipeline.core.memories.ids import Ids
from pipeline.core.memories.last_seen import LastSeen
from pipeline.core.memories.ledger import Ledger
from pipeline.core.memories.memory import Memory
from pipeline.core.memories.names import Names
from pipeline.core.memories.pairs import Pairs
from pipeline.core.memories.panes import Panes
from pipeline.core.memories.periods import Periods
from pipeline.core.memories.registers import Registers
from pipeline.core.memories.registers_by import RegistersBy
from pipeline.core.memories.seen_with import SeenWith
from pipeline.core.memories.sequence import Sequence
from pipeline.core.memories.session import Session
from pipeline.core.memories.sketch import Sketch
from pipeline.core.memories.stream import OfStream
from pipeline.core.memories.tally import Tally
from pipeline.core.memories.top_k import TopK
from pipeline.core.memories.value import Value
from pipeline.core.streams import StreamKind
from pipeline.core.windows import Calendar, Trailing, units_within

_STREAMS: Final[Mapping[StreamKind, type[OfStream]]] = {
    StreamKind.FIRST: First,
    StreamKind.GAP: Gap,
    StreamKind.SESSION: Session,
    StreamKind.PAIR: Sequence,
    StreamKind.SEQUENCE: Sequence,
}


def _stream(memory: plan.Memory, _: Trailing | None) -> OfStream:
    assert memory.stream is not None
    return _STREAMS[memory.stream.kind](memory.stream, memory.reach_ms or 0)


_MAKERS: Final[Mapping[plan.MemoryKind, Callable[[plan.Memory, Trailing | None], Memory]]] = {
    plan.MemoryKind.LAST_SEEN: lambda memory, _: LastSeen(memory.reach_ms or 0),
    plan.MemoryKind.TOP_K: lambda memory, _: TopK(memory.k, memory.reach_ms or 0),
    plan.MemoryKind.LEDGER: lambda memory, window: Ledger(
        window, of_values=memory.column is not None
    ),
    plan.MemoryKind.PANES: lambda _, window: Panes(window),
    plan.MemoryKind.PAIRS: lambda _, window: Pairs(window),
    plan.MemoryKind.ATTRIBUTE: lambda _memory, _window: Attribute(),
    plan.MemoryKind.VALUE: lambda _memory, _window: Value(),
    plan.MemoryKind.SEEN_WITH: lambda _, window: SeenWith(window),
    plan.MemoryKind.NAMES: lambda memory, _: Names(memory.k),
    plan.MemoryKind.TALLY: lambda _memory, _window: Tally(),
    plan.MemoryKind.ACTIVE_UNITS: lambda memory, _: _active_units(memory),
    plan.MemoryKind.FIRST_SEEN: lambda _memory, _window: FirstSeen(),
    plan.MemoryKind.GROWTH: lambda _, window: _growth(window),
    plan.MemoryKind.STREAM: _stream,
    plan.MemoryKind.EXTREMES: lambda _, window: Extremes(window),
    plan.MemoryKind.SKETCH: lambda _, window: Sketch(window),
    plan.MemoryKind.REGISTERS_BY: lambda memory, window: RegistersBy(window, memory.reach_ms or 0),
    plan.MemoryKind.REGISTERS: lambda _, window: Registers(window),
    plan.MemoryKind.HISTORY: lambda memory, _: History(memory.window),
    plan.MemoryKind.IDS: lambda memory, _: Ids(holds_rows=memory.k > 0),
    plan.MemoryKind.DIARY: lambda memory, _: _diary(memory, np.int64),
    plan.MemoryKind.ENCOUNTERS: lambda memory, _: _diary(memory, np.uint64),
}


# These know the calendar by themselves.
_CUT_THEMSELVES: Final = (
    plan.MemoryKind.ACTIVE_UNITS,
    plan.MemoryKind.DIARY,
    plan.MemoryKind.ENCOUNTERS,
    plan.MemoryKind.HISTORY,
)


def make(memory: plan.Memory) -> Memory:
    """An empty memory of the kind and for the window that the plan asks for."""
    maker, window = _MAKERS[memory.kind], memory.window
    if memory.kind in _CUT_THEMSELVES:
        return maker(memory, None)
    if isinstance(window, Calendar):
        return Periods(window, lambda: maker(memory, None))
    return maker(memory, window if isinstance(window, Trailing) else None)


def _growth(period: Trailing | None) -> Growth:
    assert period is not None
    return Growth(period.size_ms)


def _active_units(memory: plan.Memory) -> ActiveUnits:
    assert isinstance(memory.window, Calendar)
    return ActiveUnits(memory.window, units_within(memory.window, memory.reach_ms or 0))


def _diary(memory: plan.Memory, column: type[np.int64 | np.uint64]) -> Memory:
    assert memory.window is not None
    return Diary(memory.window, None if memory.column is None else column, len(memory.marks))
