"""Times of records, from text or numbers to milliseconds since 1970."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import compress
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.core.envelope import TimeUnit
from pipeline.core.memories.memory import NEVER

BAD: Final = NEVER

# No product event is older; seconds taken for milliseconds end up in January 1970.
EARLIEST_MS: Final = 946_684_800_000  # 2000-01-01
LATEST_MS: Final = 4_102_444_800_000  # 2100-01-01, the first moment no longer taken

# How most SDKs write time, and for each of its parts which digits are how much of it.
_USUAL: Final = "YYYY-MM-DDThh:mm:ss.mmmZ"
_ZEROS: Final = np.frombuffer(b"0000-00-00T00:00:00.000Z", np.uint8)
_HIGHEST: Final = np.where(np.isin(_ZEROS, ord("0")), 9, 0).astype(np.uint8)
_PLACES: Final = ((0, 3), (5, 6), (8, 9), (11, 12), (14, 15), (17, 18), (20, 22))
_PARTS: Final = np.array(
    [
        [10 ** (last - at) if first <= at <= last else 0 for first, last in _PLACES]
        for at in range(len(_USUAL))
    ],
    np.float32,
)
_FIRST: Final = np.array([2000, 1, 1, 0, 0, 0, 0])  # of year, month, day and so on
_LAST: Final = np.array([2100, 12, 31, 23, 59, 59, 999])
_MONTHS: Final = np.arange("2000-01", "2101-02", dtype="datetime64[M]")
_DAYS_BEFORE_MONTH: Final = _MONTHS.astype("datetime64[D]").astype(np.int64)[:-1]
_DAYS_IN_MONTH: Final = np.diff(_MONTHS.astype("datetime64[D]").astype(np.int64))

_NS_PER_MS: Final = 1_000_000
# Arrow also takes hours alone; a text with those is shorter than any with seconds.
_SECONDS_LENGTH: Final = len("2024-01-20T10:00:00Z")
_ISO: Final = (
    r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?"
    r"(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)$"
)
_HAS_ZONE: Final = re.compile(r"(?:Z|[+-]\d\d(?::?\d\d)?)$")
_LOOKS_RIGHT: Final = re.compile(_ISO.strip("^$"), re.ASCII)
_FEW: Final = 64  # texts, of which each costs less than a call of Arrow


def milliseconds(values: Sequence[Any], unit: TimeUnit) -> NDArray[np.int64]:
    """The time of each row, `BAD` where it is absent, malformed, before 2000 or from 2100 on."""
    if unit is TimeUnit.UTC:
        values = [*map(_with_zone, values)]
    times = _from_text(values) if unit.is_text else _from_numbers(values, unit)
    return np.where((times >= EARLIEST_MS) & (times < LATEST_MS), times, BAD)


def _with_zone(text: str | None) -> str | None:
    """A text as it is, with UTC where it names no zone."""
    if text is None or _HAS_ZONE.search(text):
        return text
    return f"{text}Z"


def _from_numbers(values: Sequence[Any], unit: TimeUnit) -> NDArray[np.int64]:
    numbers = np.array([np.nan if value is None else value for value in values], np.float64)
    with np.errstate(over="ignore"):
        scaled = numbers * (1000 if unit is TimeUnit.SECONDS else 1)
    sane = np.abs(scaled) < LATEST_MS
    return np.where(sane, np.rint(np.where(sane, scaled, 0)), BAD).astype(np.int64)


def _from_text(values: Sequence[str | None]) -> NDArray[np.int64]:
    """Texts of the usual form together, the others by Arrow."""
    size = len(_USUAL)
    texts = [text or "" for text in values]
    usual = np.fromiter(map(len, texts), np.int64, len(texts)) == size
    if usual.all():
        times, usual = _from_usual_texts(texts)
    else:
        times = np.empty(len(texts), np.int64)
        times[usual], usual[usual] = _from_usual_texts([*compress(texts, usual)])
    if not usual.all():
        times[~usual] = _from_any_texts([*compress(values, ~usual)])
    return times


def _from_usual_texts(texts: Sequence[Any]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The times of texts as long as `_USUAL`, and which of them really are of that form."""
    characters = np.frombuffer("".join(texts).encode("ascii", "replace"), np.uint8)
    digits = characters.reshape(-1, len(_USUAL)) - _ZEROS
    parts = (np.minimum(digits, 10).astype(np.float32) @ _PARTS).astype(np.int64)
    parts_in_range = np.clip(parts, _FIRST, _LAST)
    years, months, days, hours, minutes, seconds, millis = parts_in_range.T
    month = (years - _FIRST[0]) * 12 + months - 1
    day = _DAYS_BEFORE_MONTH[month] + days - 1
    times = ((day * 24 + hours) * 60 + minutes) * 60_000 + seconds * 1000 + millis
    ill = _any_of_each(digits > _HIGHEST) | _any_of_each(parts != parts_in_range)
    return times, np.asarray(~ill & (days <= _DAYS_IN_MONTH[month]))


def _any_of_each(flaws: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows have one; rows are only looked at where there is any."""
    return np.asarray(flaws.any(axis=1)) if flaws.any() else np.zeros(len(flaws), np.bool_)


def _from_any_texts(values: Sequence[str | None]) -> NDArray[np.int64]:
    if len(values) <= _FEW:  # most of a few odd ones are no times at all
        values = [text if text and _LOOKS_RIGHT.fullmatch(text) else None for text in values]
        if not any(values):
            return np.full(len(values), BAD)
    texts = pa.array(values, pa.string())
    shortest = pc.min(pc.binary_length(texts)).as_py()
    if shortest is None or shortest >= _SECONDS_LENGTH:
        try:
            return _cast(texts)
        except pa.ArrowInvalid:
            pass  # at least one is none of ours
    looks_right = pc.match_substring_regex(texts, pattern=_ISO)
    return _cast_what_can_be(pc.if_else(looks_right, texts, None))


def _cast(texts: pa.Array) -> NDArray[np.int64]:
    nanoseconds = pc.cast(texts, pa.timestamp("ns", tz="UTC")).cast(pa.int64())
    known = np.asarray(nanoseconds.is_valid())
    filled = nanoseconds.fill_null(0).to_numpy()
    return np.where(known, filled // _NS_PER_MS, BAD)


def _cast_what_can_be(texts: pa.Array) -> NDArray[np.int64]:
    """Halve what cannot be cast as a whole, down to the text (a 29 February) at fault."""
    try:
        return _cast(texts)
    except pa.ArrowInvalid:
        if len(texts) == 1:
            return np.array([BAD], np.int64)
        middle = len(texts) // 2
        halves = (texts[:middle], texts[middle:])
        return np.concatenate([_cast_what_can_be(half) for half in halves])
