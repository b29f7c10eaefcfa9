"""What Python's parser stumbled over, in our words and at the place that matters.

Only text that did not parse comes here, so every rule may assume that something is wrong: the
rules look for the slips that people make, in the order of how sure the sign is.
"""

from __future__ import annotations

import keyword
import re
from typing import Final

from pipeline.spec.literals import QUOTED
from pipeline.spec.problem import Refusal

_KEYWORDS: Final = "|".join(sorted(set(keyword.kwlist) - {"and", "or", "not", "in"}))

_OPTIONS: Final = (
    *("where", "window", "other_than", "by", "top", "within", "unit", "of", "grace"),
    *("period", "periods", "new_members"),
)
_PROSE: Final = re.compile(
    r"(?!.* (?:AND|OR|NOT|IN) )[A-Za-z]+(?: [A-Za-z'-]+){2,}(?<! and)(?<! or)(?<! not)(?<! in)[.!]?"
)

# A pattern over the text without its quoted parts -> what is wrong, what to write.
_SLIPS: Final = (
    (r"[\"']", "the quote that is opened here is never closed", "Close it."),
    (
        r"\bwindow\s*=\s*(?=\w)(?!_)",
        "`window` takes a text in quotes",
        'Write `window="trailing 7d"`.',
    ),
    (
        r"(?i)\bcount\s*\(\s*distinct\b",
        "`count(distinct …)` is not in the language",
        "Write `distinct(event.entity)`: how many different ones, such as `distinct(viewed.user)`.",
    ),
    (r"(?<=\()\s*\*\s*(?=\))", "`*` names no event", "Write the event's name: `count(viewed)`."),
    (
        r"[\u201c\u201d\u201e\u201f\u00ab\u00bb\u2018\u2019\u201a\u201b]",
        "this is a typographic quote",
        "Write the straight one of a keyboard: `\"` or `'`.",
    ),
    (r"[\u2265\u2264\u2260]", "this sign is not in the language", "Write `>=`, `<=` or `!=`."),
    (r"[\u00d7\u00f7\u00b7]", "this sign is not in the language", "Write `*` or `/`."),
    (r"[\u2013\u2014\u2212]", "this is a dash, and no minus", "Write `-`."),
    (r"&&?", "`&&` is not in the language", "Write `and`."),
    (r"\|\|?", "`||` is not in the language", "Write `or`."),
    (r"!(?!=)", "`!` is not in the language", "Write `not`."),
    (r"===|<>|=<|=>|!==", "there is no such comparison", "Write `==`, `!=`, `<=` or `>=`."),
    (
        r"(?<![=!<>])" + "".join(rf"(?<!\b{option})" for option in _OPTIONS) + r"=(?!=)",
        "a single `=` does not compare",
        "Write `==`.",
    ),
    (r"\b(?:AND|OR|NOT|IN)\b", "this word is written in lower case", "Write `and`, `or`, `not`."),
    (
        r"\$\.",
        "a path begins at the record itself, without `$.`",
        "Leave it out: `properties.amount`.",
    ),
    (r"\$", "a name cannot have a `$`", 'Put the key into quotes: `["$name"]`.'),
    (r"[?@`\\;]", "this character is not in the language", "Remove it."),
    (r"(?<=\.)\s*(?:" + _KEYWORDS + r")\b", "", ""),
    (r"\b(?:" + _KEYWORDS + r")\b", "", ""),
    (r"(?<=\d)\s*,\s*\d", "a number has a point, not a comma", "Write `0.5` and `1000`."),
    (
        r"\bwhere\b(?!\s*=[^=])",
        "`where` is an option of an aggregate",
        "Write it after a comma and with `=`: `count(ordered, where=amount > 5)`.",
    ),
    (
        r"(?<=\s)(?i:(?:i?like|between|contains|matches|starts_?with)(?=\s))",
        "there is no such comparison",
        'Texts are compared whole: `==`, `!=`, `in ("a", "b")`. A range takes two, with `and`.',
    ),
)


def explained(error: SyntaxError, text: str, lead: int) -> Refusal:
    """A refusal for a text that does not parse; `lead` is what was cut off before parsing."""
    if _PROSE.fullmatch(text.strip()):
        return Refusal(
            "expression-prose",
            "this is a sentence, not an expression: it counts nothing, and names no time",
            "Say which event, how often, and within which window: a set with "
            "`when: count(shared) >= 2` and `window: trailing 7d`, and `size(…)` of it as a value.",
        )
    bare = QUOTED.sub(lambda quoted: "_" * len(quoted.group()), text)
    for pattern, message, advice in _SLIPS:
        found = re.search(pattern, bare)
        if found and not (message or _is_word_allowed(found.group())):
            return _reserved(found, text)
        if found and message:
            return Refusal(
                "expression-syntax", message, advice, start=found.start(), end=found.end()
            )
    return _unbalanced(bare) or _elsewhere(error, text, lead)


def _is_word_allowed(word: str) -> bool:
    return word.strip() in {"True", "False", "None"}


def _reserved(found: re.Match[str], text: str) -> Refusal:
    word = found.group().strip()
    start = found.end() - len(word)
    after_dot = text[:start].rstrip().endswith(".")
    instead = f'`properties["{word}"]`' if after_dot else f'`["{word}"]`'
    return Refusal(
        "expression-syntax",
        f"`{word}` is a reserved word",
        f"As a key of the record it needs quotes: {instead}.",
        start=start,
        end=found.end(),
    )


def _unbalanced(bare: str) -> Refusal | None:
    """The first bracket that is never closed, or never opened."""
    pairs = {")": "(", "]": "[", "}": "{"}
    opened: list[int] = []
    for at, character in enumerate(bare):
        if character in pairs.values():
            opened.append(at)
        elif character in pairs and not (opened and bare[opened.pop()] == pairs[character]):
            message = f"the `{character}` closes nothing that is open"
            return Refusal("expression-syntax", message, "Remove it.", start=at, end=at + 1)
    if not opened:
        return None
    message = f"the `{bare[opened[-1]]}` is never closed"
    return Refusal("expression-syntax", message, "Close it.", start=opened[-1], end=opened[-1] + 1)


def _elsewhere(error: SyntaxError, text: str, lead: int) -> Refusal:
    start = min(lead + max((error.offset or 1) - 1, 0), max(len(text) - 1, 0))
    if re.search(r"[-+*/=<>,.]\s*$|\b(and|or|not|in)\s*$", text):
        return Refusal(
            "expression-syntax",
            "the expression breaks off here",
            "Write what follows, or remove the last sign.",
            start=len(text.rstrip()) - 1,
            end=len(text.rstrip()),
        )
    return Refusal(
        "expression-syntax",
        "the expression cannot be read on from here",
        "Join what stands next to each other with an operator: "
        "`and`, `or`, `+`, `-`, `*`, `/` or a comparison.",
        start=start,
        end=start + 1,
    )
