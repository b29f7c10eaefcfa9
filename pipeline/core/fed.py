"""Fed: the columns that memories ask for of a feed's rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core import plan as plans
from pipeline.core.match import Rows
from pipeline.core.memories.memory import ABSENT_MICROS
from pipeline.core.plan import Plan

_MIXED: Final = np.int64(0x9E3779B97F4A7C15 - (1 << 64))  # odd, and without a pattern


def times_of(memory: plans.Memory, rows: Rows) -> NDArray[np.int64]:
    """When the rows happened; for names, since when they may be seen."""
    return rows.visible_ms if memory.kind is plans.MemoryKind.NAMES else rows.times_ms


def columns_of(
    plan: Plan, number: int, memory: plans.Memory, rows: Rows
) -> Iterator[NDArray[Any] | None]:
    """What a memory asks for of a feed's rows; a stream may ask once for each of its parts."""
    feed, stream = plan.feeds[number], memory.stream
    if stream is None:
        yield _with_marks(feed, memory, rows)
        return
    named = dict(zip(feed.values, rows.columns[len(feed.others) :], strict=False))
    others = {
        name: column.view(np.int64) for name, column in zip(feed.others, rows.columns, strict=False)
    }
    first_id = len(stream.columns) - stream.ids
    for place, part in enumerate(stream.parts):
        if part.feed == number:
            columns = [
                _lacking(rows) if name is None else (named if at < first_id else others)[name]
                for at, name in enumerate(part.columns)
            ]
            group = _group([others[other] for other in stream.same], rows)
            yield np.stack([group, np.full(len(rows), place), *columns])


def _lacking(rows: Rows) -> NDArray[np.int64]:
    return np.full(len(rows), ABSENT_MICROS)


def _group(ids: list[NDArray[np.int64]], rows: Rows) -> NDArray[np.int64]:
    """One number for several ids, 0 where one of them is absent."""
    whole = np.zeros(len(rows), np.int64)
    for each in ids:
        whole = whole * _MIXED + each
    whole[whole == 0] = 1
    for each in ids:
        whole[each == 0] = 0
    return whole


def _with_marks(feed: plans.Feed, memory: plans.Memory, rows: Rows) -> NDArray[Any] | None:
    """The column that a memory asks for, on top of its marks where it has some."""
    column = _column_of(feed, memory, rows)
    if not memory.marks:
        return column
    first = len(feed.others) + len(feed.values)
    marks = [rows.columns[first + feed.marks.index(each)] for each in memory.marks]
    column = np.zeros(len(rows), np.int64) if column is None else column.view(np.int64)
    return np.stack([column, *marks])


def _column_of(feed: plans.Feed, memory: plans.Memory, rows: Rows) -> NDArray[Any] | None:
    """The column that a memory asks for; an other and a value may bear one name."""
    if memory.kind in (plans.MemoryKind.NAMES, plans.MemoryKind.IDS):
        return rows.columns[-1]
    if memory.column is None:
        return None
    if memory.kind in plans.KINDS_OF_IDS:
        return rows.columns[feed.others.index(memory.column)]
    return rows.columns[len(feed.others) + feed.values.index(memory.column)]
