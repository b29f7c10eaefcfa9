"""Keys and fingerprints: what state is found again by, and what makes it another."""

import pytest

from pipeline.spec import read_text

SETS = """\
sets:
  buyers: {of: user, when: 'count(ordered, where=amount > 5) >= 2', window: trailing 7d}
"""
METRICS = """\
metrics:
  orders: {role: north_star, value: count(ordered), window: trailing 7d, unit: orders, owner: core}
  share: {value: size(buyers) / distinct(ordered.user), window: calendar week}
  g:
    role: guardrail
    value: mean(viewed.seconds)
    window: trailing 1d
    guard: {protects: orders, better: lower, baseline: previous(7d), warn: 3%, breach: 5%}
"""


@pytest.fixture
def edited(shop):
    """The plan of the definition above after an edit."""

    def compiled(old="", new=""):
        text = shop(sets=SETS, metrics=METRICS)
        assert old in text
        result = read_text(text.replace(old, new, 1), "shop.yaml")
        assert result.plan is not None, [problem.message for problem in result.problems]
        return result.plan

    return compiled


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("events:\n", "events:\n  first: {name: x, ids: {user: u}}\n"),
        ("sets:\n", "sets:\n  first: {of: page, when: count(viewed) >= 1, window: trailing 9d}\n"),
        ("metrics:\n", "metrics:\n  first: {value: sum(viewed.seconds), window: trailing 9d}\n"),
        ("owner: core", "owner: other"),
        ("amount > 5", "(amount  >  5.0)"),
    ],
)
def test_keys_survive_unrelated_edits(edited, old, new):
    """What a memory is found by depends on nothing but what it remembers."""
    before, compiled = edited(), edited(old, new)
    old_keys = {memory.key for memory in before.memories} | {feed.key for feed in before.feeds}
    keys = {memory.key for memory in compiled.memories} | {feed.key for feed in compiled.feeds}
    assert old_keys <= keys


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("owner: core", "owner: other, label: Orders placed, definition: All of them."),
        ("unit: orders", "unit: things"),
        ("protects: orders", "owner: x, runbook: y, hold: 5m, severity: page, protects: orders"),
        ("product: shop", "product: shop\nlabel: The Shop\ngame: transaction"),
        ("share: {value", "share: {role: input, value"),
        ("share: {", "share: {inputs: {orders: hypothesis}, facet: depth, "),
        ("amount > 5", "( amount>5.0 )"),
        ("trailing 1d", "trailing 24h"),
    ],
)
def test_fingerprint_ignores_what_is_for_people(edited, old, new):
    """Labels, owners and spelling decide no number."""
    other = edited(old, new)
    assert other.fingerprint == edited().fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("product: shop", "product: shop2"),
        ("topics: [events]", "topics: [events2]"),
        ("properties.ms / 1000", "properties.ms / 100"),
        ("amount > 5", "amount > 6"),
        ("trailing 1d", "trailing 2d"),
        (">= 2", ">= 3"),
        ("userId", "user_id"),
        ("order_placed", "order_paid"),
        ("previous(7d)", "previous(6d)"),
        ("calendar week", "last calendar week"),
        ("product: shop", "product: shop\ncalendar: {zone: Asia/Tokyo}"),
    ],
)
def test_fingerprint_sees_what_decides_numbers(edited, old, new):
    """Anything that could change a number or what is remembered makes another plan."""
    assert edited(old, new).fingerprint != edited().fingerprint


def test_limits_may_change_without_losing_state(edited):
    """What a guardrail allows judges what is remembered, and does not change it."""
    assert edited("warn: 3%", "warn: 4%").fingerprint == edited().fingerprint


def test_fingerprint_is_short_hex(edited):
    """Sixteen hex digits, equal for equal text."""
    found = edited().fingerprint
    assert len(found) == 16
    assert int(found, 16) >= 0
    assert found == edited().fingerprint
