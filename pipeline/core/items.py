"""Items: what a stream has made of its rows, as terms and sets look at them.

Numbers are whole millionths, texts are hashes (`core/texts.py`), true and false are 1 and 0;
`ABSENT_MICROS` is absent in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.evaluate import TRUE, condition
from pipeline.core.expression import (
    At,
    Kind,
    Named,
    named_in,
)
from pipeline.core.memories.memory import ABSENT_ID, ABSENT_MICROS, Flags
from pipeline.core.memories.stream import Items
from pipeline.core.pair_keys import distinct_by_row
from pipeline.core.parts import extremes_of, sketch_of
from pipeline.core.plan import MICROS
from pipeline.core.streams import OfItems
from pipeline.core.summaries import Histogram, Range
from pipeline.core.texts import text_hashes
from pipeline.core.windows import Window

_CODE: Final = np.int64((1 << 63) - 1)  # a text's hash without its sign, as a code
_HALF: Final = 32


@dataclass(frozen=True, slots=True)
class _Leaves:
    """The columns of items, as expressions ask for them."""

    items: Items
    salt: int

    def column(self, leaf: At | Named) -> NDArray[Any]:
        assert isinstance(leaf, Named)
        whole = self.items.columns[leaf.name]
        known = whole != ABSENT_MICROS
        if leaf.kind is Kind.NUMBER:
            return np.where(known, whole / MICROS, np.nan)
        if leaf.kind is Kind.TEXT:
            return np.where(known, whole & _CODE, -1)
        return np.where(known, whole, -1).astype(np.int8)

    def code(self, text: str) -> int:
        return int(text_hashes([text], self.salt)[0] & _CODE)


def chosen(items: Items, wanted: OfItems, window: Window, tick_ms: int, salt: int) -> Items:
    """The items in a window that are asked for and have what is asked of them."""
    start_ms, end_ms = window.span(tick_ms)
    asked = {*named_in(wanted.where), *filter(None, (wanted.column, wanted.distinct, wanted.by))}
    columns = {name: items.columns[name] for name in asked}
    inside = (items.at_ms >= start_ms) & (items.at_ms < end_ms)
    found = Items(items.rows, items.at_ms, columns).take(inside)
    if wanted.where is not None:
        held = condition(wanted.where, _Leaves(found, salt)) == TRUE
        found = found.take(np.broadcast_to(held, len(found)))
    if wanted.column is not None:
        found = found.take(found.columns[wanted.column] != ABSENT_MICROS)
    return found


def total(items: Items, column: str | None) -> int:
    """The sum of a column, of any size; 0 where none is asked for."""
    if column is None:
        return 0
    whole = items.columns[column]
    return (int((whole >> _HALF).sum()) << _HALF) + int((whole & ((1 << _HALF) - 1)).sum())


def extremes(items: Items, column: str) -> Range | None:
    """The smallest and the largest of a column; none without an item."""
    return extremes_of(items.columns[column])


def sketch(items: Items, column: str) -> Histogram | None:
    """How a column is distributed, by bucket; none without an item."""
    return sketch_of(items.columns[column])


def entities(items: Items, rows: int) -> int:
    """How many rows of the table have an item."""
    return int(np.count_nonzero(_per_row(items, rows)))


def at_least(
    items: Items,
    wanted: OfItems,
    rows: int,
    threshold: int,
    left_out: NDArray[np.uint64] | None = None,
) -> Flags:
    """Which rows of a table of so many have at least that much."""
    if wanted.distinct is not None:
        return np.asarray(_distinct(items, wanted.distinct, rows, left_out) >= threshold)
    if wanted.column is None:
        return np.asarray(_per_row(items, rows) >= threshold)
    sums = np.zeros(rows, np.int64)
    np.add.at(sums, items.rows, items.columns[wanted.column])
    return np.asarray(sums >= threshold)


def _per_row(items: Items, rows: int) -> NDArray[np.int64]:
    return np.bincount(items.rows, minlength=rows)


def _distinct(
    items: Items, column: str, rows: int, left_out: NDArray[np.uint64] | None
) -> NDArray[np.int64]:
    of, ids = items.rows, items.columns[column].view(np.uint64)
    counted = ids != ABSENT_ID
    if left_out is not None:
        counted &= ids != left_out[of]
    return distinct_by_row(of[counted], ids[counted], rows)
