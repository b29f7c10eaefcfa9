"""Every place of the data, and of a text within it, is found in the user's own lines."""

import pytest

from pipeline.spec import locate
from pipeline.spec.load import load

TEXT = """\
plain: count(active) >= 1
single: 'it''s here'
double: "a\\tb \\u00e9 c"
flow: {one: first, two: [x, yy]}
folded: >-
  one two

    three
literal: |
  one
  two four
over: first line
  second line
joined: "one \\
  two"
block:
  inner: 1
"""


@pytest.fixture(scope="module")
def document():
    """The text above, read."""
    return load(TEXT, "f.yaml")


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("plain", "active"),
        ("plain", ">= 1"),
        ("single", "here"),
        ("single", "it"),
        ("double", "c"),
        ("double", "a"),
        ("folded", "two"),
        ("folded", "three"),
        ("literal", "four"),
        ("over", "second"),
        ("joined", "two"),
    ],
)
def test_part_of_a_scalar_is_under_the_caret(document, path, part):
    """The run of characters that is pointed at reads as the part that was asked for."""
    start = document.scalar((path,)).index(part)
    found = locate.of_value(document, (path,), start, start + len(part))
    first = found.column - 1
    assert found.excerpt[first : first + found.length] == part
    assert TEXT.splitlines()[found.line - 1] == found.excerpt


def test_escaped_character_is_pointed_at_whole(document):
    """One character that was written as an escape is as long as the escape."""
    start = document.scalar(("double",)).index("é")
    found = locate.of_value(document, ("double",), start, start + 1)
    assert found.excerpt[found.column - 1 :].startswith("\\u00e9")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("plain",), (1, 8, 18)),
        (("flow",), (4, 7, 26)),
        (("flow", "two", 1), (4, 29, 2)),
        (("block",), (16, 1, 5)),
        (("block", "inner"), (17, 10, 1)),
        (("block", "missing", "deep"), (16, 1, 5)),
        ((), (1, 1, 1)),
    ],
)
def test_value_is_located(document, path, expected):
    """A value is located at itself, a block at its key, what is missing at what is around it."""
    found = locate.of_value(document, path)
    assert (found.line, found.column, found.length) == expected


def test_key_is_located(document):
    """A key is located at itself, an item of a list at its value."""
    assert locate.of_key(document, ("flow", "two")).column == 20
    assert locate.of_key(document, ("flow", "two", 0)).column == 26


def test_end_of_a_text_can_be_pointed_at(document):
    """A place behind the last character is one character wide."""
    found = locate.of_value(document, ("plain",), 18, None)
    assert (found.column, found.length) == (26, 1)


def test_nothing_is_located_in_an_empty_file():
    """A file without a document has its first line and column."""
    found = locate.of_value(load("", "f"), ("a",))
    assert (found.line, found.column, found.length, found.excerpt) == (1, 1, 1, "")


def test_windows_line_ends_do_not_count():
    """A carriage return is no part of a line."""
    document = load("a: one\r\nb: two\r\n", "f")
    found = locate.of_value(document, ("b",))
    assert (found.line, found.column, found.excerpt) == (2, 4, "b: two")


def test_empty_text_is_located_at_its_quotes():
    """An empty scalar has nothing within that could be pointed at."""
    found = locate.of_value(load("a: ''", "f"), ("a",), 0, 1)
    assert (found.column, found.length) == (4, 2)
