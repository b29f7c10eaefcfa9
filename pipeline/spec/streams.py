"""Streams: what several events make together, its parts and columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pipeline.core import streams as core
from pipeline.core.expression import Kind
from pipeline.core.plan import IdMode
from pipeline.core.streams import Keep, Seed, StreamKind
from pipeline.core.windows import DAY_MS
from pipeline.spec.envelopes import id_of
from pipeline.spec.findings import Broken
from pipeline.spec.problem import Refusal, a, listed
from pipeline.spec.seeds import read_seed
from pipeline.spec.spans import IDLE_MS, duration_ms

if TYPE_CHECKING:
    from pipeline.spec.findings import Findings
    from pipeline.spec.load import DataPath
    from pipeline.spec.names import Names
    from pipeline.spec.stream_schema import StreamSource

WITHIN_MS: Final = 90 * DAY_MS  # of a gap, where nothing else is written
STEPS_MAX: Final = 20

# The columns of each kind beside those of its parts.
COLUMNS: Final = {
    StreamKind.FIRST: {},
    StreamKind.GAP: {core.ELAPSED: Kind.NUMBER},
    StreamKind.SESSION: {
        core.LENGTH: Kind.NUMBER,
        core.COUNT: Kind.NUMBER,
        core.IS_FIRST: Kind.TRUTH,
        core.ENDED: Kind.TRUTH,
    },
    StreamKind.PAIR: {
        core.MATCHED: Kind.TRUTH,
        core.DECIDED: Kind.TRUTH,
        core.ELAPSED: Kind.NUMBER,
    },
    StreamKind.SEQUENCE: {core.STEPS: Kind.NUMBER, core.ELAPSED: Kind.NUMBER},
}
_OPTIONS: Final = {  # which keys go with which kind, beside `by`
    StreamKind.FIRST: ("same", "seed", "remember"),
    StreamKind.GAP: ("same", "within"),
    StreamKind.SESSION: ("same", "gap", "id"),
    StreamKind.PAIR: ("same", "within", "keep", "at"),
    StreamKind.SEQUENCE: ("same", "within"),
}
_ALL_OPTIONS: Final = ("same", "within", "gap", "id", "keep", "at", "seed", "remember")


@dataclass(frozen=True, slots=True)
class DraftStream:
    """A stream as written: `parts` are its events by alias, `same` the ids that make groups."""

    name: str
    kind: StreamKind
    parts: dict[str, str]
    by: str
    same: tuple[str, ...]
    within_ms: int | None
    ends_ms: int = 0
    keep: Keep = Keep.ALL
    at_last: bool = False
    seed: Seed | None = None


def read_streams(names: Names) -> dict[str, DraftStream]:
    """All streams that can be read; the others are reported."""
    found = {}
    for name, source in names.definition.streams.items():
        if not names.findings.is_broken("streams", name):
            stream = _read(names, name, source)
            if stream is not None:
                found[name] = stream
    return found


def for_ever(names: Names) -> frozenset[str]:
    """The events of which the earliest is kept, whether or not anything looks at it."""
    sources = names.definition.streams.values()
    return frozenset(event for each in sources for event in (each.first or {}).values())


def kind_of(source: StreamSource) -> StreamKind:
    """Which kind a stream is; one of the keys says so."""
    if source.session is not None:
        return StreamKind.SESSION
    if isinstance(source.gap, dict):
        return StreamKind.GAP
    given = {
        StreamKind.FIRST: source.first,
        StreamKind.PAIR: source.pair,
        StreamKind.SEQUENCE: source.sequence,
    }
    return next(kind for kind, parts in given.items() if parts is not None)


def _read(names: Names, name: str, source: StreamSource) -> DraftStream | None:
    kind, at = kind_of(source), ("streams", name)
    parts = getattr(source, kind.value)
    _check_parts(names, at, kind, parts)
    _check_ids(names, at, source, parts)
    _check_options(names.findings, at, kind, source)
    if names.findings.is_broken(*at):
        return None
    drafted = draft_of(name, source)
    return drafted if source.seed is None else _seeded(names, at, drafted, source.seed)


def _seeded(
    names: Names, at: tuple[str, str], stream: DraftStream, file: str
) -> DraftStream | None:
    """The stream with what a file says of it; None where that has a problem."""
    with names.findings.catching((*at, "seed")):
        if stream.same:
            message = "a seed says one first row of each entity, and this stream has one of each "
            message += f"{listed((stream.by, *stream.same))}"
            advice = "Take out `same`, or the seed."
            raise Refusal("bad-seed", message, advice)
        for event in stream.parts.values():
            if names.findings.is_broken("events", event, "ids"):
                raise Broken
            source, envelope = names.event(event).ids[stream.by], names.definition.source.envelope
            if id_of(source, stream.by, envelope).mode is IdMode.TOGETHER:
                message = f"`{event}` makes the id of {a(stream.by)} of several, and a line has one"
                raise Refusal("bad-seed", message, "Take out `seed`.")
        return replace(stream, seed=read_seed(names.findings, (*at, "seed"), file))
    return None


def draft_of(name: str, source: StreamSource) -> DraftStream:
    """A stream as written, whether or not all of it is right."""
    kind = kind_of(source)
    same = [*source.same, *([] if source.id is None else [source.id])]
    return DraftStream(
        name,
        kind,
        getattr(source, kind.value),
        source.by,
        tuple(sorted(dict.fromkeys(same))),
        _within_ms(kind, source),
        _idle_ms(source) if kind is StreamKind.SESSION else 0,
        Keep(source.keep or "all"),
        source.at == "second",
    )


def _within_ms(kind: StreamKind, source: StreamSource) -> int | None:
    if kind is StreamKind.SESSION:
        return _idle_ms(source) if source.id is None else None
    if source.within is not None:
        return duration_ms(source.within)
    return WITHIN_MS if kind is StreamKind.GAP else None


def _idle_ms(source: StreamSource) -> int:
    return duration_ms(source.gap) if isinstance(source.gap, str) else IDLE_MS


def _check_parts(
    names: Names, at: tuple[str, ...], kind: StreamKind, parts: dict[str, str]
) -> None:
    key = kind.value
    with names.findings.catching((*at, key)):
        if kind is StreamKind.PAIR and len(parts) != 2:  # noqa: PLR2004 - it is a pair
            message = f"a pair has two events, not {len(parts)}"
            advice = "Write `pair: [placed, delivered]`; for more steps `sequence: […]`."
            raise Refusal("bad-stream", message, advice)
        if kind is StreamKind.SEQUENCE and not 2 <= len(parts) <= STEPS_MAX:  # noqa: PLR2004
            message = f"a sequence has 2 to {STEPS_MAX} steps, not {len(parts)}"
            raise Refusal("bad-stream", message, "Write `sequence: [searched, carted, ordered]`.")
    for number, (alias, event) in enumerate(parts.items()):
        places: tuple[DataPath, ...] = ((*at, key, alias), (*at, key, number), (*at, key))
        place = next(one for one in places if one in names.findings.document.values)
        with names.findings.catching(place):
            _check_event(names, event)
            if alias in COLUMNS[kind]:
                message = f"`{alias}` is a column that every {key} has"
                advice = f"Give the event another name here: `{key}: {{{alias}_event: {event}}}`."
                raise Refusal("bad-stream", message, advice)


def _check_event(names: Names, event: str) -> None:
    if names.section_of(event) != "events":
        raise names.unknown(event, "events")
    names.event(event)


def _check_ids(
    names: Names, at: tuple[str, ...], source: StreamSource, parts: dict[str, str]
) -> None:
    if names.findings.is_broken(*at):
        return
    ids: list[tuple[DataPath, str | None]] = [((*at, "by"), source.by), ((*at, "id"), source.id)]
    ids += [((*at, "same", number), each) for number, each in enumerate(source.same)]
    for where, entity in ids:
        with names.findings.catching(where):
            for event in parts.values() if entity is not None else ():
                names.check_entity(entity or "")
                names.check_carries(event, entity or "")


def _check_options(
    findings: Findings, at: tuple[str, ...], kind: StreamKind, source: StreamSource
) -> None:
    given = source.model_fields_set
    for key in _ALL_OPTIONS:
        if key in given and key not in _OPTIONS[kind] and key != kind.value:
            message = f"`{key}` says nothing of {a(kind.value)}"
            options = listed(("by", *_OPTIONS[kind]))
            refusal = Refusal("bad-stream", message, f"Remove it. Its keys are {options}.")
            findings.refuse_key((*at, key), refusal)
    if kind in (StreamKind.PAIR, StreamKind.SEQUENCE) and source.within is None:
        message = f"nothing says how long {a(kind.value)} may take"
        advice = "Add `within: 1h`, from the first event to the last."
        findings.refuse_key(at, Refusal("bad-stream", message, advice))
    if source.at == "second" and source.keep != "matched":
        message = "without its second event an item has no place of its own in time"
        advice = "Add `keep: matched`, or remove `at: second`."
        findings.refuse((*at, "at"), Refusal("bad-stream", message, advice))


def stream_of(names: Names, streams: dict[str, DraftStream], name: str) -> DraftStream:
    """A stream that is known to be one. Raises Broken for one with a problem."""
    if name not in streams:
        assert names.section_of(name) == "streams"
        raise Broken
    return streams[name]
