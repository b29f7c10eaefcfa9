"""What is given up before it is parsed, and that nothing else is."""

import json
from collections import Counter
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.core.hopeless import (
    DEPTH_MAX,
    RECORD_BYTES_MAX,
    deeper_than_allowed,
    without_hopeless,
)
from pipeline.core.records import Reason, Rejected

DEEP = b"[" * 65 + b"]" * 65
RECORDS = st.one_of(
    st.sampled_from(
        [
            b"{}",
            DEEP,
            b"[" * 65,
            b"[" * 64 + b"]" * 64,
            b"[]" * 70,
            b"[" * 40,
            b"]" * 40,
            json.dumps("[" * 90).encode(),
            b'{"a":' * 64 + b"[]" + b"}" * 64,
            b"\xff",
            b"\xc3",
            b"\xa4",
            "ä".encode(),
            b"\xed\xa0\x80",
            b"[" * 70 + b"\xff",
            b" " * (RECORD_BYTES_MAX + 1),
            b" " * RECORD_BYTES_MAX,
        ]
    ),
    st.binary(min_size=1, max_size=8),
)


def hopeless(value):
    """Why a record by itself is given up, None where it is not."""
    if len(value) > RECORD_BYTES_MAX:
        return Reason.TOO_LARGE
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return Reason.INVALID_JSON
    return Reason.TOO_DEEP if deepest(text) > DEPTH_MAX else None


@given(st.lists(RECORDS, max_size=8))
def test_a_record_is_given_up_for_itself_alone(values):
    """Halves of characters and brackets of neighbours never add up across records."""
    rejected = Rejected()
    left, at = without_hopeless(values, np.arange(len(values)) * 3, rejected)
    reasons = [hopeless(value) for value in values]
    found = {3 * row: reason for row, reason in enumerate(reasons) if reason}
    assert found == {place: reason for reason, places in rejected for place in places.tolist()}
    assert Counter(found.values()) == rejected.counts()
    kept = [(value, 3 * row) for row, value in enumerate(values) if reasons[row] is None]
    assert kept == [*zip(left, at.tolist(), strict=True)]


def deepest(text):
    """How many arrays and objects are open at once, by a reader that knows texts."""
    found, depth = 0, 0
    within = False
    characters = iter(text)
    for character in characters:
        if within and character == "\\":
            next(characters, None)
        elif character == '"':
            within = not within
        elif not within:
            depth += (character in "[{") - (character in "]}")
            found = max(found, depth)
    return found


INSIDE = st.one_of(
    st.text(alphabet='[]{}"\\a', max_size=12).map(json.dumps),
    st.sampled_from(["1", "[]", "{}", '{"a[": "]"}', "[[], [[]]]"]),
)


@given(st.integers(DEPTH_MAX - 2, DEPTH_MAX + 2), INSIDE, st.sampled_from(["[", '{"a":']))
def test_depth_is_that_of_objects_and_arrays_outside_of_texts(levels, inside, opening):
    """Brackets in texts, escaped quotes and backslashes at their ends are no levels."""
    closing = "]" if opening == "[" else "}"
    text = opening * levels + inside + closing * levels
    assert (deepest(text) > DEPTH_MAX) == deeper_than_allowed(text.encode())


@given(st.binary(max_size=3), st.text(alphabet='[{"\\a', max_size=150))
def test_depth_is_found_in_texts_that_are_no_json_too(start, text):
    """A text that is not closed goes to the end of the record, whatever stands in it."""
    value = start + text.encode()
    assert (deepest(value.decode("latin-1")) > DEPTH_MAX) == deeper_than_allowed(value)


@pytest.mark.parametrize("filling", [b'\\"', b"\\", b'"', b'""', b"a", b'"\\', b"[]"])
def test_no_record_takes_long_to_look_through(filling):
    """Regression: escaped quotes in a text that is not closed once took hours in a mebibyte."""
    value = b"[]" * 65 + b'"' + filling * (1_000_000 // len(filling))
    started = perf_counter()
    assert not deeper_than_allowed(value)
    assert perf_counter() - started < 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[" * 64 + b"]" * 64, False),
        (b"[" * 65 + b"]" * 65, True),
        (b"[]" * 100, False),
        (b'{"a": "' + b"[" * 100 + b'"}', False),
        (b'{"a": "\\"' + b"[" * 100 + b'"}', False),
        (b'{"a": "\\\\", "b": ' + b"[" * 64 + b"]" * 64 + b"}", True),
        (b'{"a": "\\\\\\"' + b"{" * 100 + b'"}', False),
    ],
)
def test_more_than_64_levels_are_too_deep(text, expected):
    """64 levels are allowed, whatever stands in texts."""
    assert expected == deeper_than_allowed(text)
