"""Partial: one shard's part of a tick, and how parts become the whole.

Parts add up: an event or an entity lives in one shard, so counts and sums of shards are counts
and sums of the whole. What a term needs beyond these is a summary, which merges by its own law.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from pipeline.core.summaries import Summary, summary_from_plain, summary_to_plain


@dataclass(frozen=True, slots=True)
class Partial:
    """One shard's part of a tick: for each term of the plan, 0 where it is another level's.

    `counts` are events, entities or members; `micros` are sums in millionths (0 where a term has
    none). `earliest_ms` is when the shard's partitions were first watched, or None. `summaries`
    are by term, and only of terms that need one and have something to say.
    """

    counts: tuple[int, ...]
    micros: tuple[int, ...]
    earliest_ms: int | None
    summaries: Mapping[int, Summary] = field(default_factory=dict)

    def plain(self) -> list[Any]:
        """As values that a snapshot's facts can hold."""
        summaries = [(term, summary_to_plain(each)) for term, each in self.summaries.items()]
        return [self.counts, self.micros, self.earliest_ms, summaries]

    @classmethod
    def of_plain(cls, plain: Sequence[Any]) -> Partial:
        """What `plain` gave, before or after it was JSON; older state has no summaries."""
        counts, micros, earliest_ms, *rest = plain
        summaries = {term: summary_from_plain(each) for term, each in (rest[0] if rest else ())}
        return cls(tuple(counts), tuple(micros), earliest_ms, summaries)


def merge(parts: Sequence[Partial]) -> Partial:
    """Put the parts of several shards together; order does not matter.

    >>> merge([Partial((1,), (5,), 30), Partial((2,), (7,), None)])
    Partial(counts=(3,), micros=(12,), earliest_ms=30, summaries={})
    """
    return reduce(_add, parts)


def _add(left: Partial, right: Partial) -> Partial:
    known = [part.earliest_ms for part in (left, right) if part.earliest_ms is not None]
    return Partial(
        tuple(a + b for a, b in zip(left.counts, right.counts, strict=True)),
        tuple(a + b for a, b in zip(left.micros, right.micros, strict=True)),
        min(known, default=None),
        _merged(left.summaries, right.summaries),
    )


def _merged(left: Mapping[int, Summary], right: Mapping[int, Summary]) -> Mapping[int, Summary]:
    both = {term: left[term].merge(right[term]) for term in left.keys() & right.keys()}
    return {**left, **right, **both}
