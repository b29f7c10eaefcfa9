"""The presets, each as the reference's table says it, one function a row.

Paths are written as there. A name or a time of several paths is the first that is there, `together`
is an id made of all its parts.
"""

from collections.abc import Callable

from tests.oracle.model import Envelope, IdSource
from tests.oracle.words import Path, path


def _paths(*texts: str) -> tuple[Path, ...]:
    return tuple(path(text) for text in texts)


def _time(text: str, unit: str) -> tuple[Path, str]:
    return path(text), unit


def _one(text: str) -> IdSource:
    return IdSource("path", _paths(text))


def _first(*texts: str) -> IdSource:
    return IdSource("first", _paths(*texts))


def _together(*texts: str) -> IdSource:
    return IdSource("together", _paths(*texts))


def segment() -> Envelope:
    """Segment and RudderStack: a call that is no `track` has only its type for a name."""
    return Envelope(
        _paths("event", "type"),
        (_time("timestamp", "iso"),),
        _one("messageId"),
        {"user": _first("userId", "anonymousId"), "group": _one("context.groupId")},
    )


def amplitude() -> Envelope:
    """Amplitude's HTTP interface."""
    return Envelope(
        _paths("event_type"),
        (_time("time", "ms"), _time("event_time", "utc")),
        _together("device_id", "insert_id"),
        {"user": _first("user_id", "device_id")},
    )


def amplitude_export() -> Envelope:
    """Amplitude's export, whose times have no zone and are of UTC."""
    return Envelope(
        _paths("event_type"),
        (_time("event_time", "utc"),),
        _together("device_id", '["$insert_id"]'),
        {"user": _first("user_id", "device_id")},
    )


def mixpanel() -> Envelope:
    """Mixpanel, where nothing but the name stands outside of `properties`."""
    who = ("properties.distinct_id", 'properties["$user_id"]', 'properties["$device_id"]')
    return Envelope(
        _paths("event"),
        (_time("properties.time", "s"),),
        _together("event", "properties.time", who[0], 'properties["$insert_id"]'),
        {"user": _first(*who)},
    )


def snowplow() -> Envelope:
    """Snowplow's enriched events as JSON."""
    return Envelope(
        _paths("event_name"),
        (_time("derived_tstamp", "utc"), _time("collector_tstamp", "utc")),
        _one("event_id"),
        {"user": _first("user_id", "domain_userid")},
    )


def posthog() -> Envelope:
    """PostHog, which writes `properties` as text at times."""
    return Envelope(
        _paths("event"),
        (_time("timestamp", "utc"),),
        _one("uuid"),
        {"user": _first("person_id", "distinct_id")},
        text=_paths("properties"),
    )


def cloudevents() -> Envelope:
    """CloudEvents, structured or with their attributes in headers."""
    return Envelope(
        _paths("type"),
        (_time("time", "iso"),),
        _together("source", "id"),
        {"user": _one("subject")},
        binary_mode=True,
    )


def mparticle() -> Envelope:
    """One of mParticle's batches; its `mpid` is any number of 64 bits."""
    return Envelope(
        _paths("events.data.event_name", "events.event_type"),
        (_time("events.data.timestamp_unixtime_ms", "ms"),),
        _one("events.data.source_message_id"),
        {"user": _first("user_identities.customer_id", "mpid")},
        each="events",
        exact=_paths("mpid"),
    )


def kafka() -> Envelope:
    """Nothing but what Kafka has beside a record."""
    return Envelope(
        _paths("kafka.topic"),
        (_time("kafka.time", "ms"),),
        None,
        {"user": _one("kafka.key")},
    )


PRESETS: dict[str, Callable[[], Envelope]] = {
    preset.__name__: preset
    for preset in (
        *(segment, amplitude, amplitude_export, mixpanel, snowplow, posthog),
        *(cloudevents, mparticle, kafka),
    )
}
