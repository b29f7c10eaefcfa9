"""Definitions become plans: what is in them, what is shared, and in which order."""

from dataclasses import replace

import pytest

from pipeline.core import expression as tree, plan
from pipeline.core.baselines import Fixed, Previous
from pipeline.core.envelope import Envelope, TimePlace, TimeUnit
from pipeline.core.expression import Kind
from pipeline.core.formula import Calculation, Constant, OfMetric, OfTerm, TermPart
from pipeline.core.plan import TermKind
from pipeline.core.sets import ENTITY_ITSELF, AllHeld, AnyHeld, AtLeast, NotHeld, RollUp
from pipeline.core.tree import Better, Edge, EdgeKind, Role
from pipeline.core.windows import DAY_MS, HOUR_MS, MINUTE_MS, Calendar, Trailing, Unit
from pipeline.spec import read_text

WEEK = Trailing(7 * DAY_MS)
WEEK_REACH_MS = 7 * DAY_MS + 10 * MINUTE_MS


@pytest.fixture(scope="module")
def example_plan(example):
    """The plan of the reference's example."""
    result = read_text(example, "example.yaml")
    assert not result.has_errors
    return result.plan


def keys_of(compiled):
    """The keys of all memories, in the order of the plan."""
    return [memory.key for memory in compiled.memories]


def memory_of(compiled, key):
    """The memory of a key, and its index."""
    at = keys_of(compiled).index(key)
    return at, compiled.memories[at]


def test_example_has_two_levels(example_plan):
    """Learnings are judged first, then the users who own them."""
    assert [(one.name, one.entity, one.level) for one in example_plan.sets] == [
        ("broadcasted_learnings", "learning", 0),
        ("learning_users", "user", 1),
    ]
    assert example_plan.levels == 2


def test_example_memories(example_plan):
    """Each memory stands in the table and at the level of the set that reads it."""
    assert keys_of(example_plan) == [
        "0/learning/top_k(user)<-viewed",
        "0/learning/attribute(user)<-shared",
        "1/user/tally<-broadcasted_learnings.owner",
        "1/user/last_seen<-active",
    ]
    top_k, attribute, tally, last_seen = example_plan.memories
    assert (top_k.k, top_k.window, top_k.reach_ms) == (3, None, WEEK_REACH_MS)
    assert (attribute.column, attribute.reach_ms) == ("user", None)
    assert (tally.feed, tally.entity, tally.level, tally.reach_ms) == (None, "user", 1, None)
    assert (last_seen.window, last_seen.reach_ms) == (None, WEEK_REACH_MS)


def test_example_feeds(example_plan):
    """Each feed names its event, its table and the columns that travel along."""
    feeds = [(feed.key, feed.event, feed.others, feed.values) for feed in example_plan.feeds]
    assert feeds == [
        ("0/learning<-viewed", 1, ("user",), ()),
        ("0/learning<-shared", 0, ("user",), ()),
        ("1/user<-active", 2, (), ()),
    ]


def test_example_conditions(example_plan):
    """The owner is left out, and a user needs both a learning and an act."""
    learnings, users = example_plan.sets
    assert learnings.when == AtLeast(0, WEEK, 2, leave_out=1)
    assert users.when == AllHeld((AtLeast(2, None, 1), AtLeast(3, WEEK, 1)))
    assert learnings.roll_ups == (RollUp(attribute=1, tally=2),)
    assert users.roll_ups == ()


def test_example_metric(example_plan):
    """The North Star is the size of the set, at the set's level, with all windows below it."""
    (metric,) = example_plan.metrics
    (term,) = example_plan.terms
    assert metric.value == OfTerm(0, TermPart.COUNT)
    assert term == plan.Term(TermKind.SIZE, 1, None, 1, (WEEK,))
    assert (metric.role, metric.owner, metric.unit) == (Role.NORTH_STAR, "core-product", "users")


def test_example_retention(example_plan):
    """An event is kept as long as a window needs it; one that teaches an attribute, for ever."""
    assert [(event.name, event.retention_ms) for event in example_plan.events] == [
        ("shared", None),
        ("viewed", WEEK_REACH_MS),
        ("active", WEEK_REACH_MS),
    ]


def test_example_events(example_plan):
    """Names, ids and values are spelled out as paths and typed trees."""
    viewed = example_plan.events[1]
    assert viewed.record_names == ("chart_viewed",)
    assert dict(viewed.ids)["learning"].paths == (("properties", "chart_id"),)
    (seconds,) = viewed.values
    assert replace(seconds, identity="") == plan.Value(
        "seconds",
        Kind.NUMBER,
        tree.Arithmetic("/", tree.At(("properties", "ms"), Kind.NUMBER), tree.Literal(1000.0)),
        0.0,
        9_007_199_254.0,
    )


def test_example_envelope(example_plan):
    """A preset is spelled out."""
    time = TimePlace(("timestamp",), TimeUnit.ISO)
    expected = Envelope((("event",), ("type",)), (time,), (("messageId",),))
    assert example_plan.envelope == expected


def test_envelope_without_id(plan_of):
    """A spelled-out envelope keeps its unit, and nothing is deduplicated without an id."""
    head = (
        "version: 1\nproduct: shop\nsource:\n  topics: [a, b]\n"
        "  envelope: {name: kind, time: {from: 'at[\"the time\"]', unit: ms}}\n"
    )
    compiled = plan_of(head=head)
    path = ("at", "the time")
    time = TimePlace(path, TimeUnit.MILLISECONDS)
    assert compiled.envelope == Envelope((("kind",),), (time,))
    assert compiled.topics == ("a", "b")


def test_labels_are_made_where_none_are_written(plan_of):
    """A name becomes a label that people can read."""
    compiled = plan_of()
    assert (compiled.label, compiled.metrics[0].label) == ("Shop", "Orders")


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("count(ordered) >= 1", AtLeast(0, WEEK, 1)),
        ("count(ordered) > 0", AtLeast(0, WEEK, 1)),
        ("count(ordered) != 0", AtLeast(0, WEEK, 1)),
        ("count(ordered) >= 3", AtLeast(0, WEEK, 3)),
        ("count(ordered) > 2.0", AtLeast(0, WEEK, 3)),
        ("count(ordered) == 3", AllHeld((AtLeast(0, WEEK, 3), NotHeld(AtLeast(0, WEEK, 4))))),
        ("count(ordered) == 1", AllHeld((AtLeast(1, WEEK, 1), NotHeld(AtLeast(0, WEEK, 2))))),
        ("sum(ordered.amount) >= 0.1", AtLeast(0, WEEK, 100_000)),
        ("sum(ordered.amount) > 0.1", AtLeast(0, WEEK, 100_001)),
        ("sum(ordered.amount) >= 0.0000001", AtLeast(0, WEEK, 1)),
        ("sum(ordered.amount) > 0", AtLeast(0, WEEK, 1)),
        ("sum(ordered.amount) >= 1.0000000000000000000000000000001", AtLeast(0, WEEK, 1_000_001)),
        ("distinct(ordered.order) >= 2", AtLeast(0, WEEK, 2)),
        ("distinct(ordered.order, other_than=user) > 2", AtLeast(0, WEEK, 3, ENTITY_ITSELF)),
    ],
)
def test_comparisons_come_down_to_at_least(plan_with_set, when, expected):
    """Every comparison is one or two thresholds, exact to the millionth."""
    assert plan_with_set(when).sets[0].when == expected


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        ("count(viewed) < 1", NotHeld(AtLeast(1, WEEK, 1))),
        ("count(viewed) <= 0", NotHeld(AtLeast(1, WEEK, 1))),
        ("count(viewed) == 0", NotHeld(AtLeast(1, WEEK, 1))),
        ("count(viewed) <= 2", NotHeld(AtLeast(1, WEEK, 3))),
        ("sum(viewed.seconds) < 2.5", NotHeld(AtLeast(1, WEEK, 2_500_000))),
        ("sum(viewed.seconds) <= 2.5", NotHeld(AtLeast(1, WEEK, 2_500_001))),
        ("sum(viewed.seconds) <= 0", NotHeld(AtLeast(1, WEEK, 1))),
        ("distinct(viewed.page) != 2", None),
        ("not count(viewed) >= 1", NotHeld(AtLeast(1, WEEK, 1))),
        (
            "(count(viewed) >= 1 or distinct(viewed.page) >= 2)",
            AnyHeld((AtLeast(1, WEEK, 1), AtLeast(2, WEEK, 2))),
        ),
    ],
)
def test_comparisons_that_nothing_fulfils(plan_with_set, comparison, expected):
    """What also holds for nobody is turned round, beside something that brings one in."""
    when = plan_with_set(f"count(ordered) >= 1 and {comparison}").sets[0].when
    inside = AllHeld((AtLeast(1, WEEK, 2), NotHeld(AtLeast(1, WEEK, 3))))
    assert when == AllHeld((AtLeast(0, WEEK, 1), expected or NotHeld(inside)))


def test_negative_amounts_may_be_compared_with_negative_sums(plan_with_set):
    """Where a value may be negative, so may the threshold of its sum."""
    events = (
        "events:\n  ordered: {name: o, ids: {user: u}, values: {amount: {from: a, min: -100}}}\n"
    )
    when = "count(ordered) >= 1 and sum(ordered.amount) < -2.5"
    compiled = plan_with_set(when, events=events)
    assert compiled.sets[0].when.conditions[1] == NotHeld(AtLeast(1, WEEK, -2_500_000))


def test_conditions_and_terms_share_memories(plan_of):
    """One column answers for every trailing window, for who was seen as for how many."""
    compiled = plan_of(
        sets="""\
sets:
  weekly: {of: user, when: count(ordered) >= 1, window: trailing 7d}
  monthly: {of: user, when: count(ordered) > 0, window: trailing 28d}
  explorers: {of: user, when: distinct(viewed.page) >= 3, window: trailing 7d}
  tourists: {of: user, when: distinct(viewed.page) >= 9, window: trailing 1d}
""",
        metrics="""\
metrics:
  a: {role: north_star, value: distinct(ordered.user), window: trailing 90d}
  b: {value: size(weekly) + size(monthly) + size(explorers) + size(tourists)}
""",
    )
    assert keys_of(compiled) == ["0/user/last_seen<-ordered", "0/user/top_k(page)<-viewed"]
    last_seen, top_k = compiled.memories
    assert last_seen.reach_ms == Trailing(90 * DAY_MS).reach_ms
    assert (top_k.k, top_k.reach_ms) == (10, WEEK_REACH_MS)


def test_ledgers_are_kept_by_window(plan_with_set):
    """Counts above one are kept for each window, and for each value that is summed."""
    compiled = plan_with_set(
        'count(ordered) >= 2 and count(ordered, window="trailing 1d") >= 3'
        " and sum(ordered.amount) > 5 and count(ordered) >= 7"
    )
    assert keys_of(compiled)[:3] == [
        "0/user/ledger<-ordered @trailing 7d",
        "0/user/ledger<-ordered @trailing 1d",
        "0/user/ledger(amount)<-ordered @trailing 7d",
    ]
    assert compiled.feeds[0].values == ("amount",)
    assert compiled.memories[1].reach_ms == DAY_MS + MINUTE_MS


def test_calendar_windows_have_memories_of_their_own(plan_of):
    """A running week, the last one and a month are three columns, and say where they begin."""
    head = (
        "version: 1\nproduct: shop\nsource: {topics: [t], envelope: segment}\n"
        "calendar: {zone: Europe/Berlin, week_starts: sunday}\n"
    )
    compiled = plan_of(
        head=head,
        metrics="""\
metrics:
  a: {role: north_star, value: distinct(ordered.user), window: calendar week}
  b: {value: distinct(ordered.user), window: last calendar week}
  c: {value: distinct(ordered.user), window: calendar month}
  d: {value: distinct(ordered.user), window: trailing 7d}
""",
    )
    assert keys_of(compiled) == [
        "0/user/last_seen<-ordered @calendar week in Europe/Berlin from sunday",
        "0/user/last_seen<-ordered @last calendar week in Europe/Berlin from sunday",
        "0/user/last_seen<-ordered @calendar month in Europe/Berlin",
        "0/user/last_seen<-ordered",
    ]
    assert compiled.memories[1].window == Calendar(Unit.WEEK, "Europe/Berlin", 6, last=True)
    assert compiled.memories[1].reach_ms == 15 * DAY_MS


def test_conditions_are_part_of_a_feed(plan_of):
    """Feeds with equal conditions are one, however they were spaced and bracketed."""
    compiled = plan_of(
        metrics="""\
metrics:
  a:
    role: north_star
    value: count(viewed, where=(seconds>30)) / count(viewed)
    window: trailing 1h
  b: {value: 'sum(viewed.seconds, where=seconds  > 30.0)', window: trailing 1h}
  c: {value: 'mean(viewed.seconds)', window: trailing 1h}
"""
    )
    assert [(feed.key, feed.values) for feed in compiled.feeds] == [
        ("0/*<-viewed[seconds > 30]", ("seconds",)),
        ("0/*<-viewed", ("seconds",)),
    ]
    assert keys_of(compiled) == [
        "0/*/panes<-viewed[seconds > 30] @trailing 1h",
        "0/*/panes<-viewed @trailing 1h",
        "0/*/panes(seconds)<-viewed[seconds > 30] @trailing 1h",
        "0/*/panes(seconds)<-viewed @trailing 1h",
    ]


def test_equal_terms_are_one(plan_of):
    """The parts of a term are read off the same panes."""
    compiled = plan_of(
        metrics="""\
metrics:
  a: {role: north_star, value: sum(viewed.seconds) + mean(viewed.seconds) * -2, window: trailing 1h}
"""
    )
    assert len(compiled.terms) == 1
    minus_two = Calculation("-", Constant(0.0), Constant(2.0))
    assert compiled.metrics[0].value == Calculation(
        "+", OfTerm(0, TermPart.SUM), Calculation("*", OfTerm(0, TermPart.MEAN), minus_two)
    )


LEVELS = """\
entities:
  order: {buyer: {is: user, from: ordered.user}}
  user: {last_page: {is: page, from: viewed.page}}
"""


def test_counted_sets_lie_a_level_below(plan_of):
    """A set counted at two levels has a roll-up and a tally for each, and one attribute."""
    compiled = plan_of(
        entities=LEVELS,
        sets="""\
sets:
  buyers: {of: user, when: count(big_orders.buyer) >= 1 and count(viewed) >= 1, window: trailing 1d}
  big_buyers: {of: user, when: count(big_orders.buyer) >= 2}
  seen_pages: {of: page, when: count(big_buyers.last_page) >= 1}
  big_orders: {of: order, when: sum(ordered.amount) > 50, window: trailing 7d}
""",
    )
    levels = {one.name: one.level for one in compiled.sets}
    assert levels == {"buyers": 1, "big_buyers": 1, "seen_pages": 2, "big_orders": 0}
    assert compiled.levels == 3
    big_orders = compiled.sets[3]
    assert [compiled.memories[one.tally].key for one in big_orders.roll_ups] == [
        "1/user/tally<-big_orders.buyer"
    ]
    assert compiled.sets[1].windows == (WEEK,)
    assert compiled.sets[0].windows == (Trailing(DAY_MS), WEEK)


def test_a_set_counted_at_two_levels_has_two_tallies(plan_of):
    """Each level that counts the same set keeps a tally of its own."""
    compiled = plan_of(
        entities=LEVELS.replace(
            "\n  user", "\n  page: {reader: {is: user, from: viewed.user}}\n  user"
        ),
        sets="""\
sets:
  big_orders: {of: order, when: sum(ordered.amount) > 50, window: trailing 7d}
  buyers: {of: user, when: count(big_orders.buyer) >= 1}
  pages: {of: page, when: count(buyers.last_page) >= 1}
  readers: {of: user, when: count(big_orders.buyer) >= 1 and count(pages.reader) >= 1}
""",
    )
    assert [(one.name, one.level) for one in compiled.sets] == [
        ("big_orders", 0),
        ("buyers", 1),
        ("pages", 2),
        ("readers", 3),
    ]
    roll_ups = compiled.sets[0].roll_ups
    assert [compiled.memories[one.tally].key for one in roll_ups] == [
        "1/user/tally<-big_orders.buyer",
        "3/user/tally<-big_orders.buyer",
    ]
    assert len({one.attribute for one in roll_ups}) == 1
    assert compiled.sets[3].windows == (WEEK,)


def test_attribute_left_out_lies_at_the_level_of_its_reader(plan_of):
    """A set above the ground keeps the attribute that it leaves out at its own level."""
    compiled = plan_of(
        entities="entities:\n  order: {buyer: {is: user, from: ordered.user}}\n"
        "  user: {friend: {is: order, from: ordered.order}}\n",
        sets="""\
sets:
  buyers: {of: user, when: count(ordered) >= 1, window: trailing 7d}
  orders_of_buyers:
    of: order
    when: count(buyers.friend) >= 1 and distinct(ordered.user, other_than=buyer) >= 1
    window: trailing 7d
""",
    )
    at, attribute = memory_of(compiled, "1/order/attribute(user)<-ordered")
    assert compiled.sets[1].when.conditions[1].leave_out == at
    assert attribute.level == 1


def test_metrics_come_after_what_they_refer_to(plan_of):
    """References are sorted to come first; all else keeps the order of the file."""
    compiled = plan_of(
        metrics="""\
metrics:
  top: {role: north_star, value: b * 2 - a, formula: c * 1, inputs: {c: formula, d: hypothesis}}
  d: {value: count(ordered), window: trailing 7d}
  c: {value: a + 1}
  b: {value: 3}
  a: {value: b + d}
"""
    )
    names = [metric.name for metric in compiled.metrics]
    assert names == ["d", "b", "a", "c", "top"]
    top = compiled.metrics[4]
    assert top.value == Calculation("-", Calculation("*", OfMetric(1), Constant(2.0)), OfMetric(2))
    assert top.formula == Calculation("*", OfMetric(3), Constant(1.0))
    assert top.inputs == (Edge(3, EdgeKind.FORMULA), Edge(0, EdgeKind.HYPOTHESIS))


GUARD = """\
metrics:
  orders: {{role: north_star, value: count(ordered), window: trailing 7d}}
  g:
    role: guardrail
    value: mean(ordered.amount)
    window: trailing 7d
    guard: {{protects: orders, better: {better}, {baseline}warn: 2.5%, breach: 10%{more}}}
"""


@pytest.mark.parametrize(
    ("better", "baseline", "expected"),
    [
        ("lower", "previous(7d)", (Better.LOWER, None, None, Previous(7 * DAY_MS))),
        ("higher", "fixed(-0.5)", (Better.HIGHER, None, None, Fixed(-0.5))),
        ("{between: [0.5, 2]}", None, (Better.BETWEEN, 0.5, 2.0, None)),
    ],
)
def test_guards_are_compiled(plan_of, better, baseline, expected):
    """Directions, ranges and baselines come out typed, percentages as shares."""
    beside = f"baseline: {baseline}, " if baseline else ""
    guard = plan_of(metrics=GUARD.format(better=better, baseline=beside, more="")).metrics[1].guard
    assert (guard.better, guard.low, guard.high, guard.baseline) == expected
    assert (guard.protects, guard.warn, guard.breach) == (0, 0.025, 0.1)
    assert (guard.min_samples, guard.hold_ms, guard.severity) == (0, 0, "ticket")


def test_guard_says_whom_to_call(plan_of):
    """What is for people and alert rules is handed on."""
    more = ", min_samples: 50, hold: 10m, severity: page, owner: x, runbook: 'https://y'"
    beside = "baseline: previous(1h), "
    text = GUARD.format(better="lower", baseline=beside, more=more)
    guard = plan_of(metrics=text).metrics[1].guard
    assert (guard.min_samples, guard.hold_ms) == (50, 10 * MINUTE_MS)
    assert (guard.severity, guard.owner, guard.runbook) == ("page", "x", "https://y")
    assert guard.baseline == Previous(HOUR_MS)


def test_event_without_feed_is_not_kept(plan_of):
    """What nothing looks at is too old at once."""
    assert [event.retention_ms for event in plan_of().events] == [WEEK_REACH_MS, 0]


def test_unused_places_are_not_read(plan_of):
    """A bare place that nothing asks about has no kind, and is left out of the plan."""
    events = plan_of().events
    assert [[value.name for value in event.values] for event in events] == [[], ["seconds"]]


def test_ids_are_spelled_out(plan_of):
    """A path, a first of several and several together are told apart."""
    events = """\
events:
  ordered:
    name: [a, b]
    ids: {user: u, order: {first: [x.y, 'x["z w"]']}, item: {together: [x.y, q]}}
"""
    ids = dict(plan_of(events=events).events[0].ids)
    assert ids["user"] == plan.IdSource(plan.IdMode.FIRST, (("u",),))
    assert ids["order"] == plan.IdSource(plan.IdMode.FIRST, (("x", "y"), ("x", "z w")))
    assert ids["item"] == plan.IdSource(plan.IdMode.TOGETHER, (("x", "y"), ("q",)))


OF_VISITS = """
version: 1
product: visits
source: {topics: [events], envelope: {name: kind, time: {from: ts, unit: ms}, id: id}}
entities:
  doc: {owner: {is: user, from: viewed.user}}
events:
  viewed: {name: viewed, ids: {user: user, doc: doc, visit: visit}}
streams:
  visits: {session: viewed, by: user, id: visit}
sets:
  read: {of: doc, when: count(viewed) >= 1, window: trailing 7d}
  readers: {of: user, when: count(visits) >= 2 and count(read.owner) >= 1, window: trailing 7d}
metrics:
  all_readers: {role: north_star, value: size(readers)}
  visits_now: {value: count(visits), window: trailing 1m}
"""


def test_an_id_of_a_session_may_rest_as_long_wherever_it_is_looked_at():
    """At both levels for as long as the longest of all windows reaches."""
    compiled = read_text(OF_VISITS, "visits.yaml").plan
    streams = [memory for memory in compiled.memories if memory.stream is not None]
    assert [(memory.level, memory.reach_ms) for memory in streams] == [
        (1, WEEK_REACH_MS),
        (0, WEEK_REACH_MS),
    ]
