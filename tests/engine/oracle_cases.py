"""As many drawn cases as asked, on the engine and against the oracle: `make oracle CASES=2000`.

Every class of the language gets its share, and records are written as any tracker writes them.
What disagrees is made as small as can be and shown as it stands: the definition, the records, and
what either side says.
"""
# ruff: noqa: T201 - a person reads it

import argparse
import sys
import time
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, assume, given, seed, settings

from tests.engine.against_the_oracle import RECORDS_MAX, differences, is_settled
from tests.engine.both_engines import compiled, deployed, fed
from tests.oracle.drawn_classes import ADD
from tests.oracle.drawn_trackers import TRACKERS
from tests.oracle.strategies import Case, cases

PHASES = (Phase.generate, Phase.shrink)


def reproduction(case: Case, disagreements: Sequence[str]) -> str:
    """Write a case down so that it can be looked into by hand."""
    records = [
        f"{r.topic} {r.partition}/{r.offset} at {r.ingested_ms}: {r.value!r} {r.key!r} {r.headers}"
        for r in sorted(case.records, key=lambda r: (r.partition, r.offset))
    ]
    settled = f"{case.settings}, a tick of {case.tick_ms} ms, looked at at {case.ticks_ms}"
    return "\n".join([case.definition, case.tracker, settled, *records, *disagreements])


def disagreements(case: Case) -> list[str]:
    """Ask both about a case."""
    plan = compiled(case.definition)
    engine = fed(plan, deployed(case), case.records)
    ticks = engine.ticks_at(case.ticks_ms)
    assert engine.counts.balanced
    return differences(case, plan, ticks, engine.counts)


def run(
    about: str, number: int, luck: int, trackers: Sequence[str] = tuple(TRACKERS)
) -> tuple[int, str | None]:
    """Check so many cases of a class; give how many it were, and what disagrees, if anything."""
    checked = 0

    @seed(luck)
    @settings(
        max_examples=number,
        database=None,
        phases=PHASES,
        print_blob=False,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(RECORDS_MAX, [about], trackers=trackers))
    def check(case: Case) -> None:
        nonlocal checked
        assume(is_settled(case))
        checked += 1
        found = disagreements(case)
        assert not found, reproduction(case, found)

    try:
        check()
    except AssertionError as failed:
        return checked, str(failed)
    return checked, None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and print cases, classes and disagreements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    parser.add_argument("--class", dest="classes", action="append", choices=[*ADD])
    parser.add_argument("--tracker", dest="trackers", action="append", choices=[*TRACKERS])
    asked = parser.parse_args(arguments)
    classes, trackers = asked.classes or list(ADD), asked.trackers or list(TRACKERS)
    began, total, disagreeing = time.monotonic(), 0, 0
    for place, about in enumerate(classes):
        share = asked.cases // len(classes) + (place < asked.cases % len(classes))
        checked, shown = run(about, share, asked.seed, trackers)
        total, disagreeing = total + checked, disagreeing + (shown is not None)
        print(f"{about}: {checked} cases, {'they agree' if shown is None else shown}", flush=True)
    print(
        f"{total} cases of {len(classes)} classes, {disagreeing} classes disagree, "
        f"{time.monotonic() - began:.0f} s, seed {asked.seed}"
    )
    return 1 if disagreeing else 0


if __name__ == "__main__":
    sys.exit(main())
