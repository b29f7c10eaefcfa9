"""Attributes: what events teach about entities."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pipeline.spec.findings import Broken
from pipeline.spec.problem import Refusal, a, suggestion

if TYPE_CHECKING:
    from pipeline.spec.names import Names
    from pipeline.spec.schema import Attribute, Definition

_FROM: Final = re.compile(r"([a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)")


def check_attributes(names: Names) -> None:
    """Report attributes that no event can teach."""
    for entity, attributes in names.definition.entities.items():
        with names.findings.catching(("entities", entity), key=True):
            names.check_entity(entity)
            for name, attribute in attributes.items():
                _check(names, entity, name, attribute)


def teachers(definition: Definition) -> frozenset[str]:
    """The events that teach an attribute, whether or not some set asks for it."""
    return frozenset(
        attribute.from_.partition(".")[0]
        for attributes in definition.entities.values()
        for attribute in attributes.values()
    )


def what_is(attribute: Attribute) -> str:
    """What an attribute is, in a sentence."""
    return "a value" if attribute.is_ is None else a(attribute.is_)


def _check(names: Names, entity: str, name: str, attribute: Attribute) -> None:
    at = ("entities", entity, name)
    if attribute.is_ is not None:
        with names.findings.catching((*at, "is")):
            names.check_entity(attribute.is_)
    with names.findings.catching((*at, "from")):
        event, part = _teacher(names, attribute.from_)
        names.check_carries(event, entity)
        if attribute.is_ is None:
            _check_value(names, event, part)
        else:
            names.check_carries(event, part)


def _teacher(names: Names, text: str) -> tuple[str, str]:
    """The event that teaches, and which part of it."""
    found = _FROM.fullmatch(text)
    if not found:
        raise Refusal(
            "bad-attribute",
            f"`{text}` does not say which id or value of which event",
            "Write the event and the id it carries, `shared.user`, or a value of it.",
        )
    event, part = found.groups()
    if names.section_of(event) != "events":
        refusal = names.unknown(event, "events")
        refusal.end = len(event)
        raise refusal
    return event, part


def _check_value(names: Names, event: str, value: str) -> None:
    source = names.event(event)
    if value in source.values:
        return
    if names.findings.is_broken("events", event, "values"):
        raise Broken
    if value in source.ids:
        raise Refusal(
            "bad-attribute",
            f"`{value}` is an id of `{event}`, not a value",
            f"Say whose id it is: `{{is: {value}, from: {event}.{value}}}`.",
        )
    advice = suggestion(value, source.values, f"values of `{event}`")
    raise Refusal(
        "unknown-value",
        f"the event `{event}` has no value `{value}`",
        f"{advice} An id needs `is:`, the entity that the attribute is.",
    )
