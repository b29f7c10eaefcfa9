"""The wall clock decides no number: here the events' clocks are two days ahead of ours."""

import json
from datetime import UTC, datetime

import pytest

from pipeline.core.publish import iso
from tests.integration import collaboration_log as collaboration
from tests.integration.northstar_process import COLLABORATION, Northstar, counters
from tests.integration.shown import Truth, of_metrics
from tests.oracle.oracle import Record, Settings
from tests.scenarios.scenario import moment_ms

pytestmark = pytest.mark.services

COUNT = 3_000
AHEAD_MS = 2 * 86_400_000
HOUR_MS = 3_600_000


def moved(record, by_ms):
    """A record of another time, and it reached the log at another time."""
    event = json.loads(record.value)
    event |= {"timestamp": iso(moment_ms(event["timestamp"]) + by_ms)}
    value = json.dumps(event).encode()
    return Record(record.partition, record.offset, record.ingested_ms + by_ms, value)


def test_events_two_days_ahead_of_our_clock_are_as_exact_as_old_ones(kafka, tmp_path):
    """`future` is held against the time that a record reached the log, and nothing against ours."""
    log = collaboration.log()[:COUNT]
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    by_ms = (now_ms + AHEAD_MS - collaboration.newest_tick_ms(COUNT)) // HOUR_MS * HOUR_MS
    records = [moved(record, by_ms) for record in log]
    # Kafka takes nothing that is an hour ahead, unless it is told to.
    topic = collaboration.create_topic(kafka, message_timestamp_after_max_ms=10 * AHEAD_MS)
    collaboration.produce(kafka, topic, records)
    tick = collaboration.newest_tick_ms(COUNT) + by_ms

    flags = ("--kafka-bootstrap", kafka.bootstrap, "--lateness", collaboration.LATENESS)
    environment = {"KAFKA__TOPICS": topic, "TIME__IDLE_AFTER": "10m"}
    arguments = (str(COLLABORATION), *flags, "--port", "0")
    with Northstar(tmp_path / "northstar.log", environment, *arguments) as northstar:
        northstar.begin()
        northstar.wait_until_tick(tick)
        metrics = northstar.get("/metrics").text

    settings = Settings(lateness_ms=collaboration.LATENESS_MS)
    expected, _ = Truth(collaboration.DEFINITION, records, settings).at([tick])
    assert tick > now_ms + AHEAD_MS - HOUR_MS
    assert of_metrics(metrics) == (tick, expected[tick])
    assert counters(metrics)["rejected"] == {}
