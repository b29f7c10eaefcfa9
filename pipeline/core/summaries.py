"""Summaries: what a shard says of a term where a count and a sum do not say it all.

Each is a small value with one law: `merge` is commutative and associative, so that the shards'
parts of a term may meet in any order and grouping. They travel between processes pickled, and lie
in saved state as plain values under their `NAME`, which is never to be changed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

IDS_MAX: Final = 127  # up to here an approximate number of ids is exact: 1 kB a shard
NAMES_KEPT: Final = 100  # as many texts as a metric may name

Plain = list[Any]  # what JSON holds; bytes are base64 text once they come back


class Summary(ABC):
    """A part of a term that merges with those of other shards."""

    __slots__ = ()
    NAME: ClassVar[str]

    @abstractmethod
    def merge(self, other: Self) -> Self:
        """Both as one; order does not matter."""

    @classmethod
    def merged(cls, several: Sequence[Self]) -> Self:
        """Some, one at the least, as one."""
        return reduce(cls.merge, several)

    @abstractmethod
    def plain(self) -> Plain:
        """The fields as values that a snapshot's facts can hold."""

    @classmethod
    @abstractmethod
    def of_plain(cls, plain: Plain) -> Self:
        """What `plain` gave, before or after it was JSON."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Summary) and summary_to_plain(self) == summary_to_plain(other)

    def __hash__(self) -> int:
        return hash(repr(summary_to_plain(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Range(Summary):
    """The smallest and the largest value, in millionths; there is none without a value.

    >>> Range(-2, 5).merge(Range(3, 7))
    Range(smallest=-2, largest=7)
    """

    NAME: ClassVar[str] = "range"
    smallest: int
    largest: int

    def merge(self, other: Range) -> Range:
        return Range(min(self.smallest, other.smallest), max(self.largest, other.largest))

    def plain(self) -> Plain:
        return [self.smallest, self.largest]

    @classmethod
    def of_plain(cls, plain: Plain) -> Range:
        return cls(*plain)


@dataclass(frozen=True, slots=True, eq=False)
class Histogram(Summary):
    """How often each whole number occurs: `counts[i]` times `numbers[i]`, both int64.

    The numbers are distinct and rise. What they stand for is the term's business: buckets of
    values, or how many events an entity has.

    >>> one, other = Histogram.of(np.array([3, 1, 3])), Histogram.of(np.array([1, 2]))
    >>> one.merge(other)
    Histogram(numbers=array([1, 2, 3]), counts=array([2, 1, 2]))
    """

    NAME: ClassVar[str] = "histogram"
    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, numbers: NDArray[np.int64], counts: NDArray[np.int64] | None = None) -> Histogram:
        """Of numbers in any order, some of them several times; each once without `counts`."""
        if counts is None and len(numbers) and numbers.min() >= 0 and numbers.max() <= len(numbers):
            found = np.bincount(numbers)  # without sorting, as most numbers of events are small
            distinct = np.flatnonzero(found)
            return cls(distinct, found[distinct])
        if counts is None:
            distinct, found = np.unique(numbers, return_counts=True)
            return cls(distinct, found)
        distinct, back = np.unique(numbers, return_inverse=True)
        added = np.zeros(len(distinct), np.int64)
        np.add.at(added, back, counts)
        return cls(distinct[added != 0], added[added != 0])

    def merge(self, other: Histogram) -> Histogram:
        return Histogram.merged([self, other])

    @classmethod
    def merged(cls, several: Sequence[Histogram]) -> Histogram:
        """All at once: one after the other, thousands of texts would take half a second."""
        return cls.of(
            np.concatenate([each.numbers for each in several]),
            np.concatenate([each.counts for each in several]),
        )

    def plain(self) -> Plain:
        return [_packed(self.numbers), _packed(self.counts)]

    @classmethod
    def of_plain(cls, plain: Plain) -> Histogram:
        numbers, counts = (_unpacked(each, np.int64) for each in plain)
        return cls(numbers, counts)


@dataclass(frozen=True, slots=True, eq=False)
class Ranks(Summary):
    """Which ids were seen, as well as that can be told in little room.

    `ids` (uint64, rising) are all of them while there are no more than `IDS_MAX`, else None.
    `ranks` (uint8) is the highest rank that each register has seen: what HyperLogLog counts by.
    """

    NAME: ClassVar[str] = "ranks"
    ids: NDArray[np.uint64] | None
    ranks: NDArray[np.uint8]

    def merge(self, other: Ranks) -> Ranks:
        ids = None
        if self.ids is not None and other.ids is not None:
            ids = np.union1d(self.ids, other.ids)
        return Ranks(_if_few(ids), np.maximum(self.ranks, other.ranks))

    def plain(self) -> Plain:
        return [None if self.ids is None else _packed(self.ids), _packed(self.ranks)]

    @classmethod
    def of_plain(cls, plain: Plain) -> Ranks:
        ids, ranks = plain
        known = None if ids is None else _unpacked(ids, np.uint64)
        return cls(known, _unpacked(ranks, np.uint8))


def _if_few(ids: NDArray[np.uint64] | None) -> NDArray[np.uint64] | None:
    return None if ids is None or len(ids) > IDS_MAX else ids


@dataclass(frozen=True, slots=True, eq=False)
class Parts(Summary):
    """What a term comes to for each text: `figures[texts]` is a count and a sum in millionths.

    Each key is a rising tuple of hashes: one text, or for entities that were seen with several,
    all of theirs, so that nobody counts twice in what several texts share.

    >>> Parts({(7,): (2, 5)}).merge(Parts({(7,): (1, 0), (7, 8): (1, 0)}))
    Parts(figures={(7,): (3, 5), (7, 8): (1, 0)})
    """

    NAME: ClassVar[str] = "parts"
    figures: Mapping[tuple[int, ...], tuple[int, int]]

    def merge(self, other: Parts) -> Parts:
        figures = dict(self.figures)
        for texts, (count, micros) in other.figures.items():
            known = figures.get(texts, (0, 0))
            figures[texts] = known[0] + count, known[1] + micros
        return Parts(figures)

    def plain(self) -> Plain:
        return [[*texts, *figures] for texts, figures in sorted(self.figures.items())]

    @classmethod
    def of_plain(cls, plain: Plain) -> Parts:
        return cls({tuple(texts): (count, micros) for *texts, count, micros in plain})


@dataclass(frozen=True, slots=True, eq=False)
class Split(Summary):
    """What the values of each text come to, all in one kind of summary, and how many they are.

    >>> one, other = Split({7: (1, Range(3, 3))}), Split({7: (2, Range(1, 2)), 8: (1, Range(5, 5))})
    >>> one.merge(other).parts[7]
    (3, Range(smallest=1, largest=3))
    """

    NAME: ClassVar[str] = "split"
    parts: Mapping[int, tuple[int, Summary]]

    def merge(self, other: Split) -> Split:
        parts = dict(self.parts)
        for text, part in other.parts.items():
            parts[text] = _both_parts(parts[text], part) if text in parts else part
        return Split(parts)

    def plain(self) -> Plain:
        ordered = sorted(self.parts.items(), key=lambda each: each[0])
        return [[text, count, summary_to_plain(of)] for text, (count, of) in ordered]

    @classmethod
    def of_plain(cls, plain: Plain) -> Split:
        return cls({text: (count, summary_from_plain(of)) for text, count, of in plain})


def _both_parts(one: tuple[int, Summary], other: tuple[int, Summary]) -> tuple[int, Summary]:
    """Two parts of one kind as one."""
    return one[0] + other[0], one[1].merge(other[1])


@dataclass(frozen=True, slots=True, eq=False)
class FirstTexts(Summary):
    """The texts that were seen first: `firsts[hash]` is since when, and the text.

    >>> FirstTexts({7: (20, "b")}).merge(FirstTexts({7: (10, "b"), 8: (10, "a")})).ordered()
    [(8, 'a'), (7, 'b')]
    """

    NAME: ClassVar[str] = "first_texts"
    firsts: Mapping[int, tuple[int, str]]

    def merge(self, other: FirstTexts) -> FirstTexts:
        both = [*self.firsts.items(), *other.firsts.items()]
        found: dict[int, tuple[int, str]] = {}
        for text, first in both:
            found[text] = min(first, found.get(text, first))
        kept = sorted(found, key=lambda text: found[text])[:NAMES_KEPT]
        return FirstTexts({text: found[text] for text in kept})

    def ordered(self) -> list[tuple[int, str]]:
        """Hash and text, the first one first."""
        firsts = sorted((first, text) for text, first in self.firsts.items())
        return [(text, name) for (_, name), text in firsts]

    def plain(self) -> Plain:
        return [[text, *first] for text, first in sorted(self.firsts.items())]

    @classmethod
    def of_plain(cls, plain: Plain) -> FirstTexts:
        return cls({text: (since_ms, name) for text, since_ms, name in plain})


@dataclass(frozen=True, slots=True, eq=False)
class Moves(Summary):
    """Who became a member of a set, and who is none any more: id and hash, rising.

    An id is empty where it is not known; a hash is 16 hexadecimal digits.

    >>> Moves((("bob", "07"),), ()).merge(Moves((("ann", "0a"),), ()))
    Moves(entered=(('ann', '0a'), ('bob', '07')), left=())
    """

    NAME: ClassVar[str] = "moves"
    entered: tuple[tuple[str, str], ...]
    left: tuple[tuple[str, str], ...]

    def merge(self, other: Moves) -> Moves:
        entered = tuple(sorted({*self.entered, *other.entered}))
        return Moves(entered, tuple(sorted({*self.left, *other.left})))

    def plain(self) -> Plain:
        return [[*map(list, self.entered)], [*map(list, self.left)]]

    @classmethod
    def of_plain(cls, plain: Plain) -> Moves:
        entered, left = (tuple((text, key) for text, key in each) for each in plain)
        return cls(entered, left)


def _packed(array: NDArray[Any]) -> bytes:
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def _unpacked(packed: bytes | str, kind: type[np.generic]) -> NDArray[Any]:
    raw = b64decode(packed) if isinstance(packed, str) else packed
    return np.frombuffer(raw, np.dtype(kind).newbyteorder("<"))


_KINDS: Final[Mapping[str, type[Summary]]] = {
    each.NAME: each for each in (Range, Histogram, Ranks, Parts, Split, FirstTexts, Moves)
}


Figures = tuple[int, int, Summary | None]  # a term's count, sum in millionths, and the rest


def summary_to_plain(summary: Summary) -> Plain:
    """A summary with its name."""
    return [summary.NAME, summary.plain()]


def summary_from_plain(plain: Plain) -> Summary:
    """The summary again, of the kind that its name says."""
    name, fields = plain
    return _KINDS[name].of_plain(fields)
