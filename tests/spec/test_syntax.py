"""The white list: what is an expression, and what is refused at which place."""

import ast

import pytest

from pipeline.spec.problem import Refusal
from pipeline.spec.syntax import DEPTH_MAX, LENGTH_MAX, parse, place_of


def refusal_of(text):
    """The refusal of an expression, and the part that it points at."""
    with pytest.raises(Refusal) as refused:
        parse(text)
    found = refused.value
    return found, text[found.start : found.end]


@pytest.mark.parametrize(
    "text",
    [
        "a + b * -c / (d - 1)",
        "a.b.c",
        'a["b c"].d["e"]',
        '["$insert id"].x == "y"',
        "a in ('x', \"y\") and not b or c != 1.5e-3",
        "count(e, where=x > 1, window='trailing 7d') >= 3",
        "true and False",
        "  a +\n\tb  ",
        "a == 'größe'",
        'a == "# no comment"',
    ],
)
def test_language_is_accepted(text):
    """Everything that the reference lists passes."""
    assert isinstance(parse(text).tree, ast.expr)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("x ** 2", "x ** 2"),
        ("x // 2", "x // 2"),
        ("x % 2", "x % 2"),
        ("x @ y", "x @ y"),
        ("x & y", "x & y"),
        ("x | y", "x | y"),
        ("x ^ y", "x ^ y"),
        ("x << 2", "x << 2"),
        ("~x", "~x"),
        ("+x", "+x"),
        ("x is y", "x is y"),
        ("x is not y", "x is not y"),
        ("1 < x < 3", "1 < x < 3"),
        ("lambda: 1", "lambda: 1"),
        ("x if y else z", "x if y else z"),
        ("f'{x}'", "f'{x}'"),
        ("(x := 1)", "x := 1"),
        ("{1, 2}", "{1, 2}"),
        ("{1: 2}", "{1: 2}"),
        ("[1, 2]", "[1, 2]"),
        ("[x for x in y]", "[x for x in y]"),
        ("x[0]", "x[0]"),
        ("x[1:2]", "x[1:2]"),
        ("f(x).y", "f(x).y"),
        ("'%s' % x", "'%s' % x"),
        ("None", "None"),
        ("...", "..."),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1j", "1j"),
        ("b'x'", "b'x'"),
        ("1e999", "1e999"),
        ("9" * 400, "9" * 400),
        ("1e-9999", "1e-9999"),
        ("größe", "größe"),
        ("f(*x)", "*x"),
        ("a == '\\ud800'", "'\\ud800'"),
        ("a + (await b)", "await b"),
    ],
)
def test_python_beyond_the_language_is_refused(text, part):
    """What Python would read but the language has not is refused at the very part."""
    found, pointed = refusal_of(text)
    assert (found.name, pointed) == ("expression-forbidden", part)
    assert found.advice


@pytest.mark.parametrize(
    ("text", "part", "message"),
    [
        ("a = 1", "=", "a single `=` does not compare"),
        ("count(e, where=a = 1)", "=", "a single `=` does not compare"),
        ("a && b", "&&", "`&&` is not in the language"),
        ("a || b", "||", "`||` is not in the language"),
        ("!a", "!", "`!` is not in the language"),
        ("a <> b", "<>", "there is no such comparison"),
        ("a AND b", "AND", "this word is written in lower case"),
        ("$a > 1", "$", "a name cannot have a `$`"),
        ("a ? b", "?", "this character is not in the language"),
        ("a; b", ";", "this character is not in the language"),
        ("a.class", "class", "`class` is a reserved word"),
        ("import == 1", "import", "`import` is a reserved word"),
        ("count(e, window=calendar day)", "window=", "`window` takes a text in quotes"),
        ("a > 0, 5)", ", 5", "a number has a point, not a comma"),
        ("a == 'x", "'", "the quote that is opened here is never closed"),
        ("(a + (b)", "(", "the `(` is never closed"),
        ("a + b)", ")", "the `)` closes nothing that is open"),
        ("(a]", "]", "the `]` closes nothing that is open"),
        ("a +", "+", "the expression breaks off here"),
        ("a and ", "d", "the expression breaks off here"),
        ("a b", "b", "the expression cannot be read on from here"),
        ("True b", "b", "the expression cannot be read on from here"),
        ("  a b", "b", "the expression cannot be read on from here"),
        ("a == 'é' b", "b", "the expression cannot be read on from here"),
        ("1or 2", None, None),
        ("'\\d' == a", None, None),
    ],
)
def test_slips_are_found_where_they_are(text, part, message):
    """A text that Python cannot read is refused at the slip that was most likely made."""
    found, pointed = refusal_of(text)
    assert found.name == "expression-syntax"
    if part is not None:
        assert (pointed, found.message) == (part, message)


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_empty_expression_is_refused(text):
    """Nothing is no expression."""
    assert refusal_of(text)[0].message == "the expression is empty"


def test_comment_is_refused():
    """A `#` would hide what stands behind it."""
    assert refusal_of("a > 1 # and b > 2")[1] == "# and b > 2"


def test_length_is_limited():
    """A thousand characters pass, one more does not."""
    assert parse("a" * LENGTH_MAX).text == "a" * LENGTH_MAX
    assert refusal_of("a" * (LENGTH_MAX + 1))[0].name == "expression-too-long"


def test_depth_is_limited():
    """Twenty levels pass, one more does not, and a chain of a sum is as deep as it is long."""
    assert parse(" + ".join(["a"] * DEPTH_MAX))
    for text in (" + ".join(["a"] * 21), "not " * 20 + "a", "(-" * 60 + "a" + ")" * 60):
        assert refusal_of(text)[0].name == "expression-too-deep"


@pytest.mark.parametrize("text", ["(" * 400 + "a", "-" * 999 + "a", "not " * 240 + "a", "f(" * 300])
def test_bombs_are_refused(text):
    """Nesting that could exhaust Python's own parser is refused like any other."""
    assert refusal_of(text)[0].name in ("expression-too-deep", "expression-syntax")


@pytest.mark.parametrize("error", [RecursionError, MemoryError])
def test_exhausted_parser_is_a_refusal(monkeypatch, error):
    """Should Python's parser run out of stack all the same, the expression is too deep."""

    def exhausted(*_, **__):
        raise error

    monkeypatch.setattr(ast, "parse", exhausted)
    assert refusal_of("a")[0].name == "expression-too-deep"


def test_null_characters_are_space():
    """A null byte, which Python would not read, separates words."""
    assert parse("a\x00+ b").text == "a + b"


def test_positions_are_in_characters():
    """An accent before a node does not move its caret."""
    code = parse("  a == 'é' and b")
    assert code.written(code.tree.values[1]) == "b"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a.b", ("a", "b")),
        ('["x y"].z', ("x y", "z")),
        ("flags.true", ("flags", "true")),
        ("f(a).b", None),
        ("1", None),
    ],
)
def test_place_is_a_path(text, path):
    """Names, dots and quoted keys spell a path; nothing else does."""
    assert place_of(ast.parse(text, mode="eval").body) == path
