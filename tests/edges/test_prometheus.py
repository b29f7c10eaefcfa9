"""What a scrape shows of ticks and of the engine."""

import math
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pipeline import names
from pipeline.core.judge import State, Verdict
from pipeline.core.records import Filtered, Reason
from pipeline.core.segments import Segment
from pipeline.edges.newest import Newest
from pipeline.edges.prometheus import (
    MetricsCollector,
    ProcessesCollector,
    StandingCollector,
    TelemetryCollector,
)
from pipeline.telemetry import LetterOutcome, ProcessFigures, ShardFigures, Telemetry
from tests.edges import plans
from tests.integration.prometheus_server import check_metrics
from tests.integration.services import present

OF = {"product": "insight_suite"}


@pytest.fixture
def newest():
    """The newest tick of the small plan; none yet."""
    return Newest(plans.plan())


@pytest.fixture
def registry(newest):
    """A registry that shows it."""
    registry = CollectorRegistry()
    registry.register(MetricsCollector(newest))
    return registry


def of_metric(registry, name, metric, **labels):
    """The value of a series of a metric, None where there is no such series."""
    return registry.get_sample_value(name, {**OF, "metric": metric, **labels})


def busy():
    """Telemetry in which every figure is known."""
    shards = {0: ShardFigures({"user": 5}, 1), 1: ShardFigures({"user": 7}, 2)}
    telemetry = Telemetry(shards=shards, evaluated_ms=5_000, ticks=2)
    figures = telemetry.partition(100_001)
    figures.counts.consumed = 10
    figures.counts.matched = 6
    figures.counts.duplicate = 1
    figures.counts.late = 2
    figures.counts.filtered[Filtered.TOMBSTONE] = 1
    figures.counts.rejected[Reason.FUTURE] = 2
    figures.watermark_ms, figures.lag_messages, figures.lag_ms = 4_500, 7, 1_500
    figures.lost_messages = 4
    figures.ids = {"user": 8}
    telemetry.dead_letters[LetterOutcome.SENT] = 2
    return telemetry


def of_telemetry(telemetry):
    """A registry that shows telemetry, with two partition names."""
    registry = CollectorRegistry()
    known = {100_001: ("orders", "1")}
    registry.register(
        TelemetryCollector(
            telemetry, "1.2.3", lambda number: known[number], lambda: not telemetry.waiting_for
        )
    )
    return registry


def test_before_the_first_tick_no_metric_is_shown(registry):
    """What was not evaluated is absent, not 0; only what the plan itself says is there."""
    families = {family.name for family in registry.collect()}

    assert families == {"northstar_product", "northstar_metric"}


def test_each_metric_stands_in_the_family_of_its_unit(newest, registry):
    """Counts, shares, durations and money are four families."""
    newest.publish(plans.tick())

    assert of_metric(registry, "northstar_metric_value", "learners") == 40
    assert of_metric(registry, "northstar_metric_ratio", "refunds") == 0.025
    assert of_metric(registry, "northstar_metric_seconds", "wait") == 2.5
    assert of_metric(registry, "northstar_metric_amount", "revenue", currency="EUR") == 99.5


def test_a_reading_is_shown_with_its_parts(newest, registry):
    """Both sides of a ratio, samples, coverage and residual have series of their own."""
    newest.publish(plans.tick())

    assert of_metric(registry, names.METRIC_NUMERATOR, "wait") == 100
    assert of_metric(registry, names.METRIC_DENOMINATOR, "wait") == 40
    assert of_metric(registry, names.METRIC_SAMPLES, "wait") == 40
    assert of_metric(registry, names.METRIC_COVERAGE, "wait") == 1
    assert of_metric(registry, names.METRIC_RESIDUAL, "wait") == -0.5
    assert registry.get_sample_value(names.METRIC_EVALUATED_AT, OF) == plans.AT_MS / 1000


def test_the_way_to_a_target_is_shown(newest, registry):
    """Attainment, pace and a proxy's correlation, of those metrics that have them."""
    newest.publish(plans.tick())

    assert of_metric(registry, names.METRIC_ATTAINMENT, "learners") == 0.8
    assert of_metric(registry, names.METRIC_PACE, "learners") == 1.1
    assert of_metric(registry, names.METRIC_CORRELATION, "learners") == -0.25
    assert of_metric(registry, names.METRIC_ATTAINMENT, "wait") is None


def test_segments_stand_in_families_of_their_own(newest, registry):
    """So that a sum over a metric's family never counts twice; texts alike are told apart."""
    texts = ("pro", "__other__ ", "a\n", "a\r", "x" * 600, "x" * 601, "__other__", "__none__")
    cut = tuple(Segment("plan", text, plans.reading(n)) for n, text in enumerate(texts))
    newest.publish(replace(plans.tick(), segments=(cut, cut[:1], cut[:1], cut[:1])))

    shown = {
        sample.labels["segment"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == names.SEGMENT_VALUE
    }
    long = "x" * 511 + "…"
    labels = ["pro", "__other__ ", "a\ufffd", "a\ufffd (2)", long, f"{long} (2)"]
    assert shown == {label: n for n, label in enumerate([*labels, "__other__", "__none__"])}
    of_plan = {"dimension": "plan", "segment": "pro"}
    assert of_metric(registry, names.SEGMENT_RATIO, "refunds", **of_plan) == 0
    assert of_metric(registry, names.SEGMENT_SECONDS, "wait", **of_plan) == 0
    assert of_metric(registry, names.SEGMENT_AMOUNT, "revenue", currency="EUR", **of_plan) == 0
    assert of_metric(registry, names.SEGMENT_SAMPLES, "learners", **of_plan) == 40
    assert of_metric(registry, "northstar_metric_value", "learners") == 40


def test_what_is_not_known_is_absent(newest, registry):
    """No value, no ratio, no formula: no series; and a sum past all numbers is not known."""
    readings = (plans.reading(None), plans.reading(math.inf), *plans.READINGS[2:])
    newest.publish(plans.tick(readings=readings))

    assert of_metric(registry, "northstar_metric_value", "learners") is None
    assert of_metric(registry, "northstar_metric_ratio", "refunds") is None
    assert of_metric(registry, names.METRIC_NUMERATOR, "learners") is None
    assert of_metric(registry, names.METRIC_RESIDUAL, "learners") is None
    assert of_metric(registry, names.METRIC_SAMPLES, "learners") == 40


def test_a_number_beyond_a_double_is_absent(newest, registry):
    """A whole number that no double holds leaves its series out and the scrape whole."""
    newest.publish(plans.tick(readings=(plans.reading(10**400), *plans.READINGS[1:])))

    assert of_metric(registry, "northstar_metric_value", "learners") is None
    assert of_metric(registry, "northstar_metric_seconds", "wait") == 2.5


@pytest.mark.parametrize(("state", "number"), list(zip(State, range(4), strict=True)))
def test_a_state_is_a_number(newest, registry, state, number):
    """Green is 0, yellow 1, red 2, unknown 3."""
    newest.publish(plans.tick(refunds=Verdict(state)))

    assert of_metric(registry, names.METRIC_STATE, "refunds") == number


def test_a_guardrail_is_shown_with_its_limits(newest, registry):
    """Where yellow and red begin, and what they are measured from."""
    newest.publish(plans.tick())

    assert of_metric(registry, names.METRIC_BASELINE, "refunds") == 0.02
    assert of_metric(registry, names.METRIC_LIMIT, "refunds", bound="warn") == 0.0206
    assert of_metric(registry, names.METRIC_LIMIT, "refunds", bound="breach") == 0.021


def test_a_metric_that_nothing_judges_has_no_state(newest, registry):
    """Without a guard there is no verdict to show, not even an unknown one."""
    newest.publish(plans.tick())

    assert of_metric(registry, names.METRIC_STATE, "learners") is None


def test_a_series_that_is_gone_is_gone_from_the_scrape(newest, registry):
    """The next tick replaces all of the one before."""
    newest.publish(plans.tick())
    readings = (plans.reading(None), *plans.READINGS[1:])
    newest.publish(plans.tick(plans.AT_MS + 5_000, readings, Verdict(State.UNKNOWN)))

    assert of_metric(registry, "northstar_metric_value", "learners") is None
    assert of_metric(registry, names.METRIC_BASELINE, "refunds") is None
    assert registry.get_sample_value(names.METRIC_EVALUATED_AT, OF) == plans.AT_MS / 1000 + 5


def test_an_older_tick_changes_nothing(newest, registry):
    """After a restart a tick may be published again; time does not go back for it."""
    newest.publish(plans.tick())
    newest.publish(plans.tick(plans.AT_MS - 5_000))

    assert newest.tick == plans.tick()
    assert registry.get_sample_value(names.METRIC_EVALUATED_AT, OF) == plans.AT_MS / 1000


def test_what_was_forgotten_is_not_shown(newest, registry):
    """Nothing is, until there is a tick again, be it an older one."""
    newest.publish(plans.tick())
    newest.forget()
    assert registry.get_sample_value(names.METRIC_EVALUATED_AT, OF) is None

    newest.publish(plans.tick(plans.AT_MS - 5_000))
    assert registry.get_sample_value(names.METRIC_EVALUATED_AT, OF) == plans.AT_MS / 1000 - 5


def test_info_says_what_a_metric_is(registry):
    """Role, unit, title, definition and team stand in one series; the owner is the label team."""
    (info,) = [
        sample.labels
        for family in registry.collect()
        for sample in family.samples
        if sample.labels.get("metric") == "refunds"
    ]

    assert info == {
        **OF,
        "metric": "refunds",
        "role": "guardrail",
        "unit": "ratio",
        "title": "Refunds",
        "definition": "What refunds are.",
        "team": "support-platform",
        "protects": "learners",
        "severity": "page",
    }


def test_hostile_text_passes_a_scrape():
    """Text from a definition cannot break the exposition, whatever is in it."""
    hostile = 'a"} 1\nnorthstar_ready 1\n# EOF \\ \ud800 \x00'
    metric = plans.metric("learners", "users", label=hostile, definition=hostile, owner=hostile)
    registry = CollectorRegistry()
    registry.register(MetricsCollector(Newest(plans.plan(label=hostile, metrics=(metric,)))))

    text = generate_latest(registry).decode()

    clean = names.label_value(hostile)
    (family,) = [
        family
        for family in text_string_to_metric_families(generate_openmetrics(registry).decode())
        if family.name == "northstar_metric"
    ]
    assert family.samples[0].labels["title"] == clean
    assert "\nnorthstar_ready" not in text


def test_telemetry_is_shown():
    """Every figure of the engine has its series, in base units."""
    registry = of_telemetry(busy())
    partition = {"topic": "orders", "partition": "1"}

    assert registry.get_sample_value(names.RECORDS_CONSUMED, partition) == 10
    assert registry.get_sample_value(names.RECORDS_LOST, partition) == 4
    assert registry.get_sample_value(names.PARTITION_WATERMARK, partition) == 4.5
    assert registry.get_sample_value(names.PARTITION_LAG_MESSAGES, partition) == 7
    assert registry.get_sample_value(names.PARTITION_LAG_SECONDS, partition) == 1.5
    assert registry.get_sample_value(names.PARTITION_IDLE, partition) == 0
    assert registry.get_sample_value(names.PARTITION_IDS, {**partition, "entity": "user"}) == 8
    assert registry.get_sample_value(names.RECORDS_MATCHED) == 6
    assert registry.get_sample_value(names.RECORDS_DUPLICATE) == 1
    assert registry.get_sample_value(names.RECORDS_LATE) == 2
    assert registry.get_sample_value(names.RECORDS_FILTERED, {"reason": "tombstone"}) == 1
    assert registry.get_sample_value(names.RECORDS_REJECTED, {"reason": "future"}) == 2
    assert registry.get_sample_value(names.DEAD_LETTERS, {"outcome": "sent"}) == 2
    assert registry.get_sample_value(names.TABLE_ENTITIES, {"table": "user"}) == 12
    assert registry.get_sample_value(names.PENDING_ROWS) == 3
    assert registry.get_sample_value(names.EVALUATED) == 5
    assert registry.get_sample_value(names.TICKS) == 2
    assert registry.get_sample_value(names.READY) == 1
    assert registry.get_sample_value(names.BUILD_INFO, {"version": "1.2.3"}) == 1


def test_reasons_start_at_0_and_the_unknown_is_absent():
    """A counter is there before its first increase; a time that is not known is not there."""
    telemetry = Telemetry(waiting_for={"state"}, ticks=3)
    telemetry.partition(100_001)
    registry = of_telemetry(telemetry)

    assert registry.get_sample_value(names.RECORDS_REJECTED, {"reason": "bad_id"}) == 0
    assert registry.get_sample_value(names.RECORDS_FILTERED, {"reason": "where"}) == 0
    assert registry.get_sample_value(names.DEAD_LETTERS, {"outcome": "over_budget"}) == 0
    assert registry.get_sample_value(names.EVALUATED) is None
    partition = {"topic": "orders", "partition": "1"}
    assert registry.get_sample_value(names.PARTITION_WATERMARK, partition) is None
    assert registry.get_sample_value(names.PARTITION_LAG_MESSAGES, partition) is None
    assert registry.get_sample_value(names.READY) == 0


def test_a_supervisor_shows_its_processes():
    """How many there should be, how many there are, and how often they had to start again."""
    registry = CollectorRegistry()
    registry.register(StandingCollector("1.2.3", lambda: False))
    registry.register(ProcessesCollector(ProcessFigures(wanted=2, up=1, restarts=3)))

    assert registry.get_sample_value(names.BUILD_INFO, {"version": "1.2.3"}) == 1
    assert registry.get_sample_value(names.READY) == 0
    assert registry.get_sample_value(names.PROCESSES) == 2
    assert registry.get_sample_value(names.PROCESSES_UP) == 1
    assert registry.get_sample_value(names.RESTARTS) == 3


def full_registry():
    """A registry with every family that there is."""
    newest = Newest(plans.plan())
    cut = (Segment("plan", "pro", plans.reading(1)),)
    newest.publish(replace(plans.tick(), segments=(cut, cut, cut, cut)))
    registry = of_telemetry(busy())
    registry.register(MetricsCollector(newest))
    registry.register(ProcessesCollector(ProcessFigures(wanted=2, up=1, restarts=3)))
    return registry


def test_every_name_is_exported():
    """What `names.py` spells is what a scrape shows: no name is left over, none is made up."""
    text = generate_latest(full_registry()).decode()
    shown = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}

    assert shown == set(names.HELP)


def test_promtool_finds_nothing_to_say():
    """A full exposition passes Prometheus' own linter without a word."""
    text = generate_latest(full_registry()).decode()

    code, output = present(lambda: check_metrics(text))

    assert (code, output) == (0, "")


def test_openmetrics_passes_its_own_parser():
    """The other format carries the same families and ends as it must."""
    text = generate_openmetrics(full_registry()).decode()

    families = {family.name for family in text_string_to_metric_families(text)}

    assert "northstar_records_consumed" in families
    assert "northstar_metric_ratio" in families


def test_a_survey_shows_its_interval_and_an_index_what_it_lacks(newest, registry):
    """Where nothing is missing an index says 0; what is no index says nothing of parts."""
    readings = (plans.reading(40, missing=("wait",)), *plans.READINGS[1:])
    newest.publish(plans.tick(readings=readings))

    assert of_metric(registry, names.METRIC_PARTS_MISSING, "learners") == 1
    assert of_metric(registry, names.METRIC_PARTS_MISSING, "wait") is None
    assert of_metric(registry, names.METRIC_INTERVAL_LOW, "refunds") == 0.01
    assert of_metric(registry, names.METRIC_INTERVAL_HIGH, "refunds") == 0.05
    assert of_metric(registry, names.METRIC_INTERVAL_LOW, "learners") is None
