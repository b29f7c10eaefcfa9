"""Events that others undo: a row does not exist once its undoing is visible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.core.streams import Keep, StreamKind
from pipeline.core.windows import Anchored
from pipeline.spec.attributes import teachers
from pipeline.spec.memories import ROW
from pipeline.spec.problem import Refusal, a, listed
from pipeline.spec.spans import duration_ms
from pipeline.spec.streams import DraftStream

if TYPE_CHECKING:
    from pipeline.spec.aggregate import Aggregate
    from pipeline.spec.names import Names
    from pipeline.spec.stream_schema import UndoSource

OF_UNDONE: Final = ("count", "sum", "mean", "distinct", "min", "max", "median", "quantile")
UNDOING: Final = "undoing"  # the second part of the streams that undone events are counted by


def check_undone(names: Names) -> None:
    """Report events that cannot be undone as they say."""
    for name, source in names.definition.events.items():
        if source.undone_by is not None:
            _check(names, name, source.undone_by)
    _check_uses(names)


def _check(names: Names, name: str, undo: UndoSource) -> None:
    at = ("events", name, "undone_by")
    with names.findings.catching((*at, "event")):
        if names.section_of(undo.event) != "events":
            raise names.unknown(undo.event, "events")
        if names.event(undo.event).undone_by is not None:
            message = f"`{undo.event}` may be undone itself"
            advice = "What undoes an event stands for good; count the two apart."
            raise Refusal("bad-undo", message, advice)
    with names.findings.catching((*at, "by")):
        names.check_entity(undo.by)
        names.check_carries(name, undo.by)
        names.check_carries(undo.event, undo.by)


def _check_uses(names: Names) -> None:
    """Refuse such events where their rows are needed for good."""
    definition, findings = names.definition, names.findings
    undone = {name for name, event in definition.events.items() if event.undone_by is not None}
    for name in sorted(undone & teachers(definition)):
        message = f"`{name}` teaches an attribute, and so cannot be undone"
        advice = "Teach it by another event of the same records, without `undone_by`."
        findings.refuse_key(("events", name, "undone_by"), Refusal("bad-undo", message, advice))
    for name, stream in definition.streams.items():
        for kind in StreamKind:
            parts = getattr(stream, kind.value)
            taken = undone & {*parts.values()} if isinstance(parts, dict) else ()
            for event in sorted(taken):
                message = f"`{event}` may be undone, and so is no part of a stream"
                advice = "Make an event of the same records without `undone_by`."
                findings.refuse(("streams", name, kind.value), Refusal("bad-undo", message, advice))


def refused_undone(aggregate: Aggregate, undo: UndoSource) -> Refusal:
    """What an event that may be undone is asked for, and has not."""
    message = f"`{aggregate.subject}` may be undone by `{undo.event}`"
    otherwise = "or take an event of the same records without `undone_by`"
    if aggregate.function not in OF_UNDONE:
        return Refusal("bad-undo", message, f"Such an event has {listed(OF_UNDONE)} only.")
    if isinstance(aggregate.window, Anchored):
        message += ", and so is not looked at in a window of each entity's own"
        advice = f'Give it another, `{aggregate.function}(…, window="trailing 7d")`, {otherwise}.'
    elif aggregate.within is not None:
        message += ", and so does not say whom members of a set have met"
        advice = f"Take out `within=`, {otherwise}."
    else:
        message += f", and so is not told apart by what {a(aggregate.known_of or '')} was"
        advice = f"Let a value of the event say it, {otherwise}."
    return Refusal("bad-undo", message, advice)


@dataclass(frozen=True, slots=True)
class Undone:
    """An event's rows as a stream of an entity: those that nothing has undone so far."""

    names: Names
    event: str
    undo: UndoSource

    def stream(self, entity: str) -> DraftStream:
        """Rows and what undoes them, in groups of one `by` id."""
        same = () if entity == self.undo.by else (self.undo.by,)
        parts = {ROW: self.event, UNDOING: self.undo.event}
        within_ms = duration_ms(self.undo.within)
        name = f"{self.event} undone by {self.undo.event}"
        kind = StreamKind.PAIR
        return DraftStream(name, kind, parts, entity, same, within_ms, keep=Keep.STANDING)
