"""Parts: what a shard says of a term for each text of a dimension, read from its memories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.ledger import Ledger
from pipeline.core.memories.memory import Flags, Memory, RowNumbers
from pipeline.core.memories.names import Names
from pipeline.core.memories.registers_by import RegistersBy
from pipeline.core.memories.seen_with import SeenWith
from pipeline.core.memories.value import Value
from pipeline.core.plan import TermKind
from pipeline.core.quantile import buckets_of
from pipeline.core.summaries import FirstTexts, Histogram, Parts, Range, Split, Summary
from pipeline.core.texts import known_texts

Keys = NDArray[np.uint64]

BY_TEXT: Final = frozenset(
    {
        TermKind.PANES_BY,
        TermKind.DISTINCT_BY,
        TermKind.SIZE_BY,
        TermKind.EXTREMES_BY,
        TermKind.SKETCH_BY,
        TermKind.REGISTERS_BY,
        TermKind.NAMES,
    }
)


def by_text(memory: Memory, keys: Keys, start_ms: int, members: Flags | None) -> Summary:
    """What a memory's term says for each text; `keys` are those of its table's rows.

    `start_ms` is from when on entities were seen; `members` are for the size of a set only.
    """
    if isinstance(memory, Names):
        return first_texts(keys, memory)
    if isinstance(memory, Ledger):
        return counted_by(keys, memory)
    if isinstance(memory, SeenWith):
        return seen_by(memory, start_ms)
    if isinstance(memory, RegistersBy):
        return ids_by(keys, memory, start_ms)
    assert isinstance(memory, Value)
    assert members is not None
    return members_by(members, memory)


def counted_by(keys: Keys, ledger: Ledger) -> Parts:
    """Events and their sum by text; `keys` are those of the ledger's rows, which are texts."""
    counts, micros = ledger.amounts()
    there = np.flatnonzero(counts)
    sums = np.zeros(len(there), np.int64) if micros is None else micros[there]
    texts = keys.view(np.int64)[there]
    figures = zip(counts[there].tolist(), sums.tolist(), strict=True)
    return Parts(dict(zip(((text,) for text in texts.tolist()), figures, strict=True)))


def ids_by(keys: Keys, registers: RegistersBy, start_ms: int) -> Split:
    """About how many ids by text; `keys` are those of the registers' rows, which are texts."""
    texts = keys.view(np.int64)
    return Split({int(texts[row]): (0, ranks) for row, ranks in registers.since(start_ms)})


def seen_by(seen: SeenWith, start_ms: int) -> Parts:
    """Entities by the texts that they were seen with at or after `start_ms`."""
    return _entities_by(*seen.since(start_ms))


def _entities_by(rows: RowNumbers, texts: NDArray[np.int64]) -> Parts:
    """Entities by the texts of each; pairs of a row and a text, rising by both.

    Those with the same texts are told by these joined bit by bit. Texts are hashes: that others
    come to the same is as unlikely as that two ids do.
    """
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    if not len(starts):
        return Parts({})
    sizes = np.diff(np.append(starts, len(rows)))
    joined = np.bitwise_xor.reduceat(texts, starts)
    _, one_of, counts = np.unique(joined, return_index=True, return_counts=True)
    found = zip(starts[one_of].tolist(), sizes[one_of].tolist(), counts.tolist(), strict=True)
    return Parts(
        {tuple(texts[start : start + size].tolist()): (count, 0) for start, size, count in found}
    )


def rows_by(texts: NDArray[np.int64], micros: NDArray[np.int64] | None) -> Parts:
    """Rows of events and their sum, by the text of each."""
    distinct, of = np.unique(texts, return_inverse=True)
    sums = np.zeros(len(distinct), np.int64)
    if micros is not None:
        np.add.at(sums, of, micros)
    counts = np.bincount(of, minlength=len(distinct))
    figures = zip(counts.tolist(), sums.tolist(), strict=True)
    return Parts(dict(zip(((text,) for text in distinct.tolist()), figures, strict=True)))


def extremes_of(micros: NDArray[np.int64]) -> Range | None:
    """The smallest and the largest of some values; none without any."""
    return Range(int(micros.min()), int(micros.max())) if len(micros) else None


def sketch_of(micros: NDArray[np.int64]) -> Histogram | None:
    """How values are distributed, by bucket; none without any."""
    return Histogram.of(buckets_of(micros)) if len(micros) else None


OF_VALUES: Final[Mapping[TermKind, Callable[[NDArray[np.int64]], Summary | None]]] = {
    TermKind.EXTREMES: extremes_of,
    TermKind.EXTREMES_BY: extremes_of,
    TermKind.SKETCH: sketch_of,
    TermKind.SKETCH_BY: sketch_of,
}


def values_by(kind: TermKind, texts: NDArray[np.int64], micros: NDArray[np.int64]) -> Split:
    """What the values of rows come to, by the text of each."""
    order = np.argsort(texts, kind="stable")
    texts, micros = texts[order], micros[order]
    starts = np.flatnonzero(np.diff(texts, prepend=texts[:1] - 1))
    pieces = zip(texts[starts].tolist(), np.split(micros, starts[1:]), strict=False)
    found = ((text, len(piece), OF_VALUES[kind](piece)) for text, piece in pieces)
    return Split({text: (count, of) for text, count, of in found if of is not None})


def entities_by(rows: RowNumbers, texts: NDArray[np.int64]) -> Parts:
    """Entities by the texts that their rows have, in any order."""
    order = np.lexsort((texts, rows))
    rows, texts = rows[order], texts[order]
    new = np.ones(len(rows), np.bool_)
    new[1:] = (rows[1:] != rows[:-1]) | (texts[1:] != texts[:-1])
    return _entities_by(rows[new], texts[new])


def members_by(members: Flags, value: Value) -> Parts:
    """Members of a set by what they are."""
    return _of_one(known_texts(value.values[: len(members)][members]))


def _of_one(texts: NDArray[np.int64]) -> Parts:
    distinct, counts = np.unique(texts, return_counts=True)
    found = zip(distinct.tolist(), counts.tolist(), strict=True)
    return Parts({(text,): (count, 0) for text, count in found})


def first_texts(keys: Keys, names: Names) -> FirstTexts:
    """The texts of a shard that were seen first."""
    rows, since_ms, texts = names.first()
    hashes = keys.view(np.int64)[rows].tolist()
    found = zip(hashes, since_ms.tolist(), texts.tolist(), strict=True)
    return FirstTexts({text: (since, name.decode()) for text, since, name in found})
