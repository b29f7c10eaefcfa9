"""What a terminal can draw. Every meaning has a shape and a word; colour only repeats them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.core.judge import State
from pipeline.core.measures import Number
from pipeline.core.tree import EdgeKind

STATE_STYLES: Final = {
    State.GREEN: "bold green",
    State.YELLOW: "bold yellow",
    State.RED: "bold red",
    State.UNKNOWN: "bold",
}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One way to draw. `edges` has None for a guardrail; `directions` are down, level and up."""

    star: str
    rule: str
    box: tuple[str, str, str, str, str]  # corners from the upper left clockwise, and a side
    below_box: str
    trunk: str
    fork: str
    last: str
    edges: dict[EdgeKind | None, str]
    directions: dict[int, str]
    states: dict[State, str]
    bars: str
    ellipsis: str
    between: str


UNICODE: Final = Glyphs(
    star="★",
    rule="─",
    box=("╭", "╮", "╯", "╰", "│"),
    below_box="┬",
    trunk="│",
    fork="├",
    last="└",
    edges={EdgeKind.FORMULA: "──", EdgeKind.HYPOTHESIS: "┄┄", None: "◇─"},
    directions={-1: "▼", 0: "=", 1: "▲"},
    states={State.GREEN: "●", State.YELLOW: "◆", State.RED: "■", State.UNKNOWN: "?"},
    bars="▁▂▃▄▅▆▇█",
    ellipsis="…",
    between="·",
)
ASCII: Final = Glyphs(
    star="*",
    rule="-",
    box=("+", "+", "+", "+", "|"),
    below_box="+",
    trunk="|",
    fork="|",
    last="`",
    edges={EdgeKind.FORMULA: "--", EdgeKind.HYPOTHESIS: "..", None: "<>"},
    directions={-1: "-", 0: "=", 1: "+"},
    states={State.GREEN: "o", State.YELLOW: "!", State.RED: "#", State.UNKNOWN: "?"},
    bars="_.-=*#",
    ellipsis="~",
    between=";",
)


def sparkline(values: Sequence[Number | None], bars: str) -> str:
    """Values as bars from the smallest to the largest; a gap where none is known.

    >>> sparkline([1, 2, None, 3, 8], UNICODE.bars)
    '▁▂ ▃█'
    """
    known = [value for value in values if value is not None]
    if not known:
        return " " * len(values)
    low, high = min(known), max(known)
    if low == high:
        return "".join(" " if value is None else bars[0] for value in values)
    scale = (len(bars) - 1) / (high - low)
    return "".join(" " if value is None else bars[round((value - low) * scale)] for value in values)
