"""Transitions: what a set needs that says who enters and who leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.core.plan import Term, TermKind
from pipeline.core.sets import comparisons

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pipeline.core.sets import EntitySet
    from pipeline.spec.memories import Memories
    from pipeline.spec.names import Names
    from pipeline.spec.rows import Rows


def transitions(names: Names, memories: Memories, compiled: Sequence[EntitySet]) -> Iterator[Term]:
    """The terms of all sets that tell their transitions; their memories are added."""
    if names.findings.has_errors:  # what stands in place of a broken condition has no rows
        return
    for number, each in enumerate(compiled):
        if names.set(each.name).transitions:
            looked_at = [*_looked_at(each)]
            tallied = [*_tallied(compiled, looked_at)]
            ids = memories.ids(
                each.level,
                each.entity,
                [*_own(memories, looked_at, each), *_named(memories, tallied, each)],
                holds_rows=bool(tallied),
            )
            yield Term(TermKind.TRANSITIONS, each.level, ids, number, ())


def _looked_at(each: EntitySet) -> Iterator[int]:
    """The memories by which an entity becomes a member."""
    yield from (one.memory for one in comparisons(each.when))
    if each.cohort is not None:
        yield from (each.cohort.anchor, *each.cohort.runs)


def _own(memories: Memories, looked_at: Iterable[int], each: EntitySet) -> Iterator[Rows]:
    """The rows of the set's own entity."""
    for memory in looked_at:
        for rows in memories.rows_of(memory):
            yield replace(rows, text=each.entity, ids=True, may_lack_entity=False)


def _tallied(compiled: Iterable[EntitySet], looked_at: Sequence[int]) -> Iterator[int]:
    """The attributes by which members of other sets name an entity."""
    for below in compiled:
        for roll_up in below.roll_ups:
            if roll_up.tally in looked_at:
                yield roll_up.attribute


def _named(memories: Memories, attributes: Iterable[int], each: EntitySet) -> Iterator[Rows]:
    """The rows that teach these attributes, of the entities that they name."""
    for attribute in attributes:
        rows, name = memories.looked_at(attribute)
        yield replace(rows, level=each.level, entity=each.entity, text=name, ids=True)
