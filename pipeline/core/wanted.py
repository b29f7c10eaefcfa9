"""What a plan wants of a record: which names, which places, which texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.carried import is_carried
from pipeline.core.expression import (
    AllOf,
    AnyOf,
    Arithmetic,
    At,
    Comparison,
    Expression,
    Kind,
    Not,
    OneOf,
    Path,
)
from pipeline.core.plan import Event, Plan
from pipeline.core.record_shape import Place, RecordShape, Use

USE: Final = {Kind.NUMBER: Use.NUMBER, Kind.TEXT: Use.TEXT, Kind.TRUTH: Use.TRUTH}


def record_names(plan: Plan) -> tuple[str, ...]:
    """All names of records that are some event, in order of first mention; codes are places."""
    return tuple(dict.fromkeys(name for event in plan.events for name in event.record_names))


def bearers(plan: Plan, event: Event) -> NDArray[np.bool_]:
    """Which record names, by code, may be this event."""
    return np.array([name in event.record_names for name in record_names(plan)], np.bool_)


def places(event: Event) -> frozenset[Place]:
    """Every place that a record is read at for this event."""
    ids = {(path, Use.ID) for _, source in event.ids for path in source.paths}
    expressions = [value.expression for value in event.values]
    expressions += [] if event.where is None else [event.where]
    values = {(leaf.path, USE[leaf.kind]) for each in expressions for leaf in leaves(each)}
    return frozenset(ids | values)


def leaves(expression: Expression) -> Iterator[At]:
    """The places of the record that an expression looks at."""
    if isinstance(expression, At):
        yield expression
    for part in _parts(expression):
        yield from leaves(part)


def _parts(expression: Expression) -> Iterable[Expression]:
    if isinstance(expression, Arithmetic | Comparison):
        return (expression.left, expression.right)
    if isinstance(expression, AllOf | AnyOf):
        return expression.operands
    if isinstance(expression, Not):
        return (expression.operand,)
    return (expression.item,) if isinstance(expression, OneOf) else ()


def places_by_name(plan: Plan) -> dict[str, frozenset[Place]]:
    """Every place that a record of each name is read at, beside its name and time."""
    by_name: dict[str, frozenset[Place]] = {}
    ids = {(path, Use.ID) for path in id_paths(plan)}
    for event in plan.events:
        for name in event.record_names:
            by_name[name] = by_name.get(name, frozenset()) | places(event) | ids
    return by_name


def id_paths(plan: Plan) -> tuple[Path, ...]:
    """The parts of a message id that are not read for something else anyway."""
    own = {*plan.envelope.names, *(time.path for time in plan.envelope.times)}
    several = len(plan.envelope.id) > 1
    return tuple(path for path in plan.envelope.id if not (several and path in own))


def time_places(plan: Plan) -> tuple[Place, ...]:
    """Where a record's time stands, and what it is read as."""
    return tuple(
        (time.path, Use.TEXT if time.unit.is_text else Use.NUMBER) for time in plan.envelope.times
    )


def shape_of(plan: Plan, by_name: Mapping[str, frozenset[Place]]) -> RecordShape:
    """The shape of a plan's records; `by_name` as `places_by_name` gives it."""
    envelope = plan.envelope
    names, times = envelope.names, time_places(plan)
    return RecordShape(names, times, by_name, envelope.texts, envelope.constant)


def asks_the_log(plan: Plan) -> bool:
    """Whether anything is read that the log carries beside a record's value."""
    envelope = plan.envelope
    paths = {*envelope.names, *(time.path for time in envelope.times)}
    paths |= {path for read in places_by_name(plan).values() for path, _ in read}
    return envelope.in_headers or any(map(is_carried, paths))


def retentions(plan: Plan) -> NDArray[np.int64]:
    """How late a record of each name may be and still matter, in milliseconds."""
    forever = np.iinfo(np.int64).max
    longest: Mapping[str, int] = {
        name: max(
            forever if event.retention_ms is None else event.retention_ms
            for event in plan.events
            if name in event.record_names
        )
        for name in record_names(plan)
    }
    return np.array([*longest.values()], np.int64)


def dictionary_of(plan: Plan) -> dict[Any, int]:
    """The start of a batch's dictionary: the texts that the plan compares with. None is -1."""
    conditions = [event.where for event in plan.events] + [feed.where for feed in plan.feeds]
    conditions += [mark for feed in plan.feeds for mark in feed.marks]
    found = dict.fromkeys(text for each in conditions if each is not None for text in texts(each))
    return {None: -1, **{text: code for code, text in enumerate(found, start=1)}}


def texts(expression: Expression) -> Iterator[str]:
    """The texts that an expression compares with."""
    if isinstance(expression, OneOf):
        yield from (option for option in expression.options if isinstance(option, str))
    value = getattr(expression, "value", None)
    if isinstance(value, str):
        yield value
    for part in _parts(expression):
        yield from texts(part)
