"""The oracle's own tests of value attributes and of parameters, with numbers worked by hand."""

from tests.oracle.worked_case import definition, event, run, series

PLANS = {"user": {"plan": {"from": "change.to"}, "seats": {"from": "change.seats"}}}
EVENTS = {
    "open": {"name": "open", "ids": {"user": "user"}, "values": {"n": "n"}},
    "change": {
        "name": "change",
        "ids": {"user": "user"},
        "values": {"to": "to", "seats": "seats"},
    },
}


def stated(metrics, sets=None, **top):
    """Write a definition in which users have a plan and seats."""
    return definition(metrics, events=EVENTS, entities=PLANS, sets=sets or {}, **top)


def test_a_state_is_that_of_the_newest_lesson_that_has_it():
    """User a is premium from 0 to 10; the change of seats at 5 says nothing of the plan."""
    sets = {
        "premium": {"of": "user", "when": "plan == 'premium'"},
        "big": {"of": "user", "when": "plan in ('premium', 'pro') and not seats < 5"},
    }
    bodies = [
        event(0, "change", user="a", to="premium"),
        event(5, "change", user="a", seats=5),
        event(10, "change", user="a", to="free"),
    ]
    text = stated({"p": {"value": "size(premium)"}, "b": {"value": "size(big)"}}, sets)
    found = run(text, bodies, [0, 1, 6, 11])
    assert series(found, "p") == [0, 1, 1, 0]
    assert series(found, "b") == [0, 0, 1, 0]


def test_an_unknown_state_is_neither_true_nor_false():
    """User b never said its plan: it is not known to be other than premium."""
    sets = {
        "others": {
            "of": "user",
            "when": "count(open) >= 1 and plan != 'premium'",
            "window": "trailing 10s",
        }
    }
    bodies = [event(0, "change", user="a", to="free"), event(1, user="a"), event(1, user="b")]
    assert series(run(stated({"m": {"value": "size(others)"}}, sets), bodies, [2])) == [1]


def test_a_row_is_judged_by_the_state_of_its_own_time():
    """Opens at 1, 3 and 6; premium from 3 on until 5: the open of 3 alone counts, for ever."""
    bodies = [
        event(1, user="a", n=1),
        event(3, "change", user="a", to="premium"),
        event(3, user="a", n=10),
        event(5, "change", user="a", to="free"),
        event(6, user="a", n=100),
    ]
    text = stated({"m": "sum(open.n, where=user.plan == 'premium' and n > 1)"})
    assert series(run(text, bodies, [4, 7])) == [10, 10]


def test_a_lesson_that_comes_late_changes_the_rows_after_it():
    """The lesson of second 0 is visible from 5 on, and the open of 1 is premium since then."""
    bodies = [event(1, user="a"), event(5), event(0, "change", user="a", to="premium")]
    text = stated({"m": "count(open, where=user.plan == 'premium')"})
    assert series(run(text, bodies, [5, 6])) == [0, 1]


def test_parameters_stand_for_numbers():
    """Over 2 by the file, over 5 in the metric of its own, over 8 in the variant."""
    sets = {"s": {"of": "user", "when": "sum(open.n) >= least", "window": "trailing 10s"}}
    metrics = {
        "file": "count(open, where=n > least)",
        "own": {
            "value": "count(open, where=n > least)",
            "window": "trailing 10s",
            "params": {"least": 5},
            "variants": {"strict": {"least": 8}},
        },
        "size": {"value": "size(s)", "variants": {"strict": {"least": 9}}},
    }
    bodies = [event(0, user=u, n=n) for u, n in [("a", 1), ("b", 3), ("c", 6), ("d", 9)]]
    found = run(stated(metrics, sets, params={"least": 2}), bodies, [1])
    values = {name: reading.value for (name, _), reading in found.readings.items()}
    assert values == {"file": 3, "own": 2, "own__strict": 1, "size": 3, "size__strict": 1}
