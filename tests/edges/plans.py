"""A small plan and its ticks, for tests of what is shown."""

from pipeline.core.baselines import Fixed
from pipeline.core.closes import NOTHING_AHEAD, Outlook
from pipeline.core.compose import Reading
from pipeline.core.envelope import Envelope, TimePlace, TimeUnit
from pipeline.core.formula import Constant, Index, OfMetric
from pipeline.core.judge import NOT_JUDGED, State, Verdict
from pipeline.core.plan import Plan
from pipeline.core.publish import Tick
from pipeline.core.tree import Better, Guard, Metric, Role

AT_MS = 1_700_000_000_000
INDEX = Index((OfMetric(2), OfMetric(3)), (1.0, 2.0), skips_missing=True)
UNITS = {"learners": "users", "refunds": "ratio", "wait": "seconds", "revenue": "EUR"}


def guard(**changes):
    """A guard on the second metric's side of things."""
    given = {
        "protects": 0,
        "better": Better.LOWER,
        "low": None,
        "high": None,
        "baseline": Fixed(0.02),
        "warn": 0.03,
        "breach": 0.05,
        "min_samples": 1,
        "hold_ms": 600_000,
        "severity": "page",
        "owner": "support-platform",
        "runbook": None,
    }
    return Guard(**(given | changes))


def metric(name, unit, **changes):
    """A metric of a unit; of its value it matters only whether that is an index."""
    given = {
        "label": name.title(),
        "definition": f"What {name} are.",
        "role": Role.NORTH_STAR if name == "learners" else Role.GUARDRAIL,
        "facet": None,
        "owner": "core-product",
        "value": INDEX if name == "learners" else Constant(1),
        "formula": None,
        "inputs": (),
        "guard": guard() if name == "refunds" else None,
    }
    return Metric(name=name, unit=unit, **(given | changes))


def plan(**changes):
    """A product with one metric of each kind of unit, the ratio guarded."""
    given = {
        "product": "insight_suite",
        "label": "Insight Suite",
        "game": "productivity",
        "zone": "UTC",
        "fingerprint": "abc123",
        "topics": ("events",),
        "envelope": Envelope((("name",),), (TimePlace(("time",), TimeUnit.ISO),)),
        "events": (),
        "feeds": (),
        "memories": (),
        "sets": (),
        "terms": (),
        "metrics": tuple(metric(name, unit) for name, unit in UNITS.items()),
        "levels": 1,
    }
    return Plan(**(given | changes))


def reading(value, **changes):
    """A reading with everything known but a formula."""
    given = {
        "numerator": None,
        "denominator": None,
        "samples": 40,
        "coverage": 1.0,
        "residual": None,
    }
    return Reading(value, **(given | changes))


READINGS = (
    reading(40),
    reading(0.025, numerator=1, denominator=40, low=0.01, high=0.05),
    reading(2.5, numerator=100.0, denominator=40, residual=-0.5),
    reading(99.5),
)
AHEAD = Outlook(attainment=0.8, pace=1.1, correlation=-0.25)
RED = Verdict(State.RED, baseline=0.02, warn_at=0.0206, breach_at=0.021)


def tick(at_ms=AT_MS, readings=READINGS, refunds=RED):
    """A complete tick of `plan()`."""
    verdicts = (NOT_JUDGED, refunds, NOT_JUDGED, NOT_JUDGED)
    return Tick(at_ms, readings, verdicts, (AHEAD, *[NOTHING_AHEAD] * 3))
