"""Expressions over an event: kinds from their uses, and the typed trees that come of them."""

import pytest

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
from pipeline.spec.canonical import expression_text

NUMBER, TEXT, TRUTH = Kind.NUMBER, Kind.TEXT, Kind.TRUTH


@pytest.fixture
def event_where(plan_of):
    """Compiles a condition over paths."""

    def compiled(condition):
        events = f"events:\n  ordered:\n    name: o\n    where: >-\n      {condition}\n"
        return plan_of(events=events).events[0].where

    return compiled


@pytest.fixture
def values_of(plan_of):
    """The kinds of an event's values, given a condition of an aggregate over them."""

    def compiled(values, where="true", value="count(ordered, where={})"):
        events = f"events:\n  ordered:\n    name: o\n    values: {values}\n"
        metrics = (
            "metrics:\n  a:\n    role: north_star\n    window: trailing 1h\n"
            f"    value: >-\n      {value.format(where)}\n"
        )
        plan = plan_of(events=events, metrics=metrics)
        return {one.name: one.kind for one in plan.events[0].values}

    return compiled


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a.b > 1", Comparison(">", At(("a", "b"), NUMBER), Literal(1.0))),
        ("1 <= a", Comparison("<=", Literal(1.0), At(("a",), NUMBER))),
        ("a < b", Comparison("<", At(("a",), NUMBER), At(("b",), NUMBER))),
        ("a == 'x'", Comparison("==", At(("a",), TEXT), Literal("x"))),
        ("a != true", Comparison("!=", At(("a",), TRUTH), Literal(value=True))),
        ("a", At(("a",), TRUTH)),
        ("true", Literal(value=True)),
        ("not a", Not(At(("a",), TRUTH))),
        ("a in ('x', 'y')", OneOf(At(("a",), TEXT), ("x", "y"))),
        ("a in (1, -2.5)", OneOf(At(("a",), NUMBER), (1.0, -2.5))),
        ("a not in ('x',)", Not(OneOf(At(("a",), TEXT), ("x",)))),
        ("a > -1", Comparison(">", At(("a",), NUMBER), Literal(-1.0))),
        (
            "-a * 2 > 1",
            Comparison(
                ">",
                Arithmetic("*", Arithmetic("-", Literal(0.0), At(("a",), NUMBER)), Literal(2.0)),
                Literal(1.0),
            ),
        ),
        (
            "a and b or not c",
            AnyOf((AllOf((At(("a",), TRUTH), At(("b",), TRUTH))), Not(At(("c",), TRUTH)))),
        ),
        (
            "a == b and b == 'x'",
            AllOf(
                (
                    Comparison("==", At(("a",), TEXT), At(("b",), TEXT)),
                    Comparison("==", At(("b",), TEXT), Literal("x")),
                )
            ),
        ),
    ],
)
def test_conditions_over_paths(event_where, condition, expected):
    """Places take the kind of what they are compared with, also by way of each other."""
    assert event_where(condition) == expected


@pytest.mark.parametrize(
    ("values", "where", "kinds"),
    [
        ("{a: p}", "a > 1", {"a": NUMBER}),
        ("{a: p}", "a == 'x'", {"a": TEXT}),
        ("{a: p}", "a", {"a": TRUTH}),
        ("{a: p, b: p}", "a in ('x', 'y')", {"a": TEXT, "b": TEXT}),
        ("{a: p, b: q}", "a == b and a != 'x'", {"a": TEXT, "b": TEXT}),
        ("{a: p, b: q}", "true", {}),
        ("{a: p * 2, b: q > 1, c: 5, d: true, e: '\"x\"'}", "true",
         {"a": NUMBER, "b": TRUTH, "c": NUMBER, "d": TRUTH, "e": TEXT}),
        ("{a: {from: p, max: 5}}", "true", {"a": NUMBER}),
        ("{a: p, b: p + 1}", "true", {"a": NUMBER, "b": NUMBER}),
    ],
)  # fmt: skip
def test_values_take_their_kind_from_their_uses(values_of, values, where, kinds):
    """A value that no use says anything about is not read; all others have one kind."""
    assert values_of(values, where) == kinds


def test_sums_and_means_want_numbers(values_of):
    """What is added up is a number."""
    assert values_of("{a: p}", value="sum(ordered.a)") == {"a": NUMBER}
    assert values_of("{a: p}", value="mean(ordered.a)") == {"a": NUMBER}


def test_conditions_over_values(plan_of):
    """In an aggregate, names are the event's values."""
    plan = plan_of(
        metrics="metrics:\n  a: {role: north_star, window: trailing 1h, "
        "value: 'count(ordered, where=amount > 5 and plan != \"pro\")'}\n"
    )
    assert plan.feeds[0].where == AllOf(
        (
            Comparison(">", Named("amount", NUMBER), Literal(5.0)),
            Comparison("!=", Named("plan", TEXT), Literal("pro")),
        )
    )


@pytest.mark.parametrize(
    "text",
    [
        "a + b - c",
        "a - (b - c)",
        "a / (b * c) * d",
        "(a + b) * c",
        "a + b * c",
        "(a + b) * 2 > c - 1",
        'a["b c"].d == "it\'s \\"é\\""',
        "a in (1, 2.5)",
        'not a in ("x",)',
        "not (a or b) and c",
        "(a or b) and (c or not d)",
        "a and b or c",
        "not a > 1",
        "a == true or b != false",
        "a * 1e+20 > 0.1",
        "a > -1",
    ],
)
def test_canonical_text_reads_back_as_itself(event_where, text):
    """The text of a tree is a definition of that same tree, with no parenthesis to spare."""
    condition = text if any(sign in text for sign in "<>=") or " or " in text else f"{text} > 0"
    condition = text if text.startswith("not") or " in (" in text else condition
    tree = event_where(condition)
    assert expression_text(tree) == condition
    assert event_where(expression_text(tree)) == tree


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("a + 'x' > 1", "kind-conflict"),
        ("a > 'x'", "kind-conflict"),
        ("a > true", "kind-conflict"),
        ("a > 1 and a", "kind-conflict"),
        ("a == b and a > 1 and b == 'x'", "kind-conflict"),
        ("a > 1 and b == 'x' and a == b", "kind-conflict"),
        ("a == b and b == a", "kind-unknown"),
        ("a == 'x' and b == 'x' and a == b and c > 'x'", "kind-conflict"),
        ("a + 1", "kind-conflict"),
        ("'x'", "kind-conflict"),
        ("1", "kind-conflict"),
        ("(a > 1) + 1 > 2", "kind-conflict"),
        ("(a > 1) == true", "expression-forbidden"),
        ("(not a) == true", "expression-forbidden"),
        ("(a and b) == true", "expression-forbidden"),
        ("a in b", "expression-options"),
        ("a in ()", "expression-options"),
        ("a in (1, 'x')", "expression-options"),
        ("a in (true, false)", "expression-options"),
        ("a in (b,)", "expression-options"),
        ("(a, b) == 1", "expression-forbidden"),
        ("len(a) > 1", "expression-forbidden"),
        ("1 + a == 'x'", "kind-conflict"),
    ],
)
def test_conditions_that_make_no_sense(problems_of, where, name):
    """Each is refused once, by the name of what is wrong."""
    events = f'events:\n  ordered:\n    name: o\n    where: "{where}"\n'
    assert [problem[:2] for problem in problems_of(events=events)] == [(name, 7)]


def test_conflict_names_the_other_line(problems_of):
    """Of two uses that do not fit, the second is refused, and says where the first stands."""
    events = "events:\n  ordered:\n    name: o\n    values: {a: p.q * 2}\n    where: p.q == 'x'\n"
    (problem,) = problems_of(events=events)
    assert problem == (
        "kind-conflict", 8, "`p.q` is used as text here, but as a number in line 7"
    )  # fmt: skip
