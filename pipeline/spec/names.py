"""Which names a definition has, and what to say about one that it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from pipeline.spec.findings import Broken
from pipeline.spec.problem import Refusal, a, listed, suggestion
from pipeline.spec.spans import WEEKDAYS, Zone

if TYPE_CHECKING:
    from pipeline.spec.findings import Findings
    from pipeline.spec.load import DataPath
    from pipeline.spec.params import Given
    from pipeline.spec.schema import Attribute, EventSource, MetricSource, SetSource
    from pipeline.spec.stream_schema import StreamSource
    from pipeline.spec.variants import Spelled

_Source = TypeVar("_Source")

SECTIONS: Final = ("events", "streams", "sets", "metrics")
_NOUNS: Final = {
    "events": "an event", "streams": "a stream", "sets": "a set", "metrics": "a metric",
}  # fmt: skip

_AS_METRIC: Final = {
    "events": "Give it a metric: `{{value: count({0}), window: trailing 7d}}`, and name that one.",
    "streams": "Give it a metric: `{{value: count({0}), window: trailing 7d}}`, and name that one.",
    "sets": "Give it a metric: `{{value: size({0})}}`, and name that one.",
}


class Names:
    """Looks up the names of one definition.

    Every lookup raises `Broken` for a name that the file has but that could not be read, so that
    one mistake is one problem.
    """

    def __init__(self, spelled: Spelled, findings: Findings) -> None:
        self._spelled = spelled
        self.definition = definition = spelled.definition
        self.findings = findings
        self.event_index = {name: at for at, name in enumerate(definition.events)}
        calendar = definition.calendar
        self.zone = Zone(calendar.zone, WEEKDAYS.index(calendar.week_starts))
        data = findings.document.data
        self._written = {
            section: dict.fromkeys([*(data.get(section) or {}), *getattr(definition, section)])
            for section in SECTIONS
        }

    def given(self, at: DataPath) -> Given:
        """What names of numbers, and of sets of a variant, stand for in an expression."""
        return self._spelled.given(self.findings, at)

    def section_of(self, name: str) -> str | None:
        """Which of `SECTIONS` a name is in; None for one that nothing is called.

        Of a set and a metric of one name it is the set's.
        """
        return next((part for part in SECTIONS if name in self._written[part]), None)

    def is_metric(self, name: str) -> bool:
        """Whether a metric is called so; a set may be, too."""
        return name in self._written["metrics"]

    def all_of(self, *sections: str) -> list[str]:
        """All names of some sections, as written."""
        return [name for section in sections for name in self._written[section]]

    def event(self, name: str) -> EventSource:
        """An event that is known to be one."""
        return _read(self.definition.events.get(name))

    def stream(self, name: str) -> StreamSource:
        """A stream that is known to be one."""
        if self.findings.is_broken("streams", name):
            raise Broken
        return _read(self.definition.streams.get(name))

    def set(self, name: str) -> SetSource:
        """A set that is known to be one."""
        return _read(self.definition.sets.get(name))

    def metric(self, name: str) -> MetricSource:
        """A metric, for whoever names one outside of an expression."""
        if not self.is_metric(name):
            raise self.unknown(name, "metrics")
        return _read(self.definition.metrics.get(name))

    def attribute(self, entity: str, name: str) -> Attribute:
        """What events teach about an entity."""
        attributes = self.definition.entities.get(entity, {})
        if name in attributes:
            return attributes[name]
        if self.findings.is_broken("entities", entity):
            raise Broken
        advice = suggestion(name, attributes, f"attributes of `{entity}`")
        if not attributes:
            advice = f"Add it: `entities: {{{entity}: {{{name}: {{is: …, from: event.entity}}}}}}`."
        raise Refusal("unknown-attribute", f"`{entity}` has no attribute `{name}`", advice)

    def entities(self) -> list[str]:
        """Every entity that some event carries the id of."""
        events = self.definition.events.values()
        return list(dict.fromkeys(entity for event in events for entity in event.ids))

    def check_entity(self, name: str) -> None:
        """Refuse an entity that no event carries the id of."""
        if name in self.entities():
            return
        if any(self.findings.is_broken("events", event) for event in self._written["events"]):
            raise Broken
        advice = suggestion(name, self.entities(), "entities")
        raise Refusal("unknown-entity", f"no event carries the id of {a(name)}", advice)

    def check_carries(self, event: str, entity: str) -> None:
        """Refuse an event that does not carry the id of an entity."""
        if entity in self.event(event).ids:
            return
        if self.findings.is_broken("events", event, "ids"):
            raise Broken
        ids = self.event(event).ids
        raise Refusal(
            "missing-id",
            f"the event `{event}` carries no id of {a(entity)}",
            f"{suggestion(entity, ids, f'ids of `{event}`')} "
            f"Or add it: `ids: {{{entity}: path.to.its.id}}`.",
        )

    def unknown(self, name: str, *sections: str) -> Refusal:
        """A refusal of a name that is in none of these sections."""
        other = self.section_of(name)
        wanted = " or ".join(_NOUNS[section] for section in sections)
        plural = " and ".join(sections)
        copies = {at[1] for at in self.findings.document.copies if at[0] == "sets"}
        known = [one for one in self.all_of(*sections) if one not in copies]
        advice = suggestion(name, known, plural)
        if other is not None:
            if sections == ("metrics",):
                advice = self._as_metric(other, name)
            return Refusal("wrong-noun", f"`{name}` is {_NOUNS[other]}, not {wanted}", advice)
        events = [event for event, one in self.definition.events.items() if name in one.name]
        if "events" in sections and events:
            advice = f"It is what records are called; here they are {listed(events)}."
        singular = " or ".join(section.removesuffix("s") for section in sections)
        return Refusal(f"unknown-{sections[0][:-1]}", f"there is no {singular} `{name}`", advice)

    def _as_metric(self, section: str, name: str) -> str:
        """What to name instead of a set, event or stream where metrics stand."""
        metrics = self.definition.metrics.items()
        value = f"size({name})"
        sizes = [metric for metric, one in metrics if section == "sets" and one.value == value]
        if sizes:
            return f"How many members it has is {listed(sizes[:1])}: write that."
        return _AS_METRIC[section].format(name)


def _read(source: _Source | None) -> _Source:
    if source is None:
        raise Broken
    return source
