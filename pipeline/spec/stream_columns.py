"""The columns of a stream's items, as expressions name them: `elapsed`, `placed.method`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from pipeline.core import streams as core
from pipeline.core.expression import Kind
from pipeline.core.streams import StreamKind
from pipeline.spec.expression import infer
from pipeline.spec.findings import Broken
from pipeline.spec.kinds import Place, Use, called
from pipeline.spec.problem import Refusal, suggestion
from pipeline.spec.streams import COLUMNS
from pipeline.spec.syntax import place_of

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from pipeline.core.expression import Path
    from pipeline.spec.aggregate import Aggregate
    from pipeline.spec.events import DraftEvent
    from pipeline.spec.names import Names
    from pipeline.spec.streams import DraftStream
    from pipeline.spec.syntax import Code
    from pipeline.spec.written import Written

OF_ONE_ROW = (StreamKind.FIRST, StreamKind.GAP)  # whose values have their bare names, too
_OF_STEPS = (StreamKind.PAIR, StreamKind.SEQUENCE)


def fixed_kind(stream: DraftStream, path: Path) -> Kind | None:
    """The kind of a column that is none of the events' values; None where it is one."""
    if len(path) == 1:
        if stream.kind is StreamKind.SESSION and path[0] in stream.parts:
            return Kind.NUMBER
        return COLUMNS[stream.kind].get(path[0])
    is_time = stream.kind in _OF_STEPS and path[1] == core.AT
    return Kind.NUMBER if is_time else None


def column_names(names: Names, stream: DraftStream) -> list[str]:
    """Every column that an expression may name."""
    found = list(COLUMNS[stream.kind])
    for alias, event in stream.parts.items():
        values = names.event(event).values
        found += [alias] if stream.kind is StreamKind.SESSION else []
        found += [f"{alias}.{core.AT}"] if stream.kind in _OF_STEPS else []
        found += values if stream.kind in OF_ONE_ROW else []
        found += [f"{alias}.{value}" for value in values]
    return list(dict.fromkeys(found))


def short_names(stream: DraftStream) -> dict[str, str]:
    """Further names of parts that go by their events' own, as those of a list do: short -> alias.

    They are without the words that all of them begin with. What is nothing then, or means
    something else, is no name.
    """
    if any(alias != event for alias, event in stream.parts.items()):
        return {}
    words = [alias.split("_") for alias in stream.parts]
    shared = len([*takewhile(lambda each: len(set(each)) == 1, zip(*words, strict=False))])
    short = {"_".join(each[shared:]): "_".join(each) for each in words}
    taken = {"", *stream.parts, *COLUMNS[stream.kind]}
    return {name: alias for name, alias in short.items() if name not in taken}


def spellings(names: Names, stream: DraftStream) -> dict[str, str]:
    """What expressions may write for each column, its own name first."""
    columns = column_names(names, stream)
    short = {alias: name for name, alias in short_names(stream).items()}
    found = {column: column for column in columns}
    for column in columns:
        alias, dot, rest = column.partition(".")
        if alias in short:
            found.setdefault(f"{short[alias]}{dot}{rest}", column)
    return found


@dataclass(frozen=True, slots=True)
class StreamKinds:
    """The kinds of a stream's columns; those of values are the events' own affair."""

    names: Names
    stream: DraftStream
    events: dict[str, DraftEvent]

    def ask(self, place: Place, use: Use) -> None:
        """Note a use. Raises Refusal where the column is of another kind."""
        fixed = fixed_kind(self.stream, place.path)
        is_value = fixed is None and self.stream.kind is StreamKind.SESSION
        if is_value and use.kind is Kind.TRUTH:
            fixed = Kind.NUMBER  # the sum of a value over the session, or the first text of it
        if fixed not in (None, use.kind):
            assert fixed is not None
            name = ".".join(place.path)
            message = f"`{name}` is {called(fixed)}, but {called(use.kind)} is needed here"
            advice = "Compare it with a number, such as `elapsed < 60`."
            if fixed is Kind.TRUTH:
                advice = "True and false stand alone in a condition: `matched and elapsed < 60`."
            raise Refusal("kind-conflict", message, advice)
        for event, value in self._values(place):
            event.kinds.ask(value, use)

    def unite(self, one: Place, other: Place) -> None:
        """Note that two columns are of one kind, as far as it is known of either."""
        for known, asked in ((one, other), (other, one)):
            kind = self.kind(known)
            if kind is not None:
                self.ask(asked, Use(kind, 0))

    def kind(self, place: Place) -> Kind | None:
        """The kind of a column; None where nothing tells."""
        fixed = fixed_kind(self.stream, place.path)
        if fixed is not None:
            return fixed
        kinds = [event.kinds.kind(value) for event, value in self._values(place)]
        return next((kind for kind in kinds if kind is not None), None)

    def _values(self, place: Place) -> Iterator[tuple[DraftEvent, Place]]:
        """The events' values behind a column."""
        if fixed_kind(self.stream, place.path) is not None:
            return
        alias = place.path[0] if len(place.path) > 1 else None
        for part, event in self.stream.parts.items():
            draft = self.events[event]
            if alias in (None, part) and place.path[-1] in draft.source.values:
                yield draft, Place(place.path[-1:], is_value=True)


@dataclass(frozen=True, slots=True)
class StreamScope:
    """Names are the columns of a stream's items."""

    kinds: StreamKinds
    line: int

    def place(self, code: Code, node: ast.expr) -> Place:
        """One of the columns. Raises Refusal for any other name."""
        path = place_of(node) or ()
        names, stream = self.kinds.names, self.kinds.stream
        known = spellings(names, stream)
        column = known.get(".".join(path))
        if column is not None:
            return Place(tuple(column.split(".")), is_value=True)
        if any(names.findings.is_broken("events", event) for event in stream.parts.values()):
            raise Broken
        written = code.written(node)
        message = f"the stream `{stream.name}` has no column `{written}`"
        advice = suggestion(written, known, f"columns of `{stream.name}`")
        raise code.refusal(node, "unknown-column", message, advice)


def use_in_stream(names: Names, kinds: StreamKinds, within: Written, aggregate: Aggregate) -> None:
    """Note what an aggregate uses the columns of a stream as."""
    if aggregate.part is not None and aggregate.function != "distinct":
        with names.findings.catching(within.at), within.code.pointing_at(aggregate.node.args[0]):
            place = Place(tuple(aggregate.part.split(".")), is_value=True)
            kinds.ask(place, Use(Kind.NUMBER, within.line))
    if aggregate.where is not None:
        with names.findings.catching(within.at):
            infer(within.code, aggregate.where, StreamScope(kinds, within.line), Kind.TRUTH)
