"""`northstar explain`: what a metric rests on, from its value back to the records."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

from pipeline import names
from pipeline.cli.exits import Exit, leave
from pipeline.cli.validate import show, valid_results_at
from pipeline.core.cardinality import STANDARD_ERROR
from pipeline.core.plan import TermKind
from pipeline.core.publish import iso
from pipeline.core.quantile import ERROR_MAX
from pipeline.core.summaries import IDS_MAX
from pipeline.core.windows import DAY_MS, Trailing, duration, maturity
from pipeline.spec.canonical import expression_text, number_text
from pipeline.spec.paths import path_text
from pipeline.spec.problem import listed, suggestion
from pipeline.spec.trace import trace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.core.plan import Event, Feed, Memory, Plan, Term
    from pipeline.core.tree import Guard, Metric
    from pipeline.core.windows import Window
    from pipeline.spec import Result


class Output(StrEnum):
    """How an explanation is written."""

    TEXT = "text"
    JSON = "json"


def explain(
    metric: Annotated[str, typer.Argument(help="A metric's name.", show_default=False)],
    definitions: Annotated[
        Path, typer.Option(help="A definition, or a folder of definitions.")
    ] = Path("definitions"),
    output: Annotated[Output, typer.Option(help="How the explanation is written.")] = Output.TEXT,
) -> None:
    """Show how a metric is computed: value, windows, sets, memories, events, exported series."""
    found = explanation(_result_of(metric, valid_results_at(definitions)), metric)
    if output is Output.JSON:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        show(as_text(found))


def explanation(result: Result, metric: str) -> dict[str, Any]:
    """Everything that decides a metric's value, as plain data.

    Args:
        result: of a definition without errors that has the metric.
        metric: its name.
    """
    plan = result.plan
    assert plan is not None
    at = next(index for index, one in enumerate(plan.metrics) if one.name == metric)
    one, found = plan.metrics[at], trace(plan, at)
    windows = [window for term in found.terms for window in plan.terms[term].windows]
    return {
        "product": plan.product,
        "metric": metric,
        **_described(plan, one, result),
        "by": [
            {"by": cut.name, "names": f"the first {cut.cap}", "others": "__other__"}
            for cut in one.by
        ],
        "needs": [plan.metrics[other].name for other in found.metrics if other != at],
        "maturity": maturity(windows),
        "windows": [_window(window) for window in dict.fromkeys(windows)],
        "terms": [_term(plan, plan.terms[index]) for index in found.terms],
        "level": max((plan.terms[index].level for index in found.terms), default=0),
        "sets": [_set(plan, index, result) for index in found.sets],
        "memories": [_memory(plan.memories[index]) for index in found.memories],
        "feeds": [_feed(plan, plan.feeds[index]) for index in found.feeds],
        "events": [_event(plan.events[index]) for index in found.events],
        "exported": _exported(plan, one),
    }


def as_text(found: dict[str, Any]) -> Text:
    """An explanation for people: one line for each thing, details behind it."""
    text = Text(f"{found['metric']}", "bold cyan").append(f"  {found['label']}\n")
    if found["definition"]:
        text.append(f"{found['definition']}\n")
    for key, value in found.items():
        if key in ("metric", "label", "definition") or value in (None, [], ""):
            continue
        text.append(f"\n{key}", "bold")
        if isinstance(value, list):
            for entry in value:
                text.append(f"\n  {_line(entry)}")
        else:
            text.append(f"  {_line(value)}")
    return text


def _result_of(metric: str, results: tuple[Result, ...]) -> Result:
    """The one definition that has the metric. Exits where there is none, or several."""
    known = {result.file: _names(result) for result in results}
    having = [result for result in results if metric in known[result.file]]
    if len(having) == 1:
        return having[0]
    if having:
        files = listed((result.file for result in having), last="or")
        message = f"{metric} is a metric of several products. Name the file with --definitions: "
        leave(Exit.USAGE, f"{message}{files}.")
    every = [name for names_of_one in known.values() for name in names_of_one]
    return leave(
        Exit.USAGE, f"There is no metric `{metric}`. {suggestion(metric, every, 'metrics')}"
    )


def _names(result: Result) -> list[str]:
    return [] if result.plan is None else [one.name for one in result.plan.metrics]


_LIFE: Final = ("proxy_for", "since", "replaces", "review_by", "retire_on")


def _described(plan: Plan, metric: Metric, result: Result) -> dict[str, Any]:
    return {
        "label": metric.label,
        "definition": metric.definition,
        "role": str(metric.role),
        "facet": None if metric.facet is None else str(metric.facet),
        "owner": metric.owner,
        "value": result.written[f"metrics.{metric.name}.value"],
        "formula": result.written.get(f"metrics.{metric.name}.formula"),
        "guard": None if metric.guard is None else _guard(plan, metric.guard, result, metric.name),
        "targets": [
            f"{number_text(target.value)} by {iso(target.by_ms)[:10]}" for target in metric.targets
        ],
        **{key: result.written.get(f"metrics.{metric.name}.{key}") for key in _LIFE},
    }


def _guard(plan: Plan, guard: Guard, result: Result, metric: str) -> dict[str, Any]:
    limits = {
        key: result.written.get(f"metrics.{metric}.guard.{key}")
        for key in ("baseline", "warn", "breach")
    }
    between = None if guard.low is None else [guard.low, guard.high]
    return {
        "protects": plan.metrics[guard.protects].name,
        "better": str(guard.better),
        "between": between,
        **limits,
        "min_samples": guard.min_samples,
    }


def _window(window: Window) -> dict[str, Any]:
    step = duration(window.resolution_ms) if isinstance(window, Trailing) else None
    return {"window": str(window), "resolution": step, "reach": _span(window.reach_ms)}


_ERRORS: Final = {
    TermKind.SKETCH: f"within {ERROR_MAX:.0%}",
    TermKind.SKETCH_BY: f"within {ERROR_MAX:.0%}",
    **dict.fromkeys(
        (TermKind.REGISTERS, TermKind.REGISTERS_BY),
        f"{STANDARD_ERROR:.1%} (standard), none up to {IDS_MAX}",
    ),
}


def _term(plan: Plan, term: Term) -> dict[str, Any]:
    """What shards count: members of a set, or what a memory holds."""
    of = plan.memories[term.memory].key if term.memory is not None else None
    error = {"error": _ERRORS[term.kind]} if term.kind in _ERRORS else {}
    return {
        "term": str(term.kind),
        "of": of if term.set is None else plan.sets[term.set].name,
        **error,
        "windows": [str(window) for window in term.windows],
        **({} if term.period_ms is None else {"period": duration(term.period_ms)}),
    }


def _set(plan: Plan, index: int, result: Result) -> dict[str, Any]:
    one = plan.sets[index]
    return {
        "set": one.name,
        "of": one.entity,
        "level": one.level,
        "when": " ".join(result.written[f"sets.{one.name}.when"].split()),
        "windows": [str(window) for window in one.windows],
    }


def _memory(memory: Memory) -> dict[str, Any]:
    keeps: dict[str, Any] = {"k": memory.k} if memory.k else {}
    if memory.stream is not None:
        stream = memory.stream
        within = None if stream.within_ms is None else duration(stream.within_ms)
        parts = [part.alias for part in stream.parts]
        keeps |= {"stream": str(stream.kind), "of": parts, "within": within}
        keeps |= {} if stream.seed is None else {"seeds": f"{len(stream.seed):,}"}
    return {"memory": memory.key, **keeps, "reach": _span(memory.reach_ms)}


def _feed(plan: Plan, feed: Feed) -> dict[str, Any]:
    return {
        "feed": feed.key,
        "event": plan.events[feed.event].name,
        "others": list(feed.others),
        "values": list(feed.values),
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "event": event.name,
        "records": list(event.record_names),
        "ids": {
            entity: " + ".join(path_text(path) for path in source.paths)
            if source.mode == "together"
            else " else ".join(path_text(path) for path in source.paths)
            for entity, source in event.ids
        },
        "values": {value.name: expression_text(value.expression) for value in event.values},
        "where": None if event.where is None else expression_text(event.where),
    }


def _exported(plan: Plan, metric: Metric) -> str:
    currency = {names.CURRENCY: metric.unit} if names.is_currency(metric.unit) else {}
    labels = {names.PRODUCT: plan.product, names.METRIC: metric.name, **currency}
    inside = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{names.metric_family(metric.unit)}{{{inside}}}"


def _span(reach_ms: int | None) -> str:
    """How far back something looks, in whole days and what is left: `7d 10m`."""
    if reach_ms is None:
        return "for ever"
    days, rest = divmod(reach_ms, DAY_MS)
    return " ".join(duration(part) for part in (days * DAY_MS, rest) if part)


def _line(entry: object) -> str:
    """An entry in a line: the first value for itself, the others after their names."""
    if not isinstance(entry, dict):
        return str(entry)
    parts = [
        _value(value) if number == 0 else f"{key} {_value(value)}"
        for number, (key, value) in enumerate(entry.items())
        if value not in (None, [], {}, "")
    ]
    return "; ".join(parts)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return _pairs(value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _pairs(pairs: Iterable[tuple[object, object]]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in pairs)
