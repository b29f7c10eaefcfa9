"""The engine against the oracle: drawn definitions over drawn streams, every number the same."""

from hypothesis import HealthCheck, assume, given, settings

from tests.engine.against_the_oracle import CASES, differences, is_settled
from tests.engine.both_engines import compiled, deployed, fed
from tests.oracle.strategies import Case, cases


def test_a_stream_fed_whole_comes_to_what_sql_says():
    """All there is, fed at once and looked at afterwards, gives the oracle's numbers."""
    checked = 0

    @settings(max_examples=CASES, suppress_health_check=list(HealthCheck))
    @given(cases())
    def check(case: Case) -> None:
        nonlocal checked
        assume(is_settled(case))
        checked += 1
        plan = compiled(case.definition)
        engine = fed(plan, deployed(case), case.records)
        ticks = engine.ticks_at(case.ticks_ms)
        assert differences(case, plan, ticks, engine.counts) == []
        assert engine.counts.balanced

    check()
    assert checked >= CASES
