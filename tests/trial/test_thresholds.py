"""Thresholds: which numbers of a definition are varied, and what comes of it."""

from decimal import Decimal

from pipeline.spec import read_text
from pipeline.spec.load import load
from pipeline.trial.thresholds import thresholds, varied
from tests.trial.stories import definition

SETS = """\
params: {{times: 2}}
entities:
  video: {{maker: {{is: user, from: made.user}}}}
events:
  watched: {{name: watched, ids: {{user: who, video: what}}, values: {{seconds: length}}}}
  made: {{name: made, ids: {{user: who, video: what}}}}
sets:
  liked:
    of: video
    when: >-
      count(watched, where=seconds >= 60) >= times
      and not sum(watched.seconds) > 0.5
    window: trailing 7d
  makers:
    of: user
    when: count(liked.maker) >= 1
  aside:
    of: user
    when: count(made) >= 5
    window: trailing 7d
metrics:
  top: {{role: north_star, value: {value}}}
"""


def shop(value="size(makers)"):
    """A definition with a set that counts another one."""
    text = definition("shop", SETS.format(value=value))
    start, end = text.index("events:"), text.index("params:")
    return text[:start] + text[end:]


def test_all_sets_on_the_way_have_their_thresholds():
    """The set that is counted comes with it, and numbers in `where=`; one aside does not."""
    found = thresholds(load(shop(), "").data, "top")
    assert [(each.of_set, each.number, each.step) for each in found] == [
        ("liked", Decimal(60), Decimal(1)),
        ("liked", Decimal(2), Decimal(1)),
        ("liked", Decimal("0.5"), Decimal("0.1")),
        ("makers", Decimal(1), Decimal(1)),
    ]
    assert found[0].condition == "where=seconds >= 60"
    assert found[2].condition == "sum(watched.seconds) > 0.5"


def test_what_has_to_be_equal_is_not_varied():
    """One more than a code is another code: its number says nothing of the one beside it."""
    text = shop().replace("seconds >= 60", "seconds == 60")
    found = thresholds(load(text, "").data, "top")
    assert Decimal(60) not in [each.number for each in found]


def test_each_threshold_is_one_less_and_one_more():
    """A change that would make a comparison hold always is refused, in the checker's own words."""
    text = shop()
    found = varied(text, read_text(text, "").plan, "top")
    assert [(str(each.number), each.refused) for each in found.changes] == [
        ("59", None),
        ("61", None),
        ("1", None),
        ("3", None),
        ("0.4", None),
        ("0.6", None),
        ("0", "this always holds: nothing is less than 0 here"),
        ("2", None),
    ]
    made = {metric.name for metric in found.plan.metrics}
    assert made == {"top", "tried"} | {each.metric for each in found.changes if each.metric}


def test_a_variant_is_varied_with_its_own_numbers():
    """The candidate may be a variant: its threshold is the variant's number, one less, one more."""
    text = shop("size(makers), variants: {often: {times: 5}}")
    plan = read_text(text, "").plan
    found = varied(text, plan, "top__often")
    assert [str(each.number) for each in found.changes][2:4] == ["4", "6"]
    edited = read_text(shop().replace("times: 2", "times: 6"), "").plan
    assert identity(found.plan, found.changes[3].metric) == identity(edited, "top")
    assert identity(found.plan, "top__often") == identity(plan, "top__often")


def test_a_name_of_two_numbers_is_not_varied():
    """Beside one set the number is another than at the top: no one number could take its place."""
    text = shop().replace(
        "count(liked.maker) >= 1", "count(liked.maker) >= times, params: {times: 1}"
    )
    text = text.replace(
        "    when: count(liked.maker) >= times, params",
        "    when: count(liked.maker) >= times\n    params",
    )
    found = varied(text, read_text(text, "").plan, "top")
    said = "`times` is another number in another set"
    assert [each.refused for each in found.changes] == [
        None,
        None,
        said,
        said,
        None,
        None,
        said,
        said,
    ]


def identity(plan, metric):
    """Of all that a metric's value is made of."""
    return next(each.identity for each in plan.metrics if each.name == metric)


def test_a_value_without_sets_has_no_thresholds():
    """Nothing is varied, and the plan is the one that was given."""
    text = shop("'count(made, window=\"trailing 7d\")'")
    plan = read_text(text, "").plan
    assert varied(text, plan, "top").plan is plan


def test_names_that_are_taken_are_left_alone():
    """A definition that has a metric `tried` already is varied under another name."""
    text = shop() + "  tried: {value: size(aside)}\n"
    found = varied(text, read_text(text, "").plan, "top")
    assert {each.metric for each in found.changes if each.metric} == {
        f"tried___{side}_{at}" for at in (0, 1, 2) for side in ("less", "more")
    } | {"tried___more_3"}
