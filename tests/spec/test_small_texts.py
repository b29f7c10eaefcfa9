"""Durations, windows, shares, baselines, zones, paths and names."""

import doctest
import importlib
import pkgutil

import pytest

import pipeline.spec
from pipeline.core.baselines import Fixed, Previous, SameWeekday, TrailingMedian
from pipeline.core.windows import DAY_MS, HOUR_MS, Calendar, Trailing, Unit
from pipeline.spec import fields, spans
from pipeline.spec.paths import path_of, path_text
from pipeline.spec.problem import Refusal, listed, suggestion

UTC = spans.Zone("UTC", 0)
MODULES = [
    f"pipeline.spec.{module.name}" for module in pkgutil.iter_modules(pipeline.spec.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name):
    """What a docstring shows is what comes out."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize(
    ("text", "size_ms"),
    [("0s", 0), ("5ms", 5), ("90s", 90_000), ("10m", 600_000), ("400d", 400 * DAY_MS)],
)
def test_durations(text, size_ms):
    """A whole number and a unit are a duration, up to 400 days."""
    assert spans.duration_ms(text) == size_ms


@pytest.mark.parametrize(
    "text", ["", "7", "d", "1.5h", "-1d", "7 d", "1w2d", "401d", "7D", "1y", "٣d", "9" * 13 + "s"]
)
def test_bad_durations(text):
    """Fractions, signs, spaces and more than 400 days are none."""
    with pytest.raises(Refusal, match=r"duration|400 days"):
        spans.duration_ms(text)


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("trailing 7d", Trailing(7 * DAY_MS)),
        ("trailing 168h", Trailing(7 * DAY_MS)),
        ("trailing 1s", Trailing(1000)),
        ("calendar month", Calendar(Unit.MONTH, "UTC", 0)),
        ("last calendar quarter", Calendar(Unit.QUARTER, "UTC", 0, last=True)),
    ],
)
def test_windows(text, window):
    """Trailing and calendar windows, running and last."""
    assert spans.window_of(text, UTC) == window


@pytest.mark.parametrize(
    "text",
    ["7d", "trailing", "trailing 0s", "trailing 1500ms", "trailing 401d", "calendar year",
     "Calendar week", "last week", "trailing  7d", "calendar week "],
)  # fmt: skip
def test_bad_windows(text):
    """Everything else is no window."""
    with pytest.raises(Refusal):
        spans.window_of(text, UTC)


def test_shares_and_baselines():
    """Percentages are shares, exactly; a baseline is a number or the metric's own past."""
    assert spans.share_of("3%") == 0.03
    assert spans.share_of("0.7%") == 0.007
    assert spans.baseline_of("fixed(0.02)") == Fixed(0.02)
    assert spans.baseline_of("fixed( -1e2 )") == Fixed(-100.0)
    assert spans.baseline_of("previous(1h)") == Previous(HOUR_MS)
    assert spans.baseline_of("median(same_weekday, weeks=4)") == SameWeekday(4)
    assert spans.baseline_of("median( same_weekday,weeks = 57 )") == SameWeekday(57)
    assert spans.baseline_of("trailing_median(4w)") == TrailingMedian(28)


@pytest.mark.parametrize("text", ["3", "3 %", "-3%", "3.%", "%", "three%"])
def test_bad_shares(text):
    """A share has a percent sign and no other sign."""
    with pytest.raises(Refusal, match="no percentage"):
        spans.share_of(text)


@pytest.mark.parametrize(
    "text", ["7d", "previous", "previous()", "fixed()", "fixed(x)", "fixed(0)", "fixed(0.0)",
             "median(7d)", "median(same_weekday)", "median(same_weekday, weeks=0)",
             "median(same_weekday, weeks=58)", "trailing_median(36h)", "trailing_median(0d)",
             "previous(500ms)", "fixed(1e999)"]
)  # fmt: skip
def test_bad_baselines(text):
    """Anything else is no baseline, and nothing can be told from 0."""
    with pytest.raises(Refusal):
        spans.baseline_of(text)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("Berlin", "Did you mean `Europe/Berlin`?"),
        ("Europe/Berlim", "Did you mean `Europe/Berlin`?"),
        ("../../etc/passwd", "Write an area and a place, such as `Europe/Berlin`, or `UTC`."),
    ],
)
def test_unknown_zones(text, advice):
    """A zone that the database lacks is refused with the nearest one."""
    with pytest.raises(Refusal) as refused:
        spans.zone_of(text)
    assert refused.value.advice == advice


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("userId", ("userId",)),
        ("a.b_c.D9", ("a", "b_c", "D9")),
        ('a["b c"].d', ("a", "b c", "d")),
        ("a['b c']['d']", ("a", "b c", "d")),
        ('["$id"].x', ("$id", "x")),
        ('a[""]', ("a", "")),
        ("context.class", ("context", "class")),
    ],
)
def test_paths(text, path):
    """Dots between plain keys, quotes around all others; what is written reads back."""
    assert path_of(text) == path
    assert path_of(path_text(path)) == path


@pytest.mark.parametrize(
    ("text", "part", "advice"),
    [
        ("a.b-c.d", "b-c", 'a["b-c"].d'),
        ("order id", "order id", '["order id"]'),
        ("$id", "$id", '["$id"]'),
        ("a..b", ".", "single dots"),
        ("a.", ".", "single dots"),
        (".a", ".", "single dots"),
        ('a["b"]c', "c", 'a["b"]["c"]'),
        ("a[0]", "[0]", "properties.chart_id"),
        ("a.0.b", ".0.b", "properties.chart_id"),
    ],
)
def test_bad_paths(text, part, advice):
    """A path is refused at the key that needs quotes, and shown with them."""
    with pytest.raises(Refusal) as refused:
        path_of(text)
    found = refused.value
    assert text[found.start : found.end].startswith(part)
    assert advice in found.advice


@pytest.mark.parametrize("text", ["", "a" * 1001])
def test_paths_have_a_length(text):
    """Nothing is no path, and a page of text is none either."""
    with pytest.raises(Refusal):
        path_of(text)


@pytest.mark.parametrize("text", ["a", "a1", "weekly_users", "a" * 64, "match", "type"])
def test_names(text):
    """Letters, digits and underscores, a letter first."""
    assert fields.name_of(text) == text


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("weeklyUsers", "`weekly_users`"),
        ("Weekly Users!", "`weekly_users`"),
        ("1st", "`st`"),
        ("日本", "`orders_placed`"),
        ("", "`orders_placed`"),
        ("a" * 65, "`" + "a" * 64 + "`"),
        ("class", "`class_name`"),
        ("true", "`true_name`"),
        ("in", "`in_name`"),
        ("a_é", "`a`"),
    ],
)
def test_bad_names(text, advice):
    """What is no name is refused with one that is near."""
    with pytest.raises(Refusal) as refused:
        fields.name_of(text)
    assert advice in refused.value.advice


def test_lists_of_names_are_cut():
    """A sentence names thirty at most, and says how many more there are."""
    assert listed(["a"]) == "`a`"
    assert listed(["a", "b"], last="or") == "`a` or `b`"
    assert listed(map(str, range(33))).endswith("`29` and 3 more")


def test_suggestions_without_anything_to_suggest():
    """Where there is nothing yet, that is what is said."""
    assert suggestion("x", [], "sets") == "There are no sets yet."
    assert suggestion("x", ["yyyy"], "sets") == "Known sets: `yyyy`."
