"""The oracle's own tests of sets and metrics, with numbers worked by hand."""

import pytest

from tests.oracle.worked_case import OWNER, definition, event, run, series


def test_a_set_falls_out_when_its_threshold_is_no_longer_met():
    """Two opens at 0 and 5 make the user a member until the first one leaves after 10 s."""
    sets = {"busy": {"of": "user", "when": "count(open) >= 2", "window": "trailing 10s"}}
    bodies = [event(0, user="a"), event(5, user="a"), event(5, user="b"), event(6)]
    found = run(definition({"m": {"value": "size(busy)"}}, sets=sets), bodies, [5, 6, 10, 11])
    assert series(found) == [0, 1, 1, 0]


@pytest.mark.parametrize(("option", "members"), [("", 2), (", other_than=owner", 1)])
def test_the_owners_own_view_counts_only_where_asked(option, members):
    """Item c is viewed by its owner and one more, item d by two users and has no owner known."""
    sets = {
        "seen": {
            "of": "item",
            "when": f"distinct(open.user{option}) >= 2",
            "window": "trailing 10s",
        }
    }
    bodies = [
        event(0, "share", user="a", item="c"),
        *[event(1, user=u, item=i) for u, i in [("a", "c"), ("b", "c"), ("a", "d"), ("b", "d")]],
    ]
    text = definition({"m": {"value": "size(seen)"}}, sets=sets, entities=OWNER)
    assert series(run(text, bodies, [2])) == [members]


def test_other_than_itself_leaves_out_the_entity():
    """A user who follows herself and one more follows one other."""
    events = {"follow": {"name": "follow", "ids": {"user": "user", "friend": "friend"}}}
    sets = {
        "social": {
            "of": "user",
            "when": "distinct(follow.friend, other_than=user) >= 2",
            "window": "trailing 10s",
        }
    }
    pairs = [("a", "a"), ("a", "b"), ("b", "a"), ("b", "c")]
    bodies = [event(0, "follow", user=u, friend=f) for u, f in pairs]
    text = definition({"m": {"value": "size(social)"}}, events=events, sets=sets)
    assert series(run(text, bodies, [1])) == [1]


def test_an_attribute_is_that_of_the_newest_visible_event():
    """The owner is a until b's sharing of second 5; the late one of second 3 changes nothing."""
    sets = {
        "items": {"of": "item", "when": "count(open) >= 1", "window": "trailing 1m"},
        "owners_a": {"of": "user", "when": "count(items.owner) >= 2"},
    }
    bodies = [
        event(0, "share", user="a", item="c"),
        event(0.5, "share", user="a", item="d"),
        *[event(1, item=i) for i in ("c", "d")],
        event(5, "share", user="b", item="d"),
        event(3, "share", user="a", item="d"),
    ]
    text = definition({"m": {"value": "size(owners_a)"}}, sets=sets, entities=OWNER)
    assert series(run(text, bodies, [2, 5, 6])) == [1, 1, 0]


def test_an_attribute_outlives_every_window():
    """A sharing of a year ago still says who the owner is."""
    sets = {
        "items": {"of": "item", "when": "count(open) >= 1", "window": "trailing 10s"},
        "owners": {"of": "user", "when": "count(items.owner) >= 1"},
    }
    bodies = [event(0, item="c"), event(-365 * 86_400, "share", user="a", item="c")]
    text = definition({"m": {"value": "size(owners)"}}, sets=sets, entities=OWNER)
    found = run(text, bodies, [1])
    assert series(found) == [1]
    assert found.counts["matched"] == 2


def test_sets_roll_up_to_any_depth():
    """Items qualify users, users qualify organisations; when the item's views end, all do."""
    entities = {**OWNER, "user": {"home": {"is": "org", "from": "share.org"}}}
    sets = {
        "orgs": {"of": "org", "when": "count(users.home) >= 2"},
        "users": {"of": "user", "when": "count(items.owner) >= 1"},
        "items": {"of": "item", "when": "count(open) >= 1", "window": "trailing 10s"},
    }
    bodies = [
        event(0, "share", user="a", item="c", org="o"),
        event(0, "share", user="b", item="d", org="o"),
        event(1, item="c"),
        event(2, item="d"),
    ]
    sizes = {name: {"value": f"size({name})"} for name in sets}
    found = run(definition(sizes, sets=sets, entities=entities), bodies, [2, 3, 12])
    assert series(found, "items") == [1, 2, 1]
    assert series(found, "users") == [1, 2, 1]
    assert series(found, "orgs") == [0, 1, 0]


def test_absence_is_a_condition_beside_another():
    """Users who opened and did not share; one who only shared is no member of either kind."""
    sets = {
        "lurkers": {
            "of": "user",
            "when": "count(open) >= 1 and not (count(share) >= 1 or sum(open.n) > 2.5)",
            "window": "trailing 10s",
        }
    }
    bodies = [
        event(0, user="a", n=2.5),
        event(0, user="b", n=2.501),
        event(0, user="c"),
        event(1, "share", user="c"),
        event(1, "share", user="d"),
    ]
    found = run(definition({"m": {"value": "size(lurkers)"}}, sets=sets), bodies, [1, 2])
    assert series(found) == [2, 1]


def test_an_aggregate_of_a_set_may_have_a_window_of_its_own():
    """Active in 3 s and seen twice in 10 s."""
    sets = {
        "s": {
            "of": "user",
            "when": "count(open) >= 2 and count(open, window='trailing 3s') >= 1",
            "window": "trailing 10s",
        }
    }
    found = run(
        definition({"m": {"value": "size(s)"}}, sets=sets),
        [event(0, user="a"), event(2, user="a")],
        [3, 5, 6],
    )
    assert series(found) == [1, 1, 0]


def test_where_is_true_false_or_unknown():
    """An absent value meets neither a condition nor its opposite; `or` may still save it."""
    metrics = {
        "above": "count(open, where=n > 1)",
        "not_above": "count(open, where=not n > 1)",
        "either": "count(open, where=n > 1 or plan == 'pro')",
        "listed": "count(open, where=plan in ('pro', 'team'))",
        "unlisted": "count(open, where=plan not in ('pro', 'team'))",
        "truth": "count(open, where=ok)",
        "untruth": "count(open, where=ok == false)",
    }
    bodies = [
        event(0, n=2, plan="free", ok=True),
        event(1, n=1, ok=False),
        event(2, plan="pro", n=None),
        event(3),
    ]
    found = run(definition(metrics), bodies, [4])
    assert [r.value for r in found.readings.values()] == [1, 1, 2, 1, 1, 1, 1]


def test_sums_are_exact_and_means_are_over_present_values():
    """Ten times 0.1 is 1; a share of thirds is rounded once, to 0.333333 each."""
    events = {"open": {"name": "open", "values": {"n": "n", "third": "n / k", "per": "k / z"}}}
    metrics = {
        "sum": "sum(open.n)",
        "mean": "mean(open.n)",
        "thirds": "sum(open.third)",
        "nothing": "sum(open.per)",
        "no_mean": "mean(open.per)",
    }
    bodies = [event(0, n=0.1, z=0) for _ in range(9)] + [event(0, n=0.1, k=0.3, z=0), event(0)]
    found = run(definition(metrics, events=events), bodies, [1])
    assert [r.value for r in found.readings.values()] == [1, 0.1, 0.333333, 0, None]
    assert [r.samples for r in found.readings.values()] == [10, 10, 1, 0, 0]


def test_a_mean_keeps_its_sum_and_its_number():
    """A single mean is a ratio of its own."""
    found = run(definition({"m": "mean(open.n)"}), [event(0, n=1), event(0, n=4)], [1, 20])
    assert series(found) == [2.5, None]
    assert series(found, part="numerator") == [5, 0]
    assert series(found, part="denominator") == [2, 0]
    assert series(found, part="samples") == [2, 0]


def test_a_ratio_with_an_empty_denominator_is_none():
    """Both sides are known, and still nothing may be said of their quotient."""
    text = definition({"m": "count(open) / count(share)"})
    found = run(text, [event(0), event(5, "share")], [1, 6, 12])
    assert series(found) == [None, 1, 0]
    assert series(found, part="numerator") == [1, 1, 0]
    assert series(found, part="denominator") == [0, 1, 1]
    assert series(found, part="samples") == [0, 1, 1]


def test_the_sides_of_a_ratio_may_have_windows_of_their_own():
    """One open in the last 2 s of three in the last 10 s."""
    text = definition({"m": "count(open, window='trailing 2s') / count(open)"})
    found = run(text, [event(0), event(1), event(5)], [6])
    assert series(found) == [pytest.approx(1 / 3)]


def test_arithmetic_over_metrics_passes_none_on():
    """None passes on; samples are the smallest, and of `a / 4` those of its numerator."""
    metrics = {
        "a": "count(open)",
        "b": "count(open) / count(share)",
        "c": {"value": "-(a - 3) * 2"},
        "d": {"value": "a + b"},
        "e": {"value": "a / 4"},
        "f": {"value": "a / (b + 0)"},
    }
    readings = run(definition(metrics), [event(0), event(0)], [1]).readings.values()
    assert [r.value for r in readings] == [2, None, 2, None, 0.5, None]
    assert [r.samples for r in readings] == [2, 0, 2, 0, 2, 0]
    assert [r.denominator for r in readings] == [None, 0, None, None, 4, None]


def test_distinct_counts_ids_and_not_events():
    """A number and texts are ids alike, and an absent id is none."""
    bodies = [event(0, user="a"), event(1, user="a"), event(2, user=7), event(3)]
    found = run(definition({"m": "distinct(open.user)"}), bodies, [4, 11, 12, 13])
    assert series(found) == [2, 2, 1, 0]
    assert series(found, part="samples") == [2, 2, 1, 0]


def test_ids_of_a_later_path_and_of_several_parts_are_set_apart():
    """An anonymous id equals no user id; a seat is known by both parts, or not at all."""
    events = {
        "open": {
            "name": "open",
            "ids": {"user": {"first": ["user", "anon"]}, "seat": {"together": ["user", "item"]}},
        }
    }
    bodies = [
        event(0, user="a", anon="z"),
        event(0, anon="a"),
        event(0, anon="a", item="c"),
        event(0, user="a", item="c"),
        event(0, user="a", item="c"),
        event(0, user="ac"),
    ]
    text = definition({"u": "distinct(open.user)", "s": "distinct(open.seat)"}, events=events)
    assert [r.value for r in run(text, bodies, [1]).readings.values()] == [3, 1]


def test_one_record_may_be_several_events():
    """An open is active as well, but only a long one is a read."""
    events = {
        "opened": {"name": "open", "where": "n >= 10"},
        "active": {"name": ["open", "share"]},
    }
    text = definition({"o": "count(opened)", "a": "count(active)"}, events=events)
    found = run(text, [event(0, n=9), event(0, n=10), event(0, "share")], [1])
    assert [r.value for r in found.readings.values()] == [1, 3]
    assert found.counts["matched"] == 3


def test_the_residual_is_what_the_formula_misses():
    """Five opens against 2 users times 2; nothing can be said while a side is none."""
    metrics = {
        "m": {
            "value": "count(open)",
            "window": "trailing 10s",
            "inputs": {"users": "formula", "each": "formula"},
            "formula": "users * each",
        },
        "users": "distinct(open.user)",
        "each": "count(share) / distinct(share.user)",
    }
    bodies = [event(0, user=u) for u in "aaabb"] + [event(1, "share", user="a")] * 2
    found = run(definition(metrics), bodies, [1, 2])
    assert series(found, part="residual") == [None, 1]


def test_quoted_keys_and_nested_paths_are_read():
    """A key that is no plain name is quoted; what lies under no object is absent."""
    events = {"open": {"name": "open", "ids": {"user": 'p["User ID"].x', "item": "p.item"}}}
    bodies = [event(0, p={"User ID": {"x": "a"}, "item": None}), event(0, p=5), event(0)]
    text = definition({"u": "distinct(open.user)", "i": "distinct(open.item)"}, events=events)
    found = run(text, bodies, [1])
    assert [r.value for r in found.readings.values()] == [1, 0]
    assert found.counts["matched"] == 3


@pytest.mark.parametrize(("n", "rounded"), [(0.0078125, 0.007812), (0.0234375, 0.023438)])
def test_half_a_millionth_is_rounded_to_the_even_one(n, rounded):
    """7,812.5 and 23,437.5 millionths, up to their signs."""
    both = {"n": "n", "minus": {"from": "-n", "min": -1}}
    events = {"open": {"name": "open", "values": both}}
    text = definition({"m": "sum(open.n)", "minus": "sum(open.minus)"}, events=events)
    found = run(text, [event(0, n=n)], [1])
    assert (series(found), series(found, "minus")) == ([rounded], [-rounded])
