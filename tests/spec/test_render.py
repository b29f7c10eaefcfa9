"""Problems as people, programs and GitHub read them."""

import json

import pytest

from pipeline.spec.problem import Problem, Severity
from pipeline.spec.render import Format, rendered


@pytest.fixture
def problem():
    """Makes a problem in the line `  value: x`."""

    def made(**changes):
        fields = {
            "name": "unknown-event",
            "severity": Severity.ERROR,
            "file": "a,b:c.yaml",
            "line": 7,
            "column": 10,
            "length": 3,
            "message": "there is no event `act`",
            "advice": "Did you mean\n50 % of `active`?",
            "description": "`value`: arithmetic",
            "excerpt": "  value: act",
        }
        return Problem(**{**fields, **changes})

    return made


def text_of(problem):
    """A problem as plain text."""
    return rendered([problem], Format.TEXT).plain


def test_text_shows_line_caret_advice_and_description(problem):
    """The four parts stand below each other."""
    assert text_of(problem(advice="Did you mean `active`?")) == (
        "a,b:c.yaml:7:10: error[unknown-event]: there is no event `act`\n"
        "    7 |   value: act\n"
        "      |          ^^^\n"
        "      = Did you mean `active`?\n"
        "      = `value`: arithmetic"
    )


def test_text_leaves_out_what_is_empty(problem):
    """Without advice or description there is no empty line for it."""
    assert text_of(problem(advice="", description="")).splitlines()[-1].endswith("^^^")


def test_caret_stands_below_tabs_and_wide_characters(problem):
    """Tabs are copied, and a wide character takes two columns."""
    lines = text_of(problem(excerpt="\tx: 日本 act", column=8, length=3)).splitlines()
    assert lines[2] == "      | \t" + " " * 7 + "^^^"
    wide = text_of(problem(excerpt="x: 日本", column=4, length=2)).splitlines()
    assert wide[2] == "      |    ^^^^"


def test_control_characters_cannot_reach_the_terminal(problem):
    """Escape sequences and marks that turn the direction of text are replaced."""
    shown = text_of(problem(excerpt="  value: \x1b[31m\u202eact", message="\x1b]0;title\x07"))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\ufffd[31m" in shown


def test_long_lines_are_cut_around_the_caret(problem):
    """Of a line of a thousand characters only what is near the caret is shown."""
    lines = text_of(problem(excerpt="x" * 500 + "act" + "y" * 500, column=501)).splitlines()
    assert len(lines[1]) < 120
    assert lines[1][lines[2].index("^") :].startswith("act")
    assert lines[1].endswith("…")


def test_caret_ends_with_the_line(problem):
    """A length that reaches beyond the line still has a caret."""
    assert text_of(problem(excerpt="", column=1, length=9)).splitlines()[2] == "      | ^"


def test_json_has_every_field(problem):
    """A program gets the problem as it is."""
    (found,) = json.loads(rendered([problem()], Format.JSON).plain)
    assert found["name"] == "unknown-event"
    assert (found["severity"], found["line"], found["column"], found["length"]) == (
        "error", 7, 10, 3,
    )  # fmt: skip
    assert json.loads(rendered([], Format.JSON).plain) == []


def test_github_command_is_escaped(problem):
    """Percent signs, line ends, colons and commas cannot break out of an annotation."""
    assert rendered([problem(severity=Severity.WARNING)], Format.GITHUB).plain == (
        "::warning file=a%2Cb%3Ac.yaml,line=7,col=10,endColumn=12,title=unknown-event"
        "::there is no event `act`%0ADid you mean%0A50 %25 of `active`?"
    )
    assert rendered([problem(advice="")], Format.GITHUB).plain.endswith("`act`")


def test_problems_are_separated(problem):
    """In text an empty line stands between two problems, and nothing after the last."""
    both = rendered([problem(), problem(line=8)], Format.TEXT).plain
    assert both.count("\n\n") == 1
    assert not both.endswith("\n")
