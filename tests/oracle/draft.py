"""A definition in the making, and the paces it may be drawn for."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

NAMES = ("open", "share", "pay")
ID_PATHS: dict[str, Any] = {
    "user": "user",
    "item": "properties.item",
    "org": 'context["Org Id"]',
    "seat": {"together": ["user", "properties.item"]},
}
USER_OR_ANONYMOUS = {"first": ["user", "anon"]}
# Products of two or three decimals have at most six; a sixty-fourth may end in half a millionth.
NUMBERS: tuple[Any, ...] = (
    "properties.n",
    {"from": "properties.n", "min": -10},
    {"from": "properties.n", "min": 0, "max": 10},
    {"from": "properties.n / 10", "min": -1},
    "properties.n * 2 + 1",
    {"from": "properties.n / properties.k", "min": -100, "max": 100},
    {"from": "properties.n / 64", "min": -1},
    {"from": "-(properties.n - properties.k)", "min": -100},
)
CONDITIONS = (
    "{n} > 1",
    "{n} <= 2.5",
    "not {n} >= 2",
    "{n} in (1, 2, 2.5)",
    "{n} != 1 or {ok}",
    "{plan} == 'pro'",
    "{plan} != 'free' and {n} > 0.5",
    "{plan} in ('pro', 'team')",
    "not ({plan} not in ('pro', 'team') or {n} < 1)",
    "{ok}",
    "not {ok}",
    "{ok} == true or {n} + 1 > 3",
    "{ok} != true",
)
CALENDAR = tuple(
    f"{kind}calendar {unit}"
    for kind in ("", "last ")
    for unit in ("day", "week", "month", "quarter")
)


@dataclass(frozen=True)
class Scale:
    """How fast a case's time goes: its tick and the windows that are worth trying with it."""

    tick_ms: int
    span_ms: int
    trailing: tuple[str, ...]
    lateness_ms: tuple[int, ...]
    previous: tuple[str, ...]
    """Distances whose resolution is a multiple of the tick, so that a reading is there."""
    gaps: tuple[str, ...] = ()
    """Pauses that are common at this pace."""


SCALES = (
    Scale(
        1_000,
        60_000,
        ("7s", "10s", "30s", "90s", "2h"),
        (0, 2_000, 10_000),
        ("10s", "40s"),
        ("2s", "5s", "20s"),
    ),
    Scale(
        5_000,
        600_000,
        ("10s", "1m", "5m", "20m", "2h"),
        (0, 5_000, 60_000),
        ("90m", "2h"),
        ("10s", "1m", "5m"),
    ),
    Scale(
        60_000,
        21_600_000,
        ("10m", "1h", "6h", "1d", "2d"),
        (0, 60_000, 1_800_000),
        ("17h", "2d"),
        ("5m", "30m", "2h"),
    ),
    Scale(
        3_600_000,
        432_000_000,
        ("12h", "1d", "2d", "7d"),
        (0, 600_000, 21_600_000),
        ("42d", "60d"),
        ("1h", "6h", "1d"),
    ),
)
SLOW = Scale(
    21_600_000,
    20 * 86_400_000,
    ("1d", "2d", "7d", "28d"),
    (0, 3_600_000, 86_400_000),
    ("28d", "60d"),
    ("6h", "1d", "3d"),
)
"""For habits, which live by days and weeks."""


@dataclass
class Draft:
    """A definition in the making."""

    draw: DrawFn
    scale: Scale
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    entities: dict[str, dict[str, Any]] = field(default_factory=dict)
    sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    streams: dict[str, dict[str, Any]] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    has_calendar: bool = True
    """Whether windows of the calendar are drawn."""

    def chance(self, percent: int) -> bool:
        """Decide something that shrinks towards no."""
        return self.draw(st.integers(0, 99)) >= 100 - percent

    def pick(self, *options: Any) -> Any:
        """Choose one; the first is the simplest."""
        return self.draw(st.sampled_from(options))

    def window(self) -> str:
        """Choose a window, a trailing one more often."""
        if self.has_calendar and self.chance(25):
            return self.pick(*CALENDAR)
        return f"trailing {self.pick(*self.scale.trailing)}"

    def with_id(self, *entities: str) -> list[str]:
        """Name the events that carry all of these ids."""
        return [e for e, about in self.events.items() if set(entities) <= set(about["ids"])]

    def need(self, event: str, value: str) -> str:
        """Declare a value of an event, now that something asks for it."""
        declared = {"n": self.numbers[event], "plan": "properties.plan", "ok": "properties.ok"}
        self.events[event].setdefault("values", {})[value] = declared[value]
        return value

    def give_ids(self, event: str, *entities: str) -> None:
        """Let an event carry these ids too."""
        self.events[event]["ids"] |= {entity: ID_PATHS[entity] for entity in entities}

    def add_event(self, event: str, *entities: str) -> None:
        """Add an event with at least these ids."""
        draw_event(self, event)
        self.give_ids(event, *entities)

    def where(self, event: str) -> str:
        """Draw a condition on an event's values."""
        condition = self.pick(*CONDITIONS)
        for value in ("n", "plan", "ok"):
            if "{" + value + "}" in condition:
                self.need(event, value)
        return ", where=" + condition.format(n="n", plan="plan", ok="ok")

    def options(self, event: str) -> tuple[str, bool]:
        """Draw `where=` and `window=`; also tell whether the owner's window is needed."""
        text = self.where(event) if self.chance(22) else ""
        needs_window = not self.chance(25)
        if not needs_window:
            text += f', window="{self.window()}"'
        return text, needs_window


def options_of(draft: Draft, event: str) -> str:
    """Draw `where=` alone."""
    return draft.where(event) if draft.chance(22) else ""


def draw_event(draft: Draft, name: str) -> None:
    """Draw an event."""
    kinds = draft.pick(
        ("user", "item"),
        ("user", "item", "org"),
        ("user", "item", "seat"),
        ("user",),
        ("user", "org"),
        ("item", "org"),
    )
    about: dict[str, Any] = {
        "name": draft.pick(*NAMES) if draft.chance(70) else list(NAMES[: draft.pick(2, 3)]),
        "ids": {kind: ID_PATHS[kind] for kind in kinds},
    }
    if draft.chance(15):
        about["where"] = draft.pick(*CONDITIONS).format(
            n="properties.n", plan="properties.plan", ok="properties.ok"
        )
    draft.events[name] = about
    draft.numbers[name] = draft.pick(*NUMBERS)
