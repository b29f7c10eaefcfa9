"""Daily closes: what targets and proxies look back on, through ticks, restarts and changes."""

from dataclasses import replace

import pytest

from pipeline.core.closes import Closes, look_ahead, needed_closes
from pipeline.core.compose import Reading
from pipeline.core.proxy import CLOSES_MIN, correlation
from pipeline.core.targets import Target, progress
from pipeline.core.windows import DAY_MS, HOUR_MS
from pipeline.spec import read_text

TEXT = """\
version: 1
product: shop
source: {topics: [events], envelope: segment}
events:
  read: {name: article_read, ids: {user: userId}}
  ordered: {name: order_placed, ids: {user: userId}}
metrics:
  orders: {role: north_star, value: count(ordered), window: trailing 1d}
  reads:
    value: count(read)
    window: trailing 1d
    proxy_for: orders
    since: 1970-01-03
    targets: [{by: 1970-12-31, value: 100}]
"""


@pytest.fixture
def plan():
    """Orders, and reads that stand for them and have a target."""
    plan = read_text(TEXT, "shop.yaml").plan
    assert plan is not None
    return plan


def reading(value, coverage=1.0):
    """A reading of a count."""
    return Reading(value, None, None, 1, coverage, None)


def run(plan, closes, days, *, step_ms=DAY_MS, coverage=1.0):
    """The outlook of reads at the last of some ticks; both metrics go up and down."""
    outlooks = ()
    for at in range(days.start * DAY_MS, days.stop * DAY_MS, step_ms):
        value = float(at // HOUR_MS % 7)
        readings = (reading(value, coverage), reading(3 * value + 1, coverage))
        outlooks = look_ahead(plan, readings, closes, at)
    return outlooks[1]


def test_closes_survive_a_restart(plan):
    """What was dumped and loaded goes on as if nothing had happened."""
    whole, first, second = Closes(), Closes(), Closes()
    run(plan, first, range(2, 12))
    second.load(plan, first.dump(plan))
    assert run(plan, whole, range(2, 40)) == run(plan, second, range(12, 40))


def test_ticks_between_closes_change_nothing(plan):
    """Whether a tick was made every hour or only those needed, the closes are the same."""
    dense, sparse = Closes(), Closes()
    run(plan, dense, range(2, 20), step_ms=HOUR_MS)
    run(plan, sparse, range(2, 20))
    assert dense == sparse


def test_a_close_that_was_not_covered_does_not_count(plan):
    """While a window fills, everything rises with everything."""
    assert run(plan, Closes(), range(2, 30), coverage=0.5).correlation is None
    assert run(plan, Closes(), range(2, 30)).correlation == 1.0


def test_only_what_a_later_tick_may_ask_for_is_kept(plan):
    """28 days, and the day that the line starts at for ever."""
    closes = Closes()
    run(plan, closes, range(2, 200))
    assert sorted(closes.values[1]) == [2 * DAY_MS, *range(172 * DAY_MS, 200 * DAY_MS, DAY_MS)]
    assert sorted(closes.values[0]) == [*range(172 * DAY_MS, 200 * DAY_MS, DAY_MS)]
    assert set(closes.values[1]) == needed_closes(plan, 199 * DAY_MS)


def test_closes_are_found_by_what_a_metric_means(plan):
    """Another name keeps them, another value does not."""
    closes, loaded, other = Closes(), Closes(), Closes()
    run(plan, closes, range(2, 12))
    renamed = read_text(TEXT.replace("orders", "sold"), "shop.yaml").plan
    changed = read_text(TEXT.replace("count(ordered)", "count(ordered) * 2"), "shop.yaml").plan
    loaded.load(renamed, closes.dump(plan))
    other.load(changed, closes.dump(plan))
    assert (loaded.values, set(other.values)) == (closes.values, {1})


def test_a_plan_without_both_keeps_nothing(plan):
    """Nobody pays for what nobody asked for."""
    bare = replace(plan, metrics=(plan.metrics[0],))
    closes = Closes()
    look_ahead(bare, (reading(1),), closes, DAY_MS)
    assert closes.values == {}
    assert needed_closes(bare, DAY_MS) == set()


def test_correlation_knows_its_bounds():
    """Of opposites it is -1; of too few, of one that stands still, and of infinities none."""
    days = range(CLOSES_MIN)
    assert correlation([(day, -day) for day in days]) == -1.0
    assert correlation([(day, day) for day in days[1:]]) is None
    assert correlation([(day, 5) for day in days]) is None
    assert correlation([(day * 1e308, day) for day in days]) is None


def test_two_metrics_that_stand_still_are_no_proof_of_each_other():
    """Ten times 0.1 has a mean of a little less, and that difference once made a 1 of it."""
    assert correlation([(0.1, 0.3)] * 10) is None
    assert correlation([(0.1, day) for day in range(10)]) is None


def test_a_line_that_expects_nothing_has_no_pace():
    """From -10 to 10 the way leads through 0, of which nothing is a share."""
    target = [Target(9 * DAY_MS, 10.0)]
    at_zero = progress(target, 1.0, 5 * DAY_MS, 0, -10.0)
    assert (at_zero.attainment, at_zero.pace) == (0.1, None)
