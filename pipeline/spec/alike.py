"""Alike: memories of one identity hold the same rows, and so are made to keep the same of them.

What is saved under one identity can then be read by each of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.core.plan import Memory
    from pipeline.core.streams import Stream


def as_large(memory: Memory, memories: Sequence[Memory]) -> Memory:
    """The memory, made to keep all that any of these keeps that holds the same rows."""
    alike = [each for each in memories if each.identity == memory.identity]
    reaches = [each.reach_ms for each in alike if each.reach_ms is not None]
    large = replace(memory, k=max(each.k for each in alike), reach_ms=max(reaches, default=None))
    streams = [each.stream for each in alike if each.stream is not None]
    if memory.stream is None or len(streams) < 2:  # noqa: PLR2004 - itself and another
        return large
    return replace(large, stream=_with_columns_of(memory.stream, streams))


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a stream: where it stands in order, and what it is of each part's feed."""

    is_id: bool
    name: str
    is_text: bool
    of: tuple[str | None, ...]


def _columns(stream: Stream) -> dict[str, _Column]:
    """By their identities."""
    first_id = len(stream.columns) - stream.ids
    return {
        identity: _Column(
            at >= first_id, name, name in stream.texts, tuple(p.columns[at] for p in stream.parts)
        )
        for at, (name, identity) in enumerate(
            zip(stream.columns, stream.column_identities, strict=True)
        )
    }


def _with_columns_of(stream: Stream, alike: list[Stream]) -> Stream:
    """A stream that keeps what others of the same rows keep, all of them in one order."""
    own, every = _columns(stream), [_columns(each) for each in alike]
    known = {identity: column for each in reversed(every) for identity, column in each.items()}
    names = {identity: min(e[identity].name for e in every if identity in e) for identity in known}
    order = sorted(known, key=lambda each: (known[each].is_id, names[each], each))
    called = {each: own[each].name if each in own else f"{names[each]} {each}" for each in order}
    parts = (
        replace(part, columns=tuple(known[each].of[place] for each in order))
        for place, part in enumerate(stream.parts)
    )
    return replace(
        stream,
        parts=tuple(parts),
        columns=tuple(called.values()),
        ids=sum(known[each].is_id for each in order),
        texts=tuple(called[each] for each in order if known[each].is_text),
        column_identities=tuple(order),
        keeps_first=any(each.keeps_first for each in alike),
        first_identity=max(each.first_identity for each in alike),
    )
