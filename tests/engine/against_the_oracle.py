"""What an engine says of a drawn case, held against the oracle."""

import ast
import math
from collections.abc import Iterator, Sequence

from hypothesis import settings

from pipeline.core.plan import Plan
from pipeline.core.publish import Tick
from pipeline.core.records import Counts
from tests.oracle.drawn_classes import ADD
from tests.oracle.language import read
from tests.oracle.model import Definition
from tests.oracle.oracle import Reading, expected
from tests.oracle.strategies import Case
from tests.oracle.uses import place_types, value_types
from tests.oracle.words import path_of

CASES = 300 if settings.get_current_profile_name() == "ci" else 30
"""300 are promised, whatever else a profile says."""
TOGETHER = 1_000 if settings.get_current_profile_name() == "ci" else 90
"""Of all classes, fed whole or in pieces."""
CLASSES = tuple(about for about in ADD if about != "plain")
CASES_OF_A_CLASS = math.ceil((TOGETHER - CASES - CASES // 2) / len(CLASSES))
RECORDS_MAX = 40
"""Of a case that is about one class, besides those of long before."""
QUOTIENT = 1e-9
"""Quotients that are joined in another order differ by less."""
RANK = 0.01
"""The promised error of a median and a quantile, of what it stands at."""
DISTINCT = 5 * 0.016
"""Five standard errors of an approximate count."""
EXACT_BELOW = 100
TOLERANCES = {"median": RANK, "quantile": RANK, "approx_distinct": DISTINCT}
PARTS = ("value", "numerator", "denominator", "samples", "coverage", "residual", "state")
PARTS += ("interval", "missing", "segments")
MADE_HERE = {"state", "interval", "missing", "segments"}
PARTS_OF_A_SEGMENT = ("value", "numerator", "denominator", "samples", "coverage")


def is_settled(case: Case) -> bool:
    """Whether the reference says all there is to say of a case.

    It leaves open whether a value that nothing asks for is a number, and so has bounds, when it
    stands at a place that is a number for some other use.
    """
    definition = read(case.definition)
    for event, about in definition.events.items():
        typed, places = value_types(definition, event), place_types(definition, event)
        unused = [value for name, value in about.values.items() if name not in typed]
        if any(path_of(value.expression) in places for value in unused):
            return False
    return True


def differences(case: Case, plan: Plan, ticks: Sequence[Tick], counts: Counts) -> list[str]:
    """Every part of every reading, every state, and the account of the records, where they differ.

    Next to nothing is tolerated, since both sides keep sums as whole millionths and divide once:
    only what is an approximation by its promise may differ by as much as that allows.
    """
    answer = expected(case.definition, case.records, case.settings, case.ticks_ms)
    found = dict(_readings(plan, ticks))
    lines = _unequal("ticks", case.ticks_ms, [tick.at_ms for tick in ticks])
    lines += _unequal("counts", answer.counts, _in_the_oracles_words(counts))
    lines += _unequal("readings", sorted(answer.readings), sorted(found))
    definition = read(case.definition)
    for key, actual in found.items():
        tolerance = _tolerance(definition, key[0])
        lines += _differing(key, answer.readings[key], actual, tolerance)
    return lines


def _unequal(what: object, expected_: object, actual: object) -> list[str]:
    if expected_ == actual:
        return []
    return [f"{what}: the oracle says {expected_}, the engine {actual}"]


def _differing(
    key: tuple[str, int], answer: Reading, actual: dict[str, object], tolerance: float
) -> list[str]:
    lines = []
    for part in PARTS:
        by_promise = part in {"value", "residual", "interval"}
        if tolerance > QUOTIENT and part == "state":
            continue  # what is near a limit may be on either side of it
        said = getattr(answer, part)
        if part == "segments":
            said = {segment: _parts_of(measure) for segment, measure in said.items()}
            if not _segments_alike(said, actual[part], tolerance):
                lines += _unequal((*key, part), said, actual[part])
            continue
        if not _alike(said, actual[part], tolerance if by_promise else 0):
            lines += _unequal((*key, part), said, actual[part])
    return lines


def _alike(expected_: object, actual: object, tolerance: float) -> bool:
    """Whether two parts are the same, or as near as they must be."""
    if isinstance(expected_, tuple) and isinstance(actual, tuple):
        return all(_alike(*both, tolerance) for both in zip(expected_, actual, strict=True))
    if not tolerance or not isinstance(expected_, int | float):
        return expected_ == actual
    if not isinstance(actual, int | float):
        return False
    if tolerance == DISTINCT and expected_ < EXACT_BELOW:
        return expected_ == actual
    return math.isclose(expected_, actual, rel_tol=tolerance, abs_tol=QUOTIENT)


def _segments_alike(expected_: object, actual: object, tolerance: float) -> bool:
    """Whether segments are the same, but for how far the promise lets a value be off."""
    assert isinstance(expected_, dict)
    assert isinstance(actual, dict)
    return [*expected_] == [*actual] and all(
        _alike(value, found, tolerance) and rest == others
        for (value, *rest), (found, *others) in zip(
            expected_.values(), actual.values(), strict=True
        )
    )


def _tolerance(definition: Definition, name: str) -> float:
    """Give how far a metric may be off: as far as the terms it is made of, its metrics' too."""
    metric = definition.metrics[name]
    own = [TOLERANCES.get(a.function, 0.0) for a in metric.aggregates.values()]
    parts = {node.id for node in ast.walk(metric.value) if isinstance(node, ast.Name)}
    calls = {a.function for a in metric.aggregates.values()}
    joined = calls & {"nps", "csat"} or "index" in parts
    below = [_tolerance(definition, part) for part in parts & definition.metrics.keys()]
    return max([*own, *below, QUOTIENT if joined else 0.0])


def _parts_of(measure: object) -> tuple[object, ...]:
    return tuple(getattr(measure, part) for part in PARTS_OF_A_SEGMENT)


def _readings(
    plan: Plan, ticks: Sequence[Tick]
) -> Iterator[tuple[tuple[str, int], dict[str, object]]]:
    for tick in ticks:
        told = zip(plan.metrics, tick.readings, tick.verdicts, tick.segments, strict=True)
        for metric, made, verdict, cut in told:
            parts = {part: getattr(made, part) for part in PARTS if part not in MADE_HERE}
            low, high = getattr(made, "low", None), getattr(made, "high", None)
            parts["interval"] = None if low is None else (low, high)
            parts["missing"] = tuple(getattr(made, "missing", ()))
            parts["segments"] = {(s.dimension, s.text): _parts_of(s.reading) for s in cut}
            yield (metric.name, tick.at_ms), parts | {"state": verdict.state.value}


def _in_the_oracles_words(counts: Counts) -> dict[str, object]:
    return {
        "consumed": counts.consumed,
        "matched": counts.matched,
        "filtered": counts.filtered.total(),
        "duplicate": counts.duplicate,
        "rejected": {reason.value: number for reason, number in counts.rejected.items() if number},
    }
