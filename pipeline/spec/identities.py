"""Identities: digests by which saved state is found again under a definition that has changed.

The identity of a memory covers all that decides its rows, and nothing else: not where it stands in
the plan, no name that is only for people, not how much of it is asked for. The order in which a
definition says things plays no part. Only plain values go in, so that our own code may be renamed.

What a record is rejected for is no part of it: a definition that reads more of an event may reject
more of its records from then on, without a word on those that were counted before.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from xxhash import xxh3_64_hexdigest

from pipeline.core import expression as tree, formula as formulas
from pipeline.core.plan import KINDS_OF_IDS, MemoryKind, TermKind
from pipeline.core.sets import (
    ENTITY_ITSELF,
    AllHeld,
    AtLeast,
    Marked,
    NotHeld,
    ValueAtLeast,
    ValueIn,
)
from pipeline.core.streams import Keep, StreamKind
from pipeline.core.windows import Anchored, Trailing, Unit, Units
from pipeline.spec.alike import as_large

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline.core.envelope import Envelope
    from pipeline.core.expression import Expression
    from pipeline.core.formula import Formula
    from pipeline.core.plan import Event, IdSource, Memory, Plan
    from pipeline.core.sets import Cohort, Condition
    from pipeline.core.streams import OfItems, Stream, StreamPart
    from pipeline.core.windows import Window

_OF_STEPS = (StreamKind.PAIR, StreamKind.SEQUENCE)


def identified(plan: Plan) -> Plan:
    """The plan with identities.

    Memories of one identity hold the same rows, and so are made to keep the same of them.
    """
    found = _Identities(plan)
    memories = [found.identified(n) for n in range(len(plan.memories))]
    return replace(
        plan,
        events=tuple(map(found.event, range(len(plan.events)))),
        feeds=tuple(
            replace(feed, identity=found.rows(n), column_identities=found.columns(n))
            for n, feed in enumerate(plan.feeds)
        ),
        memories=tuple(as_large(each, memories) for each in memories),
        sets=tuple(replace(s, identity=found.set(n)) for n, s in enumerate(plan.sets)),
        metrics=tuple(replace(m, identity=found.metric(n)) for n, m in enumerate(plan.metrics)),
    )


def _digest(*parts: object) -> str:
    return xxh3_64_hexdigest(repr(parts).encode())


class _Identities:
    """The identities of one plan's parts, by their places in it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._envelope = _envelope(plan.envelope)
        self._rolled_up = {
            roll_up.tally: (number, roll_up.attribute)
            for number, each in enumerate(plan.sets)
            for roll_up in each.roll_ups
        }
        self._grown = {
            growth: number for number, each in enumerate(plan.sets) for growth in each.growth
        }
        self._reached = {each.tally: each for each in plan.reaches}
        streams = enumerate(plan.memories)
        self._streams = {
            n: (self._table_of_stream(n), [part.feed for part in each.stream.parts])
            for n, each in streams
            if each.stream is not None
        }
        self.memory: Callable[[int], str] = cache(self._memory)
        self.set: Callable[[int], str] = cache(self._set)

    def event(self, number: int) -> Event:
        """An event with identities. It has those of its values that something asks for."""
        event = self._plan.events[number]
        ids = sorted((entity, _id_source(source)) for entity, source in event.ids)
        values = (replace(v, identity=_digest(_value(event, v.name))) for v in event.values)
        whole = _digest("event", self._records(event), ids)
        return replace(event, values=tuple(values), identity=whole)

    def rows(self, number: int) -> str:
        """Of a feed's rows, whatever travels along with them."""
        feed = self._plan.feeds[number]
        event = self._plan.events[feed.event]
        where = None if feed.where is None else _expression(feed.where, partial(_value, event))
        if feed.text is not None:
            read = _id(event, feed.text) if feed.ids else _value(event, feed.text)
            key: object = (feed.entity, read, "ids" if feed.ids else feed.names)
        else:
            key = None if feed.entity is None else (feed.entity, _id(event, feed.entity))
        lacking = ("or none",) if feed.may_lack_entity else ()
        return _digest("rows", feed.level, self._records(event), where, key, *lacking)

    def columns(self, number: int) -> tuple[str, ...]:
        """Of what travels along with a feed's rows."""
        feed = self._plan.feeds[number]
        event = self._plan.events[feed.event]
        others = [_digest(_id(event, other)) for other in feed.others]
        names = ["text"] if feed.names or feed.ids else []
        values = [_digest(_value(event, value)) for value in feed.values]
        return (
            *others,
            *values,
            *(_digest(*each) for each in self._marks(event, feed.marks)),
            *names,
        )

    @staticmethod
    def _marks(event: Event, marks: tuple[Expression, ...]) -> list[tuple[object, ...]]:
        return [("mark", _expression(each, partial(_value, event))) for each in marks]

    def _records(self, event: Event) -> tuple[object, ...]:
        """Which records are an event."""
        where = None if event.where is None else _expression(event.where, partial(_value, event))
        return self._envelope, sorted(event.record_names), where

    def _memory(self, number: int) -> str:
        memory = self._plan.memories[number]
        table = (memory.kind.value, memory.level, memory.entity)
        if memory.kind is MemoryKind.IDS:
            return _digest(*table)  # whatever ids come by, they are what their hashes say
        if memory.kind is MemoryKind.GROWTH:
            return _digest(*table, self.set(self._grown[number]), _window(memory.window))
        if memory.stream is not None:
            return self._of_stream(number)
        if number in self._reached:
            reach = self._reached[number]
            return _digest(*table, "reach", self.set(reach.set), self.memory(reach.pairs))
        if memory.feed is None:
            counted, attribute = self._rolled_up[number]
            return _digest(*table, self.set(counted), self.memory(attribute))
        marks = self._marks(self._event(memory.feed), memory.marks)
        of = self.rows(memory.feed), self._column(memory), _window(memory.window)
        return _digest(*table, *of, *marks)

    def identified(self, number: int) -> Memory:
        """A memory with identities."""
        memory = replace(self._plan.memories[number], identity=self.memory(number))
        stream = memory.stream
        if stream is None:
            return memory
        columns = self._columns_of(stream)
        named = tuple(_digest("column", memory.identity, *each) for each in columns)
        first = _digest("first", memory.identity) if stream.keeps_first else ""
        known = replace(stream, column_identities=named, first_identity=first)
        return replace(memory, stream=known)

    def _columns_of(self, stream: Stream) -> list[tuple[object, ...]]:
        return [
            (name in stream.texts, [self._column_of(stream, part, at) for part in stream.parts])
            for at, name in enumerate(stream.columns)
        ]

    def _of_stream(self, number: int) -> str:
        """Of a stream without its columns.

        But for two over events that are alike: they cannot keep each other's columns, and so each
        has an order of its own.
        """
        found, feeds = self._streams[number]
        if not any(of == found and by != feeds for of, by in self._streams.values()):
            return found
        stream = self._plan.memories[number].stream
        return _digest(found, [] if stream is None else self._columns_of(stream))

    def _table_of_stream(self, number: int) -> str:
        memory = self._plan.memories[number]
        of = () if memory.stream is None else self._stream(memory.stream)
        return _digest(memory.kind.value, memory.level, memory.entity, *of)

    def _stream(self, stream: Stream) -> tuple[object, ...]:
        """Of a stream's rows. Which items count is asked later, and columns have their own."""
        parts = [(self.rows(part.feed), self._group(stream, part)) for part in stream.parts]
        kind = "steps" if stream.kind in _OF_STEPS else stream.kind.value
        seeded = () if stream.seed is None else (stream.seed.digest,)
        return kind, parts, stream.within_ms, stream.slack_ms, *seeded

    def _group(self, stream: Stream, part: StreamPart) -> list[object]:
        """The ids that rows of a part are grouped by; what nothing can undo is kept without."""
        ids = [_id(self._event(part.feed), other) for other in stream.same]
        return [*ids, *(["or none"] if ids and stream.keep is Keep.STANDING else [])]

    def _column_of(self, stream: Stream, part: StreamPart, at: int) -> object:
        name = part.columns[at]
        if name is None:
            return None
        is_id = at >= len(stream.columns) - stream.ids
        return (_id if is_id else _value)(self._event(part.feed), name)

    def _event(self, feed: int) -> Event:
        return self._plan.events[self._plan.feeds[feed].event]

    def _items(self, memory: int, items: OfItems | None) -> tuple[object, ...]:
        """What is asked of a stream's items; nothing for other memories."""
        stream = self._plan.memories[memory].stream
        if items is None or stream is None:
            return ()
        column = partial(self._named, stream)
        where = None if items.where is None else _expression(items.where, column)
        of = [None if name is None else column(name) for name in (items.column, items.distinct)]
        return stream.kind.value, stream.keep.value, stream.at_last, stream.ends_ms, where, *of

    def _named(self, stream: Stream, name: str) -> tuple[object, ...]:
        """What stands behind a column: its part's place where that has a name of people's."""
        if name in stream.columns:
            at = stream.columns.index(name)
            return tuple(self._column_of(stream, part, at) for part in stream.parts)
        places = {part.alias: place for place, part in enumerate(stream.parts)}
        alias, _, rest = name.partition(".")
        return ("column", places.get(alias, alias), rest)

    def _column(self, memory: Memory) -> object:
        if memory.column is None or memory.feed is None:
            return None
        event = self._plan.events[self._plan.feeds[memory.feed].event]
        is_id = memory.kind in KINDS_OF_IDS
        return _id(event, memory.column) if is_id else _value(event, memory.column)

    def _set(self, number: int) -> str:
        each = self._plan.sets[number]
        cohort = () if each.cohort is None else self._cohort(each.cohort)
        return _digest("set", each.entity, each.level, self._condition(each.when), *cohort)

    def _cohort(self, cohort: Cohort) -> tuple[object, ...]:
        runs = sorted(map(self.memory, cohort.runs))
        return "cohort", _window(cohort.window), self.memory(cohort.anchor), runs

    def _condition(  # noqa: PLR0911 - one for each kind of condition
        self, condition: Condition
    ) -> tuple[object, ...]:
        match condition:
            case AtLeast(
                memory=memory, window=window, threshold=threshold, leave_out=out, items=items
            ):
                left_out = out if out is None or out == ENTITY_ITSELF else self.memory(out)
                said = "at least", self.memory(memory), _window(window), threshold, left_out
                asked = *self._items(memory, items), *self._as_of(condition.as_of)
                return *said, *self._habit(condition), *asked
            case ValueIn(memory=memory, options=options, negated=negated):
                return "value in", self.memory(memory), sorted(options, key=repr), negated
            case ValueAtLeast(memory=memory, threshold=threshold, negated=negated):
                return "value at least", self.memory(memory), threshold, negated
            case Marked(mark=mark):
                return "marked", mark
            case NotHeld(condition=inner):
                return "not", self._condition(inner)
            case AllHeld(conditions=conditions):
                return "all", *_in_any_order(map(self._condition, conditions))
        return "any", *_in_any_order(map(self._condition, condition.conditions))

    def _as_of(self, condition: Condition | None) -> tuple[object, ...]:
        return () if condition is None else ("as of", self._condition(condition))

    def _habit(self, condition: AtLeast) -> tuple[object, ...]:
        """What only habits say, so that all else is found again as ever."""
        first = condition.since_first
        if first is not None:
            return "since first", self.memory(first.memory), first.period_ms, first.thresholds
        return () if condition.grace is None else ("grace", condition.grace)

    def metric(self, number: int) -> str:
        """Of a metric: all that its value is made of."""
        return _digest("metric", self._formula(self._plan.metrics[number].value))

    def _formula(self, formula: Formula) -> tuple[object, ...]:
        match formula:
            case formulas.Constant(value=value):
                return "number", float(value)
            case formulas.OfMetric(metric=metric):
                return "metric", self.metric(metric)
            case formulas.Survey(kind=kind):
                return kind.value, *map(self._formula, formulas.operands(formula))
            case formulas.Index(metrics=metrics, weights=weights, skips_missing=skips):
                weighed = zip(map(self._formula, metrics), weights, strict=True)
                return "index", skips, *_in_any_order(weighed)
            case formulas.OfTerm(term=number, part=part, at=at):
                term = self._plan.terms[number]
                of = [
                    self.memory(term.memory) if term.memory is not None else self.set(term.set or 0)
                ]
                of += [self.set(term.set or 0)] if term.kind is TermKind.SUM_DISTINCT else []
                said = part.value if at is None else (part.value, at)
                asked = *self._items(term.memory or 0, term.items), *self._as_of(term.as_of)
                windows = [*map(_window, term.windows)]
                return "term", term.kind.value, *of, said, windows, *asked
        sides = self._formula(formula.left), self._formula(formula.right)
        return "calculation", formula.operator, *sides


def _envelope(envelope: Envelope) -> tuple[object, ...]:
    """The first places as they were always said, and what only some envelopes have."""
    name, *names = (*envelope.names, envelope.constant) if envelope.constant else envelope.names
    time, *times = ((time.path, time.unit.value) for time in envelope.times)
    message_id, *ids = envelope.id or (None,)
    forms = sorted(envelope.texts), envelope.each, envelope.in_headers, sorted(envelope.exact)
    more = (names, times, ids, *forms)
    return name, *time, message_id, *((more,) if any(more) else ())


def _window(window: Window | None) -> tuple[object, ...] | None:
    if window is None:
        return None
    if isinstance(window, Trailing):
        return "trailing", window.size_ms
    if isinstance(window, Units):
        return "units", window.of, _window(window.calendar)
    if isinstance(window, Anchored):
        span = window.size_ms, window.is_session, window.is_matured
        return "anchored", *span, _window(window.cohort)
    starts = window.week_starts if window.unit is Unit.WEEK else None
    return "calendar", window.unit.value, window.zone, starts, window.last


def _id(event: Event, entity: str) -> tuple[object, ...]:
    return _id_source(dict(event.ids)[entity])


def _id_source(source: IdSource) -> tuple[object, ...]:
    return source.mode.value, source.paths


def _value(event: Event, name: str) -> tuple[object, ...]:
    value = next(value for value in event.values if value.name == name)
    expression = _expression(value.expression, partial(_value, event))
    read_as = () if value.time_unit is None else (value.time_unit.value,)
    return value.kind.value, expression, float(value.minimum), float(value.maximum), *read_as


def _expression(  # noqa: PLR0911 - one a kind of node
    expression: Expression, value: Callable[[str], tuple[object, ...]]
) -> tuple[object, ...]:
    """An expression in plain values; `value` says what stands behind the name of one."""
    inner = partial(_expression, value=value)
    match expression:
        case tree.At(path=path, kind=kind):
            return "at", path, kind.value
        case tree.Named(name=name):
            return "value", *value(name)
        case tree.Literal(value=literal):
            return "literal", literal
        case (
            tree.Arithmetic(operator=operator, left=left, right=right)
            | tree.Comparison(operator=operator, left=left, right=right)
        ):
            return operator, inner(left), inner(right)
        case tree.OneOf(item=item, options=options):
            return "in", inner(item), *_in_any_order(("literal", option) for option in options)
        case tree.Not(operand=operand):
            return "not", inner(operand)
        case tree.AllOf(operands=operands):
            return "all", *_in_any_order(map(inner, operands))
    return "any", *_in_any_order(map(inner, expression.operands))


def _in_any_order(parts: Iterable[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return sorted(parts, key=repr)
