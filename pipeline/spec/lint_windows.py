"""Is one side of a ratio counted over another time than the other?

Whoever is counted in a day and in a month may be divided (stickiness), and so may an event by
itself (this week by the month). What happened in a week divided by another thing that happened in
a month is no share of anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.core.formula import Calculation, Constant, OfTerm, TermPart, leaves
from pipeline.core.plan import TermKind
from pipeline.spec.problem import Refusal

if TYPE_CHECKING:
    from pipeline.core.formula import Formula
    from pipeline.core.plan import Plan
    from pipeline.core.windows import Window
    from pipeline.spec.findings import Findings

_ADDED_UP: Final = (TermPart.COUNT, TermPart.SUM)
_OF_EVENTS: Final = (TermKind.PANES, TermKind.ITEMS)


@dataclass(frozen=True, slots=True)
class _Side:
    window: Window
    feeds: frozenset[int]


def lint_windows(plan: Plan, findings: Findings) -> None:
    """Report counts and sums that are divided by those of other events over another window."""
    for metric in plan.metrics:
        value = metric.value
        if not isinstance(value, Calculation) or value.operator != "/":
            continue
        above, below = _side(plan, value.left), _side(plan, value.right)
        if above is None or below is None or above.window == below.window:
            continue
        if above.feeds != below.feeds:
            refusal = Refusal(
                "ratio-of-two-windows",
                f"`{metric.name}` divides what happened in `{above.window}` by what happened in "
                f"`{below.window}`",
                f"Look at both in one window: `window: {below.window}`.",
            )
            findings.warn(("metrics", metric.name, "value"), refusal)


def _side(plan: Plan, side: Formula) -> _Side | None:
    """What is added up on one side of a ratio; None for anything else, or of two windows."""
    windows: set[Window] = set()
    feeds: set[int] = set()
    for leaf in leaves(side):
        if isinstance(leaf, Constant):
            continue
        if not isinstance(leaf, OfTerm) or leaf.part not in _ADDED_UP:
            return None
        term = plan.terms[leaf.term]
        if term.kind not in _OF_EVENTS or term.memory is None:
            return None
        windows.update(term.windows)
        feeds.update(plan.memories[term.memory].feeds)
    return _Side(windows.pop(), frozenset(feeds)) if len(windows) == 1 else None
