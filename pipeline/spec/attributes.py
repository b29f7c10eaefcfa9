"""Attributes: what events teach about entities."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pipeline.spec.problem import Refusal

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


def _check(names: Names, entity: str, name: str, attribute: Attribute) -> None:
    at = ("entities", entity, name)
    with names.findings.catching((*at, "is")):
        names.check_entity(attribute.is_)
    with names.findings.catching((*at, "from")):
        _check_from(names, entity, attribute.from_)


def _check_from(names: Names, entity: str, text: str) -> None:
    found = _FROM.fullmatch(text)
    if not found:
        raise Refusal(
            "bad-attribute",
            f"`{text}` does not say which id of which event",
            "Write the event and the id it carries: `shared.user`.",
        )
    event, other = found.groups()
    if names.section_of(event) != "events":
        refusal = names.unknown(event, "events")
        refusal.end = len(event)
        raise refusal
    names.check_carries(event, entity)
    names.check_carries(event, other)
