"""Envelopes that trackers and collectors are known to write, spelled out in the language's words.

`ids` are what their records say of who did it: the first that is present, in the order of how sure
the tracker is of it.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.spec.problem import Refusal, listed, nearest
from pipeline.spec.refused import refused

_MPARTICLE_TIME: Final = "events.data.timestamp_unixtime_ms"

ENVELOPES: Final[dict[str, dict[str, Any]]] = {
    "segment": {
        "name": {"first": ["event", "type"]},  # `page` and `screen` have a type alone
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
        # Of an identified person the distinct id is the user id, in every event: it comes first.
        "ids": {
            "user": {
                "first": [
                    *("properties.distinct_id", 'properties["$user_id"]'),
                    'properties["$device_id"]',
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
        "binary_mode": True,
    },
    "mparticle": {
        "name": {"first": ["events.data.event_name", "events.event_type"]},
        "time": {"from": _MPARTICLE_TIME, "unit": "ms"},
        "id": "events.data.source_message_id",
        "ids": {"user": {"first": ["user_identities.customer_id", "mpid"]}},
        "each": "events",
        "exact": ["mpid"],  # 64 bits, written by mParticle itself
    },
    # No id: what makes a record of a log one is its place there, and each place is read once.
    "kafka": {
        "name": "kafka.topic",
        "time": {"from": "kafka.time", "unit": "ms"},
        "ids": {"user": "kafka.key"},
    },
}


def preset(value: object) -> object:
    """The long form of an envelope's name, or of a name and what differs from it."""
    if isinstance(value, dict) and isinstance(value.get("preset"), str):
        return {**_of(value["preset"]), **value}
    return _of(value) if isinstance(value, str) else value


# Trackers that write what another one writes.
_LIKE: Final = {
    "rudderstack": "segment",
    "rudder": "segment",
    "analytics.js": "segment",
    "cloudevent": "cloudevents",
}


def _of(name: str) -> dict[str, Any]:
    if name in ENVELOPES:
        return ENVELOPES[name]
    near = _LIKE.get(name.lower()) or nearest(name, ENVELOPES)
    raise refused(
        Refusal(
            "unknown-envelope",
            f"there is no envelope `{name}`",
            (f"Did you mean `{near}`? " if near else "")
            + f"Write {listed([*ENVELOPES], last='or')}, or spell it out: "
            "`{name: event, time: {from: ts, unit: ms}, id: uuid}`.",
        )
    )
