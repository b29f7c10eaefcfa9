"""A plan's fingerprint: equal for plans whose state is the same.

Limits of guardrails and targets are no part of it: they judge what is remembered, and may change
from day to day without a number starting anew. The baseline is one, since past readings are kept
for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import xxhash

from pipeline.core.tree import Better, Role

if TYPE_CHECKING:
    from pipeline.core.plan import Plan
    from pipeline.core.tree import Guard, Metric


def fingerprint(plan: Plan) -> Plan:
    """The plan with its fingerprint: 16 hex digits over everything but what is for people."""
    bare = replace(
        plan,
        label="",
        game=None,
        fingerprint="",
        metrics=tuple(_bare(metric) for metric in plan.metrics),
    )
    return replace(plan, fingerprint=xxhash.xxh3_64_hexdigest(repr(bare).encode()))


def _bare(metric: Metric) -> Metric:
    guard = None if metric.guard is None else _bare_guard(metric.guard)
    return replace(
        metric,
        label="",
        definition="",
        role=Role.REFERENCE,
        facet=None,
        unit="",
        owner=None,
        inputs=(),
        guard=guard,
        targets=(),
    )


def _bare_guard(guard: Guard) -> Guard:
    return replace(
        guard,
        protects=0,
        better=Better.LOWER,
        low=None,
        high=None,
        warn=0.0,
        breach=0.0,
        min_samples=0,
        hold_ms=0,
        severity="",
        owner=None,
        runbook=None,
    )
