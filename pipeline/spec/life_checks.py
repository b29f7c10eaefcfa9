"""Dates, targets and other metrics that a metric's life names: whether they can be."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.spec.fields import date_of
from pipeline.spec.problem import Refusal

if TYPE_CHECKING:
    from pipeline.spec.names import Names
    from pipeline.spec.schema import MetricSource


def check_lives(names: Names) -> None:
    """Report what cannot be."""
    for name, source in names.definition.metrics.items():
        _check_other(names, name, "proxy_for", source.proxy_for)
        _check_other(names, name, "replaces", source.replaces)
        _check_dates(names, name, source)
        _check_targets(names, name, source)


def _check_other(names: Names, name: str, key: str, other: str | None) -> None:
    if other is None:
        return
    with names.findings.catching(("metrics", name, key)):
        names.metric(other)
        if other == name:
            raise Refusal(
                "metric-of-itself",
                f"`{key}` names the metric itself",
                "Name the other metric, or remove the line.",
            )


def _check_dates(names: Names, name: str, source: MetricSource) -> None:
    for key, day in (("review_by", source.review_by), ("retire_on", source.retire_on)):
        if source.since and day and date_of(day) < date_of(source.since):
            refusal = Refusal(
                "dates-reversed",
                f"`{key}` ({day}) is before `since` ({source.since})",
                "Exchange the two, or mend the year.",
            )
            names.findings.refuse(("metrics", name, key), refusal)


def _check_targets(names: Names, name: str, source: MetricSource) -> None:
    at = ("metrics", name, "targets")
    for number, (before, after) in enumerate(pairwise(source.targets), 1):
        if date_of(after.by) <= date_of(before.by):
            message = f"the target for {after.by} stands after the one for {before.by}"
            refusal = Refusal("bad-targets", message, "List targets by their days, one a day.")
            names.findings.refuse((*at, number, "by"), refusal)
    for number, target in enumerate(source.targets):
        if target.value == 0:
            advice = "Write the number to reach; for less of something, what is to be left of it."
            refusal = Refusal("bad-targets", "no share of a target of 0 can be reached", advice)
            names.findings.refuse((*at, number, "value"), refusal)
