"""Where records keep their name, time and ids: by a preset, or spelled out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.oracle.model import Envelope, IdSource
from tests.oracle.presets import PRESETS
from tests.oracle.words import Path, path

Raw = dict[str, Any]
FROM_ENVELOPE = {"from": "envelope"}
NOTHING = Envelope((), (), None)


def _name(raw: str | Raw) -> Raw:
    if isinstance(raw, str):
        return {"names": (path(raw),), "constant": None}
    if "constant" in raw:
        return {"names": (), "constant": raw["constant"]}
    return {"names": tuple(path(p) for p in raw["first"]), "constant": None}


def _times(raw: str | Raw) -> tuple[tuple[Path, str], ...]:
    if isinstance(raw, str):
        return ((path(raw), "iso"),)
    if "first" in raw:
        return tuple(found for time in raw["first"] for found in _times(time))
    return ((path(raw["from"]), raw["unit"]),)


def id_source(raw: str | Raw) -> IdSource:
    """Read where an id is."""
    if isinstance(raw, str):
        return IdSource("path", (path(raw),))
    ((kind, paths),) = raw.items()
    return IdSource(kind, tuple(path(p) for p in paths))


READ: dict[str, Callable[[Any], Raw]] = {
    "name": _name,
    "time": lambda raw: {"times": _times(raw)},
    "id": lambda raw: {"id": id_source(raw)},
    "ids": lambda raw: {"ids": {entity: id_source(source) for entity, source in raw.items()}},
    "text": lambda raw: {"text": tuple(path(p) for p in raw)},
    "exact": lambda raw: {"exact": tuple(path(p) for p in raw)},
    "each": lambda raw: {"each": raw},
    "binary_mode": lambda raw: {"binary_mode": raw},
}
"""What each key of an envelope says."""


def envelope(raw: str | Raw) -> Envelope:
    """Read an envelope: the name of a preset, what differs from one, or all of it."""
    given: Raw = {"preset": raw} if isinstance(raw, str) else raw
    found = PRESETS[given["preset"]]() if "preset" in given else NOTHING
    for key in given.keys() - {"preset"}:
        found = replace(found, **READ[key](given[key]))
    return found


def event_ids(raw: list[str] | Raw, shared: dict[str, IdSource]) -> dict[str, IdSource]:
    """Read an event's ids, of which some may be those that every record has."""
    own: Raw = dict.fromkeys(raw, FROM_ENVELOPE) if isinstance(raw, list) else raw
    return {
        entity: shared[entity] if source == FROM_ENVELOPE else id_source(source)
        for entity, source in own.items()
    }
