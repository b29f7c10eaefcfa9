"""Habits, compiled: which memories they share, how far back they look, what they come down to."""

import pytest

from pipeline.core.plan import MemoryKind
from pipeline.core.sets import AtLeast, NotHeld
from pipeline.core.windows import DAY_MS, Calendar, Trailing, Unit, Units

DAYS = Calendar(Unit.DAY, "UTC", 0)
NEVER_FOR_NOTHING = " and count(ordered, window='trailing 1h') >= 1"


@pytest.fixture
def compiled(plan_of):
    """The plan with one set for each condition."""

    def plan(*whens):
        sets = "".join(
            f'  s{n}: {{of: user, when: "{when}"}}\n' for n, when in enumerate(whens, start=1)
        )
        return plan_of(sets=f"sets:\n{sets}")

    return plan


def habit(plan, number=0):
    """The first comparison of a set."""
    when = plan.sets[number].when
    return when.conditions[0] if hasattr(when, "conditions") else when


def test_habits_over_the_same_rows_share_a_memory(compiled):
    """It keeps what the longest of them looks at; another unit or event has its own."""
    plan = compiled(
        "active_units(ordered, of=7) >= 2",
        "streak(ordered, grace=2) >= 4",
        "active_units(ordered, unit=week, of=4) >= 2",
        "active_units(viewed, of=3) >= 2",
    )
    kept = [each for each in plan.memories if each.kind is MemoryKind.ACTIVE_UNITS]
    assert [each.reach_ms // DAY_MS for each in kept] == [4 * 3 + 1 + 1, 4 * 7 + 1, 3 + 1]
    assert kept[0].window == DAYS
    assert plan.sets[0].windows == (Units(DAYS, 7),)
    assert plan.sets[1].windows == (Units(DAYS, 13),)


@pytest.mark.parametrize(
    ("comparison", "least", "is_not"),
    [(">= 3", 3, False), ("> 3", 4, False), ("< 3", 3, True), ("<= 3", 4, True)],
)
def test_a_streak_looks_at_all_units_that_it_may_need(compiled, comparison, least, is_not):
    """A strict comparison is one with the next number, and an opposite looks as far back."""
    plan = compiled(f"streak(ordered, grace=1) {comparison}{NEVER_FOR_NOTHING}")
    found = habit(plan)
    assert isinstance(found, NotHeld) == is_not
    found = found.condition if is_not else found
    units = Units(DAYS, least * 2 + 1)
    assert found == AtLeast(found.memory, units, least, grace=1)


@pytest.mark.parametrize(
    ("comparison", "thresholds"),
    [(">= 1.5", (2, 3, 5)), ("> 1.5", (2, 4, 5)), ("< 1", (1, 2, 3)), ("<= 1", (2, 3, 4))],
)
def test_a_mean_is_brought_down_to_whole_events(compiled, comparison, thresholds):
    """To the decimal, for each number of periods that it may be divided by."""
    options = "period=7d, periods=3"
    plan = compiled(
        f"mean_per(ordered, {options}) {comparison}{NEVER_FOR_NOTHING}",
        f"mean_per(ordered, {options}, new_members=since_first) {comparison}{NEVER_FOR_NOTHING}",
    )
    filled, since = (habit(plan, number) for number in (0, 1))
    if comparison.startswith("<"):
        filled, since = filled.condition, since.condition
    assert (filled.threshold, filled.window) == (thresholds[-1], Trailing(21 * DAY_MS))
    assert since.since_first.thresholds == thresholds
    assert since.memory == filled.memory
    assert plan.memories[since.since_first.memory].kind is MemoryKind.FIRST_SEEN
    assert plan.events[0].retention_ms is None


def test_options_decide_the_identity_of_a_set(compiled):
    """Grace, units and how newcomers are averaged are all part of who belongs."""
    whens = [
        "active_units(ordered, of=7) >= 2",
        "active_units(ordered, of=8) >= 2",
        "active_units(ordered, unit=week, of=7) >= 2",
        "streak(ordered, grace=0) >= 2",
        "streak(ordered, grace=1) >= 2",
        "mean_per(ordered, period=7d, periods=4) >= 2",
        "mean_per(ordered, period=7d, periods=4, new_members=since_first) >= 2",
        "mean_per(ordered, period=14d, periods=2, new_members=since_first) >= 4",
    ]
    plan = compiled(*whens)
    assert len({each.identity for each in plan.sets}) == len(whens)


def test_memories_of_habits_are_found_again_whatever_is_asked_of_them(compiled):
    """Neither `of` nor a threshold nor grace decides what is remembered; calendars do."""
    one, other = compiled("active_units(ordered, of=7) >= 2"), compiled("streak(ordered) >= 9")
    assert one.memories[0].identity == other.memories[0].identity
    weekly = compiled("active_units(ordered, unit=week, of=7) >= 2")
    assert weekly.memories[0].identity != one.memories[0].identity
