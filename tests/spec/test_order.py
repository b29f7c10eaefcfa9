"""Sorting by need: stable, complete, and every circle named once."""

from hypothesis import given, strategies as st

from pipeline.spec.order import ordered


def test_order_is_as_given_where_it_may_be():
    """Only what needs a later one moves behind it."""
    assert ordered({"a": ["c"], "b": [], "c": [], "d": ["a", "a", "elsewhere"]}) == (
        ["b", "c", "a", "d"],
        [],
    )


def test_circles_are_named_once():
    """Each circle is found from its first name; what only needs a circle is not in it."""
    order, circles = ordered(
        {"x": ["a"], "a": ["b"], "b": ["a"], "c": ["c"], "d": [], "y": ["x", "d"]}
    )
    assert order == ["d"]
    assert circles == [["a", "b"], ["c"]]


def test_circle_met_again_is_not_named_again():
    """A second way into the same circle adds nothing."""
    assert ordered({"a": ["b"], "b": ["a"], "c": ["b"]})[1] == [["a", "b"]]


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefgh"))))
def test_everything_comes_after_its_needs_or_leads_to_a_circle(needs):
    """What is in order comes after its needs; what is not is in a circle or needs one."""
    order, circles = ordered(needs)
    for at, name in enumerate(order):
        assert {need for need in needs[name] if need in needs} <= set(order[:at])
    assert (len(order) < len(needs)) == bool(circles)
    for circle in circles:
        for name, following in zip(circle, [*circle[1:], circle[0]], strict=True):
            assert following in needs[name]
