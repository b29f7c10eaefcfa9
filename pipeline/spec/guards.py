"""Guardrails: limits that fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.baselines import Baseline
from pipeline.core.tree import Better, Guard
from pipeline.spec import spans
from pipeline.spec.problem import Refusal
from pipeline.spec.schema import Between

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.spec.names import Names
    from pipeline.spec.schema import GuardSource, MetricSource


def guard_of(
    names: Names, metric: str, source: MetricSource, order: Mapping[str, int]
) -> Guard | None:
    """The limits of a metric, None where it has none; problems are reported.

    Args:
        names: the definition's names.
        metric: whose guard it is.
        source: that metric.
        order: where each metric stands in the plan.
    """
    _check_role(names, metric, source)
    if source.guard is None:
        return None
    _check_protects(names, metric, source.guard)
    _check_limits(names, metric, source.guard)
    return _guard(source.guard, order.get(source.guard.protects, 0))


def _guard(source: GuardSource, protects: int) -> Guard:
    low, high = (None, None)
    if isinstance(source.better, Between):
        low, high = source.better.between
    return Guard(
        protects,
        Better.BETWEEN if isinstance(source.better, Between) else Better(source.better),
        low,
        high,
        _baseline(source),
        spans.share_of(source.warn),
        spans.share_of(source.breach),
        source.min_samples,
        spans.duration_ms(source.hold),
        source.severity,
        source.owner,
        source.runbook,
    )


def _baseline(source: GuardSource) -> Baseline | None:
    return None if source.baseline is None else spans.baseline_of(source.baseline)


def _check_role(names: Names, metric: str, source: MetricSource) -> None:
    findings, at = names.findings, ("metrics", metric)
    if findings.is_broken(*at, "guard") or findings.is_broken(*at, "role"):
        return
    if source.role == "guardrail" and source.guard is None:
        refusal = Refusal(
            "guard-missing",
            f"`{metric}` is a guardrail without limits",
            "Add `guard: {protects: …, better: lower, baseline: previous(7d), "
            "warn: 3%, breach: 5%}`, or take another role.",
        )
        findings.refuse((*at, "role"), refusal)
    elif source.role != "guardrail" and source.guard is not None:
        refusal = Refusal(
            "guard-without-role",
            f"`{metric}` has limits, but is no guardrail",
            "Write `role: guardrail`, or remove `guard`.",
        )
        findings.refuse_key((*at, "guard"), refusal)


def _check_protects(names: Names, metric: str, guard: GuardSource) -> None:
    at = ("metrics", metric, "guard", "protects")
    with names.findings.catching(at):
        names.metric(guard.protects)
        if guard.protects == metric:
            raise Refusal(
                "guard-of-itself",
                "a guardrail cannot protect itself",
                "Name the metric whose success this one might be paid for with.",
            )


def _check_limits(names: Names, metric: str, guard: GuardSource) -> None:
    at = ("metrics", metric, "guard")
    with names.findings.catching((*at, "breach")):
        if spans.share_of(guard.breach) < spans.share_of(guard.warn):
            raise Refusal(
                "breach-below-warn",
                f"it would be red at {guard.breach} before it is yellow at {guard.warn}",
                "Write a `breach` of at least `warn`.",
            )
    is_range = isinstance(guard.better, Between)
    if is_range and guard.baseline is not None:
        refusal = Refusal(
            "baseline-unused",
            "a range is held against its own bounds, not a baseline",
            "Remove `baseline`, or write `better: lower` or `better: higher`.",
        )
        names.findings.refuse_key((*at, "baseline"), refusal)
    is_missing = guard.baseline is None and not names.findings.is_broken(*at, "baseline")
    if is_missing and not is_range:
        refusal = Refusal(
            "baseline-missing",
            f"nothing says what `{metric}` is held against",
            "Add `baseline: previous(7d)` for its value a week ago, or `baseline: fixed(0.02)`.",
        )
        names.findings.refuse_key(at, refusal)
