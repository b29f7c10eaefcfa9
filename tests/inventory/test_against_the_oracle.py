"""Every definition that ships, over streams drawn by chance: the engine against the oracle."""

from zlib import crc32

import numpy as np
import pytest
from hypothesis import settings

from tests.engine.against_the_oracle import differences, is_settled
from tests.engine.both_engines import compiled, deployed, fed
from tests.inventory.drawn_stream import drawn_case
from tests.scenarios.scenario import ROOT

# Of streams: short enough for sessions, long enough for months.
SPANS_DAYS = (0.2, 40) if settings.get_current_profile_name() != "ci" else (0.2, 2, 9, 40, 130)
DEFINITIONS = sorted((ROOT / "definitions").glob("*/*.yaml"))


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_a_shipped_definition_comes_to_what_sql_says(path):
    """Every number of every metric is the oracle's, at moments of hours, days and months."""
    text = path.read_text(encoding="utf-8")
    plan = compiled(text)
    luck = np.random.default_rng(crc32(path.stem.encode()))
    cases = [drawn_case(text, luck, span_days) for span_days in SPANS_DAYS]
    assert is_settled(cases[0])
    for case in cases:
        engine = fed(plan, deployed(case), case.records)
        ticks = engine.ticks_at(case.ticks_ms)
        assert differences(case, plan, ticks, engine.counts) == []
