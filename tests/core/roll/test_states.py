"""What entities are: values that events teach, and the sets that look at them."""

import json

import pytest

from pipeline.core.windows import MINUTE_MS
from tests.core.plans import AT_MS, compiled, iso
from tests.core.roll.rolled import Rolled

PLANS = compiled(
    """
    version: 1
    product: plans
    source: {topics: [events], envelope: segment}
    entities:
      user: {plan: {from: changed.plan}, seats: {from: changed.seats}, admin: {from: changed.admin}}
    events:
      changed:
        name: plan_changed
        ids: {user: userId}
        values:
          plan: properties.plan
          seats: {from: properties.seats, min: -10}
          admin: properties.admin
    sets:
      on_premium: {of: user, when: plan == "premium"}
      on_others: {of: user, when: plan != "premium"}
      with_half: {of: user, when: seats == 2.5}
      in_debt: {of: user, when: seats < 0}
      in_charge: {of: user, when: admin}
      as_most: {of: user, when: not admin and not (seats > 3 and plan == "premium")}
    metrics:
      premium: {role: north_star, owner: core, value: size(on_premium)}
      others: {value: size(on_others)}
      halves: {value: size(with_half)}
      owing: {value: size(in_debt)}
      admins: {value: size(in_charge)}
      plain: {value: size(as_most)}
    """
)


def changed(user, minute=0, **properties):
    """A record that teaches."""
    at = iso(AT_MS + minute * MINUTE_MS)
    body = {"event": "plan_changed", "timestamp": at, "userId": user, "properties": properties}
    return json.dumps(body).encode()


@pytest.fixture
def rolled():
    """Shards of a deployment with a salt of its own."""
    return Rolled(PLANS, salt=7)


def found(rolled, minute=10):
    """The values of all metrics, as the plan orders them."""
    return list(rolled.values(AT_MS + minute * MINUTE_MS).values())


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"plan": "premium"}, [1, 0, 0, 0, 0, 0]),
        ({"plan": "Premium"}, [0, 1, 0, 0, 0, 0]),
        ({"plan": ""}, [0, 1, 0, 0, 0, 0]),
        ({"plan": None, "seats": 2.5}, [0, 0, 1, 0, 0, 0]),
        ({"seats": -0.5}, [0, 0, 0, 1, 0, 0]),
        ({"admin": True}, [0, 0, 0, 0, 1, 0]),
        ({"admin": False}, [0, 0, 0, 0, 0, 0]),
        ({"admin": False, "seats": 3}, [0, 0, 0, 0, 0, 1]),
        ({"admin": False, "plan": "free"}, [0, 1, 0, 0, 0, 1]),
        ({"admin": False, "plan": "premium", "seats": 4}, [1, 0, 0, 0, 0, 0]),
    ],
)
def test_what_is_not_known_is_neither(rolled, properties, expected):
    """A condition holds where it is true, and neither it nor its opposite where it is unknown."""
    rolled.feed([changed("ann", **properties)])
    assert found(rolled) == expected


def test_the_newest_that_has_it_counts(rolled):
    """An older event that comes later changes nothing, nor does a newer one without the value."""
    rolled.feed([changed("ann", 2, plan="free"), changed("ann", 1, plan="premium")])
    rolled.feed([changed("ann", 3, seats=2.5)])
    assert found(rolled) == [0, 1, 1, 0, 0, 0]


def test_of_two_at_the_same_moment_one_wins_always(rolled):
    """The order of arrival does not decide."""
    other = Rolled(PLANS, salt=7)
    records = [changed("ann", plan="free", seats=1), changed("ann", plan="premium", seats=2.5)]
    rolled.feed(records)
    other.feed(records[::-1])
    assert found(rolled) == found(other)
    assert found(rolled, 11)[2] == 1


def test_saved_state_answers_as_before_and_holds_no_text(rolled):
    """What is kept of a text is its hash, and that is found again."""
    rolled.feed([changed("ann", plan="premium"), changed("bob", plan="free-of-charge")])
    before = found(rolled)
    saved = b"".join(shard.dump({}, {}) for shard in rolled.every())
    assert b"premium" not in saved
    assert b"free-of-charge" not in saved
    rolled.restart()
    assert found(rolled, 11) == before == [1, 1, 0, 0, 0, 0]
