"""Each broken definition of `bad/` beside what is said about it.

Run with `NORTHSTAR_WRITE_GOLDENS=1` to write the messages anew; then read every line of the diff as
someone who has never seen the documentation.
"""

import os
from datetime import date
from pathlib import Path

import pytest

from pipeline.spec import Severity, read_text
from pipeline.spec.render import Format, rendered

BAD = Path(__file__).parent / "bad"
TODAY = date(2026, 6, 1)  # what is overdue is so on this day
FILES = sorted(BAD.glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_message_is_the_golden_one(file):
    """A broken definition is reported word for word as its golden says, under the user's lines."""
    golden = file.with_suffix(".txt")
    result = read_text(file.read_text(), file.name, TODAY, BAD)
    actual = rendered(result.problems, Format.TEXT).plain + "\n"
    if "NORTHSTAR_WRITE_GOLDENS" in os.environ:
        golden.write_text(actual)
    assert golden.read_text() == actual


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_broken_definition_has_no_plan(file):
    """Nothing that has an error comes to run, and nothing that cannot run is without an error."""
    result = read_text(file.read_text(), file.name, TODAY, BAD)
    has_only_warnings = all(one.severity is Severity.WARNING for one in result.problems)
    assert (result.plan is not None) == has_only_warnings == file.stem.startswith("warning")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_foreign_message_is_shown(file):
    """Neither pydantic nor ruamel.yaml nor Python's parser speaks to the user."""
    said = rendered(read_text(file.read_text(), file.name, TODAY, BAD).problems, Format.TEXT).plain
    foreign = ("Input should", "pydantic", "Traceback", "found unexpected", "invalid syntax")
    assert [word for word in foreign if word in said] == []


def test_every_golden_has_its_definition():
    """No golden is left behind by a definition that was renamed or removed."""
    assert [file.stem for file in sorted(BAD.glob("*.txt"))] == [file.stem for file in FILES]
