"""Which envelope a sample is written in: each preset is tried, and the best tells why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pipeline.core.carried import is_carried
from pipeline.core.envelope import Envelope, TimePlace, TimeUnit
from pipeline.core.expression import Path
from pipeline.core.timestamps import BAD, milliseconds
from pipeline.sniff.sample import Sample, Seen
from pipeline.spec.envelope_schema import EnvelopeSource
from pipeline.spec.envelopes import envelope_of
from pipeline.spec.paths import path_of, path_text
from pipeline.spec.presets import ENVELOPES, preset

NAMES_FEW: Final = 3  # of events, in a sample however small
NAMES_SHARE: Final = 0.1
FITS: Final = 0.5  # of the events have a name and a time: less is chance
_KAFKA: Final = "kafka"  # fits whatever Kafka carries, so it is asked last

# What producers change about a preset, tried beside it.
_CHANGED: Final = (
    ("mixpanel", {"preset": "mixpanel", "time": {"from": "properties.time", "unit": "ms"}}),
)

# What producers call things where no tracker has named them for them.
_NAMES: Final = ("event", "event_name", "event_type", "eventName", "eventType", "name", "type")
_NAMES_ELSE: Final = ("kind", "action")
_HEADERS: Final = tuple(f"kafka.header.{name}" for name in (*_NAMES, *_NAMES_ELSE))
_TIMES: Final = ("timestamp", "time", "ts", "at", "event_time", "eventTime", "occurred_at")
_TIMES_ELSE: Final = ("created_at", "createdAt", "date", "datetime")
_IDS: Final = ("uuid", "message_id", "messageId", "event_id", "eventId", "id", "_id")
_USERS: Final = ("userId", "user_id", "user.id", "uid", "customer_id", "customerId", "account_id")
_USERS_ELSE: Final = ("anonymousId", "anonymous_id", "device_id", "deviceId", "session_id")
_UNITS: Final = ("iso", "utc", "s", "ms")
_TIME_MAX: Final = 1 << 53  # whole numbers may have any length, and a double cannot hold them all


@dataclass(frozen=True, slots=True)
class Fit:
    """How well an envelope fits: shares of the events that have a name, a time, an id, a user."""

    preset: str | None  # None: guessed, place by place
    source: EnvelopeSource
    written: Mapping[str, Any]  # as a definition has it, and a preset as what it stands for
    named: float
    timed: float
    identified: float
    with_user: float

    @property
    def envelope(self) -> Envelope:
        """As decode reads it."""
        return envelope_of(self.source)

    @property
    def spelled_out(self) -> Mapping[str, Any] | None:
        """What a definition writes, None where a preset's name is all."""
        return None if self.written is ENVELOPES.get(self.preset or "") else self.written

    @property
    def fits(self) -> bool:
        """Whether it is more than chance."""
        return self.named * self.timed >= FITS

    @property
    def rank(self) -> float:
        """How much speaks for it."""
        return self.named * self.timed * (1 + self.identified + self.with_user)

    @property
    def evidence(self) -> list[str]:
        """What speaks for it, in words."""
        envelope = self.envelope
        names = [path_text(path) for path in envelope.names]
        times = [f"{path_text(each.path)} ({each.unit.value})" for each in envelope.times]
        said = [
            (f"a name at {' or '.join(names)}", self.named),
            (f"a time at {' or '.join(times)}", self.timed),
            (f"an id of {' and '.join(map(path_text, envelope.id))}", self.identified),
            (f"a user at {' or '.join(map(path_text, user_paths(self.source)))}", self.with_user),
        ]
        found = [f"{share:.0%} have {what}" for what, share in said if share > 0]
        if not self.identified:
            found.append("no id of a record was found: repeated ones count again (`id: path`)")
        if not self.with_user:
            found.append("no user was found: say where one is (`ids: {user: path}`)")
        return found


def user_paths(source: EnvelopeSource) -> tuple[Path, ...]:
    """Where an envelope has its users."""
    user = source.ids.get("user")
    return () if user is None else tuple(map(path_of, user.first or user.together or ()))


def best_fit(sample: Sample) -> Fit | None:
    """The envelope that fits best: a preset, else a guess, else Kafka's own; None if none does."""
    tried = [_fit(sample, name, ENVELOPES[name]) for name in ENVELOPES if name != _KAFKA]
    tried += [_fit(sample, name, written) for name, written in _CHANGED]
    best = max(tried, key=lambda fit: fit.rank)
    if best.fits:
        return best
    guess, kafka = _guess(sample), _fit(sample, _KAFKA, _of_kafka(sample))
    if guess is not None and not _reads_as(guess.envelope, kafka.envelope):
        return guess
    return kafka if kafka.fits else None


def _of_kafka(sample: Sample) -> Mapping[str, Any]:
    """Kafka's own envelope, with the name from a header where one has names."""
    events = [*sample.events(envelope_of(EnvelopeSource.model_validate(ENVELOPES[_KAFKA])))]
    header = next((place for place in _HEADERS if _is_name(events, path_of(place))), None)
    return ENVELOPES[_KAFKA] if header is None else {"preset": _KAFKA, "name": header}


def _reads_as(one: Envelope, other: Envelope) -> bool:
    return (one.names, one.times) == (other.names, other.times)


def _fit(sample: Sample, name: str | None, written: Mapping[str, Any]) -> Fit:
    source = EnvelopeSource.model_validate(preset(written))
    envelope = envelope_of(source)
    events = [*sample.events(envelope)]
    users = user_paths(source)
    return Fit(
        name,
        source,
        written,
        _share(events, [isinstance(each.first(envelope.names), str) for each in events]),
        _share(events, times_ms(events, envelope.times) != BAD),
        _share(
            events,
            [
                bool(envelope.id) and None not in [each.at(path) for path in envelope.id]
                for each in events
            ],
        ),
        _share(events, [each.first(users) is not None for each in events]),
    )


def _share(events: Sequence[Seen], held: Any) -> float:  # noqa: ANN401 - flags
    return float(np.mean(np.asarray(held, np.bool_))) if events else 0.0


def times_ms(events: Sequence[Seen], times: Sequence[TimePlace]) -> Any:  # noqa: ANN401 - int64
    """The time of each event, `BAD` where there is none."""
    found = np.full(len(events), BAD, np.int64)
    for time in times:
        wanted: tuple[type, ...] = (str,) if time.unit.is_text else (int, float)
        written = [_of(each.at(time.path), wanted) for each in events]
        if any(value is not None for value in written):
            found = np.where(found == BAD, milliseconds(written, time.unit), found)
    return found


def _of(value: object, kinds: tuple[type, ...]) -> Any:  # noqa: ANN401 - text, number or None
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) > _TIME_MAX):
        return None
    return value if isinstance(value, kinds) else None


def _guess(sample: Sample) -> Fit | None:
    """An envelope made of places with usual names."""
    any_name = EnvelopeSource.model_validate({"name": "event", "time": "time"})
    events = [*sample.events(envelope_of(any_name))]
    names = [*_NAMES, *_NAMES_ELSE, *_HEADERS, "kafka.topic"]
    times = [*_TIMES, *_TIMES_ELSE, "kafka.time"]
    name = next((place for place in names if _is_name(events, path_of(place))), None)
    places = [TimePlace(path_of(place), TimeUnit(unit)) for place in times for unit in _UNITS]
    timed = {each: _share(events, times_ms(events, [each]) != BAD) for each in places}
    # The record's own time, where most have one: Kafka's only says when it came.
    own = [each for each in places if not is_carried(each.path) and timed[each] >= FITS]
    time = max(own or places, key=lambda each: timed[each])
    if name is None or timed[time] < FITS:
        return None
    ids = [place for place in _IDS if _is_id(events, path_of(place))]
    users = [
        place
        for place in (*_USERS, *_USERS_ELSE)
        if any(isinstance(each.at(path_of(place)), str | int) for each in events)
    ]
    written: dict[str, Any] = {
        "name": name,
        "time": {"from": path_text(time.path), "unit": time.unit.value},
        **({"id": ids[0]} if ids else {}),
        **({"ids": {"user": {"first": users}}} if users else {}),
    }
    return _fit(sample, None, written)


def _is_name(events: Sequence[Seen], path: Path) -> bool:
    """Whether most have text there, and most of it comes again: else it is a name of somebody."""
    found = [value for each in events if isinstance(value := each.at(path), str)]
    few = len({*found}) <= max(NAMES_FEW, len(found) * NAMES_SHARE)
    return few and len(found) > FITS * len(events)


def _is_id(events: Sequence[Seen], path: Path) -> bool:
    found = [str(value) for each in events if isinstance(value := each.at(path), str | int)]
    return len(found) > FITS * len(events) and len({*found}) > FITS * len(found)
