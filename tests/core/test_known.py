"""What is known since when, as definitions come and go."""

from dataclasses import replace

import pytest

from pipeline.core.known import ALWAYS, NEVER, Grant, Held, Known, at_first
from pipeline.core.windows import DAY_MS, HOUR_MS, Trailing
from tests.engine.both_engines import compiled

DEFINITION = """
version: 1
product: known
source: {topics: [events], envelope: {name: kind, time: {from: ts, unit: ms}, id: id}}
entities:
  doc: {author: {is: user, from: made.user}}
events:
  made: {name: made, ids: {user: user, doc: doc}}
  viewed: {name: viewed, ids: {user: user, doc: doc}, values: {seconds: s}}
sets:
  read:
    of: doc
    when: distinct(viewed.user, other_than=author) >= 2
    window: trailing 7d
  writers:
    of: user
    when: count(read.author) >= 1 and count(made) >= 2
    window: trailing 3d
metrics:
  all_writers: {role: north_star, value: size(writers)}
  all_read: {value: size(read)}
  viewers: {value: distinct(viewed.user), window: trailing 2d}
  seconds: {value: sum(viewed.seconds), window: trailing 1d}
  both: {value: viewers / seconds}
  two: {value: 1 + 1}
"""
PLAN = compiled(DEFINITION)
REACH_MS = {days: Trailing(days * DAY_MS).reach_ms for days in (2, 3, 7, 28)}


def edited(old, new):
    """The plan with one text in place of another."""
    assert old in DEFINITION
    return compiled(DEFINITION.replace(old, new))


def since(known, plan, firsts_known_after_ms=None):
    """From when on each metric is known, ALWAYS left out."""
    found = {
        metric.name: known.metric_since_ms(plan, number, firsts_known_after_ms)
        for number, metric in enumerate(plan.metrics)
    }
    return {name: since_ms for name, since_ms in found.items() if since_ms != ALWAYS}


def test_at_first_everything_is_known():
    """There was nothing before."""
    known = at_first(PLAN)
    assert (known.plan, known.generation) == (PLAN.fingerprint, 0)
    assert since(known, PLAN) == {}
    assert since(Known(), PLAN) == {}


def test_the_same_plan_knows_the_same():
    """But for the number of its generation."""
    known = at_first(PLAN)
    assert known.after(PLAN, 5) == replace(known, generation=1)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("author) >= 2", "author) >= 3", {"all_read": 0, "all_writers": 0}),
        ("author) >= 2", "author) >= 1", {}),
        ("trailing 7d", "trailing 28d", dict.fromkeys(("all_read", "all_writers"), -REACH_MS[7])),
        ("trailing 2d", "trailing 28d", {"viewers": -REACH_MS[2], "both": -REACH_MS[2]}),
        ("trailing 2d", "trailing 1d", {}),
        ("trailing 1d", "trailing 2d", {"seconds": 0, "both": 0}),
        ("made.user}", "viewed.user}", {"all_read": 0, "all_writers": 0}),
        ("values: {seconds: s}", "values: {seconds: t}", {"seconds": 0, "both": 0}),
        ("ids: {user: user, doc: doc}, values", "where: ok, ids: {user: user, doc: doc}, values",
         dict.fromkeys(("all_read", "all_writers", "viewers", "seconds", "both"), 0)),
        ("count(made) >= 2", "count(made) >= 3", {}),
        ("trailing 3d", "trailing 4d", {"all_writers": 0}),
    ],
)  # fmt: skip
def test_what_changes_is_known_from_then_on(old, new, expected):
    """Longer windows as far back as the shorter ones were kept; the moment is 0 here."""
    plan = edited(old, new)
    assert since(at_first(PLAN).after(plan, 0), plan) == expected


OWN = (
    "metrics:\n",
    (
        "  quick: {of: user, when: count(viewed) >= 2, window: first 3d after made,"
        " matured: trailing 7d}\n"
        "metrics:\n  quick_share: {value: size(quick)}\n  over: {value: cohort(quick)}\n"
    ),
)


@pytest.mark.parametrize(
    ("old", "new", "expected", "since_ms"),
    [
        ("trailing 7d}", "trailing 7d, params: {x: 1}}", {}, 0),
        ("first 3d", "first 4d", {"quick_share"}, 0),
        ("count(viewed)", "sum(viewed.seconds)", {"quick_share"}, 0),
        ("after made", "after viewed", {"quick_share", "over"}, NEVER),
    ],
)
def test_windows_of_entities_own_are_known_since_all_that_they_look_at_is(
    old, new, expected, since_ms
):
    """A cohort is known since its first rows are, its members since what is counted is too."""
    text = DEFINITION.replace(*OWN)
    known = at_first(compiled(text)).after(compiled(text.replace(old, new)), 0)
    assert since(known, compiled(text.replace(old, new))) == dict.fromkeys(expected, since_ms)


STREAMS = (
    "metrics:\n",
    """streams:
  firsts: {first: viewed, by: user}
  sittings: {session: viewed, by: user, gap: 1h}
  visits: {session: viewed, by: user, id: doc, gap: 1h}
  pauses: {gap: viewed, by: user, within: 2d}
  read_soon: {pair: [made, viewed], by: doc, within: 3d}
  made_before: {pair: [made, viewed], by: doc, within: 3d, keep: matched, at: second}
metrics:
  new: {value: count(firsts), window: trailing 2d}
  all_sittings: {value: count(sittings), window: trailing 2d}
  new_sittings: {value: "count(sittings, where=is_first)", window: trailing 2d}
  all_visits: {value: count(visits), window: trailing 2d}
  all_pauses: {value: count(pauses), window: trailing 2d}
  soon: {value: count(read_soon), window: trailing 2d}
  before: {value: count(made_before), window: trailing 2d}
  new_writers: {value: "new(writers, 7d)"}
  old_writers: {value: "retention(writers, 7d)"}
""",
)


@pytest.mark.parametrize(("after_ms", "firsts"), [(None, NEVER), (30 * DAY_MS, 30 * DAY_MS)])
def test_what_has_missed_the_past_is_known_once_it_needs_it_no_more(after_ms, firsts):
    """Items may lack for so long what came before; what came first ever is a matter of trust."""
    plan = compiled(DEFINITION.replace(*STREAMS))
    known = at_first(PLAN).after(plan, 0)
    assert since(known, plan, after_ms) == {
        "new": firsts,
        "all_sittings": HOUR_MS,
        "new_sittings": max(firsts, HOUR_MS),
        "all_visits": REACH_MS[2] + HOUR_MS,
        "all_pauses": 2 * DAY_MS,
        "soon": 0,
        "before": 3 * DAY_MS,
        "new_writers": firsts,
        "old_writers": 0,
    }
    assert since(at_first(plan), plan) == {}
    memories = [memory for memory in plan.memories if memory.feeds]
    assert since(known.filled(memories, ALWAYS), plan).keys() == {"new_writers", "old_writers"}


@pytest.mark.parametrize(("after_ms", "firsts"), [(None, NEVER), (30 * DAY_MS, 31 * DAY_MS)])
def test_a_log_that_was_cut_short_does_not_say_who_began_before(after_ms, firsts):
    """Once covered, what was filled from it called old members new."""
    plan = compiled(DEFINITION.replace(*STREAMS))
    known = at_first(PLAN).after(plan, 2 * DAY_MS).filled(plan.memories, DAY_MS)
    found = since(known, plan, after_ms)
    assert (found["new"], found["new_sittings"], found["new_writers"]) == (firsts,) * 3
    assert (found["soon"], found["old_writers"]) == (DAY_MS, DAY_MS)


def test_sessions_of_an_id_are_known_anew_where_it_may_rest_less():
    """What would be two by now was made one, until nobody looks at those any more."""
    text = DEFINITION.replace(*STREAMS)
    shorter = text.replace(
        "count(visits), window: trailing 2d", "count(visits), window: trailing 1d"
    )
    longer = text.replace(
        "count(visits), window: trailing 2d", "count(visits), window: trailing 3d"
    )
    known = at_first(compiled(text))
    reach_ms = Trailing(DAY_MS).reach_ms
    assert since(known.after(compiled(shorter), 0), compiled(shorter)) == {
        "all_visits": reach_ms + HOUR_MS
    }
    assert since(known.after(compiled(longer), 0), compiled(longer)) == {
        "all_visits": REACH_MS[3] - REACH_MS[2] + HOUR_MS
    }


REACH = (
    "metrics:\n",
    (
        "metrics:\n"
        '  reach: {value: "distinct(viewed.user, within=read)", window: trailing 7d}\n'
        '  sum: {value: "sum_distinct(viewed.user, within=read)", window: trailing 7d}\n'
    ),
)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("trailing 1d", "trailing 1d, params: {x: 1}", {}),
        ('within=read)", window: trailing 7d', 'within=read)", window: trailing 8d',
         {"reach": 0, "sum": 0}),
        ("author) >= 2", "author) >= 3",
         {"reach": 0, "sum": 0, "all_read": 0, "all_writers": 0}),
        ("made: {name: made", "made: {name: created", {"reach": 0, "sum": 0, "all_read": 0,
                                                      "all_writers": 0}),
    ],
)  # fmt: skip
def test_reach_is_known_since_the_set_and_the_pairs_are(old, new, expected):
    """What members have met is remembered apart from who is one."""
    text = DEFINITION.replace(*REACH)
    assert old in text
    plan = compiled(text.replace(old, new))
    assert since(at_first(compiled(text)).after(plan, 0), plan) == expected


def top(plan):
    """The identity of the memory of viewers of each document."""
    return next(memory.identity for memory in plan.memories if memory.kind == "top_k")


def grants(*texts):
    """What is known of the viewers of documents, through some definitions, 1000 each."""
    known = at_first(PLAN)
    for number, (least, days) in enumerate(texts, start=1):
        text = DEFINITION.replace("author) >= 2", f"author) >= {least}")
        plan = compiled(text.replace("trailing 7d", f"trailing {days}d"))
        known = known.after(plan, number * 1000 * DAY_MS)
        assert top(plan) == top(PLAN)
    return [
        (grant.k - 1, grant.reach_ms, None if grant.since_ms == ALWAYS else grant.since_ms)
        for grant in known.held[top(PLAN)].grants
    ]


def test_grants_grow_and_shrink():
    """What is asked for less is let go of; what is asked for more is known from then on."""
    first, second = 1000 * DAY_MS, 2000 * DAY_MS
    week, month = REACH_MS[7], REACH_MS[28]
    assert grants() == [(2, week, None)]
    assert grants((3, 7)) == [(2, week, None), (3, week, first)]
    assert grants((1, 7)) == [(1, week, None)]
    assert grants((1, 7), (2, 7)) == [(1, week, None), (2, week, second)]
    assert grants((2, 28)) == [(2, week, None), (2, month, first - week)]
    assert grants((3, 28)) == [
        (2, week, None), (2, month, first - week), (3, month, first)
    ]  # fmt: skip
    assert grants((2, 28), (2, 7)) == [(2, week, None)]
    assert grants((3, 28), (4, 28)) == [
        (2, week, None), (2, month, first - week), (3, month, first), (4, month, second)
    ]  # fmt: skip


def test_what_was_left_out_is_born_again():
    """Under another name, so that what is stored of it is not taken for the whole."""
    with_less = edited("viewers / seconds", "seconds / 2")
    without = compiled(
        DEFINITION.replace("viewers / seconds", "seconds / 2").replace(
            "  viewers: {value: distinct(viewed.user), window: trailing 2d}\n", ""
        )
    )
    (viewers,) = {each.identity for each in PLAN.memories if each.reach_ms == REACH_MS[2]}
    known = at_first(PLAN)
    again = known.after(without, 10).after(with_less, 20)
    assert known.stored_as(viewers) == f"{viewers}.0"
    assert again.held[viewers] == Held(2, (Grant(0, REACH_MS[2], 20),), 20)
    assert again.stored_as(viewers) == f"{viewers}.2"
    assert Known().stored_as(viewers) == f"{viewers}.0"
