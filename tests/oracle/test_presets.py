"""The oracle's own tests of presets, and of what a record is unpacked from, one rule each."""

import json
import re
from pathlib import Path

import pytest

from tests.oracle.drawn_trackers import TRACKERS
from tests.oracle.oracle import Record, Settings, expected
from tests.oracle.presets import PRESETS
from tests.oracle.worked_case import definition, ms, rejected, series

STARTED = "2025-01-15T00:00:00Z"
"""The midnight that times are counted from, in the ways that trackers write it."""
NO_ZONE = "2025-01-15 00:00:00"
PRESET = {
    "segment": (
        {"type": "track", "event": "open", "messageId": "a", "userId": "u", "timestamp": STARTED},
        {"type": "open", "messageId": "b", "anonymousId": "u", "timestamp": STARTED},
    ),
    "amplitude": (
        {"event_type": "open", "user_id": "u", "device_id": "d", "insert_id": "a", "time": ms(0)},
        {"event_type": "open", "device_id": "u", "insert_id": "a", "event_time": NO_ZONE},
    ),
    "amplitude_export": (
        {
            "event_type": "open",
            "user_id": "u",
            "device_id": "d",
            "$insert_id": "a",
            "event_time": NO_ZONE,
        },
        {"event_type": "open", "device_id": "u", "$insert_id": "a", "event_time": NO_ZONE},
    ),
    "mixpanel": (
        {
            "event": "open",
            "properties": {"time": ms(0) / 1_000, "distinct_id": "u", "$insert_id": "a"},
        },
        {
            "event": "open",
            "properties": {"time": ms(0) // 1_000, "$device_id": "u", "$insert_id": "a"},
        },
    ),
    "snowplow": (
        {"event_name": "open", "event_id": "a", "user_id": "u", "derived_tstamp": NO_ZONE},
        {"event_name": "open", "event_id": "b", "domain_userid": "u", "collector_tstamp": NO_ZONE},
    ),
    "posthog": (
        {"event": "open", "uuid": "a", "person_id": "u", "distinct_id": "d", "timestamp": STARTED},
        {"event": "open", "uuid": "b", "distinct_id": "u", "timestamp": NO_ZONE},
    ),
}
"""Of each preset a record of a user and one of nobody known, whose ids read alike."""
EVENTS = {"open": {"name": "open", "ids": ["user"]}}
COUNTS = {"m": "count(open)", "users": "distinct(open.user)"}
CLOUD = (("ce_specversion", b"1.0"), ("ce_type", b"open"), ("ce_source", b"s"), ("ce_id", b"a"))
CLOUD += (("ce_time", STARTED.encode()), ("ce_subject", b"u"))


def _source(envelope):
    return {"topics": ["open"], "envelope": envelope}


def _of_preset(envelope, bodies, events=None, **metrics):
    """Ask about records of a preset, of which bodies alone are written as JSON."""
    text = definition(
        COUNTS | metrics,
        events=events or EVENTS,
        source=_source(envelope),
    )
    records = [
        body
        if isinstance(body, Record)
        else Record(0, offset, ms(0), json.dumps(body).encode(), topic="open")
        for offset, body in enumerate(bodies)
    ]
    return expected(text, records, Settings(0), [ms(1)])


def test_every_preset_of_the_reference_is_read_and_drawn():
    """None is there that only one side knows of."""
    page = (Path(__file__).parents[2] / "definitions" / "LANGUAGE.md").read_text(encoding="utf-8")
    table = page[page.index("### Presets") : page.index("**Many events in a record**")]
    named = re.findall(r"^\| `(\w+)` ", table, re.MULTILINE)
    assert sorted(named) == sorted(PRESETS)
    assert PRESETS.keys() <= TRACKERS.keys()


@pytest.mark.parametrize("preset", PRESET)
def test_a_user_and_an_anonymous_one_are_never_the_same(preset):
    """Two records, each with all the preset reads of it, are two users' though the ids are one."""
    found = _of_preset(preset, PRESET[preset])
    assert (series(found), series(found, "users")) == ([2], [2])


@pytest.mark.parametrize("preset", PRESET)
def test_a_record_that_comes_twice_is_one(preset):
    """The preset's id tells it from others."""
    known, _ = PRESET[preset]
    assert _of_preset(preset, [known, known]).counts["duplicate"] == 1


def test_segment_has_groups():
    """They are ids of every record, which events take by name."""
    known, _ = PRESET["segment"]
    events = {"open": {"name": "open", "ids": ["user", "group"]}}
    bodies = [known | {"messageId": name, "context": {"groupId": name}} for name in "xy"]
    found = _of_preset("segment", bodies, events, groups="distinct(open.group)")
    assert (series(found, "users"), series(found, "groups")) == ([1], [2])


def test_what_differs_takes_the_place_of_the_presets():
    """Milliseconds where the preset has seconds; all else as it was."""
    body = {"event": "open", "properties": {"time": ms(0), "distinct_id": "u", "$insert_id": "a"}}
    envelope = {"preset": "mixpanel", "time": {"from": "properties.time", "unit": "ms"}}
    assert rejected(_of_preset("mixpanel", [body])) == {"bad_time": 1}
    assert _of_preset(envelope, [body, body]).counts["duplicate"] == 1


@pytest.mark.parametrize("part", ["event", "time", "distinct_id", "$insert_id", None])
def test_mixpanel_tells_records_apart_by_four_things(part):
    """Unlike in any of them, two are no copies; the name itself may be one that counts, too."""
    known, _ = PRESET["mixpanel"]
    properties = dict(known["properties"])
    other = {"event": known["event"], "properties": properties}
    if part == "event":
        other["event"] = "shut"
    elif part is not None:
        properties[part] = ms(0) // 1_000 - 1 if part == "time" else "other"
    events = {"open": {"name": ["open", "shut"], "ids": ["user"]}}
    counts = _of_preset("mixpanel", [known, other], events).counts
    assert counts["duplicate"] == (part is None)


def _batch(*named, **shared):
    events = [
        {"data": {"event_name": name, "timestamp_unixtime_ms": ms(0), "source_message_id": number}}
        for name, number in named
    ]
    return {"events": events, "mpid": 5, **shared}


def test_each_event_of_a_record_is_judged_by_itself():
    """Two are matched, one is another's copy, one has no such name: four were consumed."""
    bodies = [_batch(("open", "a"), ("open", "b"), ("open", "a"), ("no", "c"))]
    found = _of_preset("mparticle", bodies)
    assert (series(found), series(found, "users")) == ([2], [1])
    assert found.counts == {
        "consumed": 4,
        "matched": 2,
        "filtered": 1,
        "duplicate": 1,
        "rejected": {},
    }


def test_events_of_a_record_meet_the_watermark_of_those_before_them():
    """The second of a record is as late as if it were the next record."""
    batch = _batch(("open", "a"), ("open", "b"))
    batch["events"][1]["data"]["timestamp_unixtime_ms"] = ms(-12)
    assert rejected(_of_preset("mparticle", [batch])) == {"too_old": 1}


@pytest.mark.parametrize("events", [[], None, "absent"])
def test_a_record_without_events_is_one_that_is_filtered(events):
    """An empty list, no list, and no key."""
    body = {"mpid": 5} if events == "absent" else {"mpid": 5, "events": events}
    counts = _of_preset("mparticle", [body]).counts
    assert (counts["consumed"], counts["filtered"]) == (1, 1)


def test_one_event_need_not_stand_in_a_list():
    """An object in its place is the only event."""
    batch = _batch(("open", "a"))
    assert series(_of_preset("mparticle", [batch | {"events": batch["events"][0]}])) == [1]


def test_a_record_of_too_many_events_is_one_that_is_too_large():
    """A thousand are allowed; of a thousand and one none is looked at."""
    found = _of_preset(
        "mparticle", [_batch(*[("open", "a")] * number) for number in (1_000, 1_001)]
    )
    assert found.counts["consumed"] == 1_001
    assert rejected(found) == {"too_large": 1}


@pytest.mark.parametrize(("key", "reasons"), [("more", {}), ("user_identities", {"too_large": 1})])
def test_what_events_share_counts_for_each(key, reasons):
    """Twenty events with 300 kB beside them come to 6 MB, if anything of it is read."""
    batch = _batch(*[("open", "a")] * 20, **{key: {"x": "x" * 300_000}})
    assert rejected(_of_preset("mparticle", [batch])) == reasons


@pytest.mark.parametrize("rows", [[], None, "x", 5])
def test_a_record_without_a_list_is_filtered_whatever_else_it_has(rows):
    """It moves no watermark either: what comes after it is not late."""
    envelope = {"name": "kind", "time": {"from": "ts", "unit": "ms"}, "each": "rows"}
    events = {"open": {"name": "open"}}
    bodies = [{"kind": "open", "ts": ms(at), "rows": of} for at, of in ((60, rows), (0, [None]))]
    text = definition({"m": "count(open)"}, events=events, source=_source(envelope))
    records = [Record(0, n, ms(60), json.dumps(body).encode()) for n, body in enumerate(bodies)]
    counts = expected(text, records, Settings(0), []).counts
    assert (counts["filtered"], counts["matched"]) == (1, 1)


def test_a_number_of_64_bits_is_exact():
    """Neighbours that are the same double are two users, and those below zero are users too."""
    ids = (2**62, 2**62 + 1, -(2**63), 2**64 - 1)
    bodies = [_batch(("open", str(mpid)), mpid=mpid) for mpid in ids]
    assert series(_of_preset("mparticle", bodies), "users") == [4]
    beyond = [_batch(("open", "a"), mpid=mpid) for mpid in (0, -(2**63) - 1, 2**64)]
    assert rejected(_of_preset("mparticle", beyond)) == {"bad_id": 3}


def _keyed(offset, key=b"u", value=b"{}", headers=(), at=0.0):
    return Record(0, offset, ms(at), value, key, tuple(headers), "open")


def test_a_record_may_say_nothing_itself():
    """Its topic is its name, its timestamp the time, its key the user."""
    found = _of_preset("kafka", [_keyed(0), _keyed(1, b"v"), _keyed(2, None), _keyed(3, at=1)])
    assert (series(found), series(found, "users")) == ([3], [2])


@pytest.mark.parametrize(
    ("key", "reason"), [(b"", "bad_id"), (b"null", "bad_id"), (b"\xff", "field_type")]
)
def test_a_key_is_an_id_like_any_other(key, reason):
    """Text that must be able to tell one from another."""
    assert rejected(_of_preset("kafka", [_keyed(0, key)])) == {reason: 1}


def test_of_a_header_that_comes_twice_the_last_counts():
    """A name in a header, and one that is no text."""
    headers = [[("n", b"no"), ("n", b"open")], [("n", b"open"), ("n", b"no")], [("n", b"\xff")], []]
    envelope = {"preset": "kafka", "name": "kafka.header.n"}
    found = _of_preset(envelope, [_keyed(at, headers=each) for at, each in enumerate(headers)])
    assert (found.counts["matched"], found.counts["filtered"]) == (1, 2)
    assert rejected(found) == {"field_type": 1}


def test_every_record_may_have_one_name():
    """A constant, whatever the topic."""
    envelope = {"preset": "kafka", "name": {"constant": "shut"}}
    events = {"open": {"name": "shut", "ids": ["user"]}}
    assert series(_of_preset(envelope, [_keyed(0)], events)) == [1]


def test_cloud_events_may_have_their_attributes_in_headers():
    """The same event in either mode is one, the value of the record its data."""
    attributes = {name.removeprefix("ce_"): text.decode() for name, text in CLOUD}
    events = {"open": {"name": "open", "ids": ["user"], "values": {"n": "data.n"}}}
    structured = json.dumps(attributes | {"data": {"n": 2}}).encode()
    binary = Record(0, 0, ms(0), b'{"n": 2}', headers=CLOUD)
    found = _of_preset(
        "cloudevents", [binary, _keyed(1, value=structured)], events, n="sum(open.n)"
    )
    assert (found.counts["duplicate"], series(found, "n"), series(found, "users")) == (1, [2], [1])


def test_data_of_any_kind_is_data():
    """What is beside the attributes need not be an object, only JSON."""
    values = (b"[1]", b'"text"', b"5", b"no")
    records = [
        Record(0, at, ms(0), value, headers=(*CLOUD, ("ce_id", str(at).encode())))
        for at, value in enumerate(values)
    ]
    found = _of_preset("cloudevents", records)
    assert series(found) == [3]
    assert rejected(found) == {"invalid_json": 1}


def test_a_header_that_is_no_text_is_refused_where_it_is_read():
    """As a time it is a bad one; where nothing reads it, nobody minds."""
    spoilt = ("ce_type", "ce_id", "ce_subject", "ce_time", "ce_other")
    records = [
        Record(0, at, ms(0), b"{}", headers=(*CLOUD, (name, b"\xff")))
        for at, name in enumerate(spoilt)
    ]
    found = _of_preset("cloudevents", records)
    assert (series(found), rejected(found)) == ([1], {"field_type": 3, "bad_time": 1})


def test_a_content_type_may_say_that_a_cloud_event_is_structured():
    """Then its headers say nothing of it, whatever they are."""
    value = json.dumps({"type": "no", "source": "s", "id": "a", "time": STARTED}).encode()
    structured = ("Content-Type", b"application/cloudevents+json; charset=UTF-8")
    record = Record(0, 0, ms(0), value, headers=(*CLOUD, structured))
    assert _of_preset("cloudevents", [record]).counts["filtered"] == 1


def test_headers_of_cloud_events_are_written_in_several_ways():
    """In any case, and as over HTTP."""
    for written in (str.upper, lambda name: name.replace("_", "-")):
        headers = tuple((written(name), text) for name, text in CLOUD)
        assert series(_of_preset("cloudevents", [Record(0, 0, ms(0), b"{}", headers=headers)])) == [
            1
        ]


def test_a_null_that_comes_last_makes_a_header_absent():
    """Of two the last counts, also where it is none."""
    headers = (*CLOUD, ("ce_subject", None))
    found = _of_preset("cloudevents", [Record(0, 0, ms(0), b"{}", headers=headers)])
    assert (series(found), series(found, "users")) == ([1], [0])
