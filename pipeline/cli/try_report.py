"""The outcome of a trial for people: tables, and what may be read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.cli.replay import shown
from pipeline.core.publish import iso
from pipeline.core.windows import DAY_MS, duration
from pipeline.trial.lags import POINTS_MIN, Lag, Pearson, best
from pipeline.trial.sensitivity import change

if TYPE_CHECKING:
    from pipeline.trial.outcome import Around, Changed, Outcome
    from pipeline.trial.run import Point, Step
    from pipeline.trial.sensitivity import Level
    from pipeline.trial.sides import Side

STEPS_SHOWN: Final = 30  # the newest ones; `--output json` has all


def report(found: Outcome) -> Group:
    """Everything that a trial says, part after part."""
    parts: list[RenderableType] = [_head(found)]
    for title, content in (
        ("Values", _values(found)),
        ("Whom they count", _overlap(found)),
        ("With the result", _lags(found)),
        ("The candidate's thresholds", _thresholds(found)),
    ):
        parts += [Text(f"\n{title}", "bold"), *content]
    return Group(*parts)


def _head(found: Outcome) -> Text:
    trial, first, last = found.trial, found.steps[0], found.steps[-1]
    text = Text()
    text.append(_line("candidate", trial.candidate)).append(_line("present", trial.present))
    if trial.result is not None:
        text.append(_line("result", trial.result))
    steps = f"{len(found.steps)} steps, {_at(first, found)} to {_at(last, found)}"
    return text.append(f"{steps}, every {duration(found.every_ms)}", "dim")


def _line(which: str, side: Side) -> Text:
    metric = side.metric
    text = Text(f"{which:<10}").append(metric.label, "bold cyan")
    text.append(f"  {side.plan.product}.{metric.name}", "dim")
    return text.append(f"\n{'':<10}{metric.definition}\n" if metric.definition else "\n")


def _at(step: Step, found: Outcome) -> str:
    """A step's moment; its day where all of them are midnights."""
    are_days = found.every_ms % DAY_MS == 0 and step.at_ms % DAY_MS == 0
    return iso(step.at_ms)[: len("2023-01-02") if are_days else None]


# ── values and members ───────────────────────────────────────────────────────────────────────────


def _values(found: Outcome) -> list[RenderableType]:
    overlapped = any(step.overlap is not None for step in found.steps)
    names = ["candidate", "present"]
    names += ["result"] if found.trial.result is not None else []
    names += ["both", "only candidate", "only present", "Jaccard"] if overlapped else []
    table = _table("at", *names)
    for step in found.steps[-STEPS_SHOWN:]:
        table.add_row(_at(step, found), *_cells(step, overlapped=overlapped))
    notes = []
    if len(found.steps) > STEPS_SHOWN:
        notes += [f"The newest {STEPS_SHOWN} of {len(found.steps)}; --output json has all."]
    if any(_is_unknown(step) for step in found.steps[-STEPS_SHOWN:]):
        notes += [_UNKNOWN]
    return [table, *(Text(note, "dim") for note in notes)]


_UNKNOWN: Final = (
    "— is not known: there is no value, or not all of the window was watched "
    "(the share that was stands behind it)."
)


def _cells(step: Step, *, overlapped: bool) -> list[str]:
    points = [step.candidate, step.present, *([step.result] if step.result is not None else [])]
    cells = [_point(each) for each in points]
    if not overlapped:
        return cells
    if step.overlap is None:
        return [*cells, "—", "—", "—", "—"]
    shared = step.overlap
    counts = (shared.both, shared.only_candidate, shared.only_present)
    return [*cells, *map(shown, counts), _share(shared.jaccard)]


def _is_unknown(step: Step) -> bool:
    return step.candidate.value is None or step.present.value is None


def _point(point: Point) -> str:
    return shown(point.value) if point.coverage >= 1 else f"— ({point.coverage:.0%})"


def _overlap(found: Outcome) -> list[RenderableType]:
    why = found.trial.why_no_overlap
    if why is not None:
        return [Text(f"Cannot be compared: {why}.")]
    if found.overlap is None:
        return [Text("Not known at the last step.")]
    shared, trial = found.overlap, found.trial
    table = _table("at the last step", trial.candidate.entity or "")
    table.add_row("counted by both", shown(shared.both))
    table.add_row("by the candidate only", shown(shared.only_candidate))
    table.add_row("by the present metric only", shown(shared.only_present))
    table.add_row("Jaccard: both ÷ either", _share(shared.jaccard))
    return [table]


# ── the result ───────────────────────────────────────────────────────────────────────────────────


def _lags(found: Outcome) -> list[RenderableType]:
    if not found.lags:
        return [Text("Name a later outcome with --result to see which of the two foretells it.")]
    table = _table("result later by", "steps compared", "candidate", "present")
    for lag in found.lags:
        later = duration(lag.steps * found.every_ms) if lag.steps else "0"
        table.add_row(later, f"{lag.points}", _pearson(lag.candidate), _pearson(lag.present))
    return [table, *(Text(note) for note in _notes(found))]


def _notes(found: Outcome) -> list[str]:
    candidate, present = best(found.lags), best(found.lags, of_present=True)
    if candidate is None and present is None:
        return [_TOO_FEW.format(least=POINTS_MIN, points=found.lags[0].points)]
    notes = [_best("candidate", candidate, found), _best("present metric", present, found)]
    notes += [_LUCKIEST.format(lags=len(found.lags))]
    return [*notes, _DEPENDENT] if found.windows_overlap else notes


_TOO_FEW: Final = (
    "No correlation: it takes {least} steps at which all three are known and move, and there are "
    "{points}. That says neither that they go together nor that they do not."
)
_LUCKIEST: Final = (
    "Behind each stands where the true one lies with 95 %, were the steps independent. "
    "The best of {lags} lags is also the luckiest: look for neighbours that agree."
)
_DEPENDENT: Final = (
    "Neighbouring steps look at the same events, so they are not independent, "
    "and less is known than their number says."
)


def _best(which: str, lag: Lag | None, found: Outcome) -> str:
    if lag is None:
        return f"The {which} has no correlation: too few steps, or it never moves."
    later = f"{duration(lag.steps * found.every_ms)} later" if lag.steps else "at the same step"
    of = lag.candidate if which == "candidate" else lag.present
    return f"The {which} goes best with the result {later}: {_pearson(of)}, n = {lag.points}."


def _pearson(found: Pearson) -> str:
    if found.value is None or found.low is None or found.high is None:
        return "—"
    return f"{found.value:+.2f} ({found.low:+.2f} to {found.high:+.2f})"


# ── thresholds ───────────────────────────────────────────────────────────────────────────────────


def _thresholds(found: Outcome) -> list[RenderableType]:
    if not found.thresholds:
        return [Text("It has none: no set that its value names compares with a number.")]
    table = _table("condition", "threshold", "last value", "mean")
    notes = []
    for around in found.thresholds:
        condition = f"{around.threshold.of_set}: {around.threshold.condition}"
        table.add_row(condition, *_changed(around.less, around))
        table.add_row("", f"{around.threshold.number}", *_level(around.as_written))
        table.add_row("", *_changed(around.more, around))
        notes += [
            f"{condition} cannot be {each.number}: {each.refused}."
            for each in (around.less, around.more)
            if each.refused is not None
        ]
    return [table, *(Text(note, "dim") for note in notes)]


def _changed(changed: Changed, around: Around) -> tuple[str, str, str]:
    if changed.level is None:
        return f"{changed.number}", "—", "—"
    last, mean = _level(changed.level)
    by_last = change(changed.level.last, around.as_written.last)
    by_mean = change(changed.level.mean, around.as_written.mean)
    return f"{changed.number}", f"{last}{_by(by_last)}", f"{mean}{_by(by_mean)}"


def _level(found: Level) -> tuple[str, str]:
    return shown(found.last), shown(found.mean)


def _by(share: float | None) -> str:
    return "" if share is None else f" ({share:+.0%})"


def _share(share: float | None) -> str:
    return "—" if share is None else f"{share:.0%}"


def _table(first: str, *names: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table
