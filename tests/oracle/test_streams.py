"""The oracle's own tests of streams, with numbers worked by hand."""

import pytest

from tests.oracle.worked_case import definition, event, ms, run, series


def streamed(stream, metrics, **top):
    """Write a definition of one stream `s`, whose metrics look back 100 s."""
    return definition(metrics, window="trailing 100s", streams={"s": stream}, **top)


def values(found):
    """Give all metrics' values at the only tick."""
    return [reading.value for reading in found.readings.values()]


def test_the_first_row_of_an_entity_is_its_first_for_ever():
    """User a opens at 0 and 200, b shares at 150: of firsts only b's is within 100 s of 201."""
    text = streamed(
        {"first": ["open", "share"], "by": "user"},
        {"all": "count(s)", "who": "distinct(s.user)"},
    )
    bodies = [event(0, user="a"), event(150, "share", user="b"), event(200, user="a"), event(200)]
    found = run(text, bodies, [1, 201])
    assert series(found, "all") == [1, 1]
    assert series(found, "who") == [1, 1]


def test_a_first_row_has_its_values_bare_and_by_its_part():
    """The first open of a is worth 5, that of b 2; the later 9 counts for nobody."""
    text = streamed(
        {"first": {"opened": "open"}, "by": "user"},
        {"bare": "sum(s.n)", "named": "sum(s.opened.n)", "some": "count(s, where=opened.n > 3)"},
    )
    bodies = [event(0, user="a", n=5), event(1, user="b", n=2), event(2, user="a", n=9)]
    assert values(run(text, bodies, [3])) == [7, 7, 1]


def test_an_older_row_that_comes_late_becomes_the_first():
    """Until second 20 the first open is that of second 10; the late one of second 5 is older."""
    text = streamed({"first": "open", "by": "user"}, {"m": "sum(s.n)"})
    bodies = [event(10, user="a", n=1), event(20), event(5, user="a", n=4)]
    assert series(run(text, bodies, [15, 20, 21])) == [1, 1, 4]


def test_a_seed_is_a_first_row_of_before():
    """User a is seeded without a time and b at second 3: neither is new when it opens at 5."""
    text = streamed({"first": "open", "by": "user", "seed": "x"}, {"m": "count(s)"})
    bodies = [event(5, user=u) for u in "abc"]
    found = run(text, bodies, [6, 104], seeds={"s": [("text a", None), ("text b", ms(3))]})
    assert series(found) == [2, 1]


def test_gaps_are_between_neighbours_within_reach():
    """Opens at 0, 2, 7 and 60 with a reach of 20 s: gaps of 2 and 5 s; b has none."""
    text = streamed(
        {"gap": ["open", "share"], "by": "user", "within": "20s"},
        {"n": "count(s)", "sum": "sum(s.elapsed)", "long": "count(s, where=elapsed >= 5)"},
    )
    bodies = [
        event(0, user="a"),
        event(2, "share", user="a"),
        event(7, user="a"),
        event(60, user="a"),
        event(3, user="b"),
    ]
    found = run(text, sorted(bodies, key=lambda b: b["ts"]), [61])
    assert values(found) == [2, 7, 1]


def test_sessions_end_with_a_pause():
    """0, 10, 20 make one session of 20 s, 31 (a pause of 11) another, which is not over at 35."""
    metrics = {
        "n": "count(s)",
        "length": "sum(s.length)",
        "rows": "max(s.count)",
        "opens": "sum(s.open)",
        "worth": "sum(s.open.n)",
        "first": "count(s, where=is_first)",
        "ended": "count(s, where=ended)",
        "over": "sum(s.length, where=ended and not is_first)",
    }
    text = streamed({"session": ["open", "share"], "by": "user", "gap": "10s"}, metrics)
    bodies = [
        event(0, user="a", n=1),
        event(10, "share", user="a"),
        event(20, user="a", n=2.5),
        event(31, user="a", n=4),
    ]
    assert values(run(text, bodies, [35])) == [2, 20, 3, 3, 7.5, 1, 1, 0]
    assert values(run(text, bodies, [41])) == [2, 20, 3, 3, 7.5, 1, 1, 0]
    assert values(run(text, bodies, [42])) == [2, 20, 3, 3, 7.5, 1, 2, 0]


def test_a_late_row_joins_two_sessions():
    """Opens at 0 and 18 are two sessions until the one of 9 is there too."""
    text = streamed({"session": "open", "by": "user", "gap": "10s"}, {"m": "count(s)"})
    bodies = [event(0, user="a"), event(18, user="a"), event(30), event(9, user="a")]
    assert series(run(text, bodies, [19, 31])) == [2, 1]


def test_sessions_may_be_told_apart_by_an_id():
    """Visits i and j overlap in time; that of j lasts from 1 to 50 in spite of the pause."""
    text = streamed(
        {"session": "open", "by": "user", "id": "item"},
        {"n": "count(s)", "length": "max(s.length)", "first": "count(s, where=is_first)"},
    )
    bodies = [
        event(0, user="a", item="i"),
        event(1, user="a", item="j"),
        event(2, user="a", item="i"),
        event(50, user="a", item="j"),
        event(51, user="a"),
    ]
    assert values(run(text, bodies, [52])) == [2, 49, 1]


@pytest.mark.parametrize(("pause", "sessions"), [(20, 1), (20.001, 2)])
def test_an_id_that_rests_for_longer_than_anybody_looks_back_begins_anew(pause, sessions):
    """A window of 10 s reaches 11 s back; with a gap of 9 s an id may rest for 20."""
    text = definition(
        {"m": "count(s)", "length": "max(s.length)"},
        window="trailing 10s",
        streams={"s": {"session": "open", "by": "user", "id": "item", "gap": "9s"}},
    )
    bodies = [event(1, user="a", item="i"), event(1 + pause, user="a", item="i")]
    found = run(text, bodies, [2, 21.5])
    assert series(found) == [1, sessions - 1]
    assert series(found, "length") == [0, None if sessions == 1 else 0]


def test_pairs_match_the_earliest_that_follows_in_time():
    """Of three opens one is matched after 4 s, one is not within 10 s, one is undecided."""
    metrics = {
        "all": "count(s)",
        "matched": "count(s, where=matched)",
        "decided": "count(s, where=decided)",
        "elapsed": "mean(s.elapsed)",
        "worth": "sum(s.a.n, where=matched)",
    }
    stream = {"pair": {"a": "open", "b": "share"}, "by": "user", "within": "10s"}
    bodies = [
        event(0, user="a", n=2),
        event(4, "share", user="a"),
        event(9, "share", user="a"),
        event(20, user="b", n=3),
        event(25, user="c", n=5),
    ]
    found = run(streamed(stream, metrics), bodies, [31])
    assert values(found) == [3, 1, 2, 4, 2]
    assert values(run(streamed({**stream, "keep": "matched"}, metrics), bodies, [31]))[0] == 1
    assert values(run(streamed({**stream, "keep": "unmatched"}, metrics), bodies, [30, 31])) == [
        *[0, 0, 0, None, 0],
        *[1, 0, 1, None, 0],
    ]


def test_a_pair_may_stand_at_its_second_row():
    """Opened at 0 and shared at 50: within 60 s of 105 lies the sharing alone."""
    stream = {
        "pair": {"a": "open", "b": "share"},
        "by": "user",
        "same": ["item"],
        "within": "1m",
        "keep": "matched",
    }
    bodies = [
        event(0, user="a", item="i"),
        event(49, "share", user="a", item="j"),
        event(50, "share", user="a", item="i"),
    ]
    metrics = {"m": "count(s, window='trailing 60s')", "e": "max(s.elapsed)"}
    assert values(run(streamed({**stream, "at": "second"}, metrics), bodies, [105])) == [1, 50]
    assert values(run(streamed(stream, metrics), bodies, [105])) == [0, None]


def test_one_row_may_match_several():
    """Both opens are followed by the one sharing, the row at its very time among them."""
    stream = {"pair": {"a": "open", "b": "share"}, "by": "user", "within": "10s"}
    bodies = [event(0, user="a"), event(10, user="a"), event(10, "share", user="a")]
    text = streamed(stream, {"n": "count(s, where=matched)", "at": "max(s.b.at)"})
    assert values(run(text, bodies, [11])) == [2, ms(10) / 1_000]


def test_sequences_reach_step_after_step():
    """User a goes all the way in 6 s; b shares before it opens; c's sharing is too late."""
    events = {
        name: {"name": name, "ids": {"user": "user"}, "values": {"n": "n"}}
        for name in ("open", "share", "pay")
    }
    stream = {"sequence": ["open", "share", "pay"], "by": "user", "within": "10s"}
    metrics = {
        "n": "count(s)",
        "two": "reached(s, 2)",
        "three": "reached(s, 3)",
        "steps": "sum(s.steps)",
        "elapsed": "sum(s.elapsed)",
        "paid": "sum(s.pay.n)",
    }
    bodies = [
        *[event(0, user="a"), event(0, "share", user="b"), event(0, user="c")],
        *[event(1, user="b"), event(1, "pay", user="a", n=9)],
        *[event(2, "share", user="a"), event(6, "pay", user="a", n=5)],
        event(11, "share", user="c"),
    ]
    text = definition(metrics, window="trailing 100s", streams={"s": stream}, events=events)
    assert values(run(text, bodies, [12])) == [3, 1, 1, 5, 6, 5]


def test_sets_count_the_items_of_their_entity():
    """Two sessions make a user come back; one long one does not."""
    sets = {
        "back": {
            "of": "user",
            "when": "count(s, where=length < 5) >= 2 or sum(s.length) > 30",
            "window": "trailing 100s",
        }
    }
    text = streamed(
        {"session": "open", "by": "user", "gap": "10s"}, {"m": {"value": "size(back)"}}, sets=sets
    )
    bodies = [event(0, user="a"), event(0, user="b"), event(8, user="b"), event(20, user="a")]
    assert series(run(text, bodies, [15, 21])) == [0, 1]


def test_a_time_among_the_values_is_a_number_of_seconds():
    """Due at 30 s, done at 20 and at 40: one in time."""
    events = {
        "open": {
            "name": "open",
            "ids": {"user": "user"},
            "values": {"due": {"from": "due", "time": "ms"}},
        },
        "share": {"name": "share", "ids": {"user": "user"}},
    }
    stream = {"pair": {"a": "open", "b": "share"}, "by": "user", "within": "1m"}
    text = definition(
        {"m": "count(s, where=b.at <= a.due)"},
        window="trailing 100s",
        streams={"s": stream},
        events=events,
    )
    bodies = [
        *[event(0, user=u, due=ms(30)) for u in "ab"],
        *[event(20, "share", user="a"), event(40, "share", user="b")],
    ]
    assert series(run(text, bodies, [41])) == [1]


@pytest.mark.parametrize(("within", "left"), [("5s", 1), ("4s", 2)])
def test_an_undone_row_does_not_exist(within, left):
    """The open of item i is undone 5 s later: gone from then on if that is in time."""
    events = {
        "open": {
            "name": "open",
            "ids": {"item": "item"},
            "undone_by": {"event": "cancel", "by": "item", "within": within},
        },
        "cancel": {"name": "cancel", "ids": {"item": "item"}},
    }
    bodies = [event(0, item="i"), event(1, item="j"), event(5, "cancel", item="i")]
    text = definition({"m": "count(open)"}, events=events)
    assert series(run(text, bodies, [5, 6])) == [2, left]


def test_for_an_entity_an_event_is_undone_by_one_that_names_it_as_well():
    """A cancel of item i by b: the open by a is gone, but not for a; one by a undoes that, too."""
    ids = {"item": "item", "user": "user"}
    undone_by = {"event": "cancel", "by": "item", "within": "10s"}
    events = {
        "open": {"name": "open", "ids": ids, "undone_by": undone_by},
        "cancel": {"name": "cancel", "ids": ids},
    }
    sets = {"s": {"of": "user", "when": "count(open) >= 1", "window": "trailing 100s"}}
    metrics = {"m": "count(open)", "who": "distinct(open.user)", "members": {"value": "size(s)"}}
    text = definition(metrics, events=events, sets=sets)
    bodies = [
        event(0, item="i", user="a"),
        event(2, "cancel", item="i", user="b"),
        event(4, "cancel", item="i", user="a"),
    ]
    found = run(text, bodies, [1, 3, 5])
    assert series(found) == [1, 0, 0]
    assert series(found, "who") == series(found, "members") == [1, 1, 0]
