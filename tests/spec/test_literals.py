"""Durations and percentages that stand bare within an expression."""

import ast

import pytest

from pipeline.spec.literals import Duration, Share, duration_ms_of, literal_of, share_of
from pipeline.spec.problem import Refusal
from pipeline.spec.syntax import parse


def literals_of(text):
    """What stands bare in an expression, with the text that each points at."""
    code = parse(text)
    found = [node for node in ast.walk(code.tree) if isinstance(node, ast.Constant)]
    return [(literal_of(node), code.written(node)) for node in found if literal_of(node)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("retention(s, 7d)", [(Duration("7d"), "7d")]),
        ("g('ß', top=1%) + b(90s)", [(Share("1%"), "1%"), (Duration("90s"), "90s")]),
        ("f(top=0.5%, x=500ms )", [(Share("0.5%"), "0.5%"), (Duration("500ms"), "500ms")]),
        ("f('7d', x == \"1%\")", []),
        ("d7 + x.a7d + __", []),
    ],
)
def test_a_literal_stands_where_it_was_written(text, expected):
    """Nothing within quotes or names is taken for one, and columns stay true."""
    assert sorted(literals_of(text), key=repr) == sorted(expected, key=repr)


def test_bare_and_quoted_mean_the_same():
    """A reader takes both, whatever stands before them."""
    code = parse("f(7d, '7d', 1%, \"1%\")")
    bare, quoted, share, quoted_share = code.tree.args
    assert duration_ms_of(code, bare) == duration_ms_of(code, quoted) == 604_800_000
    assert share_of(code, share) == share_of(code, quoted_share) == 0.01


@pytest.mark.parametrize(("text", "part"), [("f(1%)", "1%"), ("f(x)", "x"), ("f('7 d')", "'7 d'")])
def test_anything_else_is_no_duration(text, part):
    """The refusal points at all that stands there."""
    code = parse(text)
    with pytest.raises(Refusal) as refused:
        duration_ms_of(code, code.tree.args[0])
    assert text[refused.value.start : refused.value.end] == part


@pytest.mark.parametrize("text", ["5 % 3", "5%3", "x%2", "5% 3", "5 %(3)"])
def test_a_remainder_is_refused(text):
    """A percentage has nothing after it to divide by."""
    with pytest.raises(Refusal, match="`%` between two"):
        parse(text)


@pytest.mark.parametrize("text", ["7d x", "1.5d", "7days", "7d = 3", "0x1d", "5%%"])
def test_what_is_no_literal_does_not_become_one(text):
    """Other slips stay slips."""
    with pytest.raises(Refusal):
        parse(text)
