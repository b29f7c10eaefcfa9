"""What is exported keeps Prometheus' conventions, by name alone."""

import re
from pathlib import Path

import pytest

from pipeline import names

README = Path(__file__).parents[2] / "deploy" / "README.md"
SERIES = {
    value
    for value in vars(names).values()
    if isinstance(value, str) and value.startswith("northstar_")
}
LABELS = {
    value
    for key, value in vars(names).items()
    if isinstance(value, str) and key.isupper() and re.fullmatch("[a-z]+", value)
}


def test_every_series_is_explained():
    """Each series has its help, and help explains nothing that is not exported."""
    assert set(names.HELP) == SERIES


def served():
    """The series that the table of `deploy/README.md` names; one may be short for its siblings."""
    _, _, rest = README.read_text(encoding="utf-8").partition("## What is served")
    page, _, _ = rest.partition("\n### ")
    full = ""
    for cell in re.findall(r"^\| (`.*?`) \| ", page, re.MULTILINE):
        for written in re.findall("`([^`]+)`", cell):
            for name in spelled_out(re.sub(r"{[a-z]+}", "", written)):
                words = full.split("_")
                siblings = {f"{'_'.join(words[:at])}{name}" for at in range(1, len(words))}
                full = name if name.startswith("northstar") else min(siblings & SERIES)
                yield full


def spelled_out(name):
    """`a_{b,c}` as `a_b` and `a_c`."""
    start, _, rest = name.partition("{")
    inner, _, end = rest.partition("}")
    return [f"{start}{each}{end}" for each in inner.split(",")]


def test_every_series_is_on_the_page_for_those_who_run_it():
    """And the page names none that is not there."""
    assert set(served()) == SERIES


def test_series_are_lower_case_words_of_one_prefix():
    """Names are snake_case without colons, so rules and dashboards need no quoting."""
    assert all(re.fullmatch("northstar(_[a-z]+)+", name) for name in SERIES)


def test_no_label_takes_a_word_that_scrapes_and_routes_use():
    """Labels that service discovery or routing sets are not ours to set."""
    assert len(LABELS) > 10
    assert not LABELS & names.FORBIDDEN_LABELS


@pytest.mark.parametrize(
    ("unit", "family"),
    [
        ("ratio", "northstar_metric_ratio"),
        ("seconds", "northstar_metric_seconds"),
        ("EUR", "northstar_metric_amount"),
        ("eur", "northstar_metric_value"),
        ("users", "northstar_metric_value"),
        ("EURO", "northstar_metric_value"),
    ],
)
def test_a_metric_goes_to_the_family_of_its_unit(unit, family):
    """One quantity and one unit for each name."""
    assert family == names.metric_family(unit)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("plain", "plain"),
        ('quoted "text" \\ here', 'quoted "text" \\ here'),
        ("two\nlines\r", "two�lines�"),
        ("lone \ud800 surrogate", "lone � surrogate"),
        ("turned \u202e round", "turned � round"),
        ("nul \x00 and \x9f", "nul � and �"),
        ("família 👩‍🚀", "família 👩‍🚀"),
    ],
)
def test_a_label_value_is_fit_for_a_scrape(text, label):
    """What would break a scrape or fool a reader is replaced, all else stays."""
    assert label == names.label_value(text)
    assert names.label_value(text).encode()


def test_a_long_label_value_is_cut():
    """A label holds 512 characters at most and says that it was cut."""
    assert len(names.label_value("x" * 100_000)) == names.LABEL_CHARACTERS_MAX
    assert names.label_value("x" * 513).endswith("x…")
    assert names.label_value("x" * 512) == "x" * 512


def documented(text):
    """Every series that a page names, with what it abbreviates: `northstar_x_a`, `_b`."""
    found = set()
    for line in text.splitlines():
        written = re.findall(r"`(\w+(?:\{[\w,]+\}\w*)?)", line)
        whole = [name for name in written if name.startswith("northstar_")]
        for name in [one for each in written for one in _spelled(each)]:
            starts = {one[: at.start()] for one in whole for at in re.finditer("_", one)}
            found |= {name, *(start + name for start in starts)}
    return found


def _spelled(name):
    """`a_{b,c}_d` as two names; labels within braces are no part of one."""
    start, _, rest = name.partition("{")
    inside, _, end = rest.partition("}")
    return [start + one + end for one in inside.split(",")] if end or "," in inside else [start]


def test_every_series_is_documented():
    """Whoever writes a rule or a dashboard finds each exported family in one table."""
    page = Path(__file__).parents[2] / "deploy" / "README.md"
    assert SERIES - documented(page.read_text()) == set()
