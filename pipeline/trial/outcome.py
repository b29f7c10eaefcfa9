"""The outcome of a trial: what its steps come to, and as plain data for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pipeline.core.publish import iso
from pipeline.core.windows import Trailing, duration
from pipeline.trial.lags import POINTS_MIN, Lag, Pearson, best, lagged
from pipeline.trial.sensitivity import Level, change, level

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from pipeline.core.windows import Window
    from pipeline.trial.overlap import Overlap
    from pipeline.trial.run import Point, Step, Trial
    from pipeline.trial.sides import Side
    from pipeline.trial.thresholds import Change, Threshold

LAGS: Final = 8  # steps that are tried if not said otherwise: of days, a week and one

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Changed:
    """The series with another threshold; `level` is None where that is `refused`."""

    number: Decimal
    level: Level | None
    refused: str | None


@dataclass(frozen=True, slots=True)
class Around:
    """A threshold one less, as it is, and one more."""

    threshold: Threshold
    less: Changed
    as_written: Level
    more: Changed


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a trial says. `lags` is empty without a result."""

    trial: Trial
    every_ms: int
    steps: tuple[Step, ...]
    lags: tuple[Lag, ...]
    thresholds: tuple[Around, ...]

    @property
    def overlap(self) -> Overlap | None:
        """Whom both count at the last step."""
        return self.steps[-1].overlap

    @property
    def windows_overlap(self) -> bool:
        """Whether neighbouring steps look at the same events."""
        trial = self.trial
        sides = [side for side in (trial.candidate, trial.present, trial.result) if side]
        windows = {window for side in sides for window in side.windows}
        ticks = [step.at_ms for step in self.steps]
        return any(looks_back_ms(window, ticks) > self.every_ms for window in windows)


def looks_back_ms(window: Window, ticks: Sequence[int]) -> int:
    """How much of the past a window sees at the most, at one of some ticks."""
    if isinstance(window, Trailing):
        return window.size_ms  # its edge may lie a little further back
    spans = [window.span(tick) for tick in ticks]
    return max(end - start for start, end in spans)


def outcome(
    trial: Trial,
    every_ms: int,
    steps: Sequence[Step],
    changes: Sequence[Change],
    lags: int = LAGS,
) -> Outcome:
    """What the steps come to, at least one of them.

    `changes` are in pairs, one less and one more; those with a metric are the steps' `varied`, in
    order. `lags` is the longest that is tried.
    """
    return Outcome(
        trial,
        every_ms,
        tuple(steps),
        () if trial.result is None else tuple(_lag(steps, lag) for lag in range(lags + 1)),
        _thresholds(steps, changes),
    )


def _lag(steps: Sequence[Step], lag: int) -> Lag:
    return lagged(
        [step.candidate.value for step in steps],
        [step.present.value for step in steps],
        [None if step.result is None else step.result.value for step in steps],
        lag,
    )


def _thresholds(steps: Sequence[Step], changes: Sequence[Change]) -> tuple[Around, ...]:
    as_written = level([step.candidate.value for step in steps])
    series = iter(zip(*(step.varied for step in steps), strict=True))
    found = [
        Changed(
            change.number,
            None if change.metric is None else level(next(series)),
            change.refused,
        )
        for change in changes
    ]
    pairs = zip(changes[::2], found[::2], found[1::2], strict=True)
    return tuple(Around(of.threshold, less, as_written, more) for of, less, more in pairs)


# ── for programs ─────────────────────────────────────────────────────────────────────────────────


def plain(found: Outcome) -> Plain:
    """The outcome as `--output json` writes it; `deploy/README.md` says what the keys mean."""
    trial = found.trial
    return {
        "candidate": _side(trial.candidate),
        "present": _side(trial.present),
        "result": None if trial.result is None else _side(trial.result),
        "every": duration(found.every_ms),
        "steps": [_step(step) for step in found.steps],
        "overlap": {
            "at": iso(found.steps[-1].at_ms),
            "entity": trial.candidate.entity if trial.why_no_overlap is None else None,
            "why_not": trial.why_no_overlap,
            **(_overlap(found.overlap) or dict.fromkeys(_OVERLAP)),
        },
        "correlation": _correlation(found) if found.lags else None,
        "thresholds": [_around(each) for each in found.thresholds],
    }


_OVERLAP = ("both", "only_candidate", "only_present", "jaccard")


def _side(side: Side) -> Plain:
    metric = side.metric
    return {
        "product": side.plan.product,
        "metric": metric.name,
        "label": metric.label,
        "definition": metric.definition,
        "unit": metric.unit,
    }


def _step(step: Step) -> Plain:
    return {
        "at": iso(step.at_ms),
        "candidate": _point(step.candidate),
        "present": _point(step.present),
        "result": None if step.result is None else _point(step.result),
        "overlap": _overlap(step.overlap),
    }


def _point(point: Point) -> Plain:
    return {"value": point.value, "coverage": point.coverage}


def _overlap(found: Overlap | None) -> Plain | None:
    return None if found is None else {name: getattr(found, name) for name in _OVERLAP}


def _correlation(found: Outcome) -> Plain:
    candidate, present = best(found.lags), best(found.lags, of_present=True)
    return {
        "points_min": POINTS_MIN,
        "windows_overlap": found.windows_overlap,
        "lags": [
            {
                "steps": lag.steps,
                "points": lag.points,
                "candidate": _pearson(lag.candidate),
                "present": _pearson(lag.present),
            }
            for lag in found.lags
        ],
        "best": {
            "candidate": None if candidate is None else candidate.steps,
            "present": None if present is None else present.steps,
        },
    }


def _pearson(found: Pearson) -> Plain:
    return {"value": found.value, "low": found.low, "high": found.high}


def _around(around: Around) -> Plain:
    return {
        "set": around.threshold.of_set,
        "condition": around.threshold.condition,
        "less": _changed(around.less, around.as_written),
        "as_written": {"threshold": float(around.threshold.number), **_level(around.as_written)},
        "more": _changed(around.more, around.as_written),
    }


def _changed(changed: Changed, as_written: Level) -> Plain:
    found = changed.level or Level(None, None, 0)
    return {
        "threshold": float(changed.number),
        **_level(found),
        "last_change": change(found.last, as_written.last),
        "mean_change": change(found.mean, as_written.mean),
        "refused": changed.refused,
    }


def _level(found: Level) -> Plain:
    return {"last": found.last, "mean": found.mean, "steps": found.steps}
