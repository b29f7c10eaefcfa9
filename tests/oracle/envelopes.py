"""Where records keep their name, time and ids: by a preset, or spelled out.

Read are paths, `first`, `together`, units and objects written as text. What else a record is
unpacked from (`each`, CloudEvents in binary mode, what Kafka has beside a record) is not, nor are
the presets that are about nothing else.
"""

from typing import Any

from tests.oracle.model import Envelope, IdSource
from tests.oracle.words import Path, path

Raw = dict[str, Any]
FROM_ENVELOPE = {"from": "envelope"}

PRESETS: dict[str, Raw] = {
    "segment": {
        "name": {"first": ["event", "type"]},
        "time": "timestamp",
        "id": "messageId",
        "ids": {"user": {"first": ["userId", "anonymousId"]}, "group": "context.groupId"},
    },
    "amplitude": {
        "name": "event_type",
        "time": {"first": [{"from": "time", "unit": "ms"}, {"from": "event_time", "unit": "utc"}]},
        "id": {"together": ["device_id", "insert_id"]},
        "ids": {"user": {"first": ["user_id", "device_id"]}},
    },
    "amplitude_export": {
        "name": "event_type",
        "time": {"from": "event_time", "unit": "utc"},
        "id": {"together": ["device_id", '["$insert_id"]']},
        "ids": {"user": {"first": ["user_id", "device_id"]}},
    },
    "mixpanel": {
        "name": "event",
        "time": {"from": "properties.time", "unit": "s"},
        "id": {
            "together": [
                *("event", "properties.time", "properties.distinct_id"),
                'properties["$insert_id"]',
            ]
        },
        "ids": {
            "user": {
                "first": [
                    "properties.distinct_id",
                    *('properties["$user_id"]', 'properties["$device_id"]'),
                ]
            }
        },
    },
    "snowplow": {
        "name": "event_name",
        "time": {
            "first": [
                {"from": "derived_tstamp", "unit": "utc"},
                {"from": "collector_tstamp", "unit": "utc"},
            ]
        },
        "id": "event_id",
        "ids": {"user": {"first": ["user_id", "domain_userid"]}},
    },
    "posthog": {
        "name": "event",
        "time": {"from": "timestamp", "unit": "utc"},
        "id": "uuid",
        "ids": {"user": {"first": ["person_id", "distinct_id"]}},
        "text": ["properties"],
    },
    "cloudevents": {
        "name": "type",
        "time": "time",
        "id": {"together": ["source", "id"]},
        "ids": {"user": "subject"},
    },
}
"""As the reference's table has them."""


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


def envelope(raw: str | Raw) -> Envelope:
    """Read an envelope: the name of a preset, what differs from one, or all of it."""
    given: Raw = {"preset": raw} if isinstance(raw, str) else raw
    about = PRESETS.get(given.get("preset", ""), {}) | given
    names, identity = about["name"], about.get("id")
    return Envelope(
        tuple(path(p) for p in (names["first"] if isinstance(names, dict) else [names])),
        _times(about["time"]),
        None if identity is None else id_source(identity),
        {entity: id_source(source) for entity, source in about.get("ids", {}).items()},
        tuple(path(text) for text in about.get("text", ())),
    )


def event_ids(raw: list[str] | Raw, shared: dict[str, IdSource]) -> dict[str, IdSource]:
    """Read an event's ids, of which some may be those that every record has."""
    own: Raw = dict.fromkeys(raw, FROM_ENVELOPE) if isinstance(raw, list) else raw
    return {
        entity: shared[entity] if source == FROM_ENVELOPE else id_source(source)
        for entity, source in own.items()
    }
