"""YAML text -> plain data, and where every piece of it stands.

The data is built from ruamel.yaml's event stream and never by its constructors, so that nothing
is made before it was looked at: aliases, anchors, tags, depth and size are refused on the way.
Plain scalars follow the core schema of YAML 1.2: `yes`, `no` and dates are text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from pipeline.spec.problem import Refusal
from pipeline.spec.yaml_errors import cut_by_comma, cut_number, explained

if TYPE_CHECKING:
    from collections.abc import Iterator

BYTES_MAX: Final = 1 << 20  # the largest definition known to us has 40 KiB
SCALARS_MAX: Final = 100_000  # of 10 bytes each, that is a file of the largest size
DEPTH_MAX: Final = 32  # the language itself needs 6
NUMBER_LENGTH_MAX: Final = 64  # longer digits are text, and refused where a number has to be

DataPath = tuple[str | int, ...]

NOWHERE: Final[DataPath] = (-1,)  # of what is read over; no document has such a place
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_NULL: Final = re.compile(r"null|Null|NULL|~|")
_TRUE: Final = re.compile(r"true|True|TRUE")
_FALSE: Final = re.compile(r"false|False|FALSE")
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_THOUSANDS: Final = re.compile(r"[0-9],$")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a key or a value stands: offsets into the text of the file.

    `style` is that of a scalar (`''` plain, `'` `"` quoted, `|` `>` block), None for a collection.
    `scalar` is the text of a scalar, None for a collection.
    """

    start: int
    end: int
    style: str | None = None
    scalar: str | None = None


@dataclass
class Document:
    """A file's data, and the marks of every key and value by data path.

    `refusals` are the problems that did not keep the data from being read, with the place that
    they make useless; their offsets are into the text. `copies` are the parts that a variant has
    of its own, with what to add to a message about them. `folder` is where files stand that it
    names.
    """

    file: str
    text: str
    folder: Path = Path()
    data: Any = None
    keys: dict[DataPath, Mark] = field(default_factory=dict)
    values: dict[DataPath, Mark] = field(default_factory=dict)
    refusals: list[tuple[DataPath, Refusal]] = field(default_factory=list)
    copies: dict[DataPath, str] = field(default_factory=dict)

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(found.end() for found in re.finditer("\n", self.text))]

    def line(self, offset: int) -> int:
        """The line that an offset into the text lies in, counted from 1."""
        return bisect_right(self._line_starts, offset)

    def scalar(self, path: DataPath) -> str:
        """The text of a scalar, without quotes and folding. Raises KeyError where there is none."""
        text = self.values[path].scalar
        if text is None:
            raise KeyError(path)
        return text

    def copy(self, of: DataPath, to: DataPath, note: str) -> None:
        """Let a part that the file does not spell out stand where another one stands."""
        self.copies.setdefault(to[:2], note)
        for marks in (self.keys, self.values):
            marks |= {
                (*to, *at[len(of) :]): mark
                for at, mark in list(marks.items())
                if at[: len(of)] == of
            }


def load(text: str, file: str, folder: Path | None = None) -> Document:
    """Read one YAML document; files that it names stand beside it, unless a folder is given.

    Raises:
        Refusal: where nothing can be made of the text; its offsets are into the text.
    """
    if len(text.encode("utf-8", "surrogatepass")) > BYTES_MAX:
        raise Refusal(
            "yaml-too-large",
            "the file is larger than 1 MiB",
            "A definition describes one product; split this file by product.",
            end=1,
        )
    document = Document(file, text, Path(file).parent if folder is None else folder)
    _Builder(document).build(_events(text))
    return document


def _events(text: str) -> Iterator[Any]:
    last = None  # the scalar before an error often is its cause
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            last = event if isinstance(event, ScalarEvent) else last
            yield event
    except MarkedYAMLError as error:
        raise explained(error, text, last) from None
    except YAMLError as error:  # the reader's, which has no mark but a position
        at = int(getattr(error, "position", 0))
        raise Refusal(
            "yaml-character",
            f"the character U+{ord(text[at]):04X} is not allowed in YAML",
            'Remove it, or write it as an escape within double quotes ("\\u0007").',
            start=at,
            end=at + 1,
        ) from None


class _Builder:
    """Puts events together to data, one open collection on the stack for each level."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: list[tuple[DataPath, int, dict[str, Any] | list[Any]]] = []
        self._key: Mark | None = None  # of the mapping on top of the stack
        self._documents = 0
        self._unclosed = 0  # brackets of an expression that a comma has cut off
        self._scalars = 0

    def build(self, events: Iterator[Any]) -> None:
        for event in events:
            self._refuse_unsafe(event)
            if isinstance(event, ScalarEvent):
                self._scalar(event)
            elif isinstance(event, MappingStartEvent | SequenceStartEvent):
                self._start(event)
            elif isinstance(event, MappingEndEvent | SequenceEndEvent):
                self._end(event)

    def _refuse_unsafe(self, event: Event) -> None:
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1 or event.version or event.tags:
                raise _refused("yaml-documents", event)
        elif isinstance(event, AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused("yaml-alias", event)
        elif getattr(event, "tag", None) is not None:
            raise _refused("yaml-tag", event)
        elif len(self._open) > DEPTH_MAX:
            raise _refused("yaml-depth", event)

    def _scalar(self, event: ScalarEvent) -> None:
        self._refuse_unfit(event)
        mark = Mark(event.start_mark.index, event.end_mark.index, event.style or "", event.value)
        if self._open and isinstance(self._open[-1][2], dict) and self._key is None:
            if event.value == "<<" and event.implicit[0]:
                raise _refused("yaml-merge", event)
            self._key = mark
            return
        plain = event.implicit[0]
        value = _resolved(event.value) if plain else event.value
        key = self._key or mark
        path = self._put(value, mark)
        if value is None and path[:1] not in ((), NOWHERE):
            self._refuse_empty(path, key)
        self._note_cut(path, mark)

    def _refuse_unfit(self, event: ScalarEvent) -> None:
        """An escape can spell half a character, which no file and no terminal takes."""
        self._scalars += 1
        if self._scalars > SCALARS_MAX:
            raise _refused("yaml-too-many", event)
        if _SURROGATE.search(event.value):
            raise _refused("yaml-surrogate", event)

    def _start(self, event: MappingStartEvent | SequenceStartEvent) -> None:
        inside = self._open and isinstance(self._open[-1][2], dict)
        if inside and self._key is None:
            raise _refused("yaml-key", event)
        made: dict[str, Any] | list[Any] = {} if isinstance(event, MappingStartEvent) else []
        mark = Mark(event.start_mark.index, event.end_mark.index)
        path = self._put(made, mark)
        self._open.append((path, mark.start, made))

    def _end(self, event: MappingEndEvent | SequenceEndEvent) -> None:
        path, start, _ = self._open.pop()
        self._unclosed = 0
        # a block collection ends where the next thing starts: what stands between is not its own
        text = self._document.text[start : event.end_mark.index].rstrip()
        self._document.values[path] = Mark(start, start + len(text))

    def _put(self, value: object, mark: Mark) -> DataPath:
        """Hang a value into the collection on top of the stack."""
        path: DataPath = ()
        if not self._open:
            self._document.data = value
        elif isinstance(self._open[-1][2], list):
            path = (*self._open[-1][0], len(self._open[-1][2]))
            self._open[-1][2].append(value)
        else:
            path = self._put_by_key(value, self._open[-1])
        self._document.values.setdefault(path, mark)
        return path

    def _put_by_key(
        self, value: object, top: tuple[DataPath, int, dict[str, Any] | list[Any]]
    ) -> DataPath:
        key, self._key = self._key, None
        parent, _, mapping = top
        assert key is not None
        assert key.scalar is not None
        assert isinstance(mapping, dict)
        path = (*parent, key.scalar)
        if self._unclosed > 0:
            self._unclosed -= key.scalar.count(")") - key.scalar.count("(")
            return NOWHERE
        if key.scalar in mapping:
            self._refuse_duplicate(path, key)
            return NOWHERE
        mapping[key.scalar] = value
        self._document.keys[path] = key
        return path

    def _refuse_duplicate(self, path: DataPath, key: Mark) -> None:
        line = self._document.line(self._document.keys[path].start)
        refusal = Refusal(
            "yaml-duplicate-key",
            f"the key `{key.scalar}` stands here a second time; the first is in line {line}",
            "Keep one of the two, or rename one.",
            start=key.start,
            end=key.end,
        )
        self._document.refusals.append((path, refusal))

    def _note_cut(self, path: DataPath, mark: Mark) -> None:
        """Refuse an expression that a comma within `{…}` has cut off; what follows is not a key."""
        assert mark.scalar is not None
        after = self._document.text[mark.end :].lstrip()
        unclosed = mark.scalar.count("(") - mark.scalar.count(")")
        if mark.style != "" or unclosed <= 0 or not after.startswith(","):
            return
        refusal = cut_by_comma(self._document.text.index(",", mark.end), mark.scalar)
        self._document.refusals.append((path, refusal))
        self._unclosed = unclosed

    def _refuse_empty(self, path: DataPath, key: Mark) -> None:
        before = self._document.text[: key.start]
        if key.scalar and key.scalar.isdigit() and _THOUSANDS.search(before):
            self._document.refusals.append((path, cut_number(key.start - 1)))
            mapping = self._open[-1][2]
            assert isinstance(mapping, dict)
            del mapping[key.scalar]
            return
        refusal = Refusal(
            "yaml-empty",
            f"nothing is written for `{key.scalar}`" if key.scalar else "nothing is written here",
            "Write its value, or remove the line.",
            start=key.start,
            end=max(key.end, key.start + 1),
        )
        self._document.refusals.append((path, refusal))


def _resolved(text: str) -> str | int | float | bool | None:
    """What a plain scalar means in the core schema of YAML 1.2, without hex and octal numbers."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text.lower() == "true"
    if len(text) <= NUMBER_LENGTH_MAX and _INTEGER.fullmatch(text):
        return int(text)
    if len(text) <= NUMBER_LENGTH_MAX and _FLOAT.fullmatch(text):
        return float(text)
    return text


_UNSAFE: Final = {
    "yaml-documents": (
        "a definition is one YAML document without `%` directives",
        "Remove the directive, or put what follows this `---` into a file of its own.",
    ),
    "yaml-alias": (
        "anchors (`&name`) and aliases (`*name`) are not read",
        "Write the value out where it is used; a text that starts with `&` or `*` needs quotes.",
    ),
    "yaml-merge": (
        "merge keys (`<<`) are not read",
        "Write out what they would bring in.",
    ),
    "yaml-tag": (
        "tags (`!name`) are not read",
        'Remove the tag. A text that starts with `!` needs quotes: "!".',
    ),
    "yaml-depth": (
        f"this is nested deeper than {DEPTH_MAX} levels",
        "No part of a definition needs that; look for a bracket that is not closed.",
    ),
    "yaml-too-many": (
        f"the file has more than {SCALARS_MAX} keys and values",
        "A definition describes one product; split this file by product.",
    ),
    "yaml-surrogate": (
        "an escape of half a surrogate pair is no character",
        "Write the character itself.",
    ),
    "yaml-key": (
        "a key has to be a plain name, not a list or a mapping",
        "Write `name: value`. A text that starts with `[` or `{` needs quotes.",
    ),
}


def _refused(name: str, event: Event) -> Refusal:
    message, advice = _UNSAFE[name]
    start = event.start_mark.index
    end = event.end_mark.index if event.end_mark.line == event.start_mark.line else start + 1
    code = "yaml-alias" if name == "yaml-merge" else name
    return Refusal(code, message, advice, start=start, end=max(end, start + 1))
