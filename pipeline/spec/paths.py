"""Paths into a record: `properties.chart_id`, `properties["Chart ID"]`."""

from __future__ import annotations

import json
import keyword
import re
from typing import TYPE_CHECKING, Final

from pipeline.core.carried import HEADER, KINDS, ROOT, is_carried, kind_at
from pipeline.spec.problem import Refusal

if TYPE_CHECKING:
    from pipeline.core.expression import Path

LENGTH_MAX: Final = 1000  # as long as an expression
PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTED: Final = re.compile(r"""\[(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\]""")

# The decoder cannot be told of such keys, and no tracker writes them.
UNREADABLE: Final = re.compile(r"[\"\\\x00-\x1f]")
UNREADABLE_KEY: Final = (
    "a key with a double quote, a backslash or a control character cannot be read",
    "Have the producer name it otherwise, or leave it out.",
)


def path_of(text: str) -> Path:
    """The keys of a path, from the outside in.

    >>> path_of('context["Group ID"].id')
    ('context', 'Group ID', 'id')

    Raises:
        Refusal: pointing at the first character that does not belong.
    """
    if len(text) > LENGTH_MAX:
        raise Refusal("bad-path", "the path is too long", f"{LENGTH_MAX} characters are the most.")
    keys: list[str] = []
    at = 0
    while at < len(text):
        quoted = _QUOTED.match(text, at)
        plain = None if quoted else PLAIN.match(text, _after_dot(text, at))
        if quoted:
            keys.append(re.sub(r"\\(.)", r"\1", quoted[1] if quoted[2] is None else quoted[2]))
        elif plain:
            keys.append(plain.group())
        found = quoted or plain
        if found is None:
            raise _refused(text, at)
        at = found.end()
    if any(map(UNREADABLE.search, keys)):
        raise Refusal("bad-path", *UNREADABLE_KEY)
    if keys and is_carried(tuple(keys)) and kind_at(tuple(keys)) is None:
        raise Refusal("bad-path", *nowhere(tuple(keys)))
    if not keys:
        raise Refusal("bad-path", "the path is empty", "Write a place in the record: `userId`.")
    return tuple(keys)


def path_text(path: Path) -> str:
    """A path as the definitions write it.

    >>> path_text(("context", "Group ID", "id")), path_text(("trip", "from"))
    ('context["Group ID"].id', 'trip["from"]')
    """
    parts = [
        f".{key}" if _is_plain(key) else f"[{json.dumps(key, ensure_ascii=False)}]" for key in path
    ]
    return "".join(parts).removeprefix(".")


def _is_plain(key: str) -> bool:
    """Whether a key needs no quotes, wherever paths may stand; in expressions some words do."""
    is_word = keyword.iskeyword(key) or key in ("true", "false")
    return not is_word and PLAIN.fullmatch(key) is not None


def nowhere(path: Path) -> tuple[str, str]:
    """What is said of a path that begins with `kafka` and leads nowhere."""
    known = [f"{ROOT}.{key}" for key in KINDS if key != HEADER]
    return (
        f"Kafka carries no `{path_text(path)}` beside a record",
        f"Write {', '.join(known)} or {ROOT}.{HEADER}.its_name.",
    )


def _after_dot(text: str, at: int) -> int:
    """Where the next plain key has to start; nowhere, when the dot before it is missing."""
    if at == 0:
        return 0
    return at + 1 if text[at] == "." else len(text)


def _refused(text: str, at: int) -> Refusal:
    if text == "$" or text.startswith("$."):
        plain = text.removeprefix("$").removeprefix(".") or "properties.id"
        return Refusal(
            "bad-path",
            "a path begins at the record itself, without `$`",
            f'Write `{plain}`. A key that has a `$` needs quotes: `["$name"]`.',
            end=2 if text.startswith("$.") else 1,
        )
    if re.match(r"\[\d+\]|\.\d", text[at:]):
        return Refusal(
            "bad-path",
            "items of a list cannot be reached",
            "A path leads through keys only: `properties.chart_id`.",
            start=at,
        )
    if re.match(r"\.(\.|$)", text[at:]) or text.startswith("."):
        advice = "Write keys joined by single dots: `properties.chart_id`."
        return Refusal("bad-path", "beside this dot a key is missing", advice, start=at, end=at + 1)
    first = max(text.rfind(mark, 0, at + 1) for mark in ".]") + 1
    after = text.find(".", max(at, first) + 1)
    last = len(text) if after < 0 else after
    quoted = f"{text[:first].removesuffix('.')}[{json.dumps(text[first:last])}]{text[last:]}"
    return Refusal(
        "bad-path",
        f"`{text[first:last]}` is no plain key of a path",
        f"Put a key that is more than letters, digits and `_` in quotes, and the whole in others: "
        f"`'{quoted}'`.",
        start=first,
        end=max(last, first + 1),
    )
