"""Habits: in how many days of a week, how many days in a row, how often in a usual week.

They have no window of their own: which time they look at follows from their options, and for a
streak from the number that it is compared with.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from pipeline.core.windows import Calendar, Trailing, Unit, Units, duration
from pipeline.spec.literals import duration_ms_of
from pipeline.spec.problem import Refusal
from pipeline.spec.spans import DURATION_MAX_MS, check_seconds
from pipeline.spec.thresholds import least_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.spec.names import Names
    from pipeline.spec.syntax import Code

FORMS: Final = {
    "active_units": "active_units(event, unit=day, of=7)",
    "streak": "streak(event, unit=day)",
    "mean_per": "mean_per(event, period=7d, periods=12)",
}
OPTIONS: Final = {
    "active_units": ("where", "unit", "of"),
    "streak": ("where", "unit", "grace"),
    "mean_per": ("where", "period", "periods", "new_members"),
}
UNITS_MAX: Final = 366
_GRACE_MAX: Final = 30
_MEAN_MAX: Final = 10**12
_UNITS: Final = (Unit.DAY, Unit.WEEK, Unit.MONTH)
_MEMBERS: Final = ("zero_fill", "since_first")


@dataclass(frozen=True, slots=True)
class ActiveUnits:
    """How many of the last `of` units were active."""

    units: Units


@dataclass(frozen=True, slots=True)
class Streak:
    """How many active units lead up to now, with at most `grace` between two of them."""

    calendar: Calendar
    grace: int

    def looks_at(self, threshold: int) -> Units:
        """All units in which that many could lie, the running one included."""
        return Units(self.calendar, threshold * (self.grace + 1) + 1)


@dataclass(frozen=True, slots=True)
class MeanPer:
    """How many events in a period, on average over the last few."""

    period_ms: int
    periods: int
    since_first: bool

    @property
    def window(self) -> Trailing:
        """All the periods."""
        return Trailing(self.period_ms * self.periods)

    def thresholds(self, operator: str, mean: Decimal) -> tuple[int, ...]:
        """The fewest events that a mean over one period, two and so on asks for."""
        return tuple(least_of(operator, mean * count) for count in range(1, self.periods + 1))


Habit = ActiveUnits | Streak | MeanPer


def read_habit(
    code: Code, names: Names, node: ast.Call, function: str, options: Mapping[str, ast.keyword]
) -> Habit:
    """What a habit's options say.

    Raises:
        Refusal: for one that is missing or wrong.
    """
    given = {name: option.value for name, option in options.items()}
    for name in ("of", "period", "periods"):
        if name in OPTIONS[function] and name not in given:
            message = f"`{function}` does not say its `{name}`"
            raise code.refusal(node, "bad-habit", message, f"Write `{FORMS[function]}`.")
    if function == "mean_per":
        return _mean_per(code, given)
    unit = Unit(_word(code, given, "unit", _UNITS))
    calendar = Calendar(unit, names.zone.name, names.zone.week_starts)
    if function == "active_units":
        return ActiveUnits(Units(calendar, _whole(code, given["of"], "of", 1, UNITS_MAX)))
    return Streak(calendar, _whole(code, given.get("grace"), "grace", 0, _GRACE_MAX))


def _mean_per(code: Code, given: Mapping[str, ast.expr]) -> MeanPer:
    period_ms = duration_ms_of(code, given["period"])
    with code.pointing_at(given["period"]):
        check_seconds(period_ms, code.written(given["period"]))
    longest = DURATION_MAX_MS // period_ms
    periods = _whole(code, given["periods"], "periods", 1, UNITS_MAX)
    if periods > longest:
        message = f"{periods} times {duration(period_ms)} is longer than 400 days"
        raise code.refusal(given["periods"], "bad-habit", message, f"Write at most {longest}.")
    return MeanPer(period_ms, periods, _word(code, given, "new_members", _MEMBERS) == "since_first")


def _word(code: Code, given: Mapping[str, ast.expr], name: str, known: tuple[str, ...]) -> str:
    """One of a few words, bare or in quotes; the first of them where there is none."""
    match given.get(name):
        case None:
            return known[0]
        case ast.Name(id=word) | ast.Constant(value=str(word)) if word in known:
            return str(word)
    options = ", ".join(f"`{word}`" for word in known)
    message = f"`{name}` is one of {options}"
    raise code.refusal(given[name], "bad-habit", message, f"Write `{name}={known[0]}`.")


def _whole(code: Code, node: ast.expr | None, name: str, least: int, most: int) -> int:
    if node is None:
        return least
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    message = f"`{name}` is a whole number from {least} to {most}"
    is_over = isinstance(value, int) and value > most
    instead = f"at most `{name}={most}`" if is_over else f"`{name}=1` or more"
    raise code.refusal(node, "bad-habit", message, f"Write {instead}.")


def check_threshold(habit: Habit, operator: str, number: Decimal) -> None:
    """Refuse what a habit cannot be compared with.

    Raises:
        Refusal: for `==` and `!=`, fractions of units, and more than there can be.
    """
    if operator in ("==", "!="):
        raise Refusal(
            "bad-threshold",
            f"a habit cannot be compared with `{operator}`",
            "Write `>=` or `<`; `==` and `!=` are for `count` and `distinct`.",
        )
    if isinstance(habit, MeanPer):
        if number > _MEAN_MAX:
            raise Refusal("bad-threshold", "this number is too large", "Nothing can reach it.")
        return
    if number != number.to_integral_value():
        message = f"units are counted whole; {number} is none"
        raise Refusal("bad-threshold", message, "Write the next whole number.")
    most = habit.units.of if isinstance(habit, ActiveUnits) else UNITS_MAX
    if least_of(operator, number) > most:
        message = f"there are {most} units to count at the most"
        raise Refusal("bad-threshold", message, f"Compare with at most `>= {most}`.")
