"""What is wrong with a definition, where, and what to write instead.

A `Problem` is data; `render.py` shows it. A `Refusal` is how the parsers of this package say no to
a piece of text: whoever knows where that piece stands turns it into a `Problem`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES_SHOWN_MAX: Final = 30  # a longer list of names is no help any more
NAMES_COMPARED_MAX: Final = 1000  # takes a few milliseconds
SIMILARITY_MIN: Final = 0.6  # difflib's own default: one typing error in five letters


class Severity(StrEnum):
    """Whether a definition with this problem can run."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend in a definition.

    `line` and `column` count from 1, in characters; `length` is at least 1.
    `excerpt` is the user's own line; `description` is that of the field, empty where there is none.
    """

    name: str
    severity: Severity
    file: str
    line: int
    column: int
    length: int
    message: str
    advice: str
    description: str
    excerpt: str


class Refusal(Exception):
    """A piece of text is not what it has to be.

    `start` and `end` are offsets within that text; an `end` of None reaches to its end.
    """

    def __init__(
        self, name: str, message: str, advice: str = "", *, start: int = 0, end: int | None = None
    ) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.advice = advice
        self.start = start
        self.end = end


def listed(names: Iterable[str], *, last: str = "and") -> str:
    """Names in a sentence, cut off where there are many.

    >>> listed(["a", "b", "c"])
    '`a`, `b` and `c`'
    """
    quoted = [f"`{name}`" for name in names]
    if len(quoted) > NAMES_SHOWN_MAX:
        return f"{', '.join(quoted[:NAMES_SHOWN_MAX])} and {len(quoted) - NAMES_SHOWN_MAX} more"
    return f" {last} ".join([part for part in (", ".join(quoted[:-1]), *quoted[-1:]) if part])


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The name that a word was most likely meant to be.

    >>> nearest("COUNT", ["sum", "count"]), nearest("cuont", ["count"]), nearest("x", ["count"])
    ('count', 'count', None)
    """
    names = list(islice(known, NAMES_COMPARED_MAX))
    near = difflib.get_close_matches(word, names, n=1, cutoff=SIMILARITY_MIN)
    alike = [name for name in names if name.lower() == word.lower()]
    return next(iter([*alike, *near]), None)


def suggestion(word: str, known: Iterable[str], plural: str) -> str:
    """What may have been meant, and what there is to choose from.

    >>> suggestion("actve", ["active", "viewed"], "events")
    'Did you mean `active`? Known events: `active` and `viewed`.'
    """
    names = list(known)
    if not names:
        return f"There are no {plural} yet."
    near = nearest(word, names)
    meant = f"Did you mean `{near}`? " if near else ""
    return f"{meant}Known {plural}: {listed(names)}."


def a(name: str) -> str:
    """A name with its indefinite article.

    >>> a("order"), a("team")
    ('an `order`', 'a `team`')
    """
    return f"an `{name}`" if name[:1] in tuple("aeio") else f"a `{name}`"
