"""Events: what is read of a record, and as what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.core import expression as tree, plan
from pipeline.core.carried import is_carried, kind_at
from pipeline.core.envelope import TimeUnit
from pipeline.core.expression import Kind
from pipeline.spec import written
from pipeline.spec.envelopes import check_ids, id_of
from pipeline.spec.expression import emit, infer, place_alone
from pipeline.spec.fields import NUMBER_MAX
from pipeline.spec.findings import Broken
from pipeline.spec.kinds import Kinds, Place, Use
from pipeline.spec.measures import OF_IDS
from pipeline.spec.paths import nowhere
from pipeline.spec.problem import Refusal, a, nearest, suggestion
from pipeline.spec.syntax import WORDS_FOR_NOTHING, no_nothing, place_of

if TYPE_CHECKING:
    import ast

    from pipeline.spec.aggregate import Aggregate
    from pipeline.spec.names import Names
    from pipeline.spec.schema import EventSource, ValueSource
    from pipeline.spec.syntax import Code
    from pipeline.spec.written import Written


@dataclass(frozen=True, slots=True)
class PathScope:
    """Names are places of the record."""

    kinds: Kinds
    line: int

    def place(self, code: Code, node: ast.expr) -> Place:
        """Any path will do. Raises Refusal for one beside the record that leads nowhere."""
        assert code.written(node)
        path = place_of(node) or ()
        place = Place(path, is_value=False)
        if is_carried(path):
            kind = kind_at(path)
            if kind is None:
                raise code.refusal(node, "bad-path", *nowhere(path))
            self.kinds.ask(place, Use(kind, self.line))
        return place


@dataclass(frozen=True, slots=True)
class ValueScope:
    """Names are the values of one event."""

    kinds: Kinds
    line: int
    event: DraftEvent
    names: Names

    def place(self, code: Code, node: ast.expr) -> Place:
        """One of the event's values. Raises Refusal for any other name."""
        path = place_of(node) or ()
        if len(path) == 1 and path[0] in self.event.source.values:
            return Place(path, is_value=True)
        if self.names.findings.is_broken("events", self.event.name, "values"):
            raise Broken
        name = self.event.name
        if path[0] in WORDS_FOR_NOTHING:
            raise no_nothing(code, node)
        advice = suggestion(path[0], self.event.source.values, f"values of `{name}`")
        advice += f" A place of the record needs a name in the `values` of `{name}`."
        if len(path) == 1 and nearest(path[0], self.event.source.values) is None:
            advice += f' A text needs quotes: `"{path[0]}"`.'
        owner = self._owner(path[0])
        if owner is not None:
            advice = f"It is what {a(owner)} is: write `{owner}.{path[0]}`."
        message = f"the event `{name}` has no value `{code.written(node)}`"
        raise code.refusal(node, "unknown-value", message, advice)

    def _owner(self, name: str) -> str | None:
        """The entity of the event's that has a value attribute of this name."""
        entities = self.names.definition.entities
        attributes = ((one, entities.get(one, {}).get(name)) for one in self.event.source.ids)
        return next((one for one, found in attributes if found and found.is_ is None), None)


@dataclass(frozen=True, slots=True)
class DraftEvent:
    """An event whose expressions are parsed and whose kinds are being found out."""

    name: str
    source: EventSource
    kinds: Kinds
    values: dict[str, Written]
    where: Written | None


def draft_event(names: Names, name: str) -> DraftEvent:
    """Parse an event's expressions and note what they use places as."""
    source = names.definition.events[name]
    check_ids(names, name)
    at = ("events", name)
    values: dict[str, Written] = {}
    for value in source.values:
        if not names.findings.is_broken(*at, "values", value):
            passage = written.read(names.findings, _value_path(names, name, value))
            values |= {} if passage is None else {value: passage}
    where = None if source.where is None else written.read(names.findings, (*at, "where"))
    event = DraftEvent(name, source, Kinds(), values, where)
    _infer(names, event)
    return event


def use_in_aggregate(
    names: Names, event: DraftEvent, within: Written, aggregate: Aggregate
) -> None:
    """Note what an aggregate uses the values of its event as."""
    if aggregate.function not in OF_IDS and aggregate.part is not None:
        with names.findings.catching(within.at), within.code.pointing_at(aggregate.node.args[0]):
            place = Place((aggregate.part,), is_value=True)
            event.kinds.ask(place, Use(Kind.NUMBER, within.line))
    if aggregate.where is not None:
        use_in_condition(names, event, within, aggregate.where)


def use_in_condition(names: Names, event: DraftEvent, within: Written, node: ast.expr) -> None:
    """Note what a condition on an event's rows uses its values as."""
    with names.findings.catching(within.at):
        infer(within.code, node, ValueScope(event.kinds, within.line, event, names), Kind.TRUTH)


def finish_event(names: Names, event: DraftEvent, retention_ms: int | None) -> plan.Event:
    """The plan's event. A value whose kind nothing asks for is not read at all."""
    values = [_value(names, event, name) for name in event.values]
    ids, envelope = event.source.ids, names.definition.source.envelope
    return plan.Event(
        event.name,
        tuple(event.source.name),
        tuple((entity, id_of(source, entity, envelope)) for entity, source in ids.items()),
        tuple(value for value in values if value is not None),
        _where(names, event),
        retention_ms,
    )


def _value_path(names: Names, event: str, value: str) -> tuple[str, ...]:
    at = ("events", event, "values", value)
    return at if (*at, "from") not in names.findings.document.values else (*at, "from")


def _infer(names: Names, event: DraftEvent) -> None:
    for name, value in event.values.items():
        scope = PathScope(event.kinds, value.line)
        with names.findings.catching(value.at):
            _infer_value(event, name, value, scope)
        source = event.source.values[name]
        if source.time is not None:
            continue
        if source.min is not None or source.max is not None:
            with names.findings.catching(value.at):
                event.kinds.ask(Place((name,), is_value=True), Use(Kind.NUMBER, value.line))
    if event.where is not None:
        with names.findings.catching(event.where.at):
            scope = PathScope(event.kinds, event.where.line)
            infer(event.where.code, event.where.code.tree, scope, Kind.TRUTH)


def _infer_value(event: DraftEvent, name: str, value: Written, scope: PathScope) -> None:
    mine = Place((name,), is_value=True)
    unit = event.source.values[name].time
    if unit is not None:
        _infer_time(event, mine, value, scope, TimeUnit(unit))
        return
    alone = place_alone(value.code, scope)
    if alone is not None:
        event.kinds.unite(mine, alone)
        return
    kind = infer(value.code, value.code.tree, scope, None)
    assert kind is not None
    event.kinds.ask(mine, Use(kind, value.line))


def _infer_time(
    event: DraftEvent, mine: Place, value: Written, scope: PathScope, unit: TimeUnit
) -> None:
    """A time is read from one place, of text or a number, and is a number itself."""
    place = place_alone(value.code, scope)
    source = event.source.values[mine.path[0]]
    if place is None or source.min is not None or source.max is not None:
        what = "stands at one path" if place is None else "has no `min` and `max`"
        advice = "Write `{from: properties.promised_at, time: iso}`."
        raise Refusal("bad-time-value", f"a time {what}", advice)
    event.kinds.ask(place, Use(_written_as(unit), value.line))
    event.kinds.ask(mine, Use(Kind.NUMBER, value.line))


def _written_as(unit: TimeUnit) -> Kind:
    return Kind.TEXT if unit.is_text else Kind.NUMBER


def _value(names: Names, event: DraftEvent, name: str) -> plan.Value | None:
    value, source = event.values[name], event.source.values[name]
    kind = event.kinds.kind(Place((name,), is_value=True))
    if kind is None or names.findings.is_broken(*value.at):
        return None
    bound = "max" if source.min is None else "min"
    with names.findings.catching(("events", event.name, "values", name, bound)):
        low, high = _bounds(source)
        expression = emit(value.code, value.code.tree, PathScope(event.kinds, value.line))
        unit = None if source.time is None else TimeUnit(source.time)
        return plan.Value(name, kind, expression, low, high, unit)
    return None


def _bounds(source: ValueSource) -> tuple[float, float]:
    low = 0.0 if source.min is None else source.min
    high = float(NUMBER_MAX) if source.max is None else source.max
    if low > high:
        raise Refusal(
            "bad-range",
            f"`min` ({low:g}) is above `max` ({high:g}): no number would pass",
            "Exchange the two, or lower `min`; it is 0 where it is not given.",
        )
    return low, high


def _where(names: Names, event: DraftEvent) -> tree.Expression | None:
    if event.where is None or names.findings.is_broken(*event.where.at):
        return None
    with names.findings.catching(event.where.at):
        code = event.where.code
        return emit(code, code.tree, PathScope(event.kinds, event.where.line))
    return None
