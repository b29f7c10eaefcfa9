"""Metrics of every kind of memory come and go, and the others do not notice.

Half of a stream is read with one definition, the rest with another, which has a piece of
`every_memory` more or less. Every reading is held against a run with the second over the whole.
"""

from dataclasses import replace
from functools import partial

import pytest
from structlog.testing import capture_logs

from pipeline.core.known import ALWAYS
from pipeline.engine import backfill
from pipeline.engine.local import LocalEngine
from pipeline.engine.recovery import known_in
from tests.engine.both_engines import bytewax, compiled, local, until_exhausted
from tests.engine.every_memory import DEPLOYMENT, PIECES, PLAN, START_MS, definition, stream
from tests.engine.memory_source import MemorySource

TICK_MS = DEPLOYMENT.tick_ms
RECORDS = stream(21, number=400)
HALF = 170
NAMES = [*PIECES]
OF_LONG_AGO = {
    "value": {"pros", "lows"},
    "segments": {"viewers_by_plan", "teachers_by_plan", "seconds_by_plan"},
    "registers": {"docs_by_plan", "users_by_plan"},
    "items_by_text": {"length_by_plan", "pauses_by_plan"},
    "as_of": {"pro_seconds", "either", "pro_days", "pro_reading"},
}
"""What looks at lessons from before the window, which coverage is not of."""


def with_others(piece):
    """The plan of a piece and two others, and that of the two alone."""
    place = NAMES.index(piece)
    others = [(NAMES * 2)[place + ahead] for ahead in (1, 2)]
    return compiled(definition([piece, *others])), compiled(definition(others))


@pytest.fixture(scope="module")
def truth():
    """Every reading of the whole definition at every tick, with its segments, as Python shows it.

    What a metric is does not depend on which others there are.
    """
    span = range(START_MS - TICK_MS, START_MS + 8 * 60_000, TICK_MS)
    return shown(PLAN, local(PLAN, DEPLOYMENT, RECORDS, span))


def shown(plan, ticks):
    """Readings by metric and tick, each with its own coverage or the least of its segments'."""
    found = {}
    for tick in ticks:
        segments = tick.segments or [()] * len(plan.metrics)
        for metric, reading, cut in zip(plan.metrics, tick.readings, segments, strict=True):
            covered = [reading.coverage, *(segment.reading.coverage for segment in cut)]
            found[metric.name, tick.at_ms] = (min(covered), repr((reading, cut)))
    return found


def run(directory, plan, until=None, firsts_known_after_ms=None, **running):
    """Read so many records from the start, or all; what this run published."""
    deployment = replace(DEPLOYMENT, firsts_known_after_ms=firsts_known_after_ms)
    source = MemorySource(RECORDS[:until], slots=2, partitions=range(4), live=True, luck=7)
    given = {"store": directory / "store", "store_parts": 2, "poll_records": 20}
    return bytewax(plan, deployment, source, stop=until_exhausted(source), **given | running)


def past(slot, _, deleted=0):
    """The first half, as a source of history; so many of each partition are gone."""
    live = {"slots": 2, "partitions": range(4), "live": True, "luck": 9}
    source = MemorySource(RECORDS[:HALF], **live, from_end=bool(deleted))
    return source.open(slot, dict.fromkeys(range(4), deleted) if deleted else {})


def names(plan):
    """The metrics of a plan."""
    return {metric.name for metric in plan.metrics}


def untrue(truth, found):
    """The metrics of which a reading is not what it would be if nothing had ever changed."""
    return {key[0] for key, (_, made) in found.items() if made != truth[key][1]}


@pytest.mark.parametrize("piece", PIECES)
def test_metrics_are_added_and_the_others_do_not_notice(truth, tmp_path, piece):
    """They go on to the digit; what is new is right once it is covered."""
    more, less = with_others(piece)
    run(tmp_path, less, HALF)
    found = shown(more, run(tmp_path, more))
    new = names(more) - names(less)
    assert untrue(truth, found) <= new
    known = known_in(tmp_path / "store")
    anew = {m.name for n, m in enumerate(more.metrics) if known.metric_since_ms(more, n) != ALWAYS}
    assert anew
    assert anew <= new
    covered = {key: made for key, made in found.items() if made[0] == 1}
    assert untrue(truth, covered) <= OF_LONG_AGO.get(piece, set())


@pytest.mark.parametrize(("after_ms", "covered"), [(None, 0.0), (TICK_MS, 1.0)])
def test_who_comes_for_the_first_time_is_not_known_unless_that_is_borne(
    tmp_path, after_ms, covered
):
    """Long after the change, with all of the window watched."""
    more, less = with_others("since_first")
    run(tmp_path, less, HALF)
    with capture_logs() as lines:
        found = shown(more, run(tmp_path, more, firsts_known_after_ms=after_ms))
    (since,) = {line["known_since"] for line in lines if line.get("metric") == "heavy_now"}
    assert since.startswith("it is filled") == (after_ms is None)
    last = max(at for _, at in found)
    assert (found["heavy_now", last][0], found["teaching", last][0]) == (covered, 1.0)


@pytest.mark.parametrize("piece", PIECES)
def test_metrics_are_removed_and_the_others_do_not_notice(truth, tmp_path, piece):
    """Whatever was kept for what is gone."""
    more, less = with_others(piece)
    run(tmp_path, more, HALF)
    found = shown(less, run(tmp_path, less, workers=2))
    assert len({at for _, at in found}) > 5
    assert untrue(truth, found) == set()


@pytest.mark.parametrize("piece", PIECES)
def test_what_is_filled_is_as_if_it_had_always_been_asked_for(truth, tmp_path, piece):
    """At the first tick and at every other."""
    more, less = with_others(piece)
    run(tmp_path, less, HALF)
    found = shown(more, run(tmp_path, more, history=past))
    assert untrue(truth, found) == set()


@pytest.mark.parametrize("piece", ["growth", "since_first", "streams"])
def test_what_a_log_does_not_tell_is_not_known(truth, tmp_path, piece):
    """Who began before it does is new to it, so what asks for that has no coverage."""
    more, less = with_others(piece)
    run(tmp_path, less, HALF)
    found = shown(more, run(tmp_path, more, history=partial(past, deleted=20)))
    covered = {key: made for key, made in found.items() if made[0] == 1}
    assert untrue(truth, covered) == set()
    ever = {"more", "back", "heavy_now", "new_ones", "beginners_now"} & (names(more) - names(less))
    assert {name for name, _ in covered} & ever == set()


ASK_FOR_MORE = {
    "read", "way_seconds", "new_ones", "visited", "length_by_plan", "pauses_by_plan",
    "unseen_seconds", "unseen_most",
}  # fmt: skip
"""Metrics that ask streams for columns, or for what came first, which no other asks for."""


def with_columns():
    """The plan of all streams, and that without metrics that ask them for more."""
    text = definition(["streams", "items_by_text", "undone"])
    lines = text.splitlines(keepends=True)
    less = "".join(line for line in lines if line.partition(":")[0].strip() not in ASK_FOR_MORE)
    return compiled(text), compiled(less)


def test_streams_are_asked_for_more_and_what_was_asked_does_not_notice(truth, tmp_path):
    """A column is new where its stream is not: the stream's other metrics go on to the digit."""
    more, less = with_columns()
    run(tmp_path, less, HALF)
    found = shown(more, run(tmp_path, more, workers=2))
    assert untrue(truth, found) <= ASK_FOR_MORE
    known = known_in(tmp_path / "store")
    anew = {m.name for n, m in enumerate(more.metrics) if known.metric_since_ms(more, n) != ALWAYS}
    assert anew == ASK_FOR_MORE - {"length_by_plan"}  # only its segments ask
    covered = {key: made for key, made in found.items() if made[0] == 1}
    assert untrue(truth, covered) == set()
    assert {name for name, _ in covered} & ASK_FOR_MORE == ASK_FOR_MORE - {"new_ones", "visited"}


def test_streams_are_asked_for_less_and_more_again(truth, tmp_path):
    """What nobody asked for in between is not known of that time."""
    more, less = with_columns()
    run(tmp_path, more, HALF // 2)
    run(tmp_path, less, HALF)
    found = shown(more, run(tmp_path, more))
    assert untrue(truth, found) <= ASK_FOR_MORE
    covered = {key: made for key, made in found.items() if made[0] == 1}
    assert untrue(truth, covered) == set()


def test_columns_are_filled_as_if_they_had_always_been_asked_for(truth, tmp_path):
    """The streams with them."""
    more, less = with_columns()
    run(tmp_path, less, HALF)
    found = shown(more, run(tmp_path, more, history=past))
    assert untrue(truth, found) == set()


def test_a_log_that_lacks_the_start_fills_no_column_of_a_stream_that_has_it(truth, tmp_path):
    """The stream would lose what the log has lost; its column is known later instead."""
    more, less = with_columns()
    run(tmp_path, less, HALF)
    with capture_logs() as lines:
        found = shown(more, run(tmp_path, more, history=partial(past, deleted=20)))
    reasons = [line["because"] for line in lines if line["event"] == "not filled from history"]
    assert "the log begins later than what is known of its other columns" in reasons
    covered = {key: made for key, made in found.items() if made[0] == 1}
    assert untrue(truth, covered) <= OF_LONG_AGO["items_by_text"]
    assert {name for name, _ in covered} >= ASK_FOR_MORE - {"new_ones", "visited"}


def test_a_partition_without_records_holds_no_history_in_memory(tmp_path, monkeypatch):
    """Growth is lived through as far as the others have come; else all of the log would wait."""
    reached, pass_grid = [], LocalEngine.pass_grid

    def noted(engine, until_ms):
        reached.append(until_ms)
        pass_grid(engine, until_ms)

    def beside_an_empty_one(slot, _):
        live = {"slots": 2, "partitions": range(5), "live": True, "luck": 9}
        return MemorySource(RECORDS[:HALF], **live).open(slot, {})

    monkeypatch.setattr(LocalEngine, "pass_grid", noted)
    monkeypatch.setattr(backfill, "_POLL_RECORDS", 10)
    more, less = with_others("growth")
    run(tmp_path, less, HALF)
    run(tmp_path, more, history=beside_an_empty_one)
    assert len({until_ms for until_ms in reached if until_ms > START_MS}) > 1
