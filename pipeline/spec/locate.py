"""From a place in the data to the place in the user's own text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pipeline.spec.load import DataPath, Document, Mark

# An escape within double quotes; a backslash at the end of a line joins it with the next.
_ESCAPE: Final = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")
_SPACE: Final = re.compile(r"\s*")
_SPACE_OR_JOIN: Final = re.compile(r"(?:\s|\\\r?\n)*")


@dataclass(frozen=True, slots=True)
class Location:
    """A run of characters in one line of a file; `line` and `column` count from 1."""

    line: int
    column: int
    length: int
    excerpt: str


def of_text(document: Document, start: int, end: int) -> Location:
    """The line, column and length of a piece of the file; of several lines the first counts."""
    text = document.text
    first = text.rfind("\n", 0, start) + 1
    after = text.find("\n", start)
    last = len(text) if after < 0 else after
    excerpt = text[first:last].rstrip("\r")
    length = max(1, min(end, last) - start)
    return Location(document.line(start), start - first + 1, length, excerpt)


def of_value(
    document: Document, path: DataPath, start: int = 0, end: int | None = None
) -> Location:
    """Where a value stands, or the part `[start, end)` of a scalar's text.

    What is not there is located at the nearest thing around it that is; a block of lines at its
    key.
    """
    while path and path not in document.values:
        path = path[:-1]
    mark = document.values.get(path)
    if mark is None:
        return of_text(document, 0, 1)
    if mark.scalar is not None:
        return of_text(document, *_within(document.text, mark, start, end))
    if not path:
        return of_text(document, mark.start, mark.start + 1)
    if path in document.keys and document.text[mark.start] not in "[{":
        return of_key(document, path)
    return of_text(document, mark.start, mark.end)


def of_key(document: Document, path: DataPath) -> Location:
    """Where a key stands; an item of a list is located at its value."""
    mark = document.keys.get(path)
    if mark is None:
        return of_value(document, path)
    return of_text(document, mark.start, mark.end)


def _within(text: str, mark: Mark, start: int, end: int | None) -> tuple[int, int]:
    scalar = mark.scalar or ""
    if (start == 0 and end is None) or not scalar:
        return mark.start, mark.end
    at = _offsets(text, mark, scalar)
    last = len(scalar) if end is None else end
    first = at[min(start, len(scalar))]
    return first, max(at[min(max(last, 1), len(scalar)) - 1] + 1, first + 1)


def _offsets(text: str, mark: Mark, scalar: str) -> list[int]:
    """For each character of a scalar (and its end) the offset in the file it was read from.

    Folding changes white space only, and quoting doubles or escapes: all other characters stand in
    the file in the same order.
    """
    at, offsets = _first(text, mark), []
    for character in scalar:
        if not character.isspace():
            at = _skip_space(text, at, mark.style)
        offsets.append(at)
        at += _width(text, at, mark.style)
    return [*offsets, at]


def _first(text: str, mark: Mark) -> int:
    if mark.style in ("|", ">"):
        return text.index("\n", mark.start) + 1
    return mark.start + len(mark.style or "")


def _skip_space(text: str, at: int, style: str | None) -> int:
    space = (_SPACE_OR_JOIN if style == '"' else _SPACE).match(text, at)
    return space.end() if space else at


def _width(text: str, at: int, style: str | None) -> int:
    """How many characters of the file make the one character of the scalar at this offset."""
    if style == "'" and text.startswith("''", at):
        return 2
    escape = _ESCAPE.match(text, at) if style == '"' else None
    return len(escape.group()) if escape else 1
