"""The texts and numbers that a definition's fields hold, each checked where it stands.

Shorthands (`user: userId`) become their long form (`user: {first: [userId]}`) before the models
see them, so that there is one form to read, and one error for a mistake instead of one for each
form that was possible.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from pipeline.core.windows import DAY_MS
from pipeline.spec import spans
from pipeline.spec.paths import path_of
from pipeline.spec.problem import Refusal
from pipeline.spec.refused import refused

VERSION: Final = 1
NAME_LENGTH_MAX: Final = 64
NUMBER_MAX: Final = 9_007_199_254  # times a million still fits a double's 53 bits
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")  # Kafka's own rule
_UNIT: Final = re.compile(r"ratio|seconds|[A-Z]{3}|[a-z][a-z0-9 _-]{0,63}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OTHER_DATE: Final = re.compile(  # day and month are told apart by dots only
    r"(?P<y>\d{4})[-/. ](?P<m>\d{1,2})[-/. ](?P<d>\d{1,2})|"
    r"(?P<d2>\d{1,2})\. ?(?P<m2>\d{1,2})\. ?(?P<y2>\d{4})"
)
_PERCENT: Final = ("percent", "percentage", "percents", "pct", "per cent", "%")
_RESERVED: Final = frozenset({*keyword.kwlist, "true", "false"})
_ANYWHERE: Final = spans.Zone("UTC", 0)  # whether a text is a window does not depend on the zone


def checked(parse: Callable[[str], object]) -> AfterValidator:
    """A validator that leaves the text as it is, if it parses."""

    def check(text: str) -> str:
        try:
            parse(text)
        except Refusal as refusal:
            raise refused(refusal) from None
        return text

    return AfterValidator(check)


def name_of(text: str) -> str:
    """A name of the language. Raises Refusal for what is none."""
    if text in _RESERVED:
        raise Refusal(
            "bad-name",
            f"`{text}` is a reserved word of expressions",
            f"Take another name, such as `{text}_name`.",
        )
    if not _NAME.fullmatch(text) or len(text) > NAME_LENGTH_MAX:
        snake = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower())
        near = snake.strip("_0123456789")[:NAME_LENGTH_MAX] or "orders_placed"
        raise Refusal(
            "bad-name",
            f"`{text}` is no name",
            f"Names are snake_case, at most {NAME_LENGTH_MAX} characters: `{near}`.",
        )
    return text


def _dimension_of(text: str) -> None:
    entity, dot, attribute = text.partition(".")
    name_of(entity)
    if dot:
        name_of(attribute)


def _topic_of(text: str) -> None:
    if not _TOPIC.fullmatch(text) or text in (".", ".."):
        raise Refusal(
            "bad-topic",
            f"`{text}` cannot be the name of a Kafka topic",
            "Topics have letters, digits, `.`, `_` and `-`, at most 249 of them.",
        )


def _record_name_of(text: str) -> None:
    if not text.strip():
        raise Refusal("bad-name", "the record's name is empty", "Write it as the records have it.")


def _unit_of(text: str) -> None:
    if text.lower().strip() in _PERCENT:
        raise Refusal(
            "bad-unit",
            "percentages are kept as shares: 5 % is 0.05",
            "Write `unit: ratio`, and a `value` that divides the part by the whole.",
        )
    if not _UNIT.fullmatch(text):
        raise Refusal(
            "bad-unit",
            f"`{text}` is no unit",
            f"{_currency_meant(text)}Write `ratio` (a share from 0 to 1), `seconds`, "
            "a currency such as `EUR`, or a plural noun in small letters such as `users`.",
        )


def _currency_meant(text: str) -> str:
    code = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY"}.get(text)
    return f"Did you mean `{code}`? " if code else ""


def date_of(text: str) -> date:
    """A day.

    >>> date_of("2026-12-31").year
    2026

    Raises:
        Refusal: for anything but year, month and day.
    """
    if _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            message = f"there is no day `{text}`"
            raise Refusal("bad-date", message, "Write year, month, day: `2026-12-31`.") from None
    found = _OTHER_DATE.fullmatch(text)
    parts = found.groupdict("") if found else {}
    near = "-".join((parts["y"] or parts["y2"], *_padded(parts))) if found else ""
    meant = f"Did you mean `{near}`? " if near else ""
    raise Refusal(
        "bad-date", f"`{text}` is no day", f"{meant}Write year, month and day: `2026-12-31`."
    )


def start_ms(day: str) -> int:
    """The start of a day in UTC, in milliseconds since 1970.

    >>> start_ms("1970-01-02")
    86400000
    """
    return (date_of(day) - date(1970, 1, 1)).days * DAY_MS


def _padded(parts: dict[str, str]) -> tuple[str, str]:
    return (parts["m"] or parts["m2"]).zfill(2), (parts["d"] or parts["d2"]).zfill(2)


def _check_version(version: int) -> int:
    if version != VERSION:
        message = f"this release reads version {VERSION} of the language, not {version}"
        raise refused(Refusal("unknown-version", message, f"Write `version: {VERSION}`."))
    return version


def _as_text(value: object) -> object:
    """YAML reads `value: 5` as a number and `where: true` as a truth; both are expressions."""
    return str(value) if isinstance(value, int | float) else value


def one_as_list(value: object) -> object:
    """`name: x` for `name: [x]`."""
    return [value] if isinstance(value, str) else value


def one_as_parts(value: object) -> object:
    """`[a, b]` for `{a: a, b: b}`, and `a` for `{a: a}`."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(entry, str) for entry in listed):
        return value
    for index, entry in enumerate(listed):
        if entry in listed[:index]:
            message = f"`{entry}` is listed twice"
            advice = f"Remove one, or name both: `{{{entry}: {entry}, again: {entry}}}`."
            raise refused(Refusal("listed-twice", message, advice))
    return {entry: entry for entry in listed}


def one_as(key: str, **others: str) -> Callable[[object], object]:
    """A single text in place of a mapping of which only this key is of interest."""

    def widen(value: object) -> object:
        return value if isinstance(value, dict) else {key: value, **others}

    return widen


def one_as_first(value: object) -> object:
    """`user: userId` for `user: {first: [userId]}`."""
    if isinstance(value, list):
        raise refused(
            Refusal(
                "bad-id-source",
                "nothing says what the several paths are for",
                "Write `{first: [path, …]}` for the first that is present, "
                "`{together: [path, …]}` for an id made of all of them.",
            )
        )
    return value if isinstance(value, dict) else {"first": [value]}


def ids_by_name(value: object) -> object:
    """`ids: [user]` for `ids: {user: {from: envelope}}`."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return value
    return {entity: {"from": "envelope"} for entity in value}


Name = Annotated[
    str, checked(name_of), Field(json_schema_extra={"pattern": "^[a-z][a-z0-9_]{0,63}$"})
]
DimensionText = Annotated[
    str,
    checked(_dimension_of),
    Field(json_schema_extra={"pattern": r"^[a-z][a-z0-9_]{0,63}(\.[a-z][a-z0-9_]{0,63})?$"}),
]
PathText = Annotated[str, checked(path_of)]
Topic = Annotated[str, checked(_topic_of)]
RecordName = Annotated[str, checked(_record_name_of)]
UnitText = Annotated[str, checked(_unit_of)]
ZoneName = Annotated[str, checked(spans.zone_of)]
Duration = Annotated[str, checked(spans.duration_ms)]
Percentage = Annotated[
    str, BeforeValidator(_as_text, json_schema_input_type=str), checked(spans.share_of)
]
Baseline = Annotated[str, checked(spans.baseline_of)]
WindowText = Annotated[str, checked(lambda text: spans.window_of(text, _ANYWHERE))]
SetWindowText = Annotated[str, checked(lambda text: spans.set_window_of(text, _ANYWHERE))]
GapText = Annotated[str, checked(spans.gap_ms_of)]
ExpressionText = Annotated[
    str, BeforeValidator(_as_text, json_schema_input_type=str | float | bool)
]
DateText = Annotated[str, checked(date_of), Field(json_schema_extra={"format": "date"})]
Version = Annotated[
    int, AfterValidator(_check_version), Field(json_schema_extra={"const": VERSION})
]
Amount = Annotated[float, Field(ge=-NUMBER_MAX, le=NUMBER_MAX)]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
