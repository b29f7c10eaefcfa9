"""Can the limit of a guardrail be told from chance?

A count of n events, or a share of one half among n, varies by 1/sqrt(n) of itself from chance
alone (one standard deviation; Poisson and binomial). A share p varies by sqrt((1 - p) / (p n)): the
rarer, the more. What is held against a reading of its own varies twice, by sqrt(2) of that. A limit
below one such deviation is passed by chance every sixth time or so.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pipeline.core.baselines import Fixed
from pipeline.core.formula import Calculation, OfTerm, TermPart
from pipeline.core.tree import Better
from pipeline.spec.canonical import number_text
from pipeline.spec.problem import Refusal

if TYPE_CHECKING:
    from pipeline.core.formula import Formula
    from pipeline.core.plan import Plan
    from pipeline.core.tree import Guard, Metric
    from pipeline.spec.findings import Findings

SHARE_UNKNOWN: Final = 0.5  # in its place, which also gives what a plain count varies by
SAMPLES_ADVISED_MAX: Final = 1_000_000


def lint_noise(plan: Plan, findings: Findings) -> None:
    """Report limits that `min_samples` samples cannot resolve."""
    for metric in plan.metrics:
        guard = metric.guard
        if guard is None or guard.better is Better.BETWEEN or not _is_counted(metric.value):
            continue
        needed = samples_needed(guard, is_ratio=_is_ratio(metric))
        if guard.min_samples < needed:
            _warn(metric, guard, needed, findings)


def samples_needed(guard: Guard, *, is_ratio: bool) -> int:
    """With how many samples the first limit is one standard deviation away."""
    is_fixed = isinstance(guard.baseline, Fixed)
    share = SHARE_UNKNOWN
    if isinstance(guard.baseline, Fixed) and is_ratio and 0 < guard.baseline.value < 1:
        share = guard.baseline.value
    limit = guard.warn or guard.breach
    if limit == 0:
        return 0  # whoever wants to hear of any change has said so
    variance = (1 - share) / share * (1 if is_fixed else 2)
    return math.ceil(round(variance / limit**2, 6))


def _is_ratio(metric: Metric) -> bool:
    return isinstance(metric.value, Calculation) and metric.value.operator == "/"


def _is_counted(value: Formula) -> bool:
    """Whether a value is a count, or one count of another; only of those we know the chance."""
    if isinstance(value, Calculation):
        return value.operator == "/" and _is_counted(value.left) and _is_counted(value.right)
    return isinstance(value, OfTerm) and value.part is TermPart.COUNT


def _warn(metric: Metric, guard: Guard, needed: int, findings: Findings) -> None:
    limit = f"{number_text(round((guard.warn or guard.breach) * 100, 6))} %"
    at = ("metrics", metric.name, "guard")
    key = "min_samples" if guard.min_samples else "warn"
    less = f"{guard.min_samples} samples" if guard.min_samples else "few samples"
    about = float(f"{needed:.2g}") if needed > 100 else needed  # noqa: PLR2004 - two digits do
    about = max(about, needed)
    advice = f"Write `min_samples: {needed}`, or a wider `warn`."
    if needed > SAMPLES_ADVISED_MAX:
        advice = "Write a wider `warn`, or guard something that is less rare."
    refusal = Refusal(
        "noisy-limit",
        f"{less} cannot resolve {limit}: chance alone moves `{metric.name}` by more",
        f"{advice} It takes {about:,.0f} samples for {limit} to be one standard deviation.",
    )
    findings.warn((*at, key), refusal)
