"""What the values of events are used as, and how long their rows matter."""

from collections.abc import Iterator

from tests.oracle.expression import NUMBER, TEXT, TRUTH, is_condition, places
from tests.oracle.model import Aggregate, Definition, Metric, Stream
from tests.oracle.words import Path, path_of

OF_NUMBERS = {"sum", "mean", "min", "max", "median", "quantile", "nps", "csat"}
NUMBERS_OF_KAFKA = {"partition", "offset", "time"}
Use = tuple[str, str, str]
"""An event, one of its values, and the type it is used as."""


def _of_state(definition: Definition, entities: set[str], name: str, kind: str) -> Iterator[Use]:
    for state in definition.states:
        if state.entity in entities and state.name == name:
            yield state.event, state.value, kind


def _of_path(definition: Definition, subject: str, path: Path, kind: str) -> Iterator[Use]:
    """Follow a place in an aggregate of an event or a stream to the value it is."""
    stream = definition.streams.get(subject)
    if stream is not None:
        yield from _of_column(definition, stream, path, kind)
    elif len(path) == 1:
        yield subject, path[0], kind
    else:
        yield from _of_state(definition, {path[0]}, path[1], kind)


def _of_column(definition: Definition, stream: Stream, path: Path, kind: str) -> Iterator[Use]:
    if len(path) == 1:
        for event in stream.parts.values():
            if path[0] in definition.events[event].values:
                yield event, path[0], kind
    elif stream.alias(path[0]) in stream.parts:
        if path[1] != "at":
            yield stream.parts[stream.alias(path[0])], path[1], kind
    else:
        yield from _of_state(definition, {path[0]}, path[1], kind)


def _of_aggregate(definition: Definition, aggregate: Aggregate) -> Iterator[Use]:
    if aggregate.function in OF_NUMBERS:
        path = tuple(str(aggregate.field).split("__"))
        yield from _of_path(definition, aggregate.subject, path, NUMBER)
    if aggregate.where is not None:
        for path, kind in places(aggregate.where, TRUTH):
            yield from _of_path(definition, aggregate.subject, path, kind)


def _of_segments(definition: Definition, metric: Metric) -> Iterator[Use]:
    aggregates = [a for part in definition.parts(metric) for a in part.aggregates.values()]
    for dimension in metric.by:
        entity, _, name = dimension.rpartition(".")
        for aggregate in aggregates:
            if aggregate.subject in definition.events and not entity:
                yield aggregate.subject, dimension, TEXT
                continue
            if aggregate.subject in definition.streams:
                path = tuple(dimension.split("."))
                yield from _of_path(definition, aggregate.subject, path, TEXT)
                continue
            entities = entities_of(definition, aggregate.subject)
            yield from _of_state(definition, {entity} if entity else entities, name, TEXT)


def entities_of(definition: Definition, subject: str) -> set[str]:
    """Name the entities whose ids rows of an event, items of a stream, members of a set have."""
    if subject in definition.events:
        return set(definition.events[subject].ids)
    if subject in definition.streams:
        return {definition.streams[subject].by}
    return {definition.sets[subject].entity}


def uses(definition: Definition) -> Iterator[Use]:
    """Name every use of every event's values."""
    for aggregate in definition.aggregates():
        yield from _of_aggregate(definition, aggregate)
    for entity_set in definition.sets.values():
        for path, kind in places(entity_set.when, TRUTH):
            yield from _of_state(definition, {entity_set.entity}, path[0], kind)
    for metric in definition.metrics.values():
        yield from _of_segments(definition, metric)


def value_types(definition: Definition, event: str) -> dict[str, str]:
    """Give the type of each of an event's values: what it is, or else what it is used as."""
    types = {value: kind for used, value, kind in uses(definition) if used == event}
    types = {name: kind for name, kind in types.items() if name in definition.events[event].values}
    for name, value in definition.events[event].values.items():
        path = path_of(value.expression)
        if is_condition(value.expression):
            types[name] = TRUTH
        elif value.bounded or value.time is not None or path is None:
            types[name] = NUMBER
        elif path[0] == "kafka":
            types[name] = NUMBER if path[1] in NUMBERS_OF_KAFKA else TEXT
    return types


def place_types(definition: Definition, event: str) -> dict[Path, str]:
    """Give the type of each path that an event's values and `where` read.

    That of a time is its unit: `iso`, `s` or `ms`.
    """
    about = definition.events[event]
    of_values = value_types(definition, event)
    types: dict[Path, str] = {}
    for name, value in about.values.items():
        if name in of_values:
            types |= dict(places(value.expression, value.time or of_values[name]))
    if about.where is not None:
        types |= dict(places(about.where, TRUTH))
    return types


class Reach:
    """How late a record may be and still matter."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.reaches = {event: self._of(event) for event in definition.events}

    def of(self, names: set[str]) -> int | None:
        """Give the reach of a record that is these events; nothing where it is never too late."""
        reaches = [self.reaches[name] for name in names]
        return None if None in reaches else max((r for r in reaches if r is not None), default=0)

    def longest(self, subject: str) -> int:
        """Give the longest reach of the windows that look at a subject itself."""
        return max(self._looks(subject), default=0)

    def _of(self, event: str) -> int | None:
        if event in self._unforgotten():
            return None
        undoing = self.definition.events[event].undone_by
        more_ms = 0 if undoing is None else undoing.within_ms
        reaches = [reach + more_ms for reach in self._uses(event)]
        for undone in self.definition.events.values():
            if undone.undone_by is not None and undone.undone_by.event == event:
                reaches += [r + undone.undone_by.within_ms for r in self._uses(undone.name)]
        return max(reaches, default=0)

    def _unforgotten(self) -> set[str]:
        """Name the events that teach, that anchor, or whose first row is kept for ever."""
        definition = self.definition
        teachers = {a.event for a in (*definition.attributes, *definition.states)}
        anchors = {s.anchor.event for s in definition.sets.values() if s.anchor is not None}
        firsts = {
            event
            for stream in definition.streams.values()
            if stream.kind == "first"
            for event in stream.parts.values()
        }
        habits = {
            a.subject
            for a in definition.aggregates()
            if a.options.get("new_members") == "since_first"
        }
        return teachers | anchors | firsts | habits

    def _uses(self, event: str) -> Iterator[int]:
        """Give the reach of each look at the event's rows, also through streams."""
        yield from self._looks(event)
        for stream in self.definition.streams.values():
            if event in stream.parts.values():
                more_ms = max(stream.within_ms, stream.gap_ms)
                yield from (reach + more_ms for reach in self._looks(stream.name))

    def _looks(self, subject: str) -> Iterator[int]:
        for aggregate in self.definition.aggregates():
            if aggregate.subject == subject:
                windows = (aggregate.window, *aggregate.looks)
                yield from (window.reach_ms for window in windows if window is not None)
        for entity_set in self.definition.sets.values():
            if entity_set.anchor is not None and subject in entity_set.in_own_window():
                yield entity_set.anchor.looks.reach_ms
