"""Params and variants: numbers with names, and a metric again with other numbers."""

import pytest

from pipeline.core.formula import Constant
from pipeline.core.sets import AtLeast
from pipeline.core.tree import Role
from pipeline.spec import Severity, read_text

SETS = """\
params: {often: 3}
sets:
  buyers: {of: user, when: count(ordered) >= often, window: trailing 7d}
"""
METRICS = """\
metrics:
  weekly_buyers:
    role: north_star
    value: size(buyers)
    owner: core
    unit: users
    inputs: {bought: hypothesis}
    variants: {strict: {often: 5}, very_loose: {often: 1}}
  bought: {value: size(buyers) * often, params: {often: 7}}
"""


def by_name(things):
    """Things by their names."""
    return {one.name: one for one in things}


def test_a_name_of_a_number_is_the_number(plan_of):
    """A definition with names is the definition with the numbers in their place."""
    named = plan_of(sets=SETS)
    plain = plan_of(sets=SETS.replace("params: {often: 3}\n", "").replace("often", "3"))
    assert plain == named


def test_the_number_beside_an_expression_comes_first(plan_of):
    """A set's and a metric's own number hides that of the same name at the top."""
    own = SETS.replace("7d}", "7d, params: {often: 9}}")
    plan = plan_of(sets=own, metrics=METRICS)
    assert by_name(plan.sets)["buyers"].when.threshold == 9
    assert by_name(plan.metrics)["bought"].value.right == Constant(7.0)
    strict = by_name(plan.sets)["buyers__strict"].when
    assert isinstance(strict, AtLeast)
    assert strict.threshold == 5


def test_a_variant_is_a_metric_beside_the_tree(plan_of):
    """It has its label, unit and owner from the metric, and neither role, inputs nor guard."""
    metrics = by_name(plan_of(sets=SETS, metrics=METRICS).metrics)
    loose = metrics["weekly_buyers__very_loose"]
    assert (loose.label, loose.unit, loose.owner) == ("Weekly buyers (very loose)", "users", "core")
    assert (loose.role, loose.inputs, loose.guard) == (Role.REFERENCE, (), None)


def test_a_variant_is_what_would_be_written_by_hand(plan_of):
    """State is found across: a set of a variant is the set with the other number."""
    made = by_name(plan_of(sets=SETS, metrics=METRICS).sets)
    by_hand = by_name(plan_of(sets=SETS.replace("{often: 3}", "{often: 5}"), metrics=METRICS).sets)
    assert by_hand["buyers"].identity == made["buyers__strict"].identity


def test_variants_with_equal_numbers_share_their_sets(plan_of):
    """Two metrics over one set do not count it twice for the same numbers."""
    second = METRICS.replace("params: {often: 7}", "variants: {tight: {often: 5}}").replace(
        "* often", "* 2"
    )
    plan = plan_of(sets=SETS, metrics=second)
    assert [one.name for one in plan.sets] == ["buyers", "buyers__strict", "buyers__very_loose"]


def test_one_variant_name_with_other_numbers_has_other_sets(plan_of):
    """`strict` may mean different things in two metrics."""
    second = METRICS.replace("params: {often: 7}", "variants: {strict: {often: 6}}").replace(
        "* often", "* 2"
    )
    names = [one.name for one in plan_of(sets=SETS, metrics=second).sets]
    assert "buyers__strict" in names
    assert "buyers__bought__strict" in names


@pytest.mark.parametrize("number", ["0.1", "1e-3", "123456789.000001"])
def test_a_number_counts_as_it_is_written(plan_of, number):
    """A decimal fraction is taken exactly, as if it stood in the expression."""
    named = f"params: {{least: {number}}}\n"
    sets = "sets:\n  few: {of: user, when: sum(ordered.amount) > least, window: trailing 7d}\n"
    thresholds = {
        one.when.threshold
        for one in (
            plan_of(sets=named + sets).sets[0],
            plan_of(sets=sets.replace("least", number)).sets[0],
        )
    }
    assert len(thresholds) == 1


def test_a_mistake_of_a_metric_is_said_once(shop):
    """Its variants have it too, and nobody wants to read it three times."""
    broken = METRICS.replace("size(buyers)\n", "size(buyer)\n")
    text = shop(sets=SETS, metrics=broken.replace("variants: {strict: {often: 5}, ", "variants: {"))
    names = [problem.name for problem in read_text(text, "shop.yaml").problems]
    assert "unknown-set" in names
    assert len([name for name in names if name == "unknown-set"]) == 1


def test_two_variants_of_one_name_are_refused(shop):
    """`a` with `b__c` and `a__b` with `c` would both be `a__b__c`, and one of them was lost."""
    metrics = (
        "metrics:\n"
        "  a: {role: north_star, value: size(buyers), variants: {b__c: {often: 2}}}\n"
        "  a__b: {value: size(buyers), variants: {c: {often: 4}}}\n"
    )
    result = read_text(shop(sets=SETS, metrics=metrics), "shop.yaml")
    said = [one.message for one in result.problems if one.severity is Severity.ERROR]
    assert said == ["the variant would be `a__b__c`, which is there"]
