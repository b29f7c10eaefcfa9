"""Segments: a metric's value again for each text of a dimension, and for the rest.

Which texts have a segment of their own is decided once and for all: the first that were visible.
All later ones are `__other__`, and what has none is `__none__`. The total is made apart from them:
an entity seen with several texts is in several segments, but once in the total.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

from pipeline.core.compose import Reading, compose_one
from pipeline.core.formula import Dimension
from pipeline.core.partial import Partial
from pipeline.core.plan import Plan
from pipeline.core.summaries import Figures, FirstTexts, Parts, Split, Summary
from pipeline.core.texts import NONE, NONE_NAME, OTHER_NAME

SET_APART: Final = frozenset({OTHER_NAME, NONE_NAME})  # no text is called so


@dataclass(frozen=True, slots=True)
class Segment:
    """The reading of a metric for one text of a dimension."""

    dimension: str
    text: str
    reading: Reading


@dataclass(frozen=True, slots=True)
class _Slot:
    """What counts in a segment: one text, or where `but` is given any that is none of those."""

    name: str
    text: int = NONE
    but: frozenset[int] | None = None

    def has(self, texts: tuple[int, ...]) -> bool:
        """Whether what was seen with these texts counts."""
        if self.but is None:
            return self.text in texts
        return not self.but.issuperset(texts)


def segments(
    plan: Plan, whole: Partial, tick_ms: int, since_ms: Sequence[int] = ()
) -> tuple[tuple[Segment, ...], ...]:
    """The segments of every metric, in plan order; none for a metric without dimensions.

    Arguments are those of `compose`.
    """
    return tuple(
        tuple(_segments_of(plan, number, whole, tick_ms, since_ms))
        for number in range(len(plan.metrics))
    )


def _segments_of(
    plan: Plan, number: int, whole: Partial, tick_ms: int, since_ms: Sequence[int]
) -> Iterator[Segment]:
    for dimension in plan.metrics[number].by:
        for slot in _slots(whole, dimension):
            part, since = _in_slot(whole, dimension, slot, since_ms)
            reading = compose_one(plan, part, number, tick_ms, since)
            yield Segment(dimension.name, slot.name, reading)


def _slots(whole: Partial, dimension: Dimension) -> Iterator[_Slot]:
    """The texts that have a segment of their own, what is beyond them, and what has none."""
    known = [whole.summaries[term] for term in dimension.names if term in whole.summaries]
    firsts = [each for each in known if isinstance(each, FirstTexts)]
    ordered = reduce(FirstTexts.merge, firsts, FirstTexts({})).ordered()
    named = ordered[: dimension.cap]
    for text, name in named:
        yield _Slot(name, text)
    but = frozenset({NONE, *(text for text, _ in named)})
    yield _Slot(OTHER_NAME, but=but)
    yield _Slot(NONE_NAME)


def _in_slot(
    whole: Partial, dimension: Dimension, slot: _Slot, since_ms: Sequence[int]
) -> tuple[Partial, Sequence[int]]:
    """The whole with the terms of a metric as they are in one segment, and since when."""
    counts, micros, since = [*whole.counts], [*whole.micros], [*since_ms]
    summaries = {**whole.summaries}
    for term, by_text in dimension.terms:
        counts[term], micros[term], summary = _figures(whole.summaries.get(by_text), slot)
        summaries.pop(term, None)
        summaries |= {} if summary is None else {term: summary}
        if since:
            since[term] = max(since[term], since[by_text])
    return Partial(tuple(counts), tuple(micros), whole.earliest_ms, summaries), since


def _figures(found: Summary | None, slot: _Slot) -> Figures:
    """What a term comes to in a slot, of what it comes to for each text."""
    if isinstance(found, Split):
        parts = [part for text, part in found.parts.items() if slot.has((text,))]
        if not parts:
            return 0, 0, None
        counts, summaries = zip(*parts, strict=True)
        return sum(counts), 0, type(summaries[0]).merged(summaries)
    figures = found.figures if isinstance(found, Parts) else {}
    chosen = [each for texts, each in figures.items() if slot.has(texts)]
    return sum(count for count, _ in chosen), sum(total for _, total in chosen), None
