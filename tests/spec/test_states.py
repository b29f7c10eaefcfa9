"""Value attributes in the conditions of sets: what they come down to."""

import pytest

from pipeline.core.plan import MemoryKind
from pipeline.core.sets import AllHeld, AnyHeld, AtLeast, NotHeld, ValueAtLeast, ValueIn
from pipeline.spec import read_text

ENTITIES = """\
entities:
  user: {plan: {from: ordered.plan}, amount: {from: ordered.amount}, gift: {from: ordered.gift}}
"""
EVENTS = """\
events:
  ordered:
    name: order_placed
    ids: {user: userId}
    values: {amount: properties.total, plan: properties.plan, gift: properties.gift}
"""


@pytest.fixture
def plan_with(plan_of):
    """The plan of a shop with one set of users."""

    def compiled(condition):
        sets = f"sets:\n  chosen: {{of: user, when: '{condition}', window: trailing 7d}}\n"
        if "count" not in condition:
            sets = sets.replace(", window: trailing 7d", "")
        return plan_of(entities=ENTITIES, events=EVENTS, sets=sets)

    return compiled


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('plan == "pro"', ValueIn(0, ("pro",), negated=False)),
        ('plan != "pro"', ValueIn(0, ("pro",), negated=True)),
        ('plan not in ("pro", "team")', ValueIn(0, ("pro", "team"), negated=True)),
        ("amount in (1, -2.5)", ValueIn(0, (1_000_000, -2_500_000), negated=False)),
        ("amount == 0.0000001", ValueIn(0, (), negated=False)),
        ("gift", ValueIn(0, (1,), negated=False)),
        ("gift == false", ValueIn(0, (0,), negated=False)),
        ("not gift", ValueIn(0, (1,), negated=True)),
        ("amount >= 2.5", ValueAtLeast(0, 2_500_000, negated=False)),
        ("amount > 2.5", ValueAtLeast(0, 2_500_001, negated=False)),
        ("amount < 2.5", ValueAtLeast(0, 2_500_000, negated=True)),
        ("amount <= -2.5", ValueAtLeast(0, -2_499_999, negated=True)),
        ("amount > 0.0000001", ValueAtLeast(0, 1, negated=False)),
    ],
)
def test_a_comparison_is_of_what_is_remembered(plan_with, condition, expected):
    """Texts, whole millionths, and 0 and 1."""
    (chosen,) = plan_with(condition).sets
    assert chosen.when == expected


def test_not_turns_comparisons_of_values_round(plan_with):
    """What is not known holds neither way; aggregates are either, and stay within `not`."""
    plan = plan_with('not (plan == "pro" or count(ordered) >= 1 and not amount > 1)')
    when = plan.sets[0].when
    assert isinstance(when, AllHeld)
    text, rest = when.conditions
    assert text == ValueIn(0, ("pro",), negated=True)
    assert isinstance(rest, AnyHeld)
    none, more = rest.conditions
    assert isinstance(none, NotHeld)
    assert isinstance(none.condition, AtLeast)
    assert more == ValueAtLeast(2, 1_000_001, negated=False)


def test_a_value_is_remembered_for_ever(plan_with):
    """An event that teaches is never too old, and one memory serves all comparisons."""
    plan = plan_with('plan == "pro" or plan == "team"')
    (memory,) = [each for each in plan.memories if each.kind is MemoryKind.VALUE]
    assert (memory.key, memory.reach_ms) == ("0/user/value(plan)<-ordered", None)
    assert plan.events[0].retention_ms is None


def test_a_value_that_nothing_looks_at_is_not_read(plan_with):
    """Its kind is unknown, for kinds come from use."""
    plan = plan_with("gift")
    assert [value.name for value in plan.events[0].values] == ["gift"]


@pytest.mark.parametrize(
    ("condition", "is_same"),
    [
        ('plan in ("team", "pro")', True),
        ('plan in ("pro", "teams")', False),
        ('plan not in ("pro", "team")', False),
        ("amount >= 5", False),
    ],
)
def test_a_set_is_known_by_its_comparisons(plan_with, condition, is_same):
    """The order of options plays no part, everything else does."""
    one, other = (
        plan_with(each).sets[0].identity for each in ('plan in ("pro", "team")', condition)
    )
    assert (one == other) is is_same


def test_a_use_in_two_ways_is_an_error(shop):
    """A set asks for text what an event's own minimum makes a number."""
    events = EVENTS.replace("amount: properties.total", "amount: {from: properties.total, min: 1}")
    sets = "sets:\n  chosen: {of: user, when: 'amount == \"many\"'}\n"
    text = shop(entities=ENTITIES, events=events, sets=sets)
    (problem,) = read_text(text, "shop.yaml").problems
    assert problem.name == "kind-conflict"
