"""What an aggregate looks at: an event or one of its parts, a set or one of its attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.spec import growth
from pipeline.spec.attributes import what_is
from pipeline.spec.findings import Broken
from pipeline.spec.measures import OF_IDS, OF_PARTS
from pipeline.spec.problem import Refusal, a, listed, suggestion
from pipeline.spec.stream_columns import spellings
from pipeline.spec.streams import draft_of
from pipeline.spec.syntax import place_of

if TYPE_CHECKING:
    import ast

    from pipeline.core.windows import Window
    from pipeline.spec.load import DataPath
    from pipeline.spec.names import Names
    from pipeline.spec.schema import SetSource
    from pipeline.spec.stream_schema import StreamSource
    from pipeline.spec.syntax import Code


@dataclass(slots=True)
class Home:
    """The expression that aggregates stand in.

    `entity` is that of the set, None for a metric. `uses_window` tells, after reading, whether any
    aggregate looks at the home's own window.
    """

    at: DataPath
    code: Code
    names: Names
    entity: str | None
    window: Window | None
    is_window_broken: bool
    uses_window: bool = False


def part_of_event(home: Home, function: str, argument: ast.expr) -> str | None:
    """The entity of a distinct, the value of a sum or mean, None for what counts events.

    Raises:
        Refusal: where the event has no such part, or the function takes another one.
        Broken: where the event has a problem of its own.
    """
    event, *rest = place_of(argument) or ()
    home.names.event(event)
    if home.entity is not None:
        home.names.check_carries(event, home.entity)
    if function in ("size", "cohort") or function in growth.FORMS:
        raise _no_set(home, function, event)
    with home.code.pointing_at(argument, last=True):
        if function in OF_PARTS:
            return _known_part(home, function, event, rest)
        if rest:
            raise _no_part(home, function, event, rest[0])
    return None


def _no_set(home: Home, function: str, event: str) -> Refusal:
    """What to write for a function of sets that is asked about an event."""
    entity = next(iter(home.names.event(event).ids), None)
    who = f"`{{of: {entity or 'user'}, when: count({event}) >= 1, window: trailing 7d}}`"
    advice = f"Make a set of whom it is about, {who}, and write its name here."
    if function == "size":
        distinct = f", or `distinct({event}.{entity})` for how many different ones" * bool(entity)
        advice = f"Write `count({event})` for how many events{distinct}."
    return Refusal("wrong-noun", f"`{event}` is an event, not a set", advice)


def part_of_set(home: Home, function: str, argument: ast.expr) -> str | None:
    """The attribute that members are counted by, None for a size.

    Raises:
        Refusal: where the function is not for sets, or the attribute is of another entity.
        Broken: where the set has a problem of its own.
    """
    name, *rest = place_of(argument) or ()
    source = home.names.set(name)
    if home.entity is None:
        if function == "cohort" and not rest:
            if home.names.findings.is_broken("sets", name, "window"):
                raise Broken
            _check_cohort(name, source)
        elif rest or (function != "size" and function not in growth.FORMS):
            advice = f"Write `size({name})` for how many members it has."
            raise Refusal("bad-aggregate", f"`{name}` is a set, which has a size only", advice)
        return None
    if function != "count" or not rest:
        raise Refusal(
            "bad-aggregate",
            f"`{name}` is a set; its members are counted by one of their attributes",
            f"Write `count({name}.{_fitting_attribute(home, source.of)})`, "
            f"with an attribute of `{source.of}` that is {a(home.entity)}.",
        )
    with home.code.pointing_at(argument, last=True):
        _check_attribute(home, home.entity, source.of, rest[0])
    return rest[0]


OF_STREAMS: Final = (
    *("count", "sum", "mean", "min", "max", "median", "quantile"),
    *("distinct", "reached"),
)


def part_of_stream(home: Home, function: str, argument: ast.expr) -> str | None:
    """The column of a sum or mean, the entity of a distinct, None for a count.

    Raises:
        Refusal: where the stream has no such column, or the function takes another one.
        Broken: where the stream has a problem of its own.
    """
    name, *rest = place_of(argument) or ()
    source = home.names.stream(name)
    if home.entity not in (None, source.by):
        raise Refusal(
            "wrong-entity",
            f"the items of `{name}` belong to {a(source.by)}, and this set is of `{home.entity}`",
            f"Make this a set of `{source.by}`, or the stream `by: {home.entity}`.",
        )
    _check_function(home, function, name, source)
    with home.code.pointing_at(argument, last=True):
        if function == "distinct":
            return _entity_of_stream(name, source, rest)
        if function in ("count", "reached"):
            if rest:
                message = f"`{function}` counts items, not a column of them"
                raise Refusal("bad-aggregate", message, f"Write `{function}({name}…)`.")
            return None
        return _known_column(home, function, name, rest)


def _check_function(home: Home, function: str, name: str, source: StreamSource) -> None:
    if function == "size":
        message = f"`{name}` is a stream; only sets have a size"
        raise Refusal("bad-aggregate", message, f"Write `count({name})`.")
    if function == "distinct" and home.entity is not None:
        message = f"all items of `{name}` that a set looks at belong to the one {source.by}"
        raise Refusal("bad-aggregate", message, f"Write `count({name}) >= 1`.")
    if function not in OF_STREAMS:
        message = f"`{function}` is for events; `{name}` is a stream"
        raise Refusal("bad-aggregate", message, f"Of streams there are {listed(OF_STREAMS)}.")
    if function == "reached" and source.sequence is None:
        message = f"`{name}` is no sequence, and has no steps"
        raise Refusal("bad-aggregate", message, f"Write `count({name}, where=…)`.")


def _entity_of_stream(name: str, source: StreamSource, rest: list[str]) -> str:
    if rest == [source.by]:
        return source.by
    message = f"the items of `{name}` belong to {a(source.by)} and to nobody else"
    raise Refusal("unknown-entity", message, f"Write `distinct({name}.{source.by})`.")


def _known_column(home: Home, function: str, name: str, rest: list[str]) -> str:
    known = spellings(home.names, draft_of(name, home.names.stream(name)))
    column = ".".join(rest)
    if column in known:
        return known[column]
    if not column:
        message = f"`{function}` does not say which of the columns of `{name}`"
        instead = [*known.values()][-1] if known else "column"
        raise Refusal("bad-aggregate", message, f"Write `{function}({name}.{instead})`.")
    message = f"the stream `{name}` has no column `{column}`"
    raise Refusal("unknown-column", message, suggestion(column, known, f"columns of `{name}`"))


def _check_cohort(name: str, source: SetSource) -> None:
    if source.window is None or not source.window.startswith("first "):
        raise Refusal(
            "bad-cohort",
            f"everybody takes part in `{name}`, at any time",
            f"Write `size({name})`, or give it a window such as `first 10d after signed_up`.",
        )


def _fitting_attribute(home: Home, of: str) -> str:
    """An attribute that leads to the set's own entity; just the word where there is none."""
    attributes = home.names.definition.entities.get(of, {})
    fitting = (name for name, one in attributes.items() if one.is_ == home.entity)
    return next(fitting, "attribute")


def _known_part(home: Home, function: str, event: str, rest: list[str]) -> str:
    source = home.names.event(event)
    plural = "ids" if function in OF_IDS else "values"
    known = list(source.ids if function in OF_IDS else source.values)
    if rest and rest[0] in known:
        return rest[0]
    if home.names.findings.is_broken("events", event, plural):
        raise Broken
    if not rest:
        message = f"`{function}` does not say which of the {plural} of `{event}`"
        instead = known[0] if known else plural.removesuffix("s")
        advice = f"Write `{function}({event}.{instead})`.{_how_to_add(plural, known, instead)}"
        raise Refusal("bad-aggregate", message, advice)
    message = f"the event `{event}` has no {plural.removesuffix('s')} `{rest[0]}`"
    name = "unknown-entity" if function in OF_IDS else "unknown-value"
    advice = suggestion(rest[0], known, f"{plural} of `{event}`")
    if function not in OF_IDS and rest[0] in source.ids:
        advice = f"It is an id. How many different ones there are: `distinct({event}.{rest[0]})`."
        raise Refusal(name, message, advice)
    if function in OF_IDS and rest[0] in source.values:
        advice = "It is a value, and different ones are told apart of ids: give the event "
        path = source.values[rest[0]].from_
        advice += f"`ids: {{{rest[0]}: {path if isinstance(path, str) else '…'}}}` as well."
        raise Refusal(name, message, advice)
    raise Refusal(name, message, advice + _how_to_add(plural, known, rest[0]))


def _how_to_add(plural: str, known: list[str], name: str) -> str:
    """Where an event gets its first value or id; nothing where it has some to copy from."""
    return "" if known else f" Give it one: `{plural}: {{{name}: properties.{name}}}`."


def _no_part(home: Home, function: str, event: str, part: str) -> Refusal:
    if function == "top_share":
        advice = f"Write `top_share({event}, by={part}, top=1%)`."
        return Refusal("bad-aggregate", "`top_share` is about events, with `by` beside", advice)
    source = home.names.event(event)
    instead = ""
    if part in source.ids:
        instead = f", or `distinct({event}.{part})` for how many different ones"
    elif part in source.values:
        instead = f", or `sum({event}.{part})` for their sum"
    message = f"`{function}` counts events, not `{part}` of them"
    return Refusal("bad-aggregate", message, f"Write `{function}({event})`{instead}.")


def _check_attribute(home: Home, wanted: str, of: str, name: str) -> None:
    attribute = home.names.attribute(of, name)
    if attribute.is_ != wanted:
        other = "" if attribute.is_ is None else f", or make this a set of `{attribute.is_}`"
        raise Refusal(
            "wrong-attribute",
            f"`{name}` of {a(of)} is {what_is(attribute)}, and this set is of `{wanted}`",
            f"Take an attribute that is {a(wanted)}{other}.",
        )
