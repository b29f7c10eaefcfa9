"""Write records as trackers do, and say of definitions where such records have what they read.

A drawn definition speaks of `user`, `properties…` and `context["Org Id"]`. Each tracker has these
in places of its own, leaves out what it does not know, and falls back to other fields as it does.
"""

import json
from collections.abc import Callable
from typing import Any

from tests.oracle.draft import NAMES
from tests.oracle.told import UNKNOWN, Headers, Message, Told, Tracker

BAD_TIMESTAMPS_MS = (0, 946_684_799_999, 4_102_444_800_000)
"""Those that Kafka may have beside a record."""
NO_UTF8 = b"op\xff"
MPIDS = {"u1": 2**62 + 1, "a1": 2**62 + 2}
"""Of two who are nobody known: one double, and one of them below zero at times."""


def _known(told: Told, **places: Any) -> dict[str, Any]:
    """Give what is known; the rest is null, or not there at all."""
    return {key: value for key, value in places.items() if value is not None or told.form % 2}


def _beside(properties: Any, **more: Any) -> Any:
    """Put more into properties, where they are an object."""
    return {**properties, **more} if isinstance(properties, dict) else properties


# ── own records ──────────────────────────────────────────────────────────────────────────────────


def _own(told: Told, **places: Any) -> Message:
    rest = {"context": {"Org Id": told.org}, "properties": told.properties}
    return Message({**_known(told, user=told.user, anon=told.anon), **rest, **places})


def _plain(told: Told) -> Message:
    return _own(told, kind=told.name, at=told.time("iso"), uuid=told.id)


def _counted(told: Told) -> Message:
    return _own(told, kind=told.name, ts=told.time("ms"), uuid=told.id)


def _nested(told: Told) -> Message:
    return _own(told, meta={"kind": told.name, "At Time": told.time("s")})


# ── trackers ─────────────────────────────────────────────────────────────────────────────────────


def _segment(told: Told) -> Message:
    """Name calls by their type, but for those to `track`; some tell only who somebody is."""
    call: dict[str, Any] = {"type": "track", "event": told.name}
    if told.name == UNKNOWN and told.form % 4:
        call = {"type": ("identify", "alias", "group")[told.form % 3]}
    elif told.form % 4 == 0:
        call = {"type": told.name, "name": "Home"}
    body = {
        **call,
        **_known(told, userId=told.user, anonymousId=told.anon),
        "messageId": told.id,
        "timestamp": told.time("iso"),
        "context": {"groupId": told.org, "ip": "127.0.0.1"},
        "properties": told.properties,
    }
    return Message(body)


def _amplitude(told: Told) -> Message:
    """Give the time as a number, or as text without a zone where the number is none."""
    other = told.time("utc") if told.has_bad_time else "2025-01-01 00:00:00"
    times = (
        {"event_time": told.time("utc")},
        {"time": "soon", "event_time": told.time("utc")},
        {"time": told.time("ms"), "event_time": other},
        {"time": told.time("ms")},
    )[told.form % 4]
    return Message({**_of_amplitude(told), "insert_id": told.id, **times})


def _amplitude_export(told: Told) -> Message:
    times = {"event_time": told.time("utc"), "client_upload_time": "2025-01-01 00:00:00"}
    return Message({**_of_amplitude(told), "$insert_id": told.id, **times})


def _of_amplitude(told: Told) -> dict[str, Any]:
    return {
        "event_type": told.name,
        **_known(told, user_id=told.user, device_id=told.anon),
        "event_properties": told.properties,
        "groups": {"Org Id": told.org},
    }


def _mixpanel(unit: str) -> Callable[[Told], Message]:
    """Write the distinct id of somebody known, of a device, or none."""

    def write(told: Told) -> Message:
        device = None if told.anon is None else f"$device:{told.anon}"
        distinct = (told.user, told.user if told.user is not None else device, None)[told.form % 3]
        ids = {"distinct_id": distinct, "$user_id": told.user, "$device_id": told.anon}
        about = {"time": told.time(unit), "$insert_id": told.id, "Org Id": told.org}
        properties = _beside(told.properties, **about, **_known(told, **ids))
        return Message({"event": told.name, "properties": properties})

    return write


def _snowplow(told: Told) -> Message:
    """Give the collector's time alone where the other could not be made."""
    times = (
        {"derived_tstamp": told.time("utc"), "collector_tstamp": "2025-01-01 00:00:00.000"},
        {"derived_tstamp": None, "collector_tstamp": told.time("utc")},
        {"collector_tstamp": told.time("utc")},
        {"derived_tstamp": 5, "collector_tstamp": told.time("utc")},
    )[told.form % 4]
    if told.has_bad_time:
        times = dict.fromkeys(times, told.time("utc"))
    body = {
        "app_id": told.org,
        "event_name": told.name,
        "event_id": told.id,
        **times,
        **_known(told, user_id=told.user, domain_userid=told.anon),
        "unstruct_event_com_acme_action_1": told.properties,
    }
    return Message(body)


def _posthog(told: Told) -> Message:
    """Write properties as text at times, which may be of anything."""
    properties = _beside(told.properties, **{"$groups": {"Org Id": told.org}})
    if isinstance(properties, dict) and told.form % 3:
        properties = json.dumps(properties)
    elif not isinstance(properties, dict):
        properties = ("", "no object", "[1]", None)[told.form % 4]
    body = {
        "uuid": told.id,
        "event": told.name,
        **_known(told, person_id=told.user, distinct_id=told.anon),
        "timestamp": told.time("utc"),
        "properties": properties,
    }
    return Message(body)


def _cloudevents(told: Told) -> Message:
    """Write one event in four as structured, and those whose attributes are no text."""
    attributes = {
        "specversion": "1.0",
        "type": told.name,
        "source": told.source,
        "id": told.id,
        "time": told.time("iso"),
        **_known(told, subject=told.user),
    }
    data = _beside(told.properties, **{"Org Id": told.org})
    if told.form % 4 == 0 or not all(isinstance(a, str | int | None) for a in attributes.values()):
        structured = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
        return Message(attributes | {"data": data}, headers=structured[: told.form % 3])
    headers = [(f"ce_{name}", _header(text)) for name, text in attributes.items()]
    if told.form % 5 == 0:
        headers = [("ce_type", b"share"), ("ce_subject", b"u9"), *headers]
    content_type = (("content-type", b"application/json"),)
    return Message(data, headers=(*content_type[: told.form % 3], *headers))


def _header(value: Any) -> bytes | None:
    """Write what is text, or nearly; anything else is no UTF-8."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value).encode()
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return None if value is None else NO_UTF8


def _mparticle(told: Told) -> Message:
    """Write a batch of one; several are put together later."""
    mpid = told.anon
    if isinstance(mpid, str) and mpid in MPIDS:
        number = MPIDS[mpid]
        mpid = (number, number, number, str(number), -number, number - 2**63)[told.form % 6]
    data = {
        "event_name": told.name,
        "timestamp_unixtime_ms": told.time("ms"),
        "source_message_id": told.id,
        "custom_attributes": told.properties,
    }
    event = {"event_type": "custom_event", "data": data}
    if told.form % 4 == 0:
        event["event_type"] = data.pop("event_name")
    return Message(
        {
            "events": [event],
            **_known(told, mpid=mpid),
            "user_identities": {"customer_id": told.user, "email": "a@example.org"},
            "user_attributes": {"Org Id": told.org},
        }
    )


def _kafka(told: Told) -> Message:
    """Have in the value only what is no text."""
    at_ms = told.time_ms
    if told.has_bad_time:
        at_ms = BAD_TIMESTAMPS_MS[told.form % len(BAD_TIMESTAMPS_MS)]
    return Message(_value(told), _header(told.user), _headers(told), at_ms)


def _kafka_named(told: Told) -> Message:
    """Have name, time and id in headers."""
    named = (("type", _header(told.name)), ("sent at", _header(told.time("iso"))))
    headers = (*named, ("id", _header(told.id)), *_headers(told))
    return Message(_value(told), _header(told.user), headers)


def _kafka_constant(told: Told) -> Message:
    """Be of one name, with the time and the id in the value."""
    about = {"ts": told.time("s"), "id": told.id}
    return Message(_value(told) | about, _header(told.user), _headers(told))


def _value(told: Told) -> dict[str, Any]:
    return {
        "kafka": {"key": "u9", "topic": "share"},
        "context": {"Org Id": told.org},
        "properties": told.properties,
    }


def _headers(told: Told) -> Headers:
    """Write text of properties as headers; a field that is there twice has the last one's."""
    properties = told.properties if isinstance(told.properties, dict) else {}
    item, plan = properties.get("item"), properties.get("plan")
    twice = (("plan", b"free"),) if told.form % 5 == 0 else ()
    found = (*twice, ("plan", _header(plan)), ("item id", _header(item)))
    return found if told.form % 2 else tuple(each for each in found if each[1] is not None)


BESIDE = {
    "properties.plan": "kafka.header.plan",
    "properties.item": 'kafka.header["item id"]',
    "properties.k": "kafka.partition",
}
PROPERTIES = "properties."
ORG = 'context["Org Id"]'
NAMED = {
    "preset": "kafka",
    "name": "kafka.header.type",
    "time": {"from": 'kafka.header["sent at"]', "unit": "iso"},
    "id": "kafka.header.id",
}
CONSTANT = {
    "preset": "kafka",
    "name": {"constant": NAMES[0]},
    "time": {"from": "ts", "unit": "s"},
    "id": {"together": ["kafka.key", "ts", "id"]},
}
MILLISECONDS = {"preset": "mixpanel", "time": {"from": "properties.time", "unit": "ms"}}
OF_MIXPANEL = {ORG: 'properties["Org Id"]'}
OF_AMPLITUDE = {PROPERTIES: "event_properties.", ORG: 'groups["Org Id"]'}
TRACKERS = {
    "segment": Tracker("segment", _segment, "userId", entities={"org": "group"}),
    "own": Tracker({"name": "kind", "time": "at", "id": "uuid"}, _plain),
    "counted": Tracker(
        {
            "name": "kind",
            "time": {"from": "ts", "unit": "ms"},
            "id": "uuid",
            "ids": {"user": {"first": ["user", "anon"]}},
        },
        _counted,
        "user",
    ),
    "nested": Tracker(
        {"name": "meta.kind", "time": {"from": 'meta["At Time"]', "unit": "s"}},
        _nested,
        quantum_ms=250,
    ),
    "amplitude": Tracker("amplitude", _amplitude, "user_id", OF_AMPLITUDE),
    "amplitude_export": Tracker("amplitude_export", _amplitude_export, "user_id", OF_AMPLITUDE),
    "mixpanel": Tracker(
        "mixpanel", _mixpanel("s"), "properties.distinct_id", OF_MIXPANEL, quantum_ms=250
    ),
    "mixpanel_ms": Tracker(MILLISECONDS, _mixpanel("ms"), 'properties["$user_id"]', OF_MIXPANEL),
    "snowplow": Tracker(
        "snowplow",
        _snowplow,
        "user_id",
        {PROPERTIES: "unstruct_event_com_acme_action_1.", ORG: "app_id"},
    ),
    "posthog": Tracker("posthog", _posthog, "person_id", {ORG: 'properties["$groups"]["Org Id"]'}),
    "cloudevents": Tracker(
        "cloudevents", _cloudevents, "subject", {PROPERTIES: "data.", ORG: 'data["Org Id"]'}
    ),
    "mparticle": Tracker(
        "mparticle",
        _mparticle,
        "user_identities.customer_id",
        {PROPERTIES: "events.data.custom_attributes.", ORG: 'user_attributes["Org Id"]'},
        each="events",
    ),
    "kafka": Tracker("kafka", _kafka, "kafka.key", BESIDE, topics=NAMES),
    "kafka_named": Tracker(NAMED, _kafka_named, "kafka.key", BESIDE),
    "kafka_constant": Tracker(
        CONSTANT, _kafka_constant, "kafka.key", BESIDE, quantum_ms=250, constant=NAMES[0]
    ),
}
"""By the preset, and beside these where definitions differ from one, or spell theirs out."""
ONE_EVENT_EACH = tuple(name for name, about in TRACKERS.items() if about.each is None)
