"""`northstar try`: a candidate for the North Star beside the present one, on recorded events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from pipeline.cli.exits import Exit, leave
from pipeline.cli.products import definition_at
from pipeline.cli.recorded import (
    Lateness,
    duration_option,
    found_span,
    moment_option,
    now_ms,
    summary,
    ticks_between,
    with_progress,
)
from pipeline.cli.try_report import report
from pipeline.cli.validate import show
from pipeline.core.deployment import Deployment
from pipeline.core.plan import Plan
from pipeline.core.windows import DAY_MS, MINUTE_MS
from pipeline.edges.faults import UnreachableError, UnreadableError
from pipeline.edges.files import STANDARD_INPUT, FileSource, Lines
from pipeline.engine.local import LocalEngine, replay as replayed
from pipeline.spec import Result
from pipeline.spec.problem import suggestion
from pipeline.spec.render import Format, rendered
from pipeline.trial.outcome import LAGS, outcome, plain
from pipeline.trial.run import Played, Step, Trial, steps
from pipeline.trial.sides import Side, number_of, other_source
from pipeline.trial.thresholds import varied

TABLE_WIDTH: Final = 160  # where there is no terminal to say
STEPS_MAX: Final = 20_000  # more than two years of hours; all are kept until the report


class Output(StrEnum):
    """How the outcome is written."""

    TEXT = "text"
    JSON = "json"


Candidate = Annotated[Path, typer.Argument(help="The candidate's definition.", show_default=False)]
Against = Annotated[Path, typer.Option(help="The present definition; may be the same file.")]
Events = Annotated[
    list[str], typer.Option(help="JSON lines, zipped or not, as for `replay`. May be repeated.")
]
First = Annotated[
    int | None,
    moment_option("--from", "The first step; the first after the first event if not given."),
]
Last = Annotated[int | None, moment_option("--to", "The last step; the newest event if not given.")]
Every = Annotated[int, duration_option("From step to step.", "1d")]
PresentMetric = Annotated[
    str | None, typer.Option(help="The present metric.", show_default="the North Star")
]
CandidateMetric = Annotated[
    str | None, typer.Option(help="The candidate's metric.", show_default="its North Star")
]
Foretold = Annotated[
    str | None,
    typer.Option(help="A metric of either definition that a North Star should foretell."),
]
Lags = Annotated[
    int, typer.Option(min=0, max=400, help="The result is looked at up to so many steps later.")
]
AsLines = Annotated[Lines, typer.Option(help="What a line of --events is, as for `replay`.")]


def try_candidate(
    candidate: Candidate,
    against: Against,
    events: Events,
    first: First = None,
    last: Last = None,
    every: Every = DAY_MS,
    metric: PresentMetric = None,
    candidate_metric: CandidateMetric = None,
    result: Foretold = None,
    lags: Lags = LAGS,
    lateness: Lateness = MINUTE_MS,
    output: Annotated[Output, typer.Option(help="How the outcome is written.")] = Output.TEXT,
    lines: AsLines = Lines.VALUE,
) -> None:
    """Try a candidate for the North Star beside the present one, on recorded events.

    Shows both values at every step, whom both count, how each goes with a later result, and what
    the candidate's own thresholds decide.
    """
    if STANDARD_INPUT in events:
        leave(Exit.USAGE, "standard input can be read once only, and both read it: name a file")
    one, other = definition_at(candidate), definition_at(against)
    text = _same_source(one, other)
    present = _side(_plan(other), metric, other.file)
    named = _side(_plan(one), candidate_metric, one.file).metric.name
    spelled = varied(text, _plan(one), named, Path(one.file).parent)
    tried = _side(spelled.plan, named, one.file)
    possible = [each.metric for each in spelled.changes if each.metric is not None]
    numbers = [_number(spelled.plan, name) for name in possible]
    _check_result(result, present, _side(_plan(one), named, one.file))
    trial = Trial(tried, present, _result(result, tried, present), numbers)
    records = _Records(events, lines, Deployment(lateness_ms=lateness, tick_ms=every, shards=1))
    try:
        found = _steps(trial, records, first, last)
    except UnreachableError as fault:
        leave(Exit.USAGE, str(fault))
    except UnreadableError as fault:
        leave(Exit.FINDINGS, str(fault))
    made = outcome(trial, every, found, spelled.changes, lags)
    if output is Output.JSON:
        typer.echo(json.dumps(plain(made), indent=2, ensure_ascii=False))
    else:
        Console(width=None if Console().is_terminal else TABLE_WIDTH).print(report(made))


# ── what is compared ─────────────────────────────────────────────────────────────────────────────


def _plan(found: Result) -> Plan:
    assert found.plan is not None, "a definition without errors has a plan"
    return found.plan


def _same_source(candidate: Result, present: Result) -> str:
    """The candidate's text. Exits where both cannot be read off the same records."""
    text = Path(candidate.file).read_text(encoding="utf-8")
    problems = other_source(_plan(candidate), _plan(present), text, candidate.file)
    if problems:
        show(rendered(problems, Format.TEXT), to_stderr=True)
        raise typer.Exit(Exit.INVALID)
    return text


def _side(plan: Plan, name: str | None, file: str) -> Side:
    number = number_of(plan, name)
    if number is None:
        known = suggestion(str(name), [each.name for each in plan.metrics], "metrics")
        leave(Exit.USAGE, f"{file} has no metric `{name}`. {known}")
    return Side(plan, number)


def _number(plan: Plan, name: str) -> int:
    number = number_of(plan, name)
    assert number is not None, "a variant that was made has a place"
    return number


def _check_result(name: str | None, present: Side, candidate: Side) -> None:
    """Exit where neither definition, as written, has the metric."""
    if name is None or present.named(name) is not None or candidate.named(name) is not None:
        return
    every = [each.name for side in (present, candidate) for each in side.plan.metrics]
    known = suggestion(name, dict.fromkeys(every), "metrics")
    leave(Exit.USAGE, f"--result: neither definition has a metric `{name}`. {known}")


def _result(name: str | None, candidate: Side, present: Side) -> Side | None:
    """The metric that either should foretell: the present definition's where both have one."""
    return None if name is None else present.named(name) or candidate.named(name)


# ── running it ───────────────────────────────────────────────────────────────────────────────────


class _Records:
    """The recorded events, to be read several times."""

    def __init__(self, events: Sequence[str], lines: Lines, deployment: Deployment) -> None:
        self.deployment = deployment
        self._events = events
        self._lines = lines
        self._now_ms = now_ms()

    def span_ms(self, plan: Plan) -> tuple[int, int] | None:
        """From the first step to the newest event."""
        return found_span(plan, self.deployment, self._events, self._lines)

    def played(self, plan: Plan, ticks: range, *, beyond: bool, shows: bool) -> Played:
        """An engine on its way through the events."""
        engine = LocalEngine(plan, self.deployment)
        source = FileSource(self._events, self._now_ms, engine.reached_ms, self._lines)
        made = replayed(engine, source.open(0, {}), ticks, beyond_the_newest=beyond)
        return Played(engine, with_progress(made, source) if shows else made)


def _steps(trial: Trial, records: _Records, first: int | None, last: int | None) -> list[Step]:
    """All steps. Exits where there are none."""
    every, beyond = records.deployment.tick_ms, last is not None
    if every <= 0:
        leave(Exit.USAGE, "--every takes a duration of more than nothing")
    if first is None:
        span = records.span_ms(trial.present.plan)
        if span is None:
            leave(Exit.FINDINGS, "no record was one of the present definition's events")
        first, newest = span
        last = newest if last is None else last
    ticks = ticks_between(first, last, every, STEPS_MAX)
    candidate = records.played(trial.candidate.plan, ticks, beyond=beyond, shows=True)
    present = records.played(trial.present.plan, ticks, beyond=beyond, shows=False)
    found = list(steps(trial, candidate, present))
    for name, played in (("candidate", candidate), ("present", present)):
        counts = played.engine.counts
        typer.echo(f"{name}: {summary(counts)}", err=True)
        if counts.consumed and not counts.matched:
            leave(Exit.FINDINGS, f"no record was one of the {name} definition's events")
    if not found:
        leave(Exit.FINDINGS, "there is no step between the first event and the newest")
    return found
