"""The oracle's own tests of anchored windows, with numbers worked by hand."""

from tests.oracle.worked_case import definition, event, run, series


def anchored(when, **keys):
    """Write a set of users measured after their first sharing."""
    about = {"of": "user", "when": when, "window": "first 10s after share", **keys}
    metrics = {"m": {"value": "size(s)"}, "all": {"value": "cohort(s)"}}
    return definition(metrics, sets={"s": about})


BODIES = [
    event(0, "share", user="a"),
    event(1, user="a"),
    event(5, "share", user="b"),
    event(6, user="c"),
    event(9.999, user="a"),
    event(10, user="a"),
    event(15, user="b"),
]


def test_the_matured_are_those_whose_window_ended():
    """The window of a ended at 10 with two opens, b's at 15 with none; c never began."""
    text = anchored("count(open) >= 2", matured="trailing 20s")
    found = run(text, BODIES, [10, 11, 15, 16, 30, 31])
    assert series(found) == [0, 1, 1, 1, 1, 0]
    assert series(found, "all") == [0, 1, 1, 2, 2, 1]


def test_the_started_count_at_once():
    """At 2 a has one open so far; started in the last 5 s are a until 5, then b until 10."""
    text = anchored("count(open) >= 1", started="trailing 5s")
    found = run(text, BODIES, [1, 2, 5, 6, 10])
    assert series(found) == [0, 1, 1, 0, 0]
    assert series(found, "all") == [1, 1, 1, 1, 1]


def test_of_a_cohort_those_without_rows_may_be_members():
    """User b never opened in its ten seconds."""
    text = anchored("not count(open) >= 1", matured="trailing 20s")
    assert series(run(text, BODIES, [16])) == [1]


def test_an_anchor_is_the_earliest_ever():
    """A second sharing of a begins nothing new, and an older one that comes late moves all."""
    text = anchored("count(open) >= 1", started="trailing 5s")
    late = [*BODIES, event(20, "share", user="a"), event(24), event(19, "share", user="d")]
    assert series(run(text, late, [21, 24, 25]), "all") == [0, 0, 0]
    text = anchored("count(open) >= 1", started="trailing 6s")
    assert series(run(text, late, [24, 25]), "all") == [0, 1]


def test_a_first_session_ends_with_a_pause():
    """User a opens 3 and 6 s after its sharing, then pauses for 5: two rows; b pauses at once."""
    text = anchored(
        "count(open) >= 2", window="first session after share", gap="4s", matured="trailing 100s"
    )
    bodies = [
        event(0, "share", user="a"),
        event(0, "share", user="b"),
        event(3, user="a"),
        event(5, user="b"),
        event(6, user="b"),
        event(6, user="a"),
        event(11, user="a"),
    ]
    found = run(text, bodies, [4, 5, 10, 11, 12])
    assert series(found) == [0, 0, 0, 1, 1]
    assert series(found, "all") == [0, 1, 1, 2, 2]


def test_members_of_another_set_are_no_events_of_a_session():
    """User a owns two opened items: they count, and make its session no longer."""
    owner = {"owner": {"is": "user", "from": "open.user"}}
    opened = {"of": "item", "when": "count(open) >= 1", "window": "trailing 100s"}
    about = {
        "of": "user",
        "when": "count(share) >= 1 and count(opened.owner) >= 2",
        "window": "first session after share",
        "gap": "4s",
        "matured": "trailing 100s",
    }
    text = definition(
        {"m": {"value": "size(s)"}},
        entities={"item": owner},
        sets={"opened": opened, "s": about},
    )
    bodies = [
        event(0, "share", user="a"),
        event(1, user="a", item="i"),
        event(3, user="a", item="j"),
    ]
    assert series(run(text, bodies, [4, 5])) == [0, 1]


def test_coverage_reaches_back_before_the_cohort():
    """Cohorts of 20 s with 10 s before: at 15 a half has been watched since 0."""
    text = anchored("count(open) >= 2", matured="trailing 20s")
    assert series(run(text, BODIES, [15, 30]), part="coverage") == [0.5, 1]
