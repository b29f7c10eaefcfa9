"""The small forms of the language: durations, shares, paths, expressions, windows."""

import ast
import re
from dataclasses import dataclass
from decimal import Decimal

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
BASELINE_STEPS_MS = (60_000, 600_000, 3_600_000, 21_600_000, 86_400_000)
REACH_DAYS = {
    "running": {"day": 2, "week": 8, "month": 32, "quarter": 93},
    "last": {"day": 3, "week": 15, "month": 63, "quarter": 185},
}
UNIT_DAYS_MAX = {"day": 1, "week": 7, "month": 31}
BARE = re.compile(
    r"""("[^"]*"|'[^']*')|(?<![\w.])(\d+(?:\.\d+)?%|\d+(?:ms|s|m|h|d|w)\b)""", re.ASCII
)
"""A quoted text, or a duration or a percentage that stands bare."""

Path = tuple[str, ...]


def duration_ms(text: str) -> int:
    """Read a duration such as `90s`."""
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d|w)", text)
    assert match, text
    return int(match[1]) * MILLISECONDS[match[2]]


def share(text: object) -> Decimal:
    """Read `1%` or `0.01`, to the last digit."""
    written = str(text)
    return Decimal(written[:-1]) / 100 if written.endswith("%") else Decimal(written)


def resolution_ms(length_ms: int) -> int:
    """Give the longest resolution of no more than a thousandth of the length, or one second."""
    return max((r for r in RESOLUTIONS_MS if r * 1_000 <= length_ms), default=1_000)


def baseline_step_ms(length_ms: int) -> int:
    """Give the longest step of no more than a hundredth of the length, or one minute."""
    return max((step for step in BASELINE_STEPS_MS if step * 100 <= length_ms), default=60_000)


def path_of(node: ast.expr) -> Path | None:
    """Read `a.b["c d"]`, or give nothing where the expression is no path."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.List) and len(node.elts) == 1:
        (key_alone,) = node.elts
        is_text = isinstance(key_alone, ast.Constant) and isinstance(key_alone.value, str)
        return (key_alone.value,) if is_text else None
    if isinstance(node, ast.Attribute):
        head, key = path_of(node.value), node.attr
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        head, key = path_of(node.value), node.slice.value
    else:
        return None
    return None if head is None else (*head, key)


def expression(text: object) -> ast.expr:
    """Parse an expression; a bare YAML number is one too.

    Python does not read `7d` or `1%`: they are put in quotes first, which mean the same.
    """
    quoted = BARE.sub(lambda m: m[1] or f'"{m[2]}"', str(text).strip())
    return ast.parse(quoted, mode="eval").body


def path(text: str) -> Path:
    """Read a path that stands alone."""
    found = path_of(expression(text))
    assert found is not None, text
    return found


def plain_number(node: ast.expr) -> Decimal:
    """Read a number as it is written, sign and decimals kept exactly."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -plain_number(node.operand)
    assert isinstance(node, ast.Constant), ast.dump(node)
    return Decimal(repr(node.value))


@dataclass(frozen=True)
class Window:
    """A span that ends at the tick, or at the last boundary of the calendar before it."""

    kind: str
    """`trailing`, `running`, `last`; `units`: the last so many units of the calendar, the
    running one included; `cohort`: from so much before another window to the tick."""
    length_ms: int = 0
    unit: str = ""
    units: int = 0
    before_ms: int = 0
    of: "Window | None" = None

    @property
    def reach_ms(self) -> int:
        """How much older than its arrival an event may be and still matter to the window."""
        if self.of is not None:
            return self.of.reach_ms + self.before_ms
        if self.kind == "trailing":
            return self.length_ms + resolution_ms(self.length_ms)
        if self.kind == "units":
            return (self.units * UNIT_DAYS_MAX[self.unit] + 1) * MILLISECONDS["d"]
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
