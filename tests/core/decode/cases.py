"""One record of every kind: rejected for each reason, filtered, and matched at every bound."""

import json

from pipeline.core.decode import VALUE_MAX
from pipeline.core.hopeless import RECORD_BYTES_MAX
from pipeline.core.records import Filtered, Reason
from pipeline.core.windows import DAY_MS, MINUTE_MS
from tests.core.decode.decoded import DEPLOYMENT
from tests.core.plans import AT_MS, iso, record

FUTURE_MS = DEPLOYMENT.future_max_ms
INGESTED_MS = AT_MS + MINUTE_MS
GOOD = record()
DEEP = b"[" * 64 + b"]" * 64
REJECTED = {
    "over a mebibyte": (Reason.TOO_LARGE, GOOD + b" " * (RECORD_BYTES_MAX - len(GOOD) + 1)),
    "cut": (Reason.INVALID_JSON, GOOD[:-1]),
    "two of them": (Reason.INVALID_JSON, GOOD + GOOD),
    "NaN": (Reason.INVALID_JSON, b'{"event": "chart_viewed", "properties": {"ms": NaN}}'),
    "Infinity": (Reason.INVALID_JSON, b'{"event": "chart_viewed", "other": -Infinity}'),
    "beyond a double": (Reason.INVALID_JSON, b'{"properties": {"ms": 1e309}}'),
    "beyond a double, in digits": (
        Reason.INVALID_JSON,
        b'{"event": "chart_viewed", "properties": {"ms": 1' + b"0" * 400 + b"}}",
    ),
    "lone surrogate": (Reason.INVALID_JSON, b'{"event": "chart_viewed", "userId": "\\ud800"}'),
    "no UTF-8": (Reason.INVALID_JSON, b'{"event": "chart_viewed", "userId": "\xff"}'),
    "half a character": (Reason.INVALID_JSON, b'{"event": "chart_viewed", "userId": "\xc3"}'),
    "an encoded surrogate": (Reason.INVALID_JSON, b'{"userId": "\xed\xa0\x80"}'),
    "UTF-16": (Reason.INVALID_JSON, GOOD.decode().encode("utf-16")),
    "65 levels": (Reason.TOO_DEEP, b'{"other": ' + DEEP + b"}"),
    "an array": (Reason.NOT_OBJECT, b"[1, 2]"),
    "a text": (Reason.NOT_OBJECT, b'"chart_viewed"'),
    "null": (Reason.NOT_OBJECT, b"null"),
    "blank": (Reason.INVALID_JSON, b" "),
    "a name that is no text": (Reason.FIELD_TYPE, record(name=7)),
    "a name that is an object": (Reason.FIELD_TYPE, record(name={"name": "chart_viewed"})),
    "no time": (Reason.BAD_TIME, record(timestamp=None)),
    "a time that is a number": (Reason.BAD_TIME, record(timestamp=AT_MS)),
    "a time without a zone": (Reason.BAD_TIME, record(timestamp="2024-01-20T10:00:00")),
    "a 30 February": (Reason.BAD_TIME, record(timestamp="2024-02-30T10:00:00Z")),
    "a time before 2000": (Reason.BAD_TIME, record(timestamp="1999-12-31T23:59:59Z")),
    "a time from 2100 on": (Reason.BAD_TIME, record(timestamp="2100-01-01T00:00:00Z")),
    "an id that is true": (Reason.FIELD_TYPE, record(userId=True)),
    "an id that is a fraction": (Reason.FIELD_TYPE, record(userId=1.5)),
    "an id that is 1.0": (Reason.FIELD_TYPE, record(userId=1.0)),
    "an id that is an array": (Reason.FIELD_TYPE, record(chart=[])),
    "a message id that is an object": (Reason.FIELD_TYPE, record(messageId={})),
    "a number that is text": (Reason.FIELD_TYPE, record(ms="5000")),
    "a number that is true": (Reason.FIELD_TYPE, record(ms=True)),
    "a text that is a number": (Reason.FIELD_TYPE, record(plan=5)),
    "a truth that is a number": (Reason.FIELD_TYPE, record(paid=1)),
    "a truth that is text": (Reason.FIELD_TYPE, record(paid="true")),
    "a place in where that is a number": (Reason.FIELD_TYPE, record("order_paid", app=5)),
    "an empty id": (Reason.BAD_ID, record(userId="")),
    "a blank id": (Reason.BAD_ID, record(userId=" \t")),
    "a long id": (Reason.BAD_ID, record(chart="x" * 513)),
    "an id with a control character": (Reason.BAD_ID, record(chart="a\u0085")),
    "an id of 0": (Reason.BAD_ID, record(userId=0)),
    "an id of 2^53": (Reason.BAD_ID, record(userId=2**53)),
    "an id of 31 digits": (Reason.BAD_ID, record(userId=10**30)),
    "a placeholder": (Reason.BAD_ID, record(userId="N/A")),
    "a placeholder in place of the first id": (
        Reason.BAD_ID,
        record(userId=None, anonymousId="guest"),
    ),
    "below min": (Reason.OUT_OF_RANGE, record(ms=-0.001)),
    "above max": (Reason.OUT_OF_RANGE, record(ms=600_000.001)),
    "below a min of its own": (Reason.OUT_OF_RANGE, record("order_paid", amount=-100.01)),
    "above what sums hold": (Reason.OUT_OF_RANGE, record("order_paid", amount=VALUE_MAX + 1)),
    "the largest double": (Reason.OUT_OF_RANGE, record("order_paid", amount=1.7e308)),
    "ahead of its arrival": (Reason.FUTURE, record(at_ms=INGESTED_MS + FUTURE_MS + 1)),
}
FILTERED = {
    "nothing": (Filtered.TOMBSTONE, None),
    "an empty value": (Filtered.TOMBSTONE, b""),
    "no name": (Filtered.UNKNOWN_NAME, record(event=None)),
    "a null name": (Filtered.UNKNOWN_NAME, b'{"event": null}'),
    "another name": (Filtered.UNKNOWN_NAME, record("page_seen", userId=1.5, timestamp=7)),
    "a where that is false": (Filtered.WHERE, record("order_paid", app="shop", test=False)),
    "a where that is unknown": (Filtered.WHERE, record("order_paid", app="suite")),
}
MATCHED = {
    "in order": GOOD,
    "a where that is true": record("order_paid", test=False),
    "no user": record(userId=None),
    "nothing but name and time": record(userId=None, chart=None, ms=None),
    "properties that are no object": json.dumps(
        {"event": "chart_viewed", "timestamp": iso(AT_MS), "properties": "none"}
    ).encode(),
    "a whole number as an id": record(userId=42),
    "the largest id": record(userId=2**53 - 1),
    "the longest id": record(userId="x" * 512),
    "at the bounds": record(ms=600_000),
    "at the lower bound": record("order_paid", amount=-100, test=False),
    "at the bound of sums": record("order_paid", amount=VALUE_MAX, test=False),
    "64 levels": GOOD[:-1] + b', "other": ' + DEEP[1:-1] + b"}",
    "brackets in a text": record(other="[" * 1_000),
    "a mebibyte": GOOD + b" " * (RECORD_BYTES_MAX - len(GOOD)),
    "as early as can be": record(at_ms=INGESTED_MS + FUTURE_MS),
    "unread fields of any kind": record(name="team_joined", ms="5", paid=1, plan=[], chart=1.5),
    "an unread number beyond a double": GOOD[:-1] + b', "other": 1e999}',
    "an absent part of an id together": record(userId=None, watched="c2"),
    "two days late": record(at_ms=AT_MS - 2 * DAY_MS),
}
ONE_OF_ALL = (
    [value for _, value in REJECTED.values()]
    + [value for _, value in FILTERED.values()]
    + [*MATCHED.values()]
)
