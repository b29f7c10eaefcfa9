"""What is overdue on a day: reviews, retirements, targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.spec.fields import date_of
from pipeline.spec.problem import Refusal

if TYPE_CHECKING:
    from datetime import date

    from pipeline.spec.findings import Findings
    from pipeline.spec.schema import Definition


def lint_dates(definition: Definition, findings: Findings, today: date | None) -> None:
    """Report what `today` is too late for; nothing where it is None."""
    if today is None:
        return
    for name, metric in definition.metrics.items():
        at = ("metrics", name)
        if metric.review_by is not None and date_of(metric.review_by) < today:
            message = f"`{name}` was to be reviewed by {metric.review_by}"
            advice = "Look whether it still says what it is for, and set the next day."
            findings.warn((*at, "review_by"), Refusal("review-due", message, advice))
        if metric.retire_on is not None and date_of(metric.retire_on) <= today:
            message = f"`{name}` was to be retired on {metric.retire_on}"
            advice = "Remove the metric, and what only it uses; or set a later day."
            findings.warn((*at, "retire_on"), Refusal("retire-due", message, advice))
        if metric.targets and all(date_of(one.by) < today for one in metric.targets):
            message = f"the last target of `{name}` was for {metric.targets[-1].by}"
            advice = "Add the next target, or remove `targets`."
            findings.warn((*at, "targets"), Refusal("targets-over", message, advice))
