"""Growth of a set: who is new, has stayed, has come back, has gone, since one period ago."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipeline.core.formula import Calculation, Formula, OfTerm, TermPart
from pipeline.core.plan import Term, TermKind
from pipeline.core.windows import DAY_MS, Trailing
from pipeline.spec.literals import duration_ms_of
from pipeline.spec.spans import check_seconds

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterable

    from pipeline.core.windows import Window
    from pipeline.spec.syntax import Code

FORMS: Final = {
    "new": "new(set, 7d)",
    "retained": "retained(set, 7d)",
    "resurrected": "resurrected(set, 7d)",
    "churned": "churned(set, 7d)",
    "retention": "retention(set, 7d)",
}
_KINDS: Final = {
    "new": TermKind.NEW,
    "retained": TermKind.RETAINED,
    "resurrected": TermKind.RESURRECTED,
    "churned": TermKind.CHURNED,
}
_DEFAULT_MS: Final = 7 * DAY_MS


def period_ms_of(code: Code, node: ast.expr) -> int:
    """The period that a call says.

    Raises:
        Refusal: for anything but a duration of whole seconds.
    """
    period_ms = duration_ms_of(code, node)
    with code.pointing_at(node):
        check_seconds(period_ms, code.written(node))
    return period_ms


def default_period_ms(windows: Iterable[Window]) -> int:
    """The longest trailing window of a set, a week where it has none."""
    sizes = (window.size_ms for window in windows if isinstance(window, Trailing))
    return max(sizes, default=_DEFAULT_MS)


def grown(function: str, size: Term, period_ms: int, count: Callable[[Term], int]) -> Formula:
    """What a function of growth comes to.

    Args:
        function: one of `FORMS`.
        size: the term that counts the set's members, with the memory of their growth.
        period_ms: how long ago it is compared with.
        count: gives a term its place in the plan.
    """

    def counted(kind: TermKind) -> OfTerm:
        term = Term(kind, size.level, size.memory, size.set, size.windows, period_ms)
        return OfTerm(count(term), TermPart.COUNT)

    if function == "retention":
        return Calculation("/", counted(TermKind.RETAINED), counted(TermKind.SIZE_BEFORE))
    return counted(_KINDS[function])
