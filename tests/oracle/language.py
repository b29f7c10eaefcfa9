"""Read a definition into plain records of what it says.

Written from the language's reference alone, for definitions that are valid: it asserts what
it relies on and reports no mistakes, since finding mistakes is the engine's business.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

MILLISECONDS = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
RESOLUTIONS_MS = (
    1_000,
    5_000,
    10_000,
    30_000,
    60_000,
    300_000,
    600_000,
    1_800_000,
    3_600_000,
    21_600_000,
    86_400_000,
)
REACH_DAYS = {
    "running": {"day": 2, "week": 8, "month": 32, "quarter": 93},
    "last": {"day": 3, "week": 15, "month": 63, "quarter": 185},
}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SEGMENT = {"name": "event", "time": "timestamp", "id": "messageId"}

Path = tuple[str, ...]


def duration_ms(text: str) -> int:
    """Read a duration such as `90s`."""
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d|w)", text)
    assert match, text
    return int(match[1]) * MILLISECONDS[match[2]]


def resolution_ms(length_ms: int) -> int:
    """Give the longest resolution of no more than a thousandth of the length, or one second."""
    return max((r for r in RESOLUTIONS_MS if r * 1_000 <= length_ms), default=1_000)


BASELINE_STEPS_MS = (60_000, 600_000, 3_600_000, 21_600_000, 86_400_000)


def baseline_step_ms(length_ms: int) -> int:
    """Give the longest step of no more than a hundredth of the length, or one minute."""
    return max((step for step in BASELINE_STEPS_MS if step * 100 <= length_ms), default=60_000)


def path_of(node: ast.expr) -> Path | None:
    """Read `a.b["c d"]`, or give nothing where the expression is no path."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute):
        head, key = path_of(node.value), node.attr
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        head, key = path_of(node.value), node.slice.value
    else:
        return None
    return None if head is None else (*head, key)


def expression(text: object) -> ast.expr:
    """Parse an expression; a bare YAML number is one too."""
    return ast.parse(str(text).strip(), mode="eval").body


def path(text: str) -> Path:
    """Read a path that stands alone."""
    found = path_of(expression(text))
    assert found is not None, text
    return found


@dataclass(frozen=True)
class Window:
    """A span that ends at the tick, or at the last boundary of the calendar before it."""

    kind: str
    """`trailing`, `running` or `last`."""
    length_ms: int = 0
    unit: str = ""

    @property
    def reach_ms(self) -> int:
        """How much older than its arrival an event may be and still matter to the window."""
        if self.kind == "trailing":
            return self.length_ms + resolution_ms(self.length_ms)
        return REACH_DAYS[self.kind][self.unit] * MILLISECONDS["d"]


def window(text: str | None) -> Window | None:
    """Read `trailing 7d`, `calendar week` or `last calendar week`."""
    match (text or "").split():
        case []:
            return None
        case ["trailing", length]:
            return Window("trailing", length_ms=duration_ms(length))
        case ["calendar", unit]:
            return Window("running", unit=unit)
        case ["last", "calendar", unit]:
            return Window("last", unit=unit)
    raise AssertionError(text)


@dataclass(frozen=True)
class IdSource:
    """Where an event's id of one entity is."""

    kind: str
    """`path`, `first` or `together`."""
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class Value:
    """An event's value: its expression, and its bounds where it is a number."""

    expression: ast.expr
    low: float = 0.0
    high: float | None = None
    bounded: bool = False


@dataclass(frozen=True)
class Event:
    """What one kind of event is made of."""

    name: str
    names: tuple[str, ...]
    ids: dict[str, IdSource]
    values: dict[str, Value]
    where: ast.expr | None


@dataclass(frozen=True)
class Attribute:
    """An attribute of an entity, and the event that teaches it."""

    entity: str
    name: str
    kind: str
    event: str
    field: str


@dataclass(frozen=True)
class Aggregate:
    """A call such as `distinct(viewed.user, other_than=owner)`, with its window settled."""

    function: str
    """`count`, `sum`, `mean`, `distinct`, `size`, or `rollup` for `count(set.attribute)`."""
    subject: str
    """The event's or the set's name."""
    field: str | None
    where: ast.expr | None
    other_than: str | None
    window: Window | None


@dataclass(frozen=True)
class EntitySet:
    """A set: which entities qualify. Its comparisons are looked up by their call's place."""

    name: str
    entity: str
    when: ast.expr
    aggregates: dict[ast.Call, Aggregate]


@dataclass(frozen=True)
class Guard:
    """What a guardrail compares its value with."""

    better: str | tuple[float, float]
    baseline: ast.expr | None
    warn: float
    breach: float
    min_samples: int

    @property
    def previous_ms(self) -> int | None:
        """How far back the baseline lies, where it is the metric's own past."""
        match self.baseline:
            case ast.Call(func=ast.Name(id="previous"), args=[argument]):
                # Python does not read `7d` as an expression: it was quoted before parsing.
                return duration_ms(ast.literal_eval(argument))
        return None


@dataclass(frozen=True)
class Metric:
    """A metric: its value's expression with its terms, its formula and its guard."""

    name: str
    value: ast.expr
    aggregates: dict[ast.Call, Aggregate]
    formula: ast.expr | None
    guard: Guard | None


@dataclass(frozen=True)
class Envelope:
    """Where a record keeps its name, its time and its id."""

    name: Path
    time: Path
    unit: str
    id: Path | None


@dataclass(frozen=True)
class Definition:
    """One product's file."""

    zone: str
    week_starts: int
    """1 for Monday to 7 for Sunday, as ISO counts."""
    envelope: Envelope
    attributes: tuple[Attribute, ...]
    events: dict[str, Event]
    sets: dict[str, EntitySet]
    metrics: dict[str, Metric]

    def aggregates(self) -> Iterator[Aggregate]:
        """All aggregates of all sets and metrics."""
        for owner in (*self.sets.values(), *self.metrics.values()):
            yield from owner.aggregates.values()

    def windows(self) -> set[Window]:
        """All windows that something is measured over."""
        return {a.window for a in self.aggregates() if a.window is not None}

    def reach_ms(self, names: set[str]) -> int | None:
        """How late a record of these events may be; nothing where it is never too late."""
        if any(attribute.event in names for attribute in self.attributes):
            return None
        return max(
            (a.window.reach_ms for a in self.aggregates() if a.subject in names and a.window),
            default=0,
        )


def _envelope(raw: str | dict[str, Any]) -> Envelope:
    if raw == "segment":
        raw = SEGMENT
    assert isinstance(raw, dict), raw
    time = raw["time"] if isinstance(raw["time"], dict) else {"from": raw["time"], "unit": "iso"}
    identity = raw.get("id")
    return Envelope(
        path(raw["name"]), path(time["from"]), time["unit"], path(identity) if identity else None
    )


def _id_source(raw: str | dict[str, list[str]]) -> IdSource:
    if isinstance(raw, str):
        return IdSource("path", (path(raw),))
    ((kind, paths),) = raw.items()
    return IdSource(kind, tuple(path(p) for p in paths))


def _value(raw: object) -> Value:
    if not isinstance(raw, dict):
        return Value(expression(raw))
    high = raw.get("max")
    return Value(
        expression(raw["from"]),
        float(raw.get("min", 0)),
        None if high is None else float(high),
        bounded=True,
    )


def _event(name: str, raw: dict[str, Any]) -> Event:
    names = raw["name"] if isinstance(raw["name"], list) else [raw["name"]]
    where = raw.get("where")
    return Event(
        name,
        tuple(names),
        {entity: _id_source(source) for entity, source in raw.get("ids", {}).items()},
        {key: _value(value) for key, value in raw.get("values", {}).items()},
        None if where is None else expression(where),
    )


def _attributes(raw: dict[str, dict[str, dict[str, str]]]) -> Iterator[Attribute]:
    for entity, attributes in raw.items():
        for name, about in attributes.items():
            event, field = about["from"].split(".")
            yield Attribute(entity, name, about["is"], event, field)


def _aggregate(call: ast.Call, default: Window | None, sets: set[str]) -> Aggregate:
    assert isinstance(call.func, ast.Name)
    (subject,) = call.args
    found = path_of(subject)
    assert found is not None
    options = {keyword.arg: keyword.value for keyword in call.keywords}
    override = options.get("window")
    other_than = options.get("other_than")
    function = call.func.id
    if function == "count" and found[0] in sets:
        function = "rollup"
    return Aggregate(
        function,
        found[0],
        found[1] if len(found) > 1 else None,
        options.get("where"),
        other_than.id if isinstance(other_than, ast.Name) else None,
        None
        if function in {"rollup", "size"}
        else (window(ast.literal_eval(override)) if override is not None else default),
    )


def _aggregates(
    node: ast.expr, default: Window | None, sets: set[str]
) -> dict[ast.Call, Aggregate]:
    calls = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
    return {call: _aggregate(call, default, sets) for call in calls}


def _percent(raw: str | float) -> float:
    text = str(raw)
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def _guard(raw: dict[str, Any] | None) -> Guard | None:
    if raw is None:
        return None
    better = raw["better"]
    baseline = raw.get("baseline")
    if baseline is not None:
        baseline = expression(re.sub(r"previous\((\w+)\)", r"previous('\1')", baseline))
    return Guard(
        better if isinstance(better, str) else tuple(float(b) for b in better["between"]),
        baseline,
        _percent(raw["warn"]),
        _percent(raw["breach"]),
        int(raw.get("min_samples", 0)),
    )


def _metric(name: str, raw: dict[str, Any], sets: set[str]) -> Metric:
    value = expression(raw["value"])
    formula = raw.get("formula")
    return Metric(
        name,
        value,
        _aggregates(value, window(raw.get("window")), sets),
        None if formula is None else expression(formula),
        _guard(raw.get("guard")),
    )


def _set(name: str, raw: dict[str, Any], sets: set[str]) -> EntitySet:
    when = expression(raw["when"])
    return EntitySet(name, raw["of"], when, _aggregates(when, window(raw.get("window")), sets))


def read(text: str) -> Definition:
    """Read a definition from its YAML text."""
    raw = YAML(typ="safe").load(text)
    calendar = raw.get("calendar", {})
    sets = raw.get("sets") or {}
    return Definition(
        calendar.get("zone", "UTC"),
        WEEKDAYS.index(calendar.get("week_starts", "monday")) + 1,
        _envelope(raw["source"]["envelope"]),
        tuple(_attributes(raw.get("entities") or {})),
        {name: _event(name, about) for name, about in raw["events"].items()},
        {name: _set(name, about, set(sets)) for name, about in sets.items()},
        {name: _metric(name, about, set(sets)) for name, about in raw["metrics"].items()},
    )
