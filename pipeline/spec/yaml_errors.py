"""ruamel.yaml's complaints in our words, at the place that has to be mended."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pipeline.spec.problem import Refusal

if TYPE_CHECKING:
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.events import ScalarEvent

# What the complaint contains -> what is wrong, what to write. The first that fits is taken.
_WORDS: Final = (
    ("'\\t'", "a tab where only spaces can stand", "Indent with spaces."),
    (
        "cannot start any token",
        "no value can start with this character",
        'Put the value in quotes: "…".',
    ),
    (
        "unknown escape character",
        "an escape that YAML does not know",
        "Within double quotes write a backslash as `\\\\`, or use single quotes.",
    ),
    (
        "could not find expected ':'",
        "a line without a `: ` that belongs to no value",
        "Write `name: value`, or indent it as part of the value above.",
    ),
    (
        "expected <block end>",
        "this does not belong to what stands above it",
        "Check the indentation: keys of one mapping start in the same column.",
    ),
)
_ODD_SPACE: Final = re.compile("[\u00a0\u2000-\u200b\u202f\u205f\u3000\ufeff]")
_TYPOGRAPHIC: Final = tuple("\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb")
_UNKNOWN: Final = ("this is no YAML", "Check quotes, brackets and indentation around here.")


def explained(error: MarkedYAMLError, text: str, last: ScalarEvent | None) -> Refusal:
    """A refusal for an error of the YAML scanner or parser.

    Args:
        error: what it said.
        text: the whole file; the refusal's offsets are into it.
        last: the event of the last scalar before, None if there was none.
    """
    odd = _odd_space(text, error.problem_mark.index if error.problem_mark else 0)
    if odd is not None:  # nobody can see it, so it comes before anything else
        message = "this looks like a space and is none, so YAML takes it for a part of the word"
        return _at(odd, text, message, "Put a plain space in its place.")
    return _explained(error, text, last)


def _explained(error: MarkedYAMLError, text: str, last: ScalarEvent | None) -> Refusal:
    said = f"{error.context or ''} {error.problem or ''}"
    at = error.problem_mark.index if error.problem_mark else 0
    opened = error.context_mark.index if error.context_mark else at
    if "unexpected end of stream" in said:
        return _at(opened, text, "the quote that is opened here is never closed", "Close it.")
    if "expected ',' or" in said:
        return _in_brackets(text, opened, at)
    if "mapping values are not allowed" in said:
        return _key_in_value(text, at)
    if last is not None and last.style in ("'", '"') and not text[last.end_mark.index : at].strip():
        return _after_quote(text, last.start_mark.index, at)
    message, advice = next((words for key, *words in _WORDS if key in said), _UNKNOWN)
    if "block collection" in said and "expected <block end>" in said and text[opened] == "-":
        line = text.count("\n", 0, opened) + 1
        message = f"line {line} begins a list with `- `, and this is no entry of it"
        advice = f"Take out the `- ` in line {line}, or put one here, too."
    return _at(at, text, message, advice)


def cut_by_comma(comma: int, before: str) -> Refusal:
    """A refusal of the comma that ends an expression within brackets before its time."""
    advice = "Put the whole expression in quotes: \"…\", or '…' where it has double quotes itself."
    if before.lstrip().startswith(_TYPOGRAPHIC):
        advice = 'Typographic quotes are none to YAML: write straight ones, "…".'
    return Refusal(
        "yaml-comma",
        "this comma ends the text before it, because both stand within `{…}` or `[…]`",
        advice,
        start=comma,
        end=comma + 1,
    )


def cut_number(comma: int) -> Refusal:
    """A refusal of a comma within a number, which ends it within brackets."""
    return Refusal(
        "yaml-comma",
        "this comma ends the number before it",
        "Write the number without it: `1000`. Decimals follow a point: `0.5`.",
        start=comma,
        end=comma + 1,
    )


def _odd_space(text: str, at: int) -> int | None:
    """A no-break space or the like in the line of an error, or in the one before it."""
    start = text.rfind("\n", 0, max(text.rfind("\n", 0, at), 0)) + 1
    end = text.find("\n", at)
    found = _ODD_SPACE.search(text, start, len(text) if end < 0 else end)
    return found.start() if found else None


def _at(at: int, text: str, message: str, advice: str) -> Refusal:
    start = min(at, max(len(text) - 1, 0))
    return Refusal("yaml-syntax", message, advice, start=start, end=start + 1)


def _in_brackets(text: str, opened: int, at: int) -> Refusal:
    if "\n" in text[opened:at]:
        message = f"the `{text[opened]}` that is opened here is never closed"
        advice = "Close it: every `[` needs its `]`, every `{` its `}`."
        if " #" in text[opened:].partition("\n")[0]:
            advice += " What follows ` #` in that line is a comment."
        return _at(opened, text, message, advice)
    comma = text.find(",", text.rfind("(", opened, at), at)
    if text.count("(", opened, at) > text.count(")", opened, at) and comma > opened:
        return cut_by_comma(comma, text[text.rfind(": ", opened, comma) + 1 : comma])
    advice = "Separate the entries with `, `; a text that contains `,` `[` `]` `{` or `}` "
    message = "an entry in brackets goes on where it should end"
    return _at(at, text, message, f"{advice}needs quotes.")


def _key_in_value(text: str, at: int) -> Refusal:
    """A colon where the value before it goes on: two keys in a line, or a crooked indentation."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    if ": " in line:
        advice = "Put a text that contains `: ` in quotes."
        return _at(at, text, "a second `: ` within one value", advice)
    start = at - len(line.lstrip())
    above = text[:start].rstrip().rpartition("\n")[2]
    if ":" not in above and len(above) - len(above.lstrip()) == len(line) - len(line.lstrip()):
        first = text.rindex(above, 0, start) + len(line) - len(line.lstrip())
        return _at(first, text, "this line has no `: `", "Write `name: value`.")
    message = "this line starts in another column than the keys it belongs to"
    return _at(start, text, message, "Keys of one mapping start in the same column.")


def _after_quote(text: str, opened: int, at: int) -> Refusal:
    """Something follows a quoted text: it ended too early, or swallowed the lines up to here."""
    if "\n" in text[opened:at]:
        message = "the quote that is opened here is not closed in its line"
        return _at(opened, text, message, "Close it at the end of the value.")
    advice = "Use the other kind of quotes around the value, or double the quotes within it."
    return _at(at, text, "the text goes on after its closing quote", advice)
