"""The engine against the oracle, class by class of what definitions may hold."""

import pytest
from hypothesis import HealthCheck, assume, given, settings

from tests.engine.against_the_oracle import CASES_OF_A_CLASS, CLASSES, RECORDS_MAX, is_settled
from tests.engine.oracle_cases import disagreements
from tests.oracle.strategies import Case, cases


@pytest.mark.parametrize("about", CLASSES)
def test_every_class_of_definition_comes_to_what_sql_says(about):
    """Whatever the language has beyond counts, sums and sets of them gives SQL's numbers."""
    checked = 0

    @settings(max_examples=CASES_OF_A_CLASS, suppress_health_check=list(HealthCheck))
    @given(cases(RECORDS_MAX, [about]))
    def check(case: Case) -> None:
        nonlocal checked
        assume(is_settled(case))
        checked += 1
        assert disagreements(case) == []

    check()
    assert checked >= CASES_OF_A_CLASS
