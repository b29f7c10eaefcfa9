"""Seeds: files of entities that had their first row before anything was watched.

    ann
    bob<TAB>2024-03-01T09:30Z

An id a line, and after a tab the time of that row, where it is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import compress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import numpy as np
from xxhash import xxh3_64_hexdigest

from pipeline.core.envelope import TimeUnit
from pipeline.core.identity import ID_LENGTH_MAX, canonical
from pipeline.core.memories.memory import NEVER
from pipeline.core.streams import Seed
from pipeline.core.timestamps import BAD, milliseconds
from pipeline.spec.locate import Location
from pipeline.spec.problem import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.spec.findings import Findings
    from pipeline.spec.load import DataPath

BYTES_MAX: Final = 1 << 28  # 5 million ids of 50 characters
SEEDS_MAX: Final = 5_000_000  # 80 MB in each process; and reading takes half a minute
SHOWN_MAX: Final = 10  # lines of one file with a problem; what is wrong with more is most often one
_CODE: Final = "bad-seed"
_UNTABBED: Final = re.compile(r"[ ,;|]+(?=\d{4}-\d\d-\d\d)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is wrong with a line, from its `start`th character on."""

    line: int  # from 0
    start: int
    end: int
    message: str
    advice: str


def read_seed(findings: Findings, at: DataPath, name: str) -> Seed | None:
    """What the file at a place of the definition says; None where its lines are reported.

    Raises:
        Refusal: where there is no such file, or nothing can be made of it as a whole.
    """
    lines = _lines(_content(findings, name))
    ids, written = _parted(lines)
    times_ms = _times(written)
    faults = sorted(
        [*_bad_ids(lines, ids), *_twice(ids), *_bad_times(lines, written, times_ms)],
        key=lambda fault: (fault.line, fault.start),
    )
    for fault in faults[:SHOWN_MAX]:
        length = max(1, fault.end - fault.start)
        where = Location(fault.line + 1, fault.start + 1, length, lines[fault.line])
        more = len(faults) - SHOWN_MAX
        is_last = more > 0 and fault is faults[SHOWN_MAX - 1]
        beside = f" (and {more:,} more like this or another)" if is_last else ""
        refusal = Refusal(_CODE, fault.message + beside, fault.advice)
        shown = str(PurePosixPath(findings.document.file).parent / name)
        findings.refuse_line(at, shown, where, refusal)
    return None if faults else _seed(ids, times_ms)


def _content(findings: Findings, name: str) -> bytes:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts:
        advice = "Put the file beside the definition, or below it: `seed: first_orders.tsv`."
        raise Refusal(_CODE, f"`{name}` is no file beside the definition", advice)
    try:
        with (findings.document.folder / path).open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except (OSError, ValueError) as error:  # no file can be called what is a ValueError
        why = (getattr(error, "strerror", None) or "no file can be called so").lower()
        advice = "It stands beside the definition: an id a line, as records have it."
        raise Refusal(_CODE, f"`{name}` cannot be read: {why}", advice) from None
    if len(content) > BYTES_MAX:
        raise _too_large(name, f"larger than {BYTES_MAX >> 20} MiB")
    return content


def _too_large(name: str, how: str) -> Refusal:
    advice = f"At most {SEEDS_MAX:,} entities; leave out those that will hardly come again."
    return Refusal(_CODE, f"`{name}` is {how}", advice)


def _lines(content: bytes) -> list[str]:
    """The lines without their ends; an end of Windows is one, too."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = content[error.start]
        message = f"line {line} of the file is not UTF-8: byte {byte:#04x} is no character"
        raise Refusal(_CODE, message, "Save it as UTF-8.") from None
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    if lines == [""]:
        raise Refusal(_CODE, "the file is empty", "Write an id a line, or take out `seed`.")
    if len(lines) > SEEDS_MAX:
        raise _too_large("the file", f"one of {len(lines):,} lines")
    return lines


def _parted(lines: Sequence[str]) -> tuple[list[str], list[str | None]]:
    """The id of each line, and the time as it is written."""
    parts = [line.partition("\t") for line in lines]
    return [each[0] for each in parts], [each[2] if each[1] else None for each in parts]


def _times(written: Sequence[str | None]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Each line's time; `BAD` where it has none that can be read."""
    found = np.full(len(written), BAD)
    present = np.array([text is not None for text in written], np.bool_)
    found[present] = milliseconds([*compress(written, present)], TimeUnit.ISO)
    return found


def _bad_ids(lines: Sequence[str], ids: Sequence[str]) -> Iterator[_Fault]:
    for number, entity in enumerate(ids):
        if canonical(entity) is None:
            message = f"there is no id here: {_why_no_id(entity)}"
            advice = "Write each id as records have it, and nothing else in its line."
            yield _Fault(number, 0, len(entity), message, advice)
        elif len(entity) == len(lines[number]):
            found = _UNTABBED.search(entity)
            if found is not None:
                advice = "Put a tab between the two."
                message = "between the id and its time is no tab, so both are read as an id"
                yield _Fault(number, found.start(), found.end(), message, advice)


def _why_no_id(entity: str) -> str:
    if not entity or entity.isspace():
        return "it is empty"
    if len(entity) > ID_LENGTH_MAX:
        return f"it has more than {ID_LENGTH_MAX} characters"
    if _CONTROL.search(entity):
        return "it has a control character"
    return "records have this where they know nobody"


def _twice(ids: Sequence[str]) -> Iterator[_Fault]:
    if len(set(ids)) == len(ids):
        return
    first: dict[str, int] = {}
    for number, entity in enumerate(ids):
        before = first.setdefault(entity, number)
        if before != number and entity:
            message = f"this id stands here a second time; the first is in line {before + 1}"
            advice = "Keep the line of the earlier time."
            yield _Fault(number, 0, len(entity), message, advice)


def _bad_times(
    lines: Sequence[str],
    written: Sequence[str | None],
    times_ms: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> Iterator[_Fault]:
    for number in np.flatnonzero(times_ms == BAD).tolist():
        text = written[number]
        if text is not None:
            message = f"`{text[:40]}` is no time from 2000 to 2099 with its zone"
            advice = "Write it as `2024-03-01T09:30Z`, or leave it and the tab out: "
            advice += "the first row was before everything then."
            start = len(lines[number]) - len(text)
            yield _Fault(number, start, len(lines[number]), message, advice)


def _seed(ids: Sequence[str], times_ms: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Seed:
    """In an order that does not depend on that of the lines."""
    order = sorted(range(len(ids)), key=ids.__getitem__)
    texts = "\n".join(ids[number] for number in order).encode()
    times = np.where(times_ms == BAD, NEVER, times_ms)[order]
    return Seed(xxh3_64_hexdigest(texts + b"\n" + times.tobytes()), texts, times)
