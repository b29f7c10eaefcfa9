"""From aggregates to the rows and memories that serve them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pipeline.core import expression as tree, streams as core
from pipeline.core.expression import named_in
from pipeline.core.sets import Cohort
from pipeline.core.streams import OfItems
from pipeline.core.windows import Anchored
from pipeline.spec.events import ValueScope
from pipeline.spec.expression import emit
from pipeline.spec.findings import Broken
from pipeline.spec.kinds import Place
from pipeline.spec.memories import ROW, AskedOfStream, Memories, id_column
from pipeline.spec.rows import Rows
from pipeline.spec.stream_columns import StreamKinds, StreamScope, column_names, fixed_kind
from pipeline.spec.streams import draft_of, stream_of
from pipeline.spec.undone import OF_UNDONE, UNDOING, Undone, refused_undone

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable

    from pipeline.core.expression import Expression, Kind
    from pipeline.core.windows import Window
    from pipeline.spec.aggregate import Aggregate
    from pipeline.spec.events import DraftEvent
    from pipeline.spec.names import Names
    from pipeline.spec.streams import DraftStream
    from pipeline.spec.written import Written


@dataclass(frozen=True, slots=True)
class Tables:
    """What sets and metrics ask for memories."""

    names: Names
    events: dict[str, DraftEvent]
    streams: dict[str, DraftStream]
    memories: Memories

    def rows(self, level: int, entity: str | None, within: Written, aggregate: Aggregate) -> Rows:
        """The rows that an aggregate of an event is about, for the table of an entity.

        Raises:
            Refusal: where a part of its `where` is of no kind, or the event may be undone.
        """
        undo = self.names.event(aggregate.subject).undone_by
        if undo is not None:
            raise refused_undone(aggregate, undo)
        where = self._where(within, aggregate)
        return Rows(level, self.event_index(aggregate.subject), aggregate.subject, where, entity)

    def undone(
        self, level: int, entity: str | None, within: Written, aggregate: Aggregate
    ) -> tuple[int, OfItems] | None:
        """The memory of an aggregate's event, and what is asked of it, where it may be undone.

        Without an entity it is that of the ids which the two have in common.

        Raises:
            Refusal: where the undoing event does not carry the entity.
        """
        undo = self.names.event(aggregate.subject).undone_by
        if undo is None or aggregate.window is None or aggregate.function not in OF_UNDONE:
            return None
        if aggregate.within or aggregate.states or isinstance(aggregate.window, Anchored):
            return None
        stream = Undone(self.names, aggregate.subject, undo).stream(entity or undo.by)
        with within.code.pointing_at(aggregate.node.args[0]):
            self.names.check_carries(undo.event, stream.by)
        where = self._where(within, aggregate)
        rows = {
            ROW: Rows(
                level, self.event_index(aggregate.subject), aggregate.subject, where, stream.by,
                may_lack_entity=entity is None,
            ),
            UNDOING: Rows(level, self.event_index(undo.event), undo.event, None, stream.by),
        }  # fmt: skip
        other, value = _column_of(aggregate, in_set=within.at[0] == "sets")
        columns = {} if value is None else {value: {ROW: value}}
        asked = AskedOfStream(
            stream, rows, columns, looks_at_first=False, window=aggregate.window, other=other
        )
        distinct = None if other is None else id_column(other)
        return self.memories.stream(asked), OfItems(None, value, distinct)

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

    def history(self, level: int, entity: str, name: str, window: Window | None) -> int:
        """The memory of all that an attribute was, for rows of a window."""
        event, value = self.names.attribute(entity, name).from_.split(".")
        rows = Rows(level, self.event_index(event), event, None, entity)
        return self.memories.history(rows, value, window)

    def kind(self, event: str, value: str) -> Kind:
        """What the uses of an event's value have agreed on."""
        kind = self.events[event].kinds.kind(Place((value,), is_value=True))
        if kind is None:
            raise Broken
        return kind

    def stream(self, level: int, within: Written, aggregate: Aggregate) -> tuple[int, OfItems]:
        """The memory of an aggregate's stream at a level, and what is asked of its items.

        Raises:
            Refusal: where a part of its `where` is of no kind.
            Broken: where the stream or the expression has a problem of its own.
        """
        stream = stream_of(self.names, self.streams, aggregate.subject)
        wanted = self._of_items(within, aggregate)
        named = named_in(wanted.where) | {wanted.column or core.COUNT}
        rows = {
            alias: Rows(level, self.event_index(event), event, None, stream.by)
            for alias, event in stream.parts.items()
        }
        columns = {
            name for name in named if fixed_kind(stream, tuple(name.split("."))) is None
        } & set(column_names(self.names, stream))
        assert aggregate.window is not None
        asked = AskedOfStream(
            stream, rows, self.parts_of(stream, columns), core.IS_FIRST in named, aggregate.window,
            texts=frozenset(filter(partial(self._is_text, self.stream_kinds(aggregate)), columns)),
        )  # fmt: skip
        return self.memories.stream(asked), wanted

    @staticmethod
    def _is_text(kinds: StreamKinds, column: str) -> bool:
        return kinds.kind(Place(tuple(column.split(".")), is_value=True)) is tree.Kind.TEXT

    def may_be_negative(self, stream: str, column: str) -> bool:
        """Whether a column is a value that may be below 0."""
        source = draft_of(stream, self.names.stream(stream))
        values = [
            self.names.event(source.parts[part]).values[value]
            for part, value in self.parts_of(source, {column})[column].items()
        ]
        return any(value.min is not None and value.min < 0 for value in values)

    def stream_kinds(self, aggregate: Aggregate) -> StreamKinds:
        """The kinds of the columns of an aggregate's stream."""
        stream = draft_of(aggregate.subject, self.names.stream(aggregate.subject))
        return StreamKinds(self.names, stream, self.events)

    def _of_items(self, within: Written, aggregate: Aggregate) -> OfItems:
        conditions: list[Expression] = []
        if aggregate.steps is not None:
            steps = tree.Named(core.STEPS, tree.Kind.NUMBER)
            conditions.append(tree.Comparison(">=", steps, tree.Literal(float(aggregate.steps))))
        if aggregate.where is not None:
            if self.names.findings.is_broken(*within.at):
                raise Broken
            scope = StreamScope(self.stream_kinds(aggregate), within.line)
            conditions.append(emit(within.code, aggregate.where, scope))
        where = tree.AllOf(tuple(conditions)) if len(conditions) > 1 else None
        column = None if aggregate.function == "distinct" else aggregate.part
        return OfItems(where or next(iter(conditions), None), column)

    def parts_of(self, stream: DraftStream, columns: set[str]) -> dict[str, dict[str, str]]:
        """For each column, which value of which parts it is."""
        found: dict[str, dict[str, str]] = {}
        for name in columns:
            *alias, value = name.split(".")
            found[name] = {
                part: value
                for part, event in stream.parts.items()
                if alias in ([], [part]) and value in self.names.event(event).values
            }
        return found

    def diary(self, rows: Rows, aggregate: Aggregate, window: Window) -> int:
        """The memory of the rows that an aggregate looks at, as they were."""
        if aggregate.function == "distinct" and aggregate.part is not None:
            return self.memories.encounters(rows, aggregate.part, window)
        return self.memories.diary(rows, aggregate.part, window)

    def row_condition(self, within: Written, event: str, node: ast.expr) -> Expression:
        """A part of a condition that is about an event's rows alone.

        Raises:
            Refusal: where a part of it is of no kind.
        """
        draft = self.events[event]
        scope = ValueScope(draft.kinds, within.line, draft, self.names)
        return emit(within.code, node, scope)

    def cohort(self, level: int, entity: str, window: Anchored, events: Iterable[str]) -> Cohort:
        """Who takes part in a set of an entity; rows of the events make a first session."""

        def rows(event: str) -> Rows:
            return Rows(level, self.event_index(event), event, None, entity)

        anchor = self.memories.first_seen(rows(window.after))
        of_session = events if window.is_session else ()
        runs = tuple(self.memories.diary(rows(event), None, window) for event in of_session)
        return Cohort(window, anchor, runs)

    def event_index(self, name: str) -> int:
        """Where an event stands in the plan."""
        return self.names.event_index[name]

    def _where(self, within: Written, aggregate: Aggregate) -> Expression | None:
        if aggregate.where is None:
            return None
        if self.names.findings.is_broken(*within.at):
            raise Broken
        return self.row_condition(within, aggregate.subject, aggregate.where)


def _column_of(aggregate: Aggregate, *, in_set: bool) -> tuple[str | None, str | None]:
    """The other whose different ids a set counts, or the value that is added up."""
    if aggregate.function != "distinct":
        return None, aggregate.part
    return (aggregate.part if in_set else None), None
