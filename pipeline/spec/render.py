"""Problems for people, for programs and for GitHub's annotations."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.text import Text

from pipeline.spec.problem import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

EXCERPT_MAX: Final = 100  # characters of the user's line that are shown
_GUTTER: Final = " " * 6
_BEFORE: Final = 60  # of these, how many may stand before the caret
_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]"
)
_STYLES: Final = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow"}


class Format(StrEnum):
    """How problems are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def rendered(problems: Sequence[Problem], form: Format) -> Text:
    """All problems, one after the other, without a final line break."""
    if form is Format.JSON:
        return Text(as_json(problems))
    if form is Format.GITHUB:
        return Text("\n".join(as_github(problem) for problem in problems))
    return Text("\n\n").join(as_text(problem) for problem in problems)


def as_text(problem: Problem) -> Text:
    """A problem under the user's own line; styled, for terminals that show styles.

    `.plain` has the text alone.
    """
    style = _STYLES[problem.severity]
    text = Text()
    text.append(f"{_clean(problem.file)}:{problem.line}:{problem.column}: ", "bold")
    text.append(f"{problem.severity}[{problem.name}]", style)
    text.append(f": {_clean(problem.message)}\n")
    text.append(_pointed(problem, style))
    for hint in (problem.advice, problem.description):
        if hint:
            text.append(f"\n{_GUTTER}= ", "dim").append(_clean(hint))
    return text


def as_json(problems: Sequence[Problem]) -> str:
    """A list of objects with the fields of `Problem`."""
    return json.dumps([asdict(problem) for problem in problems], indent=2, ensure_ascii=False)


def as_github(problem: Problem) -> str:
    """A workflow command, which GitHub shows at the line in a pull request."""
    end = problem.column + problem.length - 1
    properties = {
        "file": problem.file,
        "line": str(problem.line),
        "col": str(problem.column),
        "endColumn": str(end),
        "title": problem.name,
    }
    fields = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in properties.items())
    body = f"{problem.message}\n{problem.advice}" if problem.advice else problem.message
    return f"::{problem.severity} {fields}::{_escaped(body, '')}"


def _pointed(problem: Problem, style: str) -> Text:
    """The user's line, and carets under the part that is meant."""
    start = problem.column - 1
    first = max(0, start - _BEFORE) if len(problem.excerpt) > EXCERPT_MAX else 0
    shown = _clean(problem.excerpt[first : first + EXCERPT_MAX])
    cut = "…" if first else ""
    after = "…" if first + EXCERPT_MAX < len(problem.excerpt) else ""
    before = cut + shown[: start - first]
    marked = shown[start - first : start - first + problem.length]
    gutter = f"{problem.line:>5} | "
    space = f"{_GUTTER}| " + re.sub(r"[^\t]", " ", before)
    space += " " * (cell_len(before) - len(before))
    text = Text(f"{gutter}{cut}{shown}{after}\n{space}")
    return text.append("^" * max(1, cell_len(marked)), style)


def _clean(text: str) -> str:
    """Text that cannot move a terminal's cursor or turn its line around."""
    return _CONTROL.sub("\ufffd", text)


def _escaped(text: str, also: str) -> str:
    """GitHub's own escapes, in its order: the percent sign first."""
    for character in f"%\r\n{also}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
