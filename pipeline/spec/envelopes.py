"""Envelopes and ids -> plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core import plan
from pipeline.core.envelope import Envelope, TimePlace, TimeUnit
from pipeline.spec.envelope_schema import FirstTime
from pipeline.spec.paths import path_of
from pipeline.spec.problem import Refusal, suggestion

if TYPE_CHECKING:
    from pipeline.spec.envelope_schema import EnvelopeSource, IdSource
    from pipeline.spec.findings import Findings
    from pipeline.spec.names import Names


def envelope_of(source: EnvelopeSource) -> Envelope:
    """The plan's envelope."""
    name, message_id = source.name, source.id
    names = [name.from_] if name.from_ else name.first or []
    times = source.time.first if isinstance(source.time, FirstTime) else [source.time]
    ids: list[str] = []
    if message_id is not None:
        ids = [message_id.from_] if message_id.from_ else message_id.together or []
    return Envelope(
        tuple(map(path_of, names)),
        tuple(TimePlace(path_of(time.from_), TimeUnit(time.unit)) for time in times),
        tuple(map(path_of, ids)),
        name.constant,
        tuple(map(path_of, source.text)),
        source.each,
        source.binary_mode,
        tuple(map(path_of, source.exact)),
    )


def check_envelope(source: EnvelopeSource, findings: Findings) -> None:
    """Refuse what an envelope cannot mean."""
    at = ("source", "envelope")
    if source.each is not None and len(path_of(source.each)) > 1:
        refusal = Refusal(
            "bad-path",
            "the list has to stand at the top of the record",
            "Write its key alone: `each: events`.",
        )
        findings.refuse((*at, "each"), refusal)
    for entity, source_of in source.ids.items():
        if source_of.from_ is not None:
            refusal = Refusal(
                "bad-id-source",
                f"this is the envelope: nothing else says where the id of `{entity}` is",
                "Write a path, `{first: [path, …]}` or `{together: [path, …]}`.",
            )
            findings.refuse((*at, "ids", entity), refusal)


def check_ids(names: Names, event: str) -> None:
    """Refuse ids that an event takes from an envelope that has none of that entity."""
    known = names.definition.source.envelope.ids
    for entity, source in names.definition.events[event].ids.items():
        if source.from_ is not None and entity not in known:
            refusal = Refusal(
                "unknown-envelope-id",
                f"the envelope has no id of `{entity}`",
                suggestion(entity, known, "ids of the envelope")
                + f" Or say where it is: `ids: {{{entity}: path.to.its.id}}`.",
            )
            names.findings.refuse(("events", event, "ids", entity), refusal)


def id_of(source: IdSource, entity: str, envelope: EnvelopeSource) -> plan.IdSource:
    """The plan's id, whether the event or its envelope says where it is."""
    if source.from_ is not None:
        source = envelope.ids.get(entity, source)
    if source.first is not None:
        return plan.IdSource(plan.IdMode.FIRST, tuple(path_of(path) for path in source.first))
    paths = tuple(path_of(path) for path in source.together or ())
    return plan.IdSource(plan.IdMode.TOGETHER, paths)
