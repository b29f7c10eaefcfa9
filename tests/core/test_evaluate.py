"""Expressions over columns, held to a reading of one row at a time in SQL's three values."""

import math
import operator

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from pipeline.core.evaluate import FALSE, TRUE, UNKNOWN, condition, numbers
from pipeline.core.expression import (
    AllOf,
    AnyOf,
    Arithmetic,
    At,
    Comparison,
    Kind,
    Literal,
    Named,
    Not,
    OneOf,
)

N, M = At(("n",), Kind.NUMBER), Named("m", Kind.NUMBER)
T, S = At(("t",), Kind.TEXT), Named("s", Kind.TEXT)
B, C = At(("b",), Kind.TRUTH), Named("c", Kind.TRUTH)
LEAVES = (N, M, T, S, B, C)

COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Batch:
    """Rows (a value for each of LEAVES, None where absent) as columns."""

    def __init__(self, rows):
        self.codes = {None: -1}
        columns = zip(*rows, strict=True) if rows else [[] for _ in LEAVES]
        self.columns = {
            leaf: self.array(leaf.kind, values)
            for leaf, values in zip(LEAVES, columns, strict=True)
        }

    def array(self, kind, values):
        """The column that decode would make of values."""
        if kind is Kind.NUMBER:
            return np.array(values, np.float64)
        if kind is Kind.TRUTH:
            return np.array([-1 if value is None else value for value in values], np.int8)
        return np.array([self.code(value) for value in values], np.int64)

    def column(self, leaf):
        """The array behind a leaf."""
        return self.columns[leaf]

    def code(self, text):
        """The code of a text, new ones included."""
        return self.codes.setdefault(text, len(self.codes))


# ── one row at a time ────────────────────────────────────────────────────────────────────────────


def value_of(expression, row):
    """What stands on a side of a comparison, None where it is absent."""
    if isinstance(expression, Literal):
        return expression.value
    if isinstance(expression, At | Named):
        return row[LEAVES.index(expression)]
    left, right = value_of(expression.left, row), value_of(expression.right, row)
    if left is None or right is None or (expression.operator == "/" and right == 0):
        return None
    try:
        found = {
            "+": operator.add,
            "-": operator.sub,
            "*": operator.mul,
            "/": operator.truediv,
        }[expression.operator](float(left), float(right))
    except OverflowError:
        return math.inf
    return None if math.isnan(found) else found


def truth_of(expression, row):
    """True, False, or None for unknown, as SQL has it."""
    if isinstance(expression, Not):
        inner = truth_of(expression.operand, row)
        return None if inner is None else not inner
    if isinstance(expression, AllOf):
        parts = [truth_of(part, row) for part in expression.operands]
        return False if False in parts else None if None in parts else True
    if isinstance(expression, AnyOf):
        parts = [truth_of(part, row) for part in expression.operands]
        return True if True in parts else None if None in parts else False
    if isinstance(expression, OneOf):
        item = value_of(expression.item, row)
        return None if item is None else item in expression.options
    if isinstance(expression, Comparison):
        left, right = value_of(expression.left, row), value_of(expression.right, row)
        return None if None in (left, right) else COMPARE[expression.operator](left, right)
    return value_of(expression, row)


# ── expressions ──────────────────────────────────────────────────────────────────────────────────

WRITTEN = st.sampled_from([0.0, 1.0, -1.0, 2.0, 0.5, 3.0])
WORDS = st.sampled_from(["pro", "free", "", "never seen"])
ARITHMETIC = st.recursive(
    st.one_of(st.sampled_from([N, M]), WRITTEN.map(Literal)),
    lambda inside: st.builds(Arithmetic, st.sampled_from("+-*/"), inside, inside),
    max_leaves=4,
)
TEXT = st.one_of(st.sampled_from([T, S]), WORDS.map(Literal))
TRUTH = st.one_of(st.sampled_from([B, C]), st.booleans().map(Literal))
ANY_COMPARISON = st.sampled_from([*COMPARE])
EQUALITY = st.sampled_from(["==", "!="])
COMPARISONS = st.one_of(
    st.builds(Comparison, ANY_COMPARISON, ARITHMETIC, ARITHMETIC),
    st.builds(Comparison, EQUALITY, TEXT, TEXT),
    st.builds(Comparison, EQUALITY, TRUTH, TRUTH),
    st.builds(OneOf, ARITHMETIC, st.lists(WRITTEN, min_size=1, max_size=3).map(tuple)),
    st.builds(OneOf, TEXT, st.lists(WORDS, min_size=1, max_size=3).map(tuple)),
    TRUTH,
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inside: st.one_of(
        st.builds(Not, inside),
        st.lists(inside, min_size=2, max_size=3).map(tuple).map(AllOf),
        st.lists(inside, min_size=2, max_size=3).map(tuple).map(AnyOf),
    ),
    max_leaves=5,
)
NUMBERS = st.one_of(st.none(), WRITTEN, st.floats(-1e12, 1e12), st.just(1e300))
TEXTS = st.one_of(st.none(), WORDS)
TRUTHS = st.sampled_from([None, True, False])
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, TEXTS, TEXTS, TRUTHS, TRUTHS), max_size=6)
SAID = {True: TRUE, False: FALSE, None: UNKNOWN}


@given(CONDITIONS, ROWS)
@example(Not(Comparison("==", N, Literal(1.0))), [(None,) * 6])
def test_conditions_are_those_of_sql_row_by_row(expression, rows):
    """True, false and unknown in every row as when it is read by itself."""
    found = np.broadcast_to(condition(expression, Batch(rows)), len(rows))
    assert [SAID[truth_of(expression, row)] for row in rows] == found.tolist()
    assert found.dtype == np.uint8


@given(ARITHMETIC, ROWS)
def test_arithmetic_is_that_of_doubles_row_by_row(expression, rows):
    """Absent operands and divisions by zero make a row absent, and no other."""
    found = np.broadcast_to(numbers(expression, Batch(rows)), len(rows)).tolist()
    expected = [value_of(expression, row) for row in rows]
    assert expected == [None if math.isnan(value) else value for value in found]


KLEENE = [
    (True, True, True, True),
    (True, None, None, True),
    (True, False, False, True),
    (None, None, None, None),
    (None, False, False, None),
    (False, False, False, False),
]


@pytest.mark.parametrize(("left", "right", "both", "either"), KLEENE)
def test_and_or_and_not_know_three_values(left, right, both, either):
    """The table of Kleene: unknown stays unknown unless the other side decides."""
    rows = [(None, None, None, None, left, right), (None, None, None, None, right, left)]
    batch = Batch(rows)
    assert [SAID[both]] * 2 == condition(AllOf((B, C)), batch).tolist()
    assert [SAID[either]] * 2 == condition(AnyOf((B, C)), batch).tolist()
    opposite = None if left is None else not left
    assert SAID[opposite] == condition(Not(B), batch)[0]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (Arithmetic("/", Literal(1.0), Literal(0.0)), None),
        (Arithmetic("/", Literal(0.0), Literal(0.0)), None),
        (Arithmetic("-", Literal(0.0), Literal(2.5)), -2.5),
        (Arithmetic("*", Literal(1e200), Literal(1e200)), math.inf),
        (Arithmetic("/", Literal(7.0), Literal(2.0)), 3.5),
    ],
)
def test_numbers_as_written_need_no_column(expression, expected):
    """What has no place in the record is one number for all rows."""
    found = numbers(expression, Batch([])).item()
    assert expected == (None if math.isnan(found) else found)


def test_an_empty_batch_comes_to_nothing():
    """No rows, no answers, whatever is asked."""
    batch = Batch([])
    for expression in (Not(Comparison("<", N, M)), OneOf(T, ("pro",)), AllOf((B, C))):
        assert condition(expression, batch).shape == (0,)
    assert condition(Literal(value=True), batch).item() == TRUE
