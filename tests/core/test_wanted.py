"""What a plan wants of a record: names, places, texts, and for how long."""

import numpy as np
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
from pipeline.core.record_shape import Use
from pipeline.core.wanted import (
    bearers,
    dictionary_of,
    leaves,
    places,
    places_by_name,
    record_names,
    retentions,
    texts,
    time_places,
)
from pipeline.core.windows import DAY_MS, MINUTE_MS
from tests.core.plans import SUITE

A, B, C = (At((name,), Kind.NUMBER) for name in "abc")
T = At(("t",), Kind.TEXT)


def test_a_record_name_has_one_code_however_many_events_bear_it():
    """Codes go by first mention, and each event knows which names may be it."""
    names = ("chart_shared", "team_joined", "chart_viewed", "order_paid")
    assert names == record_names(SUITE)
    active = SUITE.events[-1]
    assert bearers(SUITE, active).tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("expression", "expected_leaves", "expected_texts"),
    [
        (A, [A], []),
        (Literal(5.0), [], []),
        (Literal("x"), [], ["x"]),
        (Literal(value=True), [], []),
        (Named("n", Kind.NUMBER), [], []),
        (Arithmetic("+", A, Arithmetic("/", B, Literal(2.0))), [A, B], []),
        (Comparison("==", T, Literal("x")), [T], ["x"]),
        (Not(OneOf(T, ("x", "y"))), [T], ["x", "y"]),
        (OneOf(A, (1.0, 2.0)), [A], []),
        (AllOf((A, AnyOf((B, Not(C))))), [A, B, C], []),
    ],
)
def test_leaves_and_texts_are_found_at_any_depth(expression, expected_leaves, expected_texts):
    """Every kind of expression gives the places that it looks at, and the texts it compares."""
    assert expected_leaves == [*leaves(expression)]
    assert expected_texts == [*texts(expression)]


def test_the_places_of_an_event_are_all_that_it_reads():
    """Ids, the leaves of values and those of the condition, each with its use."""
    paid = {
        (("userId",), Use.ID),
        (("properties", "amount"), Use.NUMBER),
        (("properties", "app"), Use.TEXT),
        (("properties", "test"), Use.TRUTH),
    }
    assert paid == places(SUITE.events[3])
    by_name = places_by_name(SUITE)
    assert paid | {(("messageId",), Use.ID)} == by_name["order_paid"]
    assert by_name["chart_shared"] == {
        (("userId",), Use.ID),
        (("messageId",), Use.ID),
        (("properties", "chart"), Use.ID),
    }
    assert time_places(SUITE) == ((("timestamp",), Use.TEXT),)


def test_a_name_is_kept_for_as_long_as_the_longest_of_its_events():
    """Events that teach an attribute are never too old, whatever else bears their name."""
    forever = np.iinfo(np.int64).max
    assert [forever, forever, 8 * DAY_MS, 7 * DAY_MS + 10 * MINUTE_MS] == retentions(SUITE).tolist()


def test_the_texts_of_conditions_have_codes_before_any_record():
    """Those of events and of feeds, each once; none is -1."""
    assert dictionary_of(SUITE) == {None: -1, "suite": 1, "pro": 2}
