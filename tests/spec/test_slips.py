"""Slips of the pen: whatever is misspelled, somebody is told what is wrong, and where."""

import re
from pathlib import Path
from random import Random

import pytest

from pipeline.spec import read_text

DEFINITIONS = sorted((Path(__file__).parents[2] / "definitions").rglob("*.yaml"))
WORD = re.compile(r"[a-z][a-z0-9_]{2,}")
SLIPS = 5
"""Of a file, in this order: the same ones at every run."""


def slips(text, random):
    """The text with one word a letter short, or another word of it in its place."""
    words = list(WORD.finditer(text))
    for _ in range(SLIPS):
        word, other = random.choice(words), random.choice(words).group()
        letter = random.randrange(len(word.group()))
        short = word.group()[:letter] + word.group()[letter + 1 :]
        wrong = random.choice([short, short, other])
        yield text[: word.start()] + wrong + text[word.end() :]


@pytest.mark.parametrize("file", DEFINITIONS, ids=lambda file: file.stem)
def test_a_slip_is_reported_and_never_a_fault_of_ours(file):
    """A definition has a plan or an error, and what is wrong is said in its own lines."""
    for text in slips(file.read_text(encoding="utf-8"), Random(file.stem)):  # noqa: S311 - no secret
        result = read_text(text, file.name)
        assert (result.plan is None) == result.has_errors
        lines = len(text.splitlines())
        assert all(1 <= problem.line <= lines for problem in result.problems)
