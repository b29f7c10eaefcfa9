"""Transitions on a real topic, through `kill -9`: none is lost, and what comes again is known."""

import json
from datetime import UTC, datetime

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from pipeline.edges.transitions_topic import ID_HEADER
from tests.edges import told_shop
from tests.integration.northstar_process import Northstar
from tests.integration.waiting import wait_until

pytestmark = pytest.mark.services

DEFINITION = told_shop.DEFINITION.replace("count(viewed) >= 1", "count(viewed) >= 2")
START_MS = 1_736_899_200_000
EVERY_MS = 500
USERS = 7
EVENTS = 600  # five minutes
TICK_MS, LATENESS_MS, WINDOW_MS = 5_000, 1_000, 60_000
ENVIRONMENT = {
    "TIME__TICK": "5s",
    "TIME__LATENESS": "1s",
    "TIME__IDLE_AFTER": "10m",
    "ENGINE__EPOCH_INTERVAL": "500ms",
    "ENGINE__SHARDS": "3",
}
DIES_WITHIN_S, ASK_TIMEOUT_S = 60.0, 10.0


def user_of(number):
    """Who sends an event: some come and go."""
    return f"u{number % USERS}" if number // 100 % 2 else f"u{number % 3}"


def produce(kafka, topic, numbers):
    """Events of one partition."""
    kafka.produce(
        topic,
        [
            (0, None, json.dumps({"kind": "viewed", "ts": at_ms(n), "user": user_of(n)}), None, [])
            for n in numbers
        ],
    )


def at_ms(number):
    """When an event happened."""
    return START_MS + number * EVERY_MS


def last_tick_ms(events):
    """The newest tick that so many events complete."""
    return (at_ms(events - 1) - LATENESS_MS) // TICK_MS * TICK_MS


def busy(tick_ms):
    """Who is a member at a tick."""
    seen = [user_of(n) for n in range(EVENTS) if tick_ms - WINDOW_MS <= at_ms(n) < tick_ms]
    return {user for user in seen if seen.count(user) >= 2}


def told(kafka, topic):
    """All that the topic has, in order, as key, value and which it is."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": topic})
    place = TopicPartition(topic, 0, OFFSET_BEGINNING)
    _, end = consumer.get_watermark_offsets(place, timeout=ASK_TIMEOUT_S)
    consumer.assign([place])
    found = []

    def enough():
        found.extend(m for m in consumer.consume(10_000, timeout=0.1) if m.error() is None)
        return len(found) >= end

    wait_until(enough, f"{end} transitions", ASK_TIMEOUT_S)
    consumer.close()
    return [(m.key(), json.loads(m.value()), dict(m.headers())[ID_HEADER]) for m in found]


@pytest.fixture
def topics(kafka):
    """One that is read, and one for transitions."""
    return kafka.create_topic(partitions=1), kafka.create_topic(partitions=1)


@pytest.fixture
def run(kafka, topics, tmp_path):
    """Starts a run on one state; a failpoint may end it."""
    (tmp_path / "shop.yaml").write_text(DEFINITION)
    runs = []

    def start(**environment):
        names = {"KAFKA__TOPICS": topics[0], "TRANSITIONS__TOPIC": topics[1]}
        where = ("--kafka-bootstrap", kafka.bootstrap, "--state", str(tmp_path / "state"))
        given = (str(tmp_path / "shop.yaml"), *where, "--port", "0")
        log = tmp_path / f"northstar-{len(runs)}.log"
        runs.append(Northstar(log, ENVIRONMENT | names | environment, *given))
        runs[-1].begin()
        return runs[-1]

    yield start
    for each in runs:
        each.kill()


def test_every_transition_is_there_and_repetitions_are_known(kafka, topics, run):
    """Killed between telling a tick and saving it, twice; who is told of adds up to who is in."""
    for events, failpoint in ((200, "publish:1"), (400, "publish:1")):
        produce(kafka, topics[0], range(events - 200, events))
        dying = run(FAILPOINT=failpoint)
        wait_until(lambda dying=dying: dying.pid is None, f"death at {failpoint}", DIES_WITHIN_S)
    produce(kafka, topics[0], range(400, EVENTS))
    last = run()
    last.wait_until_tick(last_tick_ms(EVENTS))
    last.end()

    found = told(kafka, topics[1])
    first = {}
    for key, row, which in found:
        assert first.setdefault(which, (key, row)) == (key, row)
    assert len(first) < len(found)
    members = set()
    for _, row in first.values():
        (members.add if row["change"] == "entered" else members.remove)(row["id"])
    assert members == busy(last_tick_ms(EVENTS))
    newest = max(row["at"] for _, row in first.values())
    assert datetime.fromisoformat(newest) <= datetime.fromtimestamp(
        last_tick_ms(EVENTS) / 1000, UTC
    )
