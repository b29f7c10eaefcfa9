"""Definition -> plan: everything that is left implicit is spelled out, and every name looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core import plan
from pipeline.spec.allowances import check_allowances
from pipeline.spec.as_of import OfRow, states_of
from pipeline.spec.attributes import check_attributes, teachers
from pipeline.spec.envelopes import check_envelope, envelope_of
from pipeline.spec.events import draft_event, finish_event, use_in_aggregate, use_in_condition
from pipeline.spec.fingerprint import fingerprint
from pipeline.spec.identities import identified
from pipeline.spec.life_checks import check_lives
from pipeline.spec.memories import Memories
from pipeline.spec.metrics import Metrics, aggregates_of, label_of, read_metrics
from pipeline.spec.names import SECTIONS, Names
from pipeline.spec.params import check_params
from pipeline.spec.problem import Refusal
from pipeline.spec.segments import use_as_dimensions
from pipeline.spec.sets import Sets, read_sets
from pipeline.spec.states import states_in, use_in_state
from pipeline.spec.stream_columns import use_in_stream
from pipeline.spec.streams import for_ever, read_streams
from pipeline.spec.tables import Tables
from pipeline.spec.terms import Terms
from pipeline.spec.transitions import transitions
from pipeline.spec.tree import check_tree
from pipeline.spec.undone import check_undone
from pipeline.spec.units import check_fed, check_units
from pipeline.spec.variants import spelled

if TYPE_CHECKING:
    from pipeline.spec.findings import Findings
    from pipeline.spec.metrics import WrittenMetric
    from pipeline.spec.schema import Definition
    from pipeline.spec.written import Written


def compile_definition(definition: Definition, findings: Findings) -> plan.Plan | None:
    """The plan of a definition; None when anything is wrong with it, which is then reported."""
    check_params(definition, findings)
    check_allowances(definition, findings)
    names = Names(spelled(definition, findings), findings)
    definition = names.definition
    _check_names(names)
    check_envelope(definition.source.envelope, findings)
    check_attributes(names)
    check_undone(names)
    events = {name: draft_event(names, name) for name in definition.events}
    streams = read_streams(names)
    sets, metrics = read_sets(names), read_metrics(names)
    check_tree(names, metrics)
    check_lives(names)
    check_units(names, metrics)
    tables = Tables(names, events, streams, Memories())
    _infer_from_aggregates(tables, sets, metrics)
    compiled = _compiled(definition, tables, sets, metrics)
    return None if findings.has_errors else identified(fingerprint(compiled))


def _compiled(
    definition: Definition,
    tables: Tables,
    written_sets: dict[str, Written],
    written_metrics: dict[str, WrittenMetric],
) -> plan.Plan:
    sets = Sets(tables, written_sets)
    terms = Terms(tables, sets)
    metrics = Metrics(tables, written_metrics, terms)
    compiled_sets = sets.compile()
    compiled_metrics = metrics.compile()
    check_fed(tables.names, compiled_metrics)
    told = [*transitions(tables.names, tables.memories, compiled_sets)]
    forever = teachers(definition) | for_ever(tables.names)
    retentions_ms = tables.memories.retentions_ms(len(tables.events))
    events = tuple(
        finish_event(tables.names, event, None if event.name in forever else retention_ms)
        for event, retention_ms in zip(tables.events.values(), retentions_ms, strict=True)
    )
    return plan.Plan(
        definition.product,
        definition.label or label_of(definition.product),
        definition.game,
        definition.calendar.zone,
        "",
        tuple(definition.source.topics),
        envelope_of(definition.source.envelope),
        events,
        tables.memories.feeds(),
        tables.memories.memories(),
        sets.with_growth(compiled_sets),
        (*terms.numbers, *told),
        compiled_metrics,
        1 + max([0, *(one.level for one in compiled_sets), *(one.level for one in terms.numbers)]),
        tuple(terms.reaches),
    )


def _check_names(names: Names) -> None:
    """Refuse names that are used twice across the sections, and lists that repeat an entry.

    A metric may have the name of a set: an expression tells the two apart by where it stands.
    """
    seen: dict[str, str] = {}
    for section in SECTIONS:
        for name in names.all_of(section):
            if name in seen and (seen[name], section) != ("sets", "metrics"):
                message = f"`{name}` is one of the {seen[name]} already"
                advice = "Events, streams, sets and metrics share their names: take another here. "
                advice += "Only a metric may be called as a set is."
                refusal = Refusal("name-twice", message, advice)
                names.findings.refuse_key((section, name), refusal)
            seen.setdefault(name, section)
    for event, source in names.definition.events.items():
        _check_repeated(names.findings, ("events", event, "name"), source.name)
    _check_repeated(names.findings, ("source", "topics"), names.definition.source.topics)


def _check_repeated(findings: Findings, at: tuple[str, ...], entries: list[str]) -> None:
    for index, entry in enumerate(entries):
        if entry in entries[:index]:
            refusal = Refusal("listed-twice", f"`{entry}` is listed twice", "Remove one of them.")
            findings.refuse((*at, index), refusal)


def _infer_from_aggregates(
    tables: Tables,
    sets: dict[str, Written],
    metrics: dict[str, WrittenMetric],
) -> None:
    """Let every aggregate say what it uses its event's values as."""
    names = tables.names
    values = [one.value for one in metrics.values() if one.value is not None]
    for within in [*sets.values(), *values]:
        for aggregate in within.calls.values():
            if aggregate.is_of_stream:
                use_in_stream(names, tables.stream_kinds(aggregate), within, aggregate)
            elif not aggregate.is_of_set:
                event = tables.events[aggregate.subject]
                use_in_aggregate(names, event, within, aggregate)
                for state in (each for part in aggregate.states for each in states_of(part)):
                    if isinstance(state, OfRow):
                        use_in_condition(names, event, within, state.condition)
                    else:
                        use_in_state(names, tables.events, aggregate.known_of or "", within, state)
    for name in metrics:
        use_as_dimensions(names, tables.events, name, aggregates_of(metrics, name))
    for name, condition in sets.items():
        for state in states_in(condition.code.tree):
            use_in_state(names, tables.events, names.set(name).of, condition, state)
