"""Every kind of memory comes back from what was saved of it: drawn cases, stopped and resumed."""

import tempfile
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Event

from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from pipeline.core.baselines import looked_at
from pipeline.core.clock import baselines
from tests.engine.against_the_oracle import RECORDS_MAX
from tests.engine.both_engines import bytewax, compiled, deployed, local, same, until_exhausted
from tests.engine.memory_source import MemorySource
from tests.oracle.drawn_classes import ADD
from tests.oracle.strategies import Case, cases

SLOTS = 2
several_cases = settings(
    max_examples=40 if settings.get_current_profile_name() == "ci" else 5,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # what threads did once is not shrunk
)


@several_cases
@given(
    cases(RECORDS_MAX, tuple(ADD)),
    st.lists(st.integers(0, 8), max_size=3),
    st.integers(1, 2),
    st.integers(0, 99),
)
def test_drawn_cases_are_resumed_exactly(case: Case, stops, workers, luck):
    """Stopped after so many polls each time, the engine goes on to the local engine's ticks."""
    plan, deployment = compiled(case.definition), deployed(case)
    published = []
    with tempfile.TemporaryDirectory() as directory:
        for run, polls in enumerate([*stops, None]):
            source = MemorySource(case.records, slots=SLOTS, live=True, luck=luck + run)
            bytewax(
                plan,
                deployment,
                source,
                stop=until_exhausted(source) if polls is None else until_polled(source, polls),
                published=published,
                store=Path(directory) / "store",
                store_parts=1,
                workers=workers,
                poll_records=20,
                catch_up_ticks=12,
            )
    made = {tick.at_ms for tick in published}
    expected = {tick.at_ms: tick for tick in local(plan, deployment, case.records, made)}

    def comparable(tick):
        looked = {at for baseline in baselines(plan) for at in looked_at(baseline, tick.at_ms)}
        return tick if looked <= made else replace(tick, verdicts=())

    assert same(
        (comparable(expected[tick.at_ms]) for tick in published), map(comparable, published)
    )


def until_polled(source, polls):
    """A request to stop that comes with a poll of any slot."""
    stop, polled = Event(), count()
    source.on_poll = lambda _: stop.set() if next(polled) >= polls else None
    return stop
