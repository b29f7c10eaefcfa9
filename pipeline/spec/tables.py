"""From aggregates to the rows and memories that serve them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.spec.events import ValueScope
from pipeline.spec.expression import emit
from pipeline.spec.findings import Broken
from pipeline.spec.kinds import Place
from pipeline.spec.memories import Memories, Rows

if TYPE_CHECKING:
    from pipeline.core.expression import Expression, Kind
    from pipeline.spec.aggregate import Aggregate
    from pipeline.spec.events import DraftEvent
    from pipeline.spec.names import Names
    from pipeline.spec.written import Written


@dataclass(frozen=True, slots=True)
class Tables:
    """What sets and metrics ask for memories."""

    names: Names
    events: dict[str, DraftEvent]
    memories: Memories

    def rows(self, level: int, entity: str | None, within: Written, aggregate: Aggregate) -> Rows:
        """The rows that an aggregate of an event is about, for the table of an entity.

        Raises:
            Refusal: where a part of its `where` is of no kind.
        """
        where = self._where(within, aggregate)
        return Rows(level, self.event_index(aggregate.subject), aggregate.subject, where, entity)

    def attribute(self, level: int, entity: str, name: str) -> int:
        """The memory of an attribute, in the table of its entity at a level.

        Raises:
            Broken: where the attribute has a problem of its own.
        """
        if self.names.findings.is_broken("entities", entity, name):
            raise Broken
        attribute = self.names.attribute(entity, name)
        event, part = attribute.from_.split(".")
        rows = Rows(level, self.event_index(event), event, None, entity)
        if attribute.is_ is None:
            return self.memories.value(rows, part)
        return self.memories.attribute(rows, part)

    def kind(self, event: str, value: str) -> Kind:
        """What the uses of an event's value have agreed on."""
        kind = self.events[event].kinds.kind(Place((value,), is_value=True))
        if kind is None:
            raise Broken
        return kind

    def event_index(self, name: str) -> int:
        """Where an event stands in the plan."""
        return self.names.event_index[name]

    def _where(self, within: Written, aggregate: Aggregate) -> Expression | None:
        if aggregate.where is None:
            return None
        if self.names.findings.is_broken(*within.at):
            raise Broken
        event = self.events[aggregate.subject]
        scope = ValueScope(event.kinds, within.line, event, self.names)
        return emit(within.code, aggregate.where, scope)
