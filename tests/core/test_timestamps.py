"""Times of records: what is a time, what is none, and that neighbours do not matter."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, strategies as st

from pipeline.core.envelope import TimeUnit
from pipeline.core.timestamps import BAD, EARLIEST_MS, LATEST_MS, milliseconds

AT = 1_705_744_800_000  # 2024-01-20T10:00:00Z
ACCEPTED = {
    "2024-01-20T10:00Z": AT,
    "2024-01-20 10:00Z": AT,
    "2024-01-20T10:00:00Z": AT,
    "2024-01-20T10:00:59Z": AT + 59_000,
    "2024-01-20T10:00:00.1Z": AT + 100,
    "2024-01-20T10:00:00.12Z": AT + 120,
    "2024-01-20T10:00:00.123Z": AT + 123,
    "2024-01-20T10:00:00.123999999Z": AT + 123,
    "2024-01-20T10:00:00.999999999Z": AT + 999,
    "2024-01-20T10:00:00.0000001Z": AT,
    "2024-01-20T11:30:00+01:30": AT,
    "2024-01-20T11:30:00+0130": AT,
    "2024-01-20T11:00+01": AT,
    "2024-01-20T08:15-01:45": AT,
    "2024-01-20T10:00:00-00:00": AT,
    "2024-01-20T10:00:00+00:00": AT,
    "2024-01-21T09:59:00.5+23:59": AT + 500,
    "2024-02-29T00:00Z": 1_709_164_800_000,
    "2000-01-01T00:00Z": EARLIEST_MS,
    "1999-12-31T23:00-01:00": EARLIEST_MS,
    "2099-12-31T23:59:59.999Z": LATEST_MS - 1,
    "2100-01-01T00:59:59.999+01:00": LATEST_MS - 1,
}
REFUSED = [
    "",
    " ",
    "yesterday",
    "2024",
    "2024-01",
    "2024-01-20",
    "2024-01-20Z",
    "2024-01-20T10Z",
    "2024-01-20T10+02",
    "2024-01-20T10+02:00",
    "2024-01-20T10-0200",
    "2024-01-20T1000Z",
    "2024-01-20T100000Z",
    "20240120T100000Z",
    "2024-01-20T10:00",
    "2024-01-20T10:00:00",
    "2024-01-20T10:00:00.123",
    "2024-01-20T10:00:00.Z",
    "2024-01-20T10:00:00.1234567890Z",
    "2024-01-20T10:00:00,5Z",
    "2024-01-20T10:00:60Z",
    "2024-01-20T10:60Z",
    "2024-01-20T24:00Z",
    "2024-01-20T10:00z",
    "2024-01-20t10:00Z",
    "2024-01-20_10:00Z",
    "2024-01-20T10:00 Z",
    "2024-01-20T10:00 +02:00",
    " 2024-01-20T10:00Z",
    "2024-01-20T10:00Z ",
    "2024-01-20T10:00Z\n",
    "2024-01-20  10:00Z",
    "2024-1-20T10:00Z",
    "24-01-20T10:00Z",
    "+2024-01-20T10:00Z",
    "-2024-01-20T10:00Z",
    "\uff12\uff10\uff12\uff14-01-20T10:00Z",
    "2024-01-20T10:00UTC",
    "2024-01-20T10:00+2:00",
    "2024-01-20T10:00+02:60",
    "2024-01-20T10:00+24:00",
    "2024-01-20T10:00\N{MINUS SIGN}02:00",
    "2024-00-20T10:00Z",
    "2024-13-20T10:00Z",
    "2024-01-00T10:00Z",
    "2024-01-32T10:00Z",
    "2024-02-30T10:00Z",
    "2023-02-29T10:00Z",
    "2024-04-31T10:00Z",
    "1999-12-31T23:59:59.999Z",
    "2100-01-01T00:00Z",
    "1970-01-01T00:00Z",
    "1600-01-01T00:00Z",
    "9999-12-31T00:00Z",
    "1705744800000",
]
ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
    r"(?:Z|([+-])(\d\d):?(\d\d)?)",
    re.ASCII,
)


def read(text):
    """The time of a text, worked out with the standard library."""
    match = ISO.fullmatch(text or "")
    if match is None or text.endswith(":"):
        return int(BAD)
    *parts, second, decimals, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        local = datetime(*map(int, parts), int(second or 0), tzinfo=UTC)
    except ValueError:
        return int(BAD)
    if offset >= timedelta(days=1) or int(minutes or 0) > 59:
        return int(BAD)
    since = local - datetime(1970, 1, 1, tzinfo=UTC) - (-offset if sign == "-" else offset)
    found = since // timedelta(milliseconds=1) + int((decimals or "").ljust(3, "0")[:3])
    return found if EARLIEST_MS <= found < LATEST_MS else int(BAD)


@pytest.mark.parametrize(("text", "expected"), ACCEPTED.items())
def test_iso_texts_are_read_and_cut_to_milliseconds(text, expected):
    """Date, T or space, minutes at least, up to nine decimals, Z or an offset: that is a time."""
    assert [expected] == milliseconds([text], TimeUnit.ISO).tolist()


@pytest.mark.parametrize("text", REFUSED)
def test_anything_else_is_no_time(text):
    """What has no zone, no minutes, no such day, or lies before 2000 or after 2099 is bad."""
    assert milliseconds([text], TimeUnit.ISO).tolist() == [BAD]


def test_good_and_bad_texts_in_one_batch_are_read_as_one_by_one():
    """A 30 February in the middle of a batch touches none of its neighbours."""
    texts = [None, *ACCEPTED, *REFUSED, None, *reversed(ACCEPTED)]
    expected = [ACCEPTED.get(text, BAD) for text in texts]
    assert expected == milliseconds(texts, TimeUnit.ISO).tolist()


def digits(low, high, width):
    """A whole number, mostly of a time's own width."""
    return st.integers(low, high).map(lambda number: f"{number:0{width}}")


DATES = st.tuples(digits(1998, 2101, 4), digits(0, 13, 2), digits(0, 32, 2)).map("-".join)
SECONDS = st.one_of(
    st.just(""),
    digits(0, 61, 2).map(":{}".format),
    st.tuples(digits(0, 59, 2), st.text("0123456789", max_size=10)).map(
        lambda parts: f":{parts[0]}.{parts[1]}"
    ),
)
OFFSETS = st.one_of(
    st.sampled_from(["Z", "", "z", " Z", "+", "-00:00", "+02", "-0930", "+5:30"]),
    st.tuples(st.sampled_from("+-"), digits(0, 25, 2), digits(0, 61, 2)).map(
        lambda parts: f"{parts[0]}{parts[1]}:{parts[2]}"
    ),
)
MINUTES = st.one_of(st.just(""), digits(0, 61, 2).map(":{}".format))
NEARLY_ISO = st.tuples(
    DATES, st.sampled_from("T T T t_"), digits(0, 25, 2), MINUTES, SECONDS, OFFSETS
).map("".join)
TEXTS = st.one_of(
    st.none(), st.sampled_from([*ACCEPTED]), st.sampled_from(REFUSED), NEARLY_ISO, NEARLY_ISO
)


@given(st.lists(TEXTS, max_size=12))
@example(["2024-01-20T10Z"])
@example(["2024-01-20T10+02:00", "2024-01-20T10:00:00.5+02"])
def test_texts_are_read_as_the_standard_library_reads_them(texts):
    """Whatever stands together in a batch, each text gives what it gives by itself."""
    assert [read(text) for text in texts] == milliseconds(texts, TimeUnit.ISO).tolist()


# As most SDKs write it: each part in its place, and each in its range or not.
USUAL = st.tuples(
    digits(1999, 2101, 4), digits(0, 13, 2), digits(0, 32, 2),
    digits(0, 24, 2), digits(0, 60, 2), digits(0, 60, 2), digits(0, 999, 3),
).map(lambda parts: "{}-{}-{}T{}:{}:{}.{}Z".format(*parts))  # fmt: skip
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 12, 31)).map(  # noqa: DTZ001
    lambda moment: moment.isoformat(timespec="milliseconds") + "Z"
)


@given(st.lists(USUAL | MOMENTS, min_size=1, max_size=4) | st.lists(MOMENTS, min_size=1))
@example(["2024-02-29T00:00:00.000Z", "2023-02-29T00:00:00.000Z"])
@example(["2024-02-30T00:00:00.000Z"])
@example(["2000-02-29T23:59:59.999Z", "2100-12-31T00:00:00.000Z"])
@example(["2024-01-20T10:00:00.00:Z"])
@example(["2024-01-20T10:00:00.00Z", "2024-01-20T10:00:00.0000Z"])
def test_texts_of_the_usual_form_are_read_the_same(texts):
    """They have a way of their own, which is left where one of them is out of range."""
    assert [read(text) for text in texts] == milliseconds(texts, TimeUnit.ISO).tolist()


@pytest.mark.parametrize(
    ("number", "unit", "expected"),
    [
        (AT, TimeUnit.MILLISECONDS, AT),
        (float(AT), TimeUnit.MILLISECONDS, AT),
        (AT + 0.4, TimeUnit.MILLISECONDS, AT),
        (AT + 0.6, TimeUnit.MILLISECONDS, AT + 1),
        (AT // 1000, TimeUnit.SECONDS, AT),
        (AT / 1000 + 0.123, TimeUnit.SECONDS, AT + 123),
        (AT / 1000 + 0.9996, TimeUnit.SECONDS, AT + 1000),
        (EARLIEST_MS, TimeUnit.MILLISECONDS, EARLIEST_MS),
        (EARLIEST_MS - 1, TimeUnit.MILLISECONDS, BAD),
        (LATEST_MS - 1, TimeUnit.MILLISECONDS, LATEST_MS - 1),
        (LATEST_MS, TimeUnit.MILLISECONDS, BAD),
        (LATEST_MS // 1000, TimeUnit.SECONDS, BAD),
        (LATEST_MS / 1000 - 0.001, TimeUnit.SECONDS, LATEST_MS - 1),
        (AT, TimeUnit.SECONDS, BAD),
        (AT // 1000, TimeUnit.MILLISECONDS, BAD),
        (0, TimeUnit.MILLISECONDS, BAD),
        (-AT, TimeUnit.MILLISECONDS, BAD),
        (1e300, TimeUnit.SECONDS, BAD),
        (1.7e308, TimeUnit.SECONDS, BAD),
        (None, TimeUnit.MILLISECONDS, BAD),
        (None, TimeUnit.SECONDS, BAD),
    ],
)
def test_numbers_are_read_in_the_unit_that_was_declared(number, unit, expected):
    """A number is rounded to the nearest millisecond, and no unit is ever guessed."""
    good = AT // 1000 if unit is TimeUnit.SECONDS else AT
    assert [expected] == milliseconds([number], unit).tolist()
    assert [AT, expected, AT] == milliseconds([good, number, good], unit).tolist()


@pytest.mark.parametrize("unit", TimeUnit)
def test_no_rows_have_no_times(unit):
    """An empty batch is read as an empty batch."""
    assert milliseconds([], unit).tolist() == []
    assert milliseconds([None], unit).tolist() == [BAD]
