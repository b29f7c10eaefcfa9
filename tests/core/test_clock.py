"""The clock: each tick once, in order, and when every slot has reached it."""

import pytest
from hypothesis import given, strategies as st

from pipeline.core.baselines import (
    Fixed,
    Previous,
    SameWeekday,
    TrailingMedian,
    look_back_of,
    looked_at,
)
from pipeline.core.clock import (
    CATCH_UP_TICKS,
    HOLDS_NOBODY_BACK,
    Clock,
    with_baselines,
)
from pipeline.core.decode import LONG_AGO
from pipeline.core.formula import Constant
from pipeline.core.grid import LookBack, multiples
from pipeline.core.windows import HOUR_MS, MINUTE_MS
from tests.core.plans import guard, metric, plan_of

MINUTE = Previous(MINUTE_MS)  # steps of a minute
HOUR = Previous(HOUR_MS)  # the same
DAYS = Previous(100 * HOUR_MS)  # steps of an hour
TICK_MS = 10_000
START_MS = 1_000 * HOUR_MS


def clock(slots=1, baselines=(), tick_ms=TICK_MS):
    """A clock of ten seconds, or of another tick."""
    looks = [each if isinstance(each, LookBack) else look_back_of(each) for each in baselines]
    return Clock(slots, tick_ms, looks)


def at(ticks):
    """A moment some ticks after the start."""
    return START_MS + int(ticks * TICK_MS)


# ── when ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_tick_is_due_when_the_slowest_slot_has_reached_it():
    """The last slot to come decides, and reaching a tick is enough."""
    ticking = clock(slots=3)
    assert ticking.advance(0, at(9), at(0)) == []
    assert ticking.advance(1, at(9), at(1)) == []
    assert ticking.advance(2, at(1) - 1, at(0)) == [at(0)]  # nothing before it: just the newest
    assert ticking.advance(2, at(1), at(0)) == [at(1)]
    assert ticking.advance(2, at(2.5), at(0)) == [at(2)]
    assert ticking.advance(2, at(5), at(0)) == [at(3), at(4), at(5)]
    assert ticking.advance(2, at(50), at(0)) == [at(6), at(7), at(8), at(9)]


def test_the_first_tick_is_the_first_that_can_see_an_event():
    """Ticks begin after the first event shown, or at the newest where none was."""
    assert clock().advance(0, at(3), at(0.5)) == [at(1), at(2), at(3)]
    assert clock().advance(0, at(3), at(0)) == [at(1), at(2), at(3)]
    assert clock().advance(0, at(3), at(0) - 1) == [at(0), at(1), at(2), at(3)]
    assert clock().advance(0, at(3.5), None) == [at(3)]
    assert clock().advance(0, at(3.5), at(7)) == [at(3)]


def test_hearing_and_asking_may_be_apart():
    """Several slots are heard before what is due is asked for once."""
    ticking = clock(slots=2)
    ticking.hear(0, at(2), at(0))
    ticking.hear(1, at(3), at(0))
    assert ticking.due() == [at(1), at(2)]
    assert ticking.due() == []


@pytest.mark.parametrize("nobody", [LONG_AGO, HOLDS_NOBODY_BACK])
def test_where_nobody_has_shown_a_time_nothing_is_due(nobody):
    """Slots that were not heard yet, or are all idle, make no ticks."""
    ticking = clock(slots=2)
    assert ticking.advance(0, nobody, None) == []
    assert ticking.advance(1, nobody, None) == []


def test_a_slot_that_is_idle_holds_nobody_back():
    """The others go on alone, and one that comes back with less makes no tick a second time."""
    ticking = clock(slots=2)
    ticking.advance(0, at(1), at(0))
    assert ticking.advance(1, HOLDS_NOBODY_BACK, None) == [at(1)]
    assert ticking.advance(0, at(3), at(0)) == [at(2), at(3)]
    assert ticking.advance(1, at(2), at(1)) == []
    assert ticking.advance(0, at(9), at(0)) == []
    assert ticking.advance(1, at(4), at(1)) == [at(4)]
    assert ticking.advance(1, HOLDS_NOBODY_BACK, at(1)) == [at(5), at(6), at(7), at(8), at(9)]
    assert ticking.advance(0, HOLDS_NOBODY_BACK, at(0)) == []


def test_when_everybody_is_idle_time_goes_to_the_newest_and_stands_still():
    """What was read is made visible as far as the furthest partition, and nothing is made up."""
    ticking = clock(slots=2)
    ticking.hear(0, at(1), at(0), at(3.5))
    ticking.hear(1, at(9), at(0), at(9))
    assert ticking.due() == [at(1)]
    ticking.hear(0, HOLDS_NOBODY_BACK, at(0), at(3.5))
    assert ticking.due() == [at(number) for number in range(2, 10)]
    again = clock(slots=2)
    again.load(ticking.dump())
    for each in (ticking, again):
        each.hear(1, HOLDS_NOBODY_BACK, at(0), at(10.5))
        assert each.due() == [at(10)]
        assert each.due() == []


# ── which ────────────────────────────────────────────────────────────────────────────────────────


def test_up_to_a_minute_of_ticks_are_the_present_and_more_are_history():
    """Twelve ticks at once are all made; of thirteen only the last."""
    for ticks in (1, 11, 12):
        ticking = clock()
        ticking.advance(0, at(0), None)
        expected = [at(number) for number in range(1, ticks + 1)]
        assert expected == ticking.advance(0, at(ticks), None)
    ticking = clock()
    ticking.advance(0, at(0), None)
    assert ticking.advance(0, at(13.9), None) == [at(13)]


def test_catching_up_makes_the_ticks_that_baselines_will_look_back_on():
    """Of a long history only the last period counts, at the baseline's steps."""
    ticking = clock(baselines=(HOUR,))
    ticking.advance(0, START_MS, None)
    newest = START_MS + 10 * HOUR_MS + 30_000
    found = ticking.advance(0, newest, None)
    first = newest - 30_000 - HOUR_MS
    assert [*range(first, newest - 29_999, MINUTE_MS), newest] == found
    assert looked_at(HOUR, newest)[0] in found


def test_ticks_that_a_baseline_looks_back_on_are_made_even_off_the_grid():
    """A tick that does not divide the baseline's step makes the steps all the same."""
    ticking = clock(baselines=(HOUR,), tick_ms=45_000)
    ticking.advance(0, 45_000 * 100, None)
    found = ticking.advance(0, 45_000 * 103, None)
    assert found == [4_545_000, 4_560_000, 4_590_000, 4_620_000, 4_635_000]


def test_each_of_several_ticks_finds_its_baseline():
    """Regression: only the newest of several ticks once had the step that it looks back on."""
    ticking = clock(baselines=(MINUTE,), tick_ms=45_000)
    ticking.advance(0, START_MS, None)
    found = [tick - START_MS for tick in ticking.advance(0, START_MS + 180_000, None)]
    assert found == [45_000, 60_000, 90_000, 120_000, 135_000, 180_000]  # 135 looks back to 60


MOVES = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.one_of(
            st.integers(-30, 60),
            st.integers(-3_000, 6_000),
            st.just(None),
        ),
    ),
    max_size=30,
)


def moved(ticking, moves, watermarks):
    """What comes due as slots move by some fifths of a tick, or fall idle; and who was slowest."""
    for slot, fifths in moves:
        if fifths is not None:
            watermarks[slot] = max(watermarks.get(slot, START_MS) + fifths * TICK_MS // 5, 0)
        said = HOLDS_NOBODY_BACK if fifths is None else watermarks[slot]
        yield said, ticking.advance(slot, said, START_MS if fifths is not None else None)


BASELINES = st.sampled_from(
    [(), (MINUTE,), (HOUR,), (HOUR, DAYS), (SameWeekday(2), TrailingMedian(3))]
)
GRIDS_MS = st.sampled_from([TICK_MS, 45_000])  # the second does not divide a baseline's step


@given(MOVES, BASELINES, GRIDS_MS)
def test_ticks_come_in_order_and_once_and_never_ahead(moves, baselines, tick_ms):
    """However slots move, no tick comes twice, back, or before the slowest has reached it."""
    ticking, said, last = clock(3, baselines, tick_ms), {}, None
    for (slot, _), (watermark, due) in zip(moves, moved(ticking, moves, {}), strict=True):
        said[slot] = watermark
        reached = min(said.get(number, LONG_AGO) for number in range(3))
        assert sorted(set(due)) == due
        assert all(tick % tick_ms == 0 or tick % MINUTE_MS == 0 for tick in due)
        if due:
            assert reached // tick_ms * tick_ms == due[-1]
            assert last is None or due[0] > last
            last = due[-1]


@given(MOVES, BASELINES, GRIDS_MS)
def test_ticks_find_the_ticks_that_their_baselines_look_back_on(moves, baselines, tick_ms):
    """However much was skipped, the newest tick and those of the present find what they need."""
    ticking, made, first, newest = clock(3, baselines, tick_ms), set(), None, None
    for _, due in moved(ticking, moves, {}):
        if not due:
            continue
        first = due[0] if first is None else first
        present = newest is not None and due[-1] - newest <= CATCH_UP_TICKS * tick_ms
        newest, made = due[-1], made | {*due}
        published = [tick for tick in due if tick % tick_ms == 0] if present else [newest]
        wanted = {at for tick in published for each in baselines for at in looked_at(each, tick)}
        assert {tick for tick in wanted if tick >= first} <= made


@given(MOVES, BASELINES, GRIDS_MS)
def test_a_grid_without_end_is_never_passed_over(moves, baselines, tick_ms):
    """Growth has every tick of its grid, in however large steps the clock goes on."""
    always = LookBack(HOUR_MS, None)
    ticking = clock(3, [*baselines, always], tick_ms)
    due = [tick for _, found in moved(ticking, moves, {}) for tick in found]
    if due:
        assert {*multiples(HOUR_MS, due[0], due[-1])} <= {*due}


@given(MOVES, st.integers(0, 30), BASELINES)
def test_a_clock_saved_and_loaded_goes_on_as_before(moves, stop, baselines):
    """A restart at any moment skips no tick and makes none twice."""
    whole = [due for _, due in moved(clock(3, baselines), moves, {})]
    before, after, watermarks = clock(3, baselines), clock(3, baselines), {}
    found = [due for _, due in moved(before, moves[:stop], watermarks)]
    after.load(before.dump())
    found += [due for _, due in moved(after, moves[stop:], watermarks)]
    assert whole == found


def test_what_was_saved_does_not_move_with_the_clock():
    """A dump is of its moment, though the clock goes on; and a clock leaves its dump alone."""
    ticking = clock()
    ticking.advance(0, at(1), at(0))
    saved = ticking.dump()
    ticking.advance(0, at(5), at(0))
    assert saved["watermarks"] == [at(1)]
    again = clock()
    again.load(saved)
    assert again.advance(0, at(2), at(0)) == [at(2)]
    assert saved["watermarks"] == [at(1)]


# ── ticks that are asked for ─────────────────────────────────────────────────────────────────────


def test_ticks_asked_for_bring_those_their_baselines_look_back_on():
    """Guards with a `previous` baseline ask for one tick more each, in order and once."""
    plan = plan_of(
        metric(Constant(0)),
        metric(Constant(0), guard=guard(baseline=Fixed(1.0))),
        metric(Constant(0), guard=guard(baseline=HOUR)),
        metric(Constant(0), guard=guard(baseline=DAYS)),
    )
    tick = START_MS + 90_000
    wanted = [START_MS - 100 * HOUR_MS, START_MS + MINUTE_MS - HOUR_MS, tick]
    assert wanted == with_baselines(plan, [tick, tick])
    assert with_baselines(plan_of(metric(Constant(0))), [3, 1]) == [1, 3]
    assert with_baselines(plan, []) == []
