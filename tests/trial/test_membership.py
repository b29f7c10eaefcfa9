"""Whom metrics count at a tick, as the engine tells it, against counting by hand."""

import json
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.core.deployment import Deployment
from pipeline.core.records import Records
from pipeline.core.windows import DAY_MS, HOUR_MS
from pipeline.engine.local import LocalEngine
from pipeline.spec import read_text
from pipeline.trial.run import Played, Trial, steps
from pipeline.trial.sides import Side, number_of
from pipeline.trial.thresholds import varied
from tests.scenarios.scenario import read_scenario, titled
from tests.trial.made_up_events import PRESENT as INSIGHT_SUITE
from tests.trial.stories import CANDIDATE, FIRST, PRESENT, definition, record

FIRST_MS = round(FIRST.timestamp() * 1000)
TICKS = [FIRST_MS + hours * HOUR_MS for hours in (24, 30, 48, 72, 120)]

# When somebody watches something, and for how long: hours since the start, who, seconds.
watching = st.lists(
    st.tuples(st.integers(0, 100), st.integers(1, 5), st.sampled_from([30, 90])), max_size=40
)


def side(text, name=None):
    """A metric of a definition, the North Star without a name."""
    plan = read_text(text, "").plan
    assert plan is not None
    return Side(plan, number_of(plan, name))


def played(plan, records, ticks, shards):
    """An engine that makes ticks of records."""
    engine = LocalEngine(plan, Deployment(lateness_ms=0, shards=shards))
    lines = [json.dumps(each).encode() for each in records]
    offsets = np.arange(len(lines))
    engine.feed(Records(0, lines, offsets, np.full(len(lines), FIRST_MS + 9 * DAY_MS)))
    return Played(engine, (engine.evaluate(at) for at in ticks))


@settings(max_examples=60, deadline=None)
@given(watching, st.integers(1, 3))
def test_the_overlap_adds_up_to_both_sizes(watched, shards):
    """At every tick both and one only make that one's value, and are those of counting by hand."""
    watched = [(0, 9, 30), *sorted(watched)]
    records = [
        record(FIRST + timedelta(hours=hours), "watched", f"user-{who}", length=seconds)
        for hours, who, seconds in watched
    ]
    trial = Trial(side(definition("deep", CANDIDATE)), side(definition("video", PRESENT)))
    sides = [played(one.plan, records, TICKS, shards) for one in (trial.candidate, trial.present)]
    for step in steps(trial, *sides):
        found = step.overlap
        assert found is not None
        assert found.both + found.only_candidate == step.candidate.value
        assert found.both + found.only_present == step.present.value
        start, end = (step.at_ms - DAY_MS - FIRST_MS) / HOUR_MS, (step.at_ms - FIRST_MS) / HOUR_MS
        inside = [each for each in watched if start <= each[0] < end]
        present = {who for _, who, _ in inside}
        long = [who for _, who, seconds in inside if seconds >= 60]
        candidate = {who for who in long if long.count(who) >= 2}
        assert found.both == len(candidate & present)
        assert found.only_present == len(present - candidate)


def test_a_threshold_below_reaches_the_set_that_counts():
    """A changed number in a counted set gives what the definition with that number gives."""
    text = (INSIGHT_SUITE / "insight_suite.yaml").read_text()
    records = [*made_of_views()]
    star = side(text)
    found = varied(text, star.plan, star.metric.name)
    changed = next(
        each
        for each in found.changes
        if each.threshold.condition.startswith("distinct(viewed.user, other_than=owner)")
        and each.number == 1
    )
    edited = side(
        text.replace(
            "distinct(viewed.user, other_than=owner) >= 2",
            "distinct(viewed.user, other_than=owner) >= 1",
        )
    )
    one = played(found.plan, records, TICKS, 2)
    other = played(edited.plan, records, TICKS, 2)
    place = number_of(found.plan, changed.metric)
    pairs = [
        (left.readings[place].value, right.readings[edited.number].value)
        for left, right in zip(one.ticks, other.ticks, strict=True)
    ]
    assert pairs == [(1, 1), (1, 1), (2, 2), (2, 2), (2, 2)]


def made_of_views():
    """Two charts: one is viewed by one other person, the other by two of them on the next day."""
    for hours, event, who, chart in (
        (0, "chart_shared", "ann", "a"),
        (1, "chart_viewed", "bob", "a"),
        (30, "chart_shared", "bob", "b"),
        (31, "chart_viewed", "ann", "b"),
        (32, "chart_viewed", "cat", "b"),
    ):
        at = record(FIRST + timedelta(hours=hours), event, who)["ts"]
        yield {
            "event": event,
            "timestamp": at,
            "userId": who,
            "messageId": f"{hours}",
            "properties": {"chart_id": chart},
        }


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in titled().values()])
def test_as_many_are_told_as_the_value_says(path, tmp_path):
    """In every scenario, whom a size or number of ids counts are as many as it says, each once."""
    scenario = read_scenario(path)
    for name, text in scenario.files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    plan = read_text(scenario.definition, "", folder=tmp_path).plan
    terms = {number: Side(plan, number).term for number in range(len(plan.metrics))}
    records = [(each.partition, each) for each in scenario.orders[0]]
    engine = LocalEngine(plan, Deployment(**scenario.settings, shards=4))
    for partition in dict(records):
        of = [each for number, each in records if number == partition]
        offsets, ingested = zip(*((each.offset, each.ingested_ms) for each in of), strict=True)
        values = [each.value for each in of]
        engine.feed(Records(partition, values, np.array(offsets), np.array(ingested)))
    for at in scenario.moments_ms:
        tick = engine.evaluate(at)
        for number, term in terms.items():
            if term is not None:
                counted = engine.counted(term, at)
                assert len(np.unique(counted)) == len(counted) == tick.readings[number].value
