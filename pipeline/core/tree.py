"""The tree: metrics, what each is for, and the lines between them.

Metrics and terms are referred to by index into the plan's (`core/plan.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.core.baselines import Baseline
from pipeline.core.formula import Dimension, Formula, OfMetric, OfTerm, leaves
from pipeline.core.targets import Target


class Role(StrEnum):
    """What a metric is for."""

    NORTH_STAR = "north_star"
    INPUT = "input"
    GUARDRAIL = "guardrail"
    RESULT = "result"
    REFERENCE = "reference"


class Facet(StrEnum):
    """What an input says about use."""

    BREADTH = "breadth"
    DEPTH = "depth"
    FREQUENCY = "frequency"
    EFFICIENCY = "efficiency"


class Better(StrEnum):
    """In which direction a guardrail gets better."""

    LOWER = "lower"
    HIGHER = "higher"
    BETWEEN = "between"


class EdgeKind(StrEnum):
    """What a line of the tree claims."""

    FORMULA = "formula"  # solid: arithmetic, checked at every tick
    HYPOTHESIS = "hypothesis"  # dotted: believed


@dataclass(frozen=True, slots=True)
class Edge:
    """An input of a metric."""

    metric: int
    kind: EdgeKind


@dataclass(frozen=True, slots=True)
class Guard:
    """The limits of a guardrail. `warn` and `breach` are shares of the baseline (0.05 is 5 %)."""

    protects: int
    better: Better
    low: float | None  # both for `between` only
    high: float | None
    baseline: Baseline | None  # None for `between`
    warn: float
    breach: float
    min_samples: int
    hold_ms: int
    severity: str
    owner: str | None
    runbook: str | None


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of the tree."""

    name: str
    label: str
    definition: str
    role: Role
    facet: Facet | None
    unit: str
    owner: str | None
    value: Formula
    formula: Formula | None
    inputs: tuple[Edge, ...]
    guard: Guard | None
    identity: str = ""  # of all that its value is made of
    targets: tuple[Target, ...] = ()  # in the order of their days
    since_ms: int | None = None  # the start of the day from which its definition holds
    proxy_for: int | None = None  # the metric that it stands for
    by: tuple[Dimension, ...] = ()


def terms_of(metrics: Sequence[Metric], metric: int) -> set[int]:
    """The terms that a metric's value is made of, those of other metrics in it too."""
    values = (metrics[each].value for each in metrics_in(metrics, metric))
    return {leaf.term for value in values for leaf in leaves(value) if isinstance(leaf, OfTerm)}


def metrics_in(metrics: Sequence[Metric], metric: int) -> set[int]:
    """A metric and those that its value is made of."""
    found, waiting = {metric}, [metric]
    while waiting:
        below = leaves(metrics[waiting.pop()].value)
        others = {leaf.metric for leaf in below if isinstance(leaf, OfMetric)} - found
        found |= others
        waiting += others
    return found
