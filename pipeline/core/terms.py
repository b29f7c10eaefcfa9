"""Terms: a shard's part of each at a tick, read from its memories and its sets' members."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core import items
from pipeline.core.as_of import chosen_as_of
from pipeline.core.cohorts import OwnSpans
from pipeline.core.decode import LONG_AGO
from pipeline.core.memories.diary import Diary
from pipeline.core.memories.growth import Growth
from pipeline.core.memories.history import History
from pipeline.core.memories.ids import Ids
from pipeline.core.memories.last_seen import LastSeen
from pipeline.core.memories.memory import Flags, RowNumbers, Telling, Times
from pipeline.core.memories.pairs import Pairs
from pipeline.core.memories.stream import OfStream
from pipeline.core.memories.tally import Tally
from pipeline.core.memories.value import Value
from pipeline.core.parts import (
    BY_TEXT,
    OF_VALUES,
    by_text,
    entities_by,
    members_by,
    rows_by,
    values_by,
)
from pipeline.core.plan import Term, TermKind
from pipeline.core.remembered import Remembered, from_ms
from pipeline.core.summaries import Figures, Summary
from pipeline.core.texts import known_texts
from pipeline.core.transitions import moves


class Terms:
    """Reads terms; `salt` is that of the texts' hashes."""

    def __init__(self, remembered: Remembered, salt: int) -> None:
        self._remembered = remembered
        self._salt = salt

    def figures(  # noqa: PLR0911 - one for each kind of term
        self,
        term: Term,
        tick_ms: int,
        members: Mapping[int, Flags],
        spans: Mapping[int, OwnSpans],
    ) -> Figures:
        """Count, sum and summary; members and own spans are by set of this level."""
        those = self._those(term, members, spans)
        if those is not None and term.by is not None:
            value = self._remembered.memory(term.by)
            assert isinstance(value, Value)
            return 0, 0, members_by(those, value)
        if those is not None:
            return int(np.count_nonzero(those)), 0, None
        if term.kind in BY_TEXT:
            return 0, 0, self._by_text(term, tick_ms, members)
        assert term.memory is not None
        memory = self._remembered.at(term.memory, tick_ms)
        if isinstance(memory, Ids):
            assert term.set is not None
            table = self._remembered.table_of(term.memory)
            return 0, 0, moves(table, term.set, members[term.set], memory)
        if isinstance(memory, Diary):
            return self._of_rows(term, memory, tick_ms)
        if isinstance(memory, Pairs):
            assert term.set is not None
            return memory.count(members[term.set]), 0, None
        if isinstance(memory, Tally):
            return int(np.count_nonzero(memory.at_least(1))), 0, None
        if isinstance(memory, OfStream):
            return self._of_items(term, memory, tick_ms)
        assert isinstance(memory, Telling)
        return memory.figures(from_ms(term.windows[0], tick_ms))

    def _those(
        self, term: Term, members: Mapping[int, Flags], spans: Mapping[int, OwnSpans]
    ) -> Flags | None:
        """Which rows of its set's table a term counts; None where it counts no entities."""
        if term.set is None:
            return None
        if term.kind is TermKind.SIZE:
            return members[term.set]
        if term.kind is TermKind.COHORT:
            return spans[term.set].taking_part
        if term.kind not in _OF_GROWTH or term.memory is None:
            return None
        growth = self._remembered.memory(term.memory)
        assert isinstance(growth, Growth)
        return _grown(term.kind, growth, members[term.set])

    def seen(self, term: Term, tick_ms: int) -> Flags:
        """Which rows of its table a term of distinct counts."""
        assert term.memory is not None
        memory = self._remembered.at(term.memory, tick_ms)
        if isinstance(memory, Diary):
            return self._counts_of_rows(term, memory, tick_ms) > 0
        assert isinstance(memory, LastSeen)
        return memory.at_least(from_ms(term.windows[0], tick_ms), 1)

    def _counts_of_rows(self, term: Term, diary: Diary, tick_ms: int) -> NDArray[np.int64]:
        chosen = chosen_as_of(term.as_of, diary, self._remembered.memory, self._salt)
        spans = OwnSpans.shared(term.windows[0], tick_ms, diary.rows)
        return diary.counts(spans.starts, spans.ends, chosen)

    def _of_items(self, term: Term, memory: OfStream, tick_ms: int) -> Figures:
        assert term.items is not None
        chosen = items.chosen(
            memory.items(tick_ms), term.items, term.windows[0], tick_ms, self._salt
        )
        if term.kind is TermKind.ITEM_ENTITIES:
            return items.entities(chosen, memory.rows), 0, None
        column = term.items.column
        if column is not None and term.kind is TermKind.EXTREMES:
            return len(chosen), 0, items.extremes(chosen, column)
        if column is not None and term.kind is TermKind.SKETCH:
            return len(chosen), 0, items.sketch(chosen, column)
        return len(chosen), items.total(chosen, column), None

    def _by_text(self, term: Term, tick_ms: int, members: Mapping[int, Flags]) -> Summary:
        """What a term comes to for each text, or which texts were first."""
        assert term.memory is not None
        memory = self._remembered.at(term.memory, tick_ms)
        if isinstance(memory, Diary):
            return self._of_rows_by(term, memory, tick_ms)
        if isinstance(memory, OfStream):
            return self._of_items_by(term, memory, tick_ms)
        keys = self._remembered.keys(term.memory)
        start_ms = from_ms(term.windows[0], tick_ms) if term.windows else LONG_AGO
        of_set = None if term.set is None else members[term.set]
        return by_text(memory, keys, start_ms, of_set)

    def _of_rows_by(self, term: Term, diary: Diary, tick_ms: int) -> Summary:
        """What the rows of a term come to, by the text of each."""
        inside = self._inside(term, diary, tick_ms)
        rows, times = (each[inside] for each in diary.entries)
        texts = self._texts(term, rows, times)
        if term.kind is TermKind.DISTINCT_BY:
            return entities_by(rows, texts)
        if term.kind in OF_VALUES:
            return values_by(term.kind, texts, diary.amounts[inside])
        return rows_by(texts, diary.amounts[inside] if diary.has_values else None)

    def _of_items_by(self, term: Term, memory: OfStream, tick_ms: int) -> Summary:
        """What the items of a stream come to, by the text of each."""
        assert term.items is not None
        assert term.items.by is not None
        found = items.chosen(
            memory.items(tick_ms), term.items, term.windows[0], tick_ms, self._salt
        )
        texts = known_texts(found.columns[term.items.by])
        micros = None if term.items.column is None else found.columns[term.items.column]
        if term.kind is TermKind.DISTINCT_BY:
            return entities_by(found.rows, texts)
        if term.kind in OF_VALUES:
            assert micros is not None
            return values_by(term.kind, texts, micros)
        return rows_by(texts, micros)

    def _texts(self, term: Term, rows: RowNumbers, times: Times) -> NDArray[np.int64]:
        """What an attribute was at the time of each row; or the row is that of a text itself."""
        assert term.memory is not None
        if term.by is None:
            return self._remembered.keys(term.memory).view(np.int64)[rows]
        history = self._remembered.memory(term.by)
        assert isinstance(history, History)
        return known_texts(history.as_of(rows, times).values)

    def _inside(self, term: Term, diary: Diary, tick_ms: int) -> Flags:
        """Which entries of a diary a term is about."""
        chosen = chosen_as_of(term.as_of, diary, self._remembered.memory, self._salt)
        spans = OwnSpans.shared(term.windows[0], tick_ms, diary.rows)
        return diary.inside(spans.starts, spans.ends, chosen)

    def _of_rows(self, term: Term, diary: Diary, tick_ms: int) -> Figures:
        """What a term comes to that depends on what was known at the time of each row."""
        if term.kind in OF_VALUES:
            micros = diary.amounts[self._inside(term, diary, tick_ms)]
            return len(micros), 0, OF_VALUES[term.kind](micros)
        chosen = chosen_as_of(term.as_of, diary, self._remembered.memory, self._salt)
        spans = OwnSpans.shared(term.windows[0], tick_ms, diary.rows)
        counts = diary.counts(spans.starts, spans.ends, chosen)
        if term.kind is TermKind.DISTINCT:
            return int(np.count_nonzero(counts)), 0, None
        micros = diary.sums(spans.starts, spans.ends, chosen) if diary.has_values else counts[:0]
        return int(counts.sum()), sum(micros.tolist()), None


_OF_GROWTH: Final = frozenset(
    {
        TermKind.NEW,
        TermKind.RETAINED,
        TermKind.RESURRECTED,
        TermKind.CHURNED,
        TermKind.SIZE_BEFORE,
    }
)


def _grown(kind: TermKind, growth: Growth, members: Flags) -> Flags:
    """Which of the members, or of those a period ago, a term of growth is about."""
    before = growth.lagged
    asked = {
        TermKind.NEW: members & ~growth.ever,
        TermKind.RETAINED: members & before,
        TermKind.RESURRECTED: members & growth.ever & ~before,
        TermKind.CHURNED: before & ~members,
        TermKind.SIZE_BEFORE: before,
    }
    return asked[kind]
