"""The oracle's own tests of growth, with numbers worked by hand."""

from tests.oracle.worked_case import definition, event, run, series

DAY = 86_400
ACTIVE = {"active": {"of": "user", "when": "count(open) >= 1", "window": "trailing 1d"}}
TERMS = ("new", "retained", "resurrected", "churned")


def grown(**metrics):
    """Write a definition with every term of growth over a day."""
    terms = {term: {"value": f"{term}(active, 1d)"} for term in TERMS}
    terms["size"] = {"value": "size(active)"}
    terms["kept"] = {"value": "retention(active)"}
    return definition(terms | metrics, sets=ACTIVE)


BODIES = [
    *[event(1.1 * DAY, user=u) for u in "abc"],
    *[event(2.2 * DAY, user=u) for u in "bcd"],
    *[event(3.3 * DAY, user=u) for u in "ad"],
]


def test_growth_tells_new_kept_returned_and_lost():
    """Day 1: a b c; day 2: b c d; day 3: a d. Looked at at the end of each day."""
    found = run(grown(), BODIES, [2 * DAY, 3 * DAY, 4 * DAY])
    assert series(found, "size") == [3, 3, 2]
    assert series(found, "new") == [3, 1, 0]
    assert series(found, "retained") == [0, 2, 1]
    assert series(found, "resurrected") == [0, 0, 1]
    assert series(found, "churned") == [0, 1, 2]
    assert series(found, "kept") == [None, 2 / 3, 1 / 3]
    assert series(found, "kept", "denominator") == [0, 3, 3]


def test_growth_adds_up():
    """Members now are new, kept or returned; those of before were kept or lost."""
    ticks = [day * DAY + 600 for day in range(1, 6)]
    found = run(grown(), BODIES, ticks)
    new, retained, resurrected, churned = (series(found, term) for term in TERMS)
    parts = zip(new, retained, resurrected, strict=True)
    assert series(found, "size") == [sum(part) for part in parts]
    before = [r + c for r, c in zip(retained, churned, strict=True)]
    assert series(found, "kept", "denominator") == before


def test_who_was_a_member_between_two_ticks_of_the_grid_was_never_seen():
    """A set of 100 s is looked at every 10 min for a period of a day: opens of 0:01 go unseen."""
    sets = {"active": {"of": "user", "when": "count(open) >= 1", "window": "trailing 100s"}}
    metrics = {
        "new": {"value": "new(active, 1d)"},
        "back": {"value": "resurrected(active, period=1d)"},
    }
    bodies = [
        event(60, user="a"),
        event(550, user="b"),
        event(2 * DAY, user="a"),
        event(2 * DAY, user="b"),
    ]
    found = run(definition(metrics, sets=sets), bodies, [2 * DAY + 30])
    assert [r.value for r in found.readings.values()] == [1, 1]


def test_growth_is_covered_when_its_past_was():
    """Watched since 1.1 days: the set is covered at 2.1, and its past a day later."""
    found = run(grown(), BODIES, [2.2 * DAY, 3 * DAY, 3.2 * DAY])
    assert series(found, "size", "coverage") == [1, 1, 1]
    # Of [0.2, 1.2) days, to the grid of 10 min, 8160 s were watched; of [1, 2) days nine tenths.
    assert series(found, "new", "coverage") == [8_160 / 86_400, 0.9, 1]
