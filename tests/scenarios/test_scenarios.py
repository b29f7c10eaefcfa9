"""Every scenario of this folder, on the engine and against the oracle."""

from collections.abc import Iterator
from dataclasses import asdict, fields
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.compose import Reading
from pipeline.core.deployment import Deployment
from pipeline.core.plan import Plan
from pipeline.core.publish import Tick
from pipeline.core.records import Counts, Records
from pipeline.core.segments import Segment
from pipeline.engine.local import LocalEngine
from pipeline.spec import read_text
from tests.oracle.language import read
from tests.oracle.measures import Measure
from tests.oracle.oracle import Expected, Reading as OracleReading, Record, Settings, expected
from tests.scenarios.scenario import (
    PARTS,
    Arrival,
    Got,
    Scenario,
    moment_ms,
    read_scenario,
    titled,
)

SHARDS = 4

each_scenario = pytest.mark.parametrize(
    "path", [pytest.param(path, id=title) for title, path in titled().items()]
)


@each_scenario
def test_the_engine_gives_what_the_scenario_says(path: Path, tmp_path: Path):
    """Every number worked out by hand is what the engine publishes, in any order of arrival."""
    scenario = read_scenario(path)
    plan = _plan(scenario, tmp_path)
    for arrivals in scenario.orders:
        engine = _engine(plan, scenario, arrivals)
        ticks = {tick.at_ms: tick for tick in engine.ticks_at(scenario.moments_ms)}
        wrong = scenario.differences(lambda metric, at, ticks=ticks: _got(plan, ticks[at], metric))
        wrong += scenario.miscounted(_ledger(engine.counts))
        assert not wrong, _report(scenario, wrong)
        assert engine.counts.balanced


@each_scenario
def test_the_oracle_gives_what_the_scenario_says(path: Path):
    """Every number worked out by hand is what plain SQL over the raw records comes to."""
    scenario = read_scenario(path)
    settings = Settings(
        lateness_ms=scenario.settings["lateness_ms"],
        future_max_ms=scenario.settings["future_max_ms"],
        dedup_horizon_ms=scenario.settings["dedup_horizon_ms"],
    )
    for arrivals in scenario.orders:
        records = [Record(a.partition, a.offset, a.ingested_ms, a.value) for a in arrivals]
        seeds = dict(_seeds(scenario))
        answer = expected(scenario.definition, records, settings, scenario.moments_ms, seeds)
        wrong = scenario.differences(
            lambda metric, at, answer=answer: _said_by_the_oracle(answer, metric, at)
        )
        wrong += scenario.miscounted(answer.counts, kinds=False)
        assert not wrong, _report(scenario, wrong)


def _said(reading: OracleReading) -> Got:
    """What the oracle says of a metric, by the names in `PARTS`."""
    low, high = reading.interval or (None, None)
    way = {"attainment": None, "pace": None}
    way |= {} if reading.progress is None else asdict(reading.progress)
    found = {"low": low, "high": high, "missing": [*reading.missing], **way}
    return {part: found[part] if part in found else getattr(reading, part) for part in PARTS}


def _seeds(scenario: Scenario) -> Iterator[tuple[str, list[tuple[str, int | None]]]]:
    """What the scenario's files say of first rows, by stream, as the oracle has it."""
    for name, stream in read(scenario.definition).streams.items():
        if stream.seed is not None:
            lines = [line.split("\t") for line in scenario.files[stream.seed].splitlines()]
            yield name, [(f"text {who}", moment_ms(at[0]) if at else None) for who, *at in lines]


def _plan(scenario: Scenario, folder: Path) -> Plan:
    for name, text in scenario.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    result = read_text(scenario.definition, scenario.title, folder=folder)
    problems = [f"line {problem.line}: {problem.message}" for problem in result.problems]
    assert result.plan is not None, _report(scenario, problems)
    return result.plan


def _engine(plan: Plan, scenario: Scenario, arrivals: list[Arrival]) -> LocalEngine:
    engine = LocalEngine(plan, Deployment(**scenario.settings, shards=SHARDS))
    for partition, run in groupby(arrivals, key=lambda arrival: arrival.partition):
        together = list(run)
        engine.feed(
            Records(
                partition,
                [arrival.value for arrival in together],
                np.array([arrival.offset for arrival in together], np.int64),
                np.array([arrival.ingested_ms for arrival in together], np.int64),
            )
        )
    return engine


def _got(plan: Plan, tick: Tick, metric: str) -> Got:
    metric, is_cut, segment = metric.partition("{")
    names = [known.name for known in plan.metrics]
    assert metric in names, f"there is no metric {metric}"
    if is_cut:
        return _segment(tick.segments[names.index(metric)], segment.removesuffix("}"))
    index = names.index(metric)
    reading = tick.readings[index]
    got = {field.name: getattr(reading, field.name) for field in fields(Reading)}
    got |= asdict(tick.outlooks[index])
    missing = {"missing": [*reading.missing]}
    return got | missing | {"state": tick.verdicts[index].state.value}


def _segment(segments: tuple[Segment, ...], segment: str) -> Got:
    """The reading of `dimension=text`, or the texts of `dimension`."""
    dimension, _, text = segment.partition("=")
    found = {each.text: each.reading for each in segments if each.dimension == dimension}
    if "=" not in segment:
        return {"value": list(found)}
    return {field.name: getattr(found.get(text), field.name, None) for field in fields(Reading)}


def _said_by_the_oracle(answer: Expected, metric: str, at: int) -> Got:
    """What the oracle says of a metric; of a segment its value, of a dimension its texts."""
    name, is_cut, segment = metric.partition("{")
    reading = answer.readings[name, at]
    if not is_cut:
        return _said(reading)
    dimension, is_one, text = segment.removesuffix("}").partition("=")
    if is_one:
        found = reading.segments.get((dimension, text))
        return {field.name: getattr(found, field.name, None) for field in fields(Measure)}
    return {"value": [name for cut, name in reading.segments if cut == dimension]}


def _ledger(counts: Counts) -> dict[str, object]:
    return {
        "matched": counts.matched,
        "duplicate": counts.duplicate,
        "filtered": {kind.value: number for kind, number in counts.filtered.items() if number},
        "rejected": {reason.value: number for reason, number in counts.rejected.items() if number},
    }


def _report(scenario: Scenario, wrong: list[str]) -> str:
    return "\n  ".join([scenario.title, *wrong])
