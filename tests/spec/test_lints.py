"""Lints by their edges: which words and forms are warned of, and which are not."""

from dataclasses import replace

import pytest

from pipeline.spec import read_text
from pipeline.spec.lint_noise import samples_needed
from pipeline.spec.spans import baseline_of
from tests.spec.test_lints_page import BASE, TODAY, found_in

STAR = "  regular_customers:\n"
VALUE = "    value: size(regulars)\n"


def lints(definition="People who ordered twice.", label="Regulars", value=VALUE, base=BASE):
    """What is said of the page's definition with another North Star."""
    text = base.replace(STAR, f"{STAR}    label: {label}\n").replace(VALUE, value)
    first = "    definition: People who ordered twice and read an article in the last 28 days.\n"
    assert first in text
    text = text.replace(first, f"    definition: {definition}\n")
    names = {problem.name for problem in read_text(text, "f.yaml", TODAY).problems}
    return names - {"unused-set"}


@pytest.mark.parametrize(
    "label",
    [
        "Registered Users", "Sign-ups", "Page Views", "Pageviews", "App Downloads", "Time on Page",
        "Daily Active Users", "DAU", "WAUs", "Monthly active customers", "Followers", "Installs",
    ],
)  # fmt: skip
def test_vanity_is_known_by_its_label(label):
    """The classics, however they are spelled."""
    assert lints(label=label) == {"vanity-north-star"}


@pytest.mark.parametrize("label", ["Revenue", "MRR", "Monthly churn", "Net profit", "GMV"])
def test_results_are_known_by_their_label(label):
    """What finance counts comes too late for a product."""
    assert lints(label=label) == {"lagging-north-star"}


@pytest.mark.parametrize(
    "label", ["Weekly Learning Users", "Orders on Time", "Shared Files", "Active Listeners"]
)
def test_good_names_draw_no_warning(label):
    """A word that is part of another one is not that word."""
    assert lints(label=label) == set()


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("Page views of signed-in people.", {"vanity-north-star"}),
        ("People who came back after their page views.", set()),
        ("Tracks subscribers who share.", {"vague-definition"}),
        ("Measures how many shared twice a week.", set()),
        ("Lifelong employees.", {"unmeasurable-metric"}),
        ("Employees who stay for life.", set()),
    ],
)
def test_a_definition_is_about_what_it_names_first(definition, expected):
    """What comes after `who` says which of them count."""
    assert lints(definition) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("distinct(read.user)\n    window: trailing 1d", {"vanity-north-star"}),
        ("distinct(read.user)\n    window: calendar day", {"vanity-north-star"}),
        ("distinct(read.user)\n    window: trailing 7d", set()),
        ("distinct(read.user, where=seconds > 60)\n    window: trailing 1d", set()),
        ("count(read)\n    window: trailing 1d", set()),
        ("count(opened)\n    window: trailing 7d", {"vanity-north-star"}),
        ("size(openers)", {"vanity-north-star"}),
        ("size(regulars) / count(opened)\n    window: trailing 7d", set()),
    ],
)
def test_vanity_is_known_by_its_form(value, expected):
    """Whoever did anything within a day, and events of mere presence, by whatever name."""
    presence = "  opened: {name: App Opened, ids: {user: userId}}\nsets:\n"
    openers = "  openers: {of: user, when: count(opened) >= 1, window: trailing 7d}\n"
    base = BASE.replace("sets:\n", presence + openers)
    assert lints(value=f"    value: {value}\n", base=base) - {"unused-event"} == expected


@pytest.mark.parametrize(
    ("guard", "is_ratio", "expected"),
    [
        ({"warn": 0.03, "baseline": "fixed(0.5)"}, True, 1112),  # 1 / 0.03²
        ({"warn": 0.03, "baseline": "previous(7d)"}, True, 2223),  # twice as much
        ({"warn": 0.03, "baseline": "fixed(0.02)"}, True, 54445),  # 0.98 / 0.02 / 0.03²
        ({"warn": 0.03, "baseline": "fixed(400)"}, False, 1112),  # a count
        ({"warn": 0.1, "baseline": "previous(7d)"}, False, 200),
        ({"warn": 0.0, "breach": 0.1, "baseline": "fixed(5)"}, False, 100),
        ({"warn": 0.0, "breach": 0.0, "baseline": "fixed(5)"}, False, 0),
    ],
)
def test_how_many_samples_a_limit_takes(guard, is_ratio, expected):
    """One standard deviation, worked out by hand."""
    plan = read_text(BASE, "f.yaml").plan
    assert plan is not None
    given = next(metric.guard for metric in plan.metrics if metric.guard is not None)
    breach = guard.get("breach", 0.5)
    changed = replace(
        given, warn=guard["warn"], breach=breach, baseline=baseline_of(guard["baseline"])
    )
    assert samples_needed(changed, is_ratio=is_ratio) == expected


def test_an_allowance_ends_with_its_day():
    """On the day it is borne, on the next it is not; without a day nothing ends."""
    lone = BASE.replace(", orders_each: hypothesis, long_reads: hypothesis", "").replace(
        "role: input", "role: reference"
    )
    text = f"{lone}allow: [{{lint: few-inputs, until: 2026-06-01, reason: Soon.}}]\n"
    assert read_text(text, "f.yaml", TODAY).problems == ()
    assert read_text(text, "f.yaml").problems == ()
    late = read_text(text, "f.yaml", TODAY.replace(day=2)).problems
    assert {one.name for one in late} == {"few-inputs", "allowance-expired"}


def test_examples_of_the_page_are_read_as_it_says():
    """A fragment changes what it names and nothing else."""
    assert found_in("label: Shop\n") == set()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('count(read, window="trailing 1d") / count(ordered)', {"ratio-of-two-windows"}),
        ('sum(ordered.amount) / count(read, window="calendar day")', {"ratio-of-two-windows"}),
        ("count(read) / count(ordered)", set()),
        ('distinct(read.user, window="trailing 1d") / distinct(ordered.user)', set()),
        ('count(read, window="trailing 1d") / count(read)', set()),
        ("count(read) / size(regulars)", set()),
        ("100 * count(read) / count(ordered)", set()),
    ],
)
def test_ratios_of_two_windows(value, expected):
    """Only what happened is meant, and of two events: people and one event by itself may be."""
    text = f"{BASE}  ratio: {{value: '{value}', window: trailing 28d}}\n"
    found = {problem.name for problem in read_text(text, "f.yaml", TODAY).problems}
    assert found == expected
