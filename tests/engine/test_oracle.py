"""The engine against the oracle: drawn definitions over drawn streams, every number the same."""

import pytest
from hypothesis import HealthCheck, assume, given, settings

from tests.engine.against_the_oracle import (
    CASES,
    CASES_OF_A_CLASS,
    RECORDS_MAX,
    differences,
    is_settled,
)
from tests.engine.both_engines import compiled, deployed, fed
from tests.oracle.drawn_classes import LANDED
from tests.oracle.strategies import Case, cases


def _checked(case: Case) -> None:
    plan = compiled(case.definition)
    engine = fed(plan, deployed(case), case.records)
    ticks = engine.ticks_at(case.ticks_ms)
    assert differences(case, plan, ticks, engine.counts) == []
    assert engine.counts.balanced


def test_a_stream_fed_whole_comes_to_what_sql_says():
    """All there is, fed at once and looked at afterwards, gives the oracle's numbers."""
    checked = 0

    @settings(max_examples=CASES, suppress_health_check=list(HealthCheck))
    @given(cases())
    def check(case: Case) -> None:
        nonlocal checked
        assume(is_settled(case))
        checked += 1
        _checked(case)

    check()
    assert checked >= CASES


@pytest.mark.parametrize("about", [about for about in LANDED if about != "plain"])
def test_every_class_of_definition_comes_to_what_sql_says(about):
    """Whatever the language has beyond counts, sums and sets of them, the same holds."""
    checked = 0

    @settings(max_examples=CASES_OF_A_CLASS, suppress_health_check=list(HealthCheck))
    @given(cases(RECORDS_MAX, [about]))
    def check(case: Case) -> None:
        nonlocal checked
        assume(is_settled(case))
        checked += 1
        _checked(case)

    check()
    assert checked >= CASES_OF_A_CLASS
