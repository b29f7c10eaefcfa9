"""What an engine says of a drawn case, held against the oracle."""

from collections.abc import Iterator, Sequence

from hypothesis import settings

from pipeline.core.plan import Plan
from pipeline.core.publish import Tick
from pipeline.core.records import Counts
from tests.oracle.language import read
from tests.oracle.oracle import Reading, expected
from tests.oracle.strategies import Case
from tests.oracle.uses import place_types, value_types
from tests.oracle.words import path_of

CASES = 300 if settings.get_current_profile_name() == "ci" else 30
"""300 are promised, whatever else a profile says."""


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

    Nothing is tolerated: both sides keep sums as whole millionths and divide once.
    """
    answer = expected(case.definition, case.records, case.settings, case.ticks_ms)
    sides = [("ticks", case.ticks_ms, [tick.at_ms for tick in ticks])]
    sides += [("counts", answer.counts, _in_the_oracles_words(counts))]
    sides += [(key, answer.readings[key], actual) for key, actual in _readings(plan, ticks)]
    return [
        f"{what}: the oracle says {expected_}, the engine {actual}"
        for what, expected_, actual in sides
        if expected_ != actual
    ]


def _readings(plan: Plan, ticks: Sequence[Tick]) -> Iterator[tuple[tuple[str, int], Reading]]:
    for tick in ticks:
        for metric, made, verdict in zip(plan.metrics, tick.readings, tick.verdicts, strict=True):
            yield (
                (metric.name, tick.at_ms),
                Reading(
                    made.value,
                    made.numerator,
                    made.denominator,
                    made.samples,
                    made.coverage,
                    made.residual,
                    verdict.state.value,
                ),
            )


def _in_the_oracles_words(counts: Counts) -> dict[str, object]:
    return {
        "consumed": counts.consumed,
        "matched": counts.matched,
        "filtered": counts.filtered.total(),
        "duplicate": counts.duplicate,
        "rejected": {reason.value: number for reason, number in counts.rejected.items() if number},
    }
