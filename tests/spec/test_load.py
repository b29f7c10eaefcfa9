"""YAML text becomes data of YAML 1.2's core schema, and every piece is found again."""

import pytest

from pipeline.spec.load import load
from pipeline.spec.problem import Refusal


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("2024-01-31", "2024-01-31"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("true", True),
        ("FALSE", False),
        ("17", 17),
        ("-0.5", -0.5),
        ("1e3", 1000.0),
        ("'17'", "17"),
        ('"true"', "true"),
        ("9" * 65, "9" * 65),
    ],
)
def test_plain_scalars_follow_the_core_schema(written, value):
    """Only true, false and decimal numbers are more than text; no dates, no sexagesimal, no yes."""
    assert load(f"key: {written}", "f").data == {"key": value}


def test_collections_keep_their_order_and_nesting():
    """Block and flow collections come out alike."""
    text = "b: [1, {c: x}]\na:\n  - y\n  - d: z\n"
    assert load(text, "f").data == {"b": [1, {"c": "x"}], "a": ["y", {"d": "z"}]}


def test_scalar_document_is_data():
    """A file with a single word is that word, for the schema to refuse."""
    assert load("word", "f").data == "word"


def test_empty_document_is_nothing():
    """A file of comments has no data."""
    assert load("# nothing yet\n", "f").data is None


def test_keys_are_text_whatever_they_look_like():
    """A key is never a number or a truth value."""
    assert load("1: a\ntrue: b\n~: c\n", "f").data == {"1": "a", "true": "b", "~": "c"}


def test_empty_values_are_reported_and_read_on():
    """A key without a value is a problem at that key, and the rest is read."""
    document = load("a:\nb: [~, 1]\nc: ''\n", "f")
    assert [(at, refusal.name) for at, refusal in document.refusals] == [
        (("a",), "yaml-empty"),
        (("b", 0), "yaml-empty"),
    ]
    assert document.data == {"a": None, "b": [None, 1], "c": ""}


def test_duplicate_keys_keep_the_first_value():
    """The second of two equal keys is a problem, at any depth, with whatever hangs below it."""
    document = load("a: 1\nb: {c: 2, c: {d: [3]}}\na: [4]\n", "f")
    assert document.data == {"a": 1, "b": {"c": 2}}
    assert [at for at, _ in document.refusals] == [("b", "c"), ("a",)]


def test_scalar_of_a_collection_is_refused():
    """Only scalars have a text."""
    with pytest.raises(KeyError):
        load("a: [1]", "f").scalar(("a",))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a: &x 1\nb: *x\n", "yaml-alias"),
        ("b: *x\n", "yaml-alias"),
        ("a: &x [1]\n", "yaml-alias"),
        ("&x a: 1\n", "yaml-alias"),
        ("a: !!python/object:os.system x\n", "yaml-tag"),
        ("a: !!str 1\n", "yaml-tag"),
        ("a: !x {b: 1}\n", "yaml-tag"),
        ("%TAG ! tag:x,2000:\n---\na: 1\n", "yaml-documents"),
        ("%YAML 1.1\n---\na: 1\n", "yaml-documents"),
        ("a: 1\n---\nb: 2\n", "yaml-documents"),
        ("? [a, b]\n: 1\n", "yaml-key"),
        ("{[a]: 1}", "yaml-key"),
        ("a: " + "[" * 33 + "]" * 33, "yaml-depth"),
        ("[" * 500_000, "yaml-depth"),
        ("{" * 500_000, "yaml-key"),
        ("- " * 500_000, "yaml-depth"),
        ("a: \x00", "yaml-character"),
        ('a: "\\ud800"', "yaml-surrogate"),
        ('"\\udfff": a', "yaml-surrogate"),
        ("a: \ud800", "yaml-character"),
        ("x" * (1 << 20) + "x", "yaml-too-large"),
        ("a: b: c", "yaml-syntax"),
        ("a: @b", "yaml-syntax"),
        ('a: "\\q"', "yaml-syntax"),
        ("a: {b: 'c", "yaml-syntax"),
        ("word\nb: 1", "yaml-syntax"),
        ("a: [1 2", "yaml-syntax"),
        ("a: [b: [c, d] e]", "yaml-syntax"),
        ("- a\nb: 1", "yaml-syntax"),
        ("a: 1\n   b: 2", "yaml-syntax"),
        ("a: 'b' c", "yaml-syntax"),
        ("a: |5x\n", "yaml-syntax"),
        ("a: 'it\n", "yaml-syntax"),
        ("]", "yaml-syntax"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_hostile_and_broken_yaml_is_refused(text, name):
    """Bombs, tags, depth and slips are refused by the name of what they are, with a place."""
    with pytest.raises(Refusal) as refused:
        load(text, "f")
    assert refused.value.name == name
    assert 0 <= refused.value.start <= len(text)


def test_expression_cut_by_a_comma_is_one_problem():
    """What follows the comma within braces is no key, as far as the expression goes."""
    document = load("a: {b: f(x, y=(1), z), c: 1, c: {d: 2}}\n", "f")
    assert [(at, refusal.name) for at, refusal in document.refusals] == [
        (("a", "b"), "yaml-comma"),
        (("a", "c"), "yaml-duplicate-key"),
    ]
    assert document.data == {"a": {"b": "f(x", "c": 1}}


def test_number_of_scalars_is_limited(monkeypatch):
    """A file of nothing but tiny values would take minutes; it is refused on the way."""
    monkeypatch.setattr("pipeline.spec.load.SCALARS_MAX", 10)
    assert load("a: [1, 2, 3, 4, 5, 6, 7, 8, 9]", "f").data
    with pytest.raises(Refusal, match="more than"):
        load("a: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", "f")


def test_depth_of_32_levels_is_read():
    """The limit itself is no trespass."""
    depth, data = 0, load("[" * 32 + "]" * 32, "f").data
    while data:
        depth, data = depth + 1, data[0]
    assert depth == 31
