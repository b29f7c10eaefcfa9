"""Definitions for tests: the reference's example, and a small shop to vary."""

import re
from pathlib import Path

import pytest

from pipeline.spec import read_text

REFERENCE = Path(__file__).parents[2] / "definitions" / "LANGUAGE.md"
HEAD = """\
version: 1
product: shop
source: {topics: [events], envelope: segment}
"""
EVENTS = """\
events:
  ordered:
    name: order_placed
    ids: {user: userId, order: properties.order_id}
    values: {amount: properties.total, plan: properties.plan}
  viewed:
    name: page_viewed
    ids: {user: userId, page: properties.page_id}
    values: {seconds: properties.ms / 1000}
"""
METRICS = """\
metrics:
  orders: {role: north_star, value: count(ordered), window: trailing 7d, unit: orders, owner: core}
"""


@pytest.fixture(scope="session")
def example():
    """The example that the reference starts with."""
    found = re.search(r"```yaml\n(version.*?)```", REFERENCE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def shop():
    """Makes the text of a definition; each section can be replaced."""

    def text(sets="", metrics=METRICS, events=EVENTS, entities="", head=HEAD):
        return f"{head}{entities}{events}{sets}{metrics}"

    return text


@pytest.fixture
def plan_of(shop):
    """Compiles a definition that has no errors; arguments as for `shop`."""

    def compiled(**sections):
        result = read_text(shop(**sections), "shop.yaml")
        assert result.plan is not None, [problem.message for problem in result.problems]
        return result.plan

    return compiled


@pytest.fixture
def plan_with_set(plan_of):
    """Compiles the shop with a set of users called `few`, and its size as a metric."""

    def compiled(when, window="trailing 7d", of="user", **sections):
        beside = f", window: {window}" if window else ""
        sets = f"sets:\n  few: {{of: {of}, when: '{when}'{beside}}}\n"
        return plan_of(
            sets=sets, metrics=f"{METRICS}  size_of_few: {{value: size(few)}}\n", **sections
        )

    return compiled


@pytest.fixture
def problems_of(shop):
    """The problems of a definition, as `(name, line, message)`; arguments as for `shop`."""

    def found(**sections):
        problems = read_text(shop(**sections), "shop.yaml").problems
        return [(problem.name, problem.line, problem.message) for problem in problems]

    return found
