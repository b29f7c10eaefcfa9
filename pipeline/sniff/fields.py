"""Events and their fields: how many, of which types, and of short texts that are shared which.

A value is shown only where it says nothing of anybody: it is a short word, the field has few of
them, its place does not sound like an id, and at least three users (five records, where no user is
known) have it. Keys that look like ids themselves are shown as `*`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.core.envelope import Envelope
from pipeline.core.expression import Path
from pipeline.sniff.envelope import Fit, user_paths
from pipeline.sniff.sample import Sample, Seen
from pipeline.spec.paths import UNREADABLE, path_of, path_text

DEPTH_MAX: Final = 5
KEYS_MAX: Final = 60  # more below one key are no names but data
VALUES_MAX: Final = 8
USERS_MIN: Final = 3
RECORDS_MIN: Final = 5
NAME_LENGTH_MAX: Final = 64

_WORD: Final = re.compile(r"[A-Za-z][A-Za-z _/-]{0,19}")
_PRIVATE: Final = re.compile(
    r"(^|_)(u?u?id|key|[a-z]*(token|secret|mail|phone|name|address)|hash|ip|user|login|street|zip"
    r"|city|lat|lon|birth[a-z]*|nick|handle|title|text|message|query|url|path|referrer|gender"
    r"|religion)s?($|_)"
)
_DATA_KEY: Final = re.compile(r"\d{4}|@|^[0-9a-fA-F-]{16,}$|^\d")
_TYPES: Final = {str: "text", bool: "truth", int: "number", float: "number", dict: "object"}


@dataclass(slots=True)
class Field:
    """One place of an event: in how many it is present, and as what."""

    present: int = 0
    types: Counter[str] = field(default_factory=Counter)
    negative: bool = False
    _values: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _counts: Counter[str] = field(default_factory=Counter)
    _is_open: bool = False

    def add(self, value: object, user: str | None) -> None:
        """Take in what one event has here."""
        self.present += 1
        self.types[_TYPES.get(type(value), "list" if isinstance(value, list) else "other")] += 1
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.negative |= value < 0
        if isinstance(value, str) and not self._is_open:
            self._counts[value] += 1
            if user is not None:
                self._values[value].add(user)
            # Once there are many, or one is no word, no value of this field is ever shown.
            self._is_open = len(self._counts) > VALUES_MAX or not _WORD.fullmatch(value)
            if self._is_open:
                self._counts.clear()
                self._values.clear()

    def shared_values(self) -> list[str]:
        """Short texts that many have in common, the most frequent first."""
        return [
            value
            for value, count in self._counts.most_common()
            if count >= RECORDS_MIN and (not self._values or len(self._values[value]) >= USERS_MIN)
        ]


@dataclass(slots=True)
class EventSeen:
    """Events of one name."""

    count: int = 0
    users: set[str] = field(default_factory=set)
    fields: dict[Path, Field] = field(default_factory=lambda: defaultdict(Field))


def events_seen(sample: Sample, fit: Fit) -> dict[str, EventSeen]:
    """What a sample holds, by name of event, the most frequent first."""
    found: dict[str, EventSeen] = defaultdict(EventSeen)
    users = user_paths(fit.source)
    open_keys = _open_keys(sample, fit.envelope)
    for seen in sample.events(fit.envelope):
        name = seen.first(fit.envelope.names) or fit.envelope.constant
        if isinstance(name, str):
            _note(found[name], seen, users, open_keys)
    return dict(sorted(found.items(), key=lambda item: (-item[1].count, item[0])))


def _note(event: EventSeen, seen: Seen, users: Sequence[Path], open_keys: set[Path]) -> None:
    user = seen.first(users)
    event.count += 1
    who = None if user is None else str(user)
    if who is not None:
        event.users.add(who)
    noted = set()
    for path, value in _places(seen.body, (), open_keys):
        if path not in noted and value is not None:
            noted.add(path)
            event.fields[path].add(value, who)


def _open_keys(sample: Sample, envelope: Envelope) -> set[Path]:
    """Objects whose keys are data: too many of them differ."""
    keys: dict[Path, set[str]] = defaultdict(set)
    for seen in sample.events(envelope):
        for path, _ in _places(seen.body, (), set()):
            for depth in range(len(path)):
                if len(keys[path[:depth]]) <= KEYS_MAX:
                    keys[path[:depth]].add(path[depth])
    return {path for path, below in keys.items() if len(below) > KEYS_MAX}


def _places(body: dict[str, Any], above: Path, open_keys: set[Path]) -> Iterator[tuple[Path, Any]]:
    for key, value in body.items():
        path = (*above, "*" if above in open_keys or is_data(key) else key)
        if isinstance(value, dict) and value and len(path) < DEPTH_MAX:
            yield from _places(value, path, open_keys)
        else:
            yield path, value


def is_data(key: str) -> bool:
    """Whether a key looks like an id or a value rather than the name of a field."""
    too_long = len(key) > NAME_LENGTH_MAX
    return too_long or bool(_DATA_KEY.search(key) or UNREADABLE.search(key))


def is_private(path: Path, fit: Fit) -> bool:
    """Whether a place sounds like one of ids or of what people have written."""
    envelope = fit.envelope
    own = {*user_paths(fit.source), *envelope.id, *(time.path for time in envelope.times)}
    own |= {path_of(text) for each in fit.source.ids.values() for text in each.first or ()}
    words = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower() for key in path]
    return path in own or any(map(_PRIVATE.search, words))


def told(event: EventSeen, fit: Fit) -> list[dict[str, Any]]:
    """The fields of an event as plain data, in the order of the record."""
    return [
        {
            "field": _text(path),
            "present": round(found.present / event.count, 4),
            "types": dict(found.types),
            "values": [] if is_private(path, fit) else found.shared_values(),
        }
        for path, found in sorted(event.fields.items())
    ]


def _text(path: Path) -> str:
    return ".".join("*" if key == "*" else path_text((key,)) for key in path).replace(".[", "[")


def shown_name(name: str) -> str:
    """The name of an event as people are shown it: of one line, and not too long."""
    clean = "".join(character if character.isprintable() else "?" for character in name)
    return clean if len(clean) <= NAME_LENGTH_MAX else f"{clean[: NAME_LENGTH_MAX - 1]}…"
