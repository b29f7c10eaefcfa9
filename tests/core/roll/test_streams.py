"""Roll over drawn streams, held to a naive reading, and to itself cut in other ways."""

from random import Random

import pytest
from hypothesis import given, settings, strategies as st

from pipeline.core import table as tables
from pipeline.core.windows import DAY_MS, HOUR_MS
from tests.core.plans import AT_MS, SUITE
from tests.core.roll.naive import LATENESS_MS, stream, told
from tests.core.roll.rolled import Rolled


def ticks_of(events, seed, count=7):
    """Ticks over the stream and beyond, at moments of all kinds."""
    random = Random(seed)  # noqa: S311 - moments, no secret
    times = [each.visible_ms for each in events] or [AT_MS]
    drawn = {
        random.choice(times) + random.choice([0, 1, HOUR_MS, 7 * DAY_MS]) for _ in range(count)
    }
    midnight = (max(times) + HOUR_MS) // DAY_MS * DAY_MS - HOUR_MS
    return sorted(drawn | {midnight})


STREAMS = st.tuples(st.integers(0, 2**32), st.integers(0, 60))


@given(STREAMS)
def test_every_metric_is_what_a_naive_reading_of_all_events_tells(drawn):
    """Sets, roll-ups and terms at any tick are those of a look through everything visible."""
    events = stream(*drawn)
    ticks = ticks_of(events, drawn[0])
    rolled = Rolled(SUITE, lateness_ms=LATENESS_MS)
    rolled.feed([each.record for each in events])
    assert [told(events, tick) for tick in ticks] == [rolled.values(tick) for tick in ticks]


@given(STREAMS, st.integers(0, 2**32))
def test_neither_shards_nor_batches_nor_settling_nor_restarts_matter(drawn, seed):
    """However the work is cut, and saved and loaded on the way, every part is the same."""
    events, random = stream(*drawn), Random(seed)  # noqa: S311 - cuts, no secret
    ticks = ticks_of(events, seed)
    plain = Rolled(SUITE, shards=1, lateness_ms=LATENESS_MS)
    plain.feed([each.record for each in events])
    expected = [plain.part(tick) for tick in ticks]
    rolled, found, fed = Rolled(SUITE, random.choice([1, 4, 7]), lateness_ms=LATENESS_MS), [], 0
    for tick in ticks:
        needed = sum(1 for each in events if each.visible_ms < tick)
        while fed < len(events) and any(each.visible_ms < tick for each in events[fed:]):
            size = random.randint(1, max(1, needed))
            rolled.feed([each.record for each in events[fed : fed + size]])
            fed += size
            if random.random() < 0.5:
                rolled.settle(tick)
            if random.random() < 0.3:
                rolled.restart()
        between = rolled.restart if random.random() < 0.5 else lambda: None
        found.append(rolled.part(tick, between))
    whole = min((each.visible_ms for each in events[:fed]), default=None)
    assert [(part.counts, part.micros) for part in expected] == [
        (part.counts, part.micros) for part in found
    ]
    assert not found or found[-1].earliest_ms == whole


@settings(max_examples=10)
@given(STREAMS)
def test_clearing_tables_at_every_tick_changes_nothing(drawn):
    """Rows are given up and come back as often as may be, and every part is the same."""
    events = stream(*drawn)
    ticks = ticks_of(events, drawn[0], 20)
    rolled = [Rolled(SUITE, lateness_ms=LATENESS_MS) for _ in range(2)]
    for each in rolled:
        each.feed([event.record for event in events])
    expected = [rolled[0].part(tick) for tick in ticks]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_CLEAR_AT", 0)
        for shard in rolled[1].every():
            for table in shard.tables.values():
                table.clear_at = 0
        assert expected == [rolled[1].part(tick) for tick in ticks]
