"""The oracle's own tests of what becomes of records, one rule each."""

import json

import pytest

from tests.oracle.oracle import Record, Settings, expected
from tests.oracle.worked_case import (
    EVENTS,
    OWNER,
    definition,
    event,
    feed,
    ms,
    rejected,
    run,
    series,
)

PLAIN = definition({"m": "count(open)"})
TYPED = definition({"m": "count(open, where=n > 0 and plan == 'pro' and ok)", "s": "count(share)"})


def test_each_record_ends_in_exactly_one_outcome():
    """One of each: the outcomes add up to what was consumed."""
    bodies = [None, b"", b"{", event(0, "unknown"), event(0, id="x"), event(0, id="x"), event(0)]
    counts = run(PLAIN, bodies).counts
    assert counts == {
        "consumed": 7,
        "matched": 2,
        "filtered": 3,
        "duplicate": 1,
        "rejected": {"invalid_json": 1},
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"nonsense", "invalid_json"),
        (b" ", "invalid_json"),
        (b'{"kind": "open", "ts": NaN}', "invalid_json"),
        (b'{"kind": "open", "more": -Infinity}', "invalid_json"),
        (b'{"kind": "open", "ts": 1e400}', "invalid_json"),
        (b'{"kind": "open", "user": 1' + b"0" * 400 + b"}", "invalid_json"),
        (b'{"kind": "\\ud800"}', "invalid_json"),
        (b'{"kind": "unknown", "more": ["\\ud800"]}', "invalid_json"),
        (b'{"kind": "op\xff"}', "invalid_json"),
        (b'\xef\xbb\xbf{"kind": "open"}', "invalid_json"),
        (b'{"kind": "open", "more": ' + b"[" * 70 + b"]" * 70 + b"}", "too_deep"),
        (b"[" * 5000 + b"]" * 5000, "too_deep"),
        (b"{}" + b" " * (1024 * 1024 - 1), "too_large"),
        (b"[1]", "not_object"),
        (b"null", "not_object"),
        (b'{"kind": 5}', "field_type"),
        (b'{"kind": ["open"]}', "field_type"),
    ],
)
def test_what_is_no_readable_object_is_rejected(body, reason):
    """Each fault has its own reason."""
    assert rejected(run(PLAIN, [body])) == {reason: 1}


def test_a_record_of_one_mebibyte_is_not_too_large():
    """The limit itself is allowed; a record of no known event is filtered."""
    assert run(PLAIN, [b"{}" + b" " * (1024 * 1024 - 2)]).counts["filtered"] == 1


@pytest.mark.parametrize(
    "stamp",
    [
        "2025-01-15T00:00Z",
        "2025-01-15 00:00:01+05:30",
        "2025-01-15T00:00:01.123456789Z",
        "2000-01-01T00:00:00Z",
        "2099-12-31T23:59:59.999Z",
        "1999-12-31T23:30:00-01:00",
    ],
)
def test_iso_times_are_read_with_a_zone(stamp):
    """Hours and minutes are enough, and up to nine decimals are cut."""
    assert rejected(_at_iso(stamp)) == {}


@pytest.mark.parametrize(
    "stamp",
    [
        None,
        1_736_899_200,
        "2025-01-15",
        "2025-01-15T00:00:00",
        "2025-01-15T00:00:00.1234567890Z",
        "2025-02-30T00:00:00Z",
        "1999-12-31T23:59:59.999Z",
        "2100-01-01T00:00:00Z",
        "yesterday",
    ],
)
def test_times_that_cannot_be_read_are_bad(stamp):
    """No zone, no such day, out of range, or no text at all."""
    assert rejected(_at_iso(stamp)) == {"bad_time": 1}


def _at_iso(stamp):
    source = {"topics": ["t"], "envelope": {"name": "kind", "time": "at"}}
    body = json.dumps({"kind": "open", "at": stamp}).encode()
    late_enough = Record(0, 0, 4_102_444_800_000, body)
    return expected(definition({"m": "count(open)"}, source=source), [late_enough], Settings(0), [])


def test_decimals_of_a_time_are_cut_to_milliseconds():
    """An event of 0.9999 s is one of 999 ms, and visible just after."""
    source = {"topics": ["t"], "envelope": {"name": "kind", "time": "at"}}
    body = json.dumps({"kind": "open", "at": "2025-01-15T01:00:00.9999+01:00"}).encode()
    text = definition({"m": "count(open)"}, source=source)
    found = expected(text, [Record(0, 0, ms(1), body)], Settings(0), [ms(0.999), ms(1)])
    assert series(found) == [0, 1]


def test_the_unit_of_a_time_is_never_guessed():
    """Text under a numeric unit is bad, and so is a number that the unit puts before 2000."""
    assert rejected(run(PLAIN, [{"kind": "open", "ts": str(ms(0))}])) == {"bad_time": 1}
    assert rejected(run(PLAIN, [{"kind": "open", "ts": ms(0) // 1_000}])) == {"bad_time": 1}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"user": True}, "field_type"),
        ({"user": ["a"]}, "field_type"),
        ({"user": 1.5}, "field_type"),
        ({"n": "1"}, "field_type"),
        ({"n": True}, "field_type"),
        ({"plan": 5}, "field_type"),
        ({"ok": 1}, "field_type"),
        ({"id": {}}, "field_type"),
        ({"user": ""}, "bad_id"),
        ({"user": "  "}, "bad_id"),
        ({"user": "x" * 513}, "bad_id"),
        ({"user": "a\u0007"}, "bad_id"),
        ({"user": "NULL"}, "bad_id"),
        ({"user": "N/A"}, "bad_id"),
        ({"user": "0"}, "bad_id"),
        ({"user": 0}, "bad_id"),
        ({"user": -5}, "bad_id"),
        ({"user": 2**53}, "bad_id"),
        ({"n": -0.001}, "out_of_range"),
        ({"n": 9_007_199_255}, "out_of_range"),
    ],
)
def test_a_field_of_the_wrong_kind_is_rejected(fields, reason):
    """Nothing is converted, and an id must be able to tell one from another."""
    assert rejected(run(TYPED, [event(0, **fields)])) == {reason: 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"user": None, "n": None, "plan": None, "ok": None},
        {"user": 2**53 - 1, "n": 3},
        {"user": "x" * 512, "n": 9_007_199_254},
        {"other": 10**400},
        {"user": "00", "id": ""},
    ],
)
def test_absent_and_whole_numbers_and_unread_fields_are_fine(fields):
    """What is not asked for is not looked at."""
    assert run(TYPED, [event(0, **fields)]).counts["matched"] == 1


def test_numbers_lie_within_the_bounds_declared():
    """From -1 to 1, the bounds themselves allowed, after the arithmetic."""
    events = {"open": {"name": "open", "values": {"n": {"from": "n / 10", "min": -1, "max": 1}}}}
    text = definition({"m": "sum(open.n)"}, events=events)
    found = run(text, [event(0, n=n) for n in (-10.001, -10, 10, 10.001)], [1])
    assert rejected(found) == {"out_of_range": 2}
    assert series(found) == [0]


def test_a_filtered_name_is_not_looked_into():
    """A record of no event needs no time and no ids."""
    assert run(PLAIN, [{"kind": "unknown", "ts": "x", "user": "null"}]).counts["filtered"] == 1


def test_a_record_that_meets_no_where_is_filtered():
    """A condition over something absent is not met; bad ids are found all the same."""
    events = {"open": {**EVENTS["open"], "where": "n > 5"}}
    text = definition({"m": "count(open)"}, events=events)
    found = run(text, [event(0, n=6), event(0, n=5), event(0), event(0, n=5, user="null")])
    assert found.counts == {
        "consumed": 4,
        "matched": 1,
        "filtered": 2,
        "duplicate": 0,
        "rejected": {"bad_id": 1},
    }


def test_too_old_is_what_no_window_reaches():
    """A window of 10 s reaches 11 s: with the watermark at 100, second 89 is still kept."""
    found = run(PLAIN, [event(100), event(89), event(88.999)])
    assert found.counts["matched"] == 2
    assert rejected(found) == {"too_old": 1}


def test_lateness_is_no_age():
    """Age is measured from the watermark, which lags behind by the lateness."""
    assert rejected(run(PLAIN, [event(100), event(60)], lateness=29)) == {}
    assert rejected(run(PLAIN, [event(100), event(60)], lateness=28.999)) == {"too_old": 1}


def test_what_teaches_an_attribute_is_never_too_old():
    """An owner may be learned at any time."""
    text = definition({"m": "count(open) + count(share)"}, entities=OWNER)
    found = run(text, [event(100), event(0), event(0, "share", user="a", item="c")])
    assert rejected(found) == {"too_old": 1}
    assert found.counts["matched"] == 2


@pytest.mark.parametrize(("gap", "duplicates"), [(4_000, 1), (4_500, 1), (4_999, 1), (5_000, 0)])
def test_an_id_is_remembered_for_the_horizon(gap, duplicates):
    """With parts of a second, an id of part 0 is forgotten when the watermark is in part 5."""
    bodies = [event(0, id="x"), event(gap / 1_000), event(gap / 1_000, id="x")]
    found = run(PLAIN, bodies, dedup_horizon_ms=4_000)
    assert found.counts["duplicate"] == duplicates


def test_a_duplicate_does_not_renew_its_id():
    """Seen at 0 and again at 4, an id is forgotten at 5."""
    bodies = [event(0, id="x"), event(4), event(4, id="x"), event(5), event(5, id="x")]
    assert run(PLAIN, bodies, dedup_horizon_ms=4_000).counts["duplicate"] == 1


def test_only_accepted_records_of_the_same_partition_are_remembered():
    """A rejected record leaves no trace, and neither does one of another partition."""
    found = run(PLAIN, [event(0, id="x", user="null"), event(0, id="x")])
    assert found.counts["duplicate"] == 0
    records = feed([event(0, id="x")], partition=0) + feed([event(0, id="x")], partition=1)
    assert expected(PLAIN, records, Settings(0), []).counts["duplicate"] == 0


def test_empty_and_absent_record_ids_are_never_duplicates():
    """Nothing is known of them."""
    bodies = [event(0, id=""), event(0, id=""), event(0, id=None), event(0, id=None)]
    assert run(PLAIN, bodies).counts["matched"] == 4


def test_without_an_id_in_the_envelope_nothing_is_deduplicated():
    """The same record twice is two events."""
    source = {"topics": ["t"], "envelope": {"name": "kind", "time": {"from": "ts", "unit": "ms"}}}
    text = definition({"m": "count(open)"}, source=source)
    assert run(text, [event(0, id="x")] * 2).counts["matched"] == 2


def test_an_object_may_be_written_as_text():
    """Two of n as text, three as it is; empty text has none, and other text is refused."""
    envelope = {"name": "kind", "time": {"from": "ts", "unit": "ms"}, "text": ["properties"]}
    text = definition(
        {"m": "sum(open.n)", "rows": "count(open)"},
        events={"open": {"name": "open", "values": {"n": "properties.n"}}},
        source={"topics": ["events"], "envelope": envelope},
    )
    written = ('{"n": 2}', {"n": 3}, "", "no object", "[2]")
    found = run(text, [event(0, properties=each) for each in written], [1])
    assert (series(found), series(found, "rows")) == ([5], [3])
    assert rejected(found) == {"field_type": 2}
