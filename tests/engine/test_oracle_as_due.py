"""The engine against the oracle once more: fed in pieces, each tick made as soon as it is due."""

import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from pipeline.engine import local
from pipeline.engine.local import LocalEngine, replay
from tests.engine.against_the_oracle import CASES, differences, is_settled
from tests.engine.both_engines import compiled, deployed
from tests.engine.memory_source import MemorySource
from tests.oracle.strategies import Case, cases


@pytest.fixture(autouse=True)
def _settled_early(monkeypatch):
    """No queue is too short to be applied before its tick."""
    monkeypatch.setattr(local, "_WAITING_MAX", 0)


def test_a_stream_in_pieces_comes_to_what_sql_says():
    """Any pieces of any partition in any order, and rows applied early, give the same numbers."""
    checked = 0

    @settings(max_examples=CASES // 2, suppress_health_check=list(HealthCheck))
    @given(cases(), st.integers(0, 999), st.sampled_from([1, 7, 1_000]))
    def check(case: Case, luck: int, limit: int) -> None:
        nonlocal checked
        assume(is_settled(case))
        checked += 1
        plan = compiled(case.definition)
        engine = LocalEngine(plan, deployed(case))
        reader = MemorySource(case.records, luck=luck).open(0, {})
        ticks = list(replay(engine, reader, case.ticks_ms, limit=limit))
        while any(not reader.finished(number) for number in reader.partitions()):
            for records in reader.poll(limit):
                engine.feed(records)  # what comes after the last tick still counts as consumed
        assert differences(case, plan, ticks, engine.counts) == []
        assert engine.counts.balanced

    check()
    assert checked >= CASES // 2
