"""Identities: what a definition may change without its saved state being lost."""

import pytest

from pipeline.core.plan import MemoryKind
from pipeline.spec import read_text
from tests.spec.test_keys import METRICS, SETS

TWINS = """\
  ordered2:
    name: order_placed
    ids: {order: properties.order_id, user: userId}
    values: {total: properties.total}
"""


@pytest.fixture
def edited(shop):
    """The plan of the definition that keys are tested with, after an edit, and the shop's."""

    def compiled(*edits):
        text = shop(sets=SETS, metrics=METRICS)
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        result = read_text(text, "shop.yaml")
        assert result.plan is not None, [problem.message for problem in result.problems]
        return result.plan

    return compiled


def identities(plan):
    """All that state is found by."""
    return {each.identity for each in (*plan.memories, *plan.feeds)}


def metrics(plan):
    """The identity of each metric, by name."""
    return {metric.name: metric.identity for metric in plan.metrics}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("owner: core", "owner: other, label: Orders placed"),
        ("buyers", "customers"),
        ("ordered", "bought"),
        ("seconds", "secs"),
        ("warn: 3%", "warn: 4%"),
        ("previous(7d)", "previous(6d)"),
        ("topics: [events]", "topics: [others]"),
        ("amount > 5", "(amount > 5.0)"),
        (">= 2", ">= 3"),
        ("  share:", "  part:"),
        ("{user: userId, order: properties.order_id}", "{order: properties.id, user: userId}"),
        ("plan: properties.plan", "plan: properties.another"),
    ],
)
def test_names_limits_and_thresholds_decide_no_row(edited, old, new):
    """What is remembered is found again under all of these changes."""
    assert identities(edited((old, new))) == identities(edited())


def test_order_decides_no_row(edited):
    """Of records' names, of the parts of a condition, and of options."""
    name = "name: order_placed"
    one = edited(
        ("amount > 5", "amount > 5 and amount in (7, 8)"), (name, "name: [order_placed, paid]")
    )
    other = edited(
        ("amount > 5", "amount in (8, 7) and amount > 5"), (name, "name: [paid, order_placed]")
    )
    assert identities(one) == identities(other)
    assert metrics(one) == metrics(other)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("amount > 5", "amount > 6", {"share"}),
        (">= 2", ">= 3", {"share"}),
        ("trailing 1d", "trailing 2d", {"g"}),
        ("calendar week", "last calendar week", {"share"}),
        ("previous(7d)", "previous(6d)", set()),
        ("properties.ms / 1000", "properties.ms / 100", {"g"}),
        ("{seconds: properties.ms / 1000}", "{seconds: {from: properties.ms, max: 9}}", {"g"}),
        ("properties.total", "properties.sum", {"share"}),
        ("name: page_viewed", "name: page_viewed\n    where: properties.ok", {"g"}),
        ("envelope: segment", "envelope: {name: event, time: at}", {"orders", "share", "g"}),
        ("product: shop", "product: shop\ncalendar: {week_starts: sunday}", {"share"}),
    ],
)
def test_a_metric_is_another_when_its_value_is(edited, old, new, changed):
    """And no other metric is."""
    before, after = metrics(edited()), metrics(edited((old, new)))
    assert {name for name in before if before[name] != after[name]} == changed


def test_a_week_that_starts_on_another_day_leaves_months_alone(edited):
    """They know no weeks."""
    month = ("calendar week", "calendar month")
    sunday = ("product: shop", "product: shop\ncalendar: {week_starts: sunday}")
    assert identities(edited(month, sunday)) == identities(edited(month))


def test_memories_of_one_identity_keep_the_same(edited):
    """Two events of one meaning give two memories, each as large as the larger is asked to be."""
    plan = edited(
        ("sets:\n", TWINS + "sets:\n"),
        (
            "metrics:\n",
            (
                "  one: {of: user, when: distinct(ordered.order) >= 4, window: trailing 9d}\n"
                "  two: {of: user, when: distinct(ordered2.order) >= 1, window: trailing 20d}\n"
                "metrics:\n  first: {value: size(one)}\n  second: {value: size(two)}\n"
            ),
        ),
    )
    one, two = (each for each in plan.memories if each.kind is MemoryKind.TOP_K)
    assert one.key != two.key
    assert (one.identity, one.k, one.reach_ms) == (two.identity, two.k, two.reach_ms)
    assert one.k == 5
    assert one.reach_ms > 20 * 86_400_000


def test_identities_stay_the_same_from_release_to_release(edited):
    """If a change of our code changes them, everybody's metrics start anew: say so in CHANGELOG."""
    plan = edited(("envelope: segment", "envelope: {name: event, time: timestamp, id: messageId}"))
    assert [memory.identity for memory in plan.memories] == [
        "f52e596ed93bc5c6",
        "61f6e8bb23815f40",
        "3967ef6e2d6aa5ac",
        "3b35d906c82e3973",
    ]
    assert [feed.identity for feed in plan.feeds] == [
        "544419f75d942bba",
        "ef6011a77e18a752",
        "ef00b4ef4ed2d238",
        "f83b4274daa20f55",
    ]


MEASURES = {
    "slow": 'quantile(ordered.amount, 0.9, window="trailing 7d")',
    "usual": 'median(ordered.amount, window="trailing 7d")',
    "happy": 'csat(ordered.amount, top=4, window="trailing 7d")',
    "recommend": 'nps(ordered.amount, window="trailing 7d")',
    "busiest": 'top_share(ordered, by=user, top=1%, window="trailing 7d")',
    "least": 'min(ordered.amount, window="trailing 7d")',
    "both": "index(slow=1, happy=2)",
}


@pytest.mark.parametrize(
    ("metric", "old", "new", "changed"),
    [
        ("slow", "0.9", "0.95", {"slow", "both"}),
        ("happy", "top=4", "top=5", {"happy", "both"}),
        ("busiest", "top=1%", "top=2%", {"busiest"}),
        ("least", "min", "max", {"least"}),
        ("both", "happy=2", "happy=3", {"both"}),
        ("both", "slow=1, happy=2", "happy=2, slow=1", set()),
    ],
)
def test_what_a_measure_asks_for_is_part_of_its_identity(metric, old, new, changed):
    """Past readings of a p90 are none of a p95; the order of an index plays no part."""
    before = metrics(_measured(MEASURES))
    after = metrics(_measured({**MEASURES, metric: MEASURES[metric].replace(old, new)}))
    assert {name for name in before if before[name] != after[name]} == changed


def test_quantiles_of_one_value_share_their_memory():
    """However many are asked for."""
    plan = _measured(MEASURES)
    kinds = [memory.kind for memory in plan.memories]
    assert kinds.count(MemoryKind.SKETCH) == 1


def _measured(values):
    """The plan of metrics by their values."""
    rest = "".join(f"  {name}: {{value: {value!r}}}\n" for name, value in values.items())
    text = f"""\
version: 1
product: shop
source: {{topics: [events], envelope: segment}}
events:
  ordered: {{name: ordered, ids: {{user: userId}}, values: {{amount: properties.total}}}}
metrics:
  orders: {{role: north_star, value: count(ordered), window: trailing 7d}}
{rest}"""
    result = read_text(text, "shop.yaml")
    assert result.plan is not None, [problem.message for problem in result.problems]
    return result.plan


OWN = (
    "metrics:\n",
    (
        "  fast: {of: user, when: distinct(ordered.order) >= 2, window: first 3d after viewed,"
        " matured: trailing 7d}\n"
        "  once: {of: user, when: 'count(ordered) >= 2', window: first session after ordered,"
        " started: trailing 7d, gap: 1h}\n"
        "metrics:\n  quick: {value: size(fast) / cohort(fast)}\n  soon: {value: size(once)}\n"
    ),
)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("ordered", "bought", set()),
        ("first 3d", "first 4d", {"quick"}),
        ("matured", "started", {"quick"}),
        ("matured: trailing 7d", "matured: trailing 8d", {"quick"}),
        ("gap: 1h", "gap: 2h", {"soon"}),
        ("count(ordered) >= 2", "count(ordered, where=amount > 1) >= 2", {"soon"}),
        ("ids: {user: userId, page", "where: properties.ok\n    ids: {user: userId, page",
         {"quick", "g"}),
    ],
)  # fmt: skip
def test_windows_of_entities_own_are_what_decides_their_rows(edited, old, new, changed):
    """Their size, their cohort and the rows that they begin with, whatever those are called."""
    before, after = metrics(edited(OWN)), metrics(edited(OWN, (old, new)))
    assert {name for name in before if before[name] != after[name]} == changed


def test_bookings_that_stand_are_no_pairs_of_the_same_rows():
    """Those without a booking's id stand for good, and are in no pair of the same rows."""
    text = """\
version: 1
product: stays
source: {topics: [events], envelope: segment}
events:
  booked:
    name: booked
    ids: {user: userId, booking: properties.booking}
    undone_by: {event: cancelled, by: booking, within: 9d}
  made: {name: booked, ids: {user: userId, booking: properties.booking}}
  cancelled: {name: cancelled, ids: {user: userId, booking: properties.booking}}
streams:
  regrets: {pair: [made, cancelled], by: user, same: [booking], within: 9d}
metrics:
  guests: {role: north_star, value: distinct(booked.user), window: trailing 7d}
  changes_of_mind: {value: count(regrets), window: trailing 7d}
"""
    plan = read_text(text, "stays.yaml").plan
    assert plan is not None
    standing, pairs = plan.memories
    assert standing.identity != pairs.identity
    assert standing.stream.parts[0].feed != pairs.stream.parts[0].feed


VISITS = """\
version: 1
product: visits
source: {topics: [events], envelope: segment}
events:
  opened: {name: opened, ids: {user: userId}, values: {ms: properties.ms, price: properties.price}}
  again: {name: opened, ids: {user: userId}, values: {other: properties.other}}
streams:
  short: {session: [opened], by: user, gap: 1h}
  alike: {session: [EVENT], by: user, gap: 1h}
metrics:
  starts: {role: north_star, value: count(short), window: trailing 7d}
  time: {value: sum(short.opened.ms), window: trailing 7d}
  rest: {value: COLUMN, window: trailing 9d}
"""


def streams_of(event, column):
    """The memories of two streams over the same records, and the columns that each keeps."""
    plan = read_text(VISITS.replace("EVENT", event).replace("COLUMN", column), "visits.yaml").plan
    assert plan is not None
    return [(each.identity, each.stream.column_identities) for each in plan.memories]


def test_a_stream_is_the_same_whatever_it_is_asked_for():
    """Its columns come and go; one that stays is found again."""
    ((none, without),) = {*streams_of("opened", "count(alike)")}
    ((some, columns),) = {*streams_of("opened", "sum(alike.opened.price)")}
    assert none == some
    assert len(without) == 1
    assert {*without} < {*columns}


def test_streams_of_the_same_rows_keep_the_same_columns_in_one_order():
    """What is saved of one can be read by the other."""
    one, other = streams_of("opened", "sum(alike.opened.price)")
    assert one == other
    assert len(one[1]) == 2


def test_streams_over_events_that_are_alike_are_kept_apart_by_their_columns():
    """A value of one event is none of the other's."""
    (one, columns), (other, others) = streams_of("again", "sum(alike.again.other)")
    assert one != other
    assert (len(columns), len(others)) == (1, 1)
