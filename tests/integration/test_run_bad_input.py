"""Bad input through a real Kafka: each kind is counted under its reason, and harms nothing else.

What is rejected goes to the topic of dead letters, as it was.
"""

import json
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from pipeline import names
from pipeline.cli.exits import Exit
from pipeline.core.records import Reason
from pipeline.edges.dead_letters import HEADER_PREFIX
from tests.integration import collaboration_log as collaboration
from tests.integration.brokers import Kafka
from tests.integration.northstar_process import (
    COLLABORATION,
    Northstar,
    accounted,
    consumed,
    counters,
)
from tests.integration.shown import Truth, of_metrics
from tests.integration.waiting import wait_until
from tests.oracle.oracle import Settings

pytestmark = pytest.mark.services

GOOD = 3_000  # the first of the log, with which nothing is wrong
MIB = 1 << 20
KILLS = 3
IDS = 40  # that a partition may bring, where they are limited
ASK_TIMEOUT_S = 10.0
LETTERS_TIMEOUT_S = 60.0
MESSAGE_BYTES_MAX = 4 * MIB  # what broker and producer let through; the engine's limit is its own


class Field(NamedTuple):
    """A good record with one of its fields as this JSON text."""

    fate: str
    path: str
    text: str


FIELDS = [
    Field("invalid_json", "properties.added", "NaN"),
    Field("invalid_json", "properties.added", "-Infinity"),
    Field("invalid_json", "properties.added", "1e999"),
    Field("invalid_json", "properties.file", '"\\ud800"'),
    Field("too_deep", "properties.more", "[" * 63 + "]" * 63),  # inside two objects
    Field("field_type", "event", "7"),
    Field("field_type", "userId", "1.5"),
    Field("field_type", "properties.file", "true"),
    Field("field_type", "context.groupId", '["httpx"]'),
    Field("field_type", "properties.added", '"8"'),
    Field("field_type", "messageId", "{}"),
    Field("bad_id", "userId", '""'),
    Field("bad_id", "userId", '"  "'),
    Field("bad_id", "userId", '"Anonymous"'),
    Field("bad_id", "context.groupId", '"N/A"'),
    Field("bad_id", "properties.file", '"null"'),
    Field("bad_id", "properties.file", '"a\\u0007"'),
    Field("bad_id", "properties.file", f'"{"x" * 513}"'),
    Field("bad_id", "userId", "0"),
    Field("bad_id", "userId", "-5"),
    Field("bad_id", "userId", str(2**53)),
    Field("bad_time", "timestamp", "null"),
    Field("bad_time", "timestamp", "0"),
    Field("bad_time", "timestamp", "1554380875"),
    Field("bad_time", "timestamp", '"yesterday"'),
    Field("bad_time", "timestamp", '"2019-04-04T12:27:55"'),
    Field("bad_time", "timestamp", '"1999-12-31T23:59:59Z"'),
    Field("bad_time", "timestamp", '"9999-12-31T23:59:59Z"'),
    Field("out_of_range", "properties.added", "-1"),
    Field("out_of_range", "properties.deleted", "1e10"),
    Field("future", "timestamp", '"2099-12-31T23:59:59Z"'),
    Field("unknown_name", "event", '"file_looked_at"'),
    Field("unknown_name", "event", "null"),
    # Odd, and yet in order.
    Field("matched", "userId", "5"),
    Field("matched", "userId", str(2**53 - 1)),
    Field("matched", "properties.file", f'"{"x" * 512}"'),
    Field("matched", "properties.more", "[" * 62 + "]" * 62),
    Field("matched", "properties.added", "null"),
]
WHOLE = [
    ("tombstone", None),
    ("tombstone", b""),
    ("invalid_json", b" "),
    ("invalid_json", b"nonsense"),
    ("invalid_json", b'{"event": "file_changed", '),
    ("invalid_json", b'{"event": "file_changed"} {}'),
    ("invalid_json", b'{"event": "file_changed", "userId": "\xff"}'),
    ("invalid_json", b'\xef\xbb\xbf{"event": "file_changed"}'),
    ("not_object", b"[1, 2]"),
    ("not_object", b'"file_changed"'),
    ("not_object", b"7"),
    ("not_object", b"null"),
    ("too_deep", b"[" * 5_000 + b"]" * 5_000),
    ("unknown_name", b"{}"),
]


def moved(by):
    """The record's time, moved from when it reached the log."""

    def made(event, record):
        moment = datetime.fromtimestamp(record.ingested_ms / 1000, UTC) + by
        return written(event | {"timestamp": moment.isoformat()})

    return made


def sized(size):
    """The record, blown up to so many bytes by a field that nobody reads."""

    def made(event, _):
        event["properties"] |= {"padding": ""}
        event["properties"] |= {"padding": "x" * (size - len(written(event)))}
        return written(event)

    return made


def same(_, record):
    """The record once more."""
    return record.value


def named_twice(event, _):
    """Two names in one object, of which the last wins."""
    return b'{"event": "file_looked_at", ' + written(event)[1:]


MADE = [
    ("future", moved(timedelta(minutes=6))),
    ("too_old", moved(timedelta(days=-100))),  # the longest window is one of 84 days
    ("too_large", sized(MIB + 1)),
    ("duplicate", same),
    ("matched", sized(MIB)),
    ("matched", named_twice),
    ("matched", moved(timedelta(minutes=4))),
]


def written(event):
    """An event as JSON."""
    return json.dumps(event).encode()


def with_field(event, path, text):
    """The event as JSON, with this text in one place."""
    *parents, key = path.split(".")
    place = event
    for parent in parents:
        place = place[parent]
    place[key] = "@"
    return written(event).replace(b'"@"', text.encode())


def bad_input():
    """What may be done to a record, and what becomes of it then."""
    for field in FIELDS:
        yield field.fate, lambda event, _, field=field: with_field(event, field.path, field.text)
    for fate, value in WHOLE:
        yield fate, lambda *_, value=value: value
    yield from MADE


def with_bad_input(good):
    """The records, some of the last followed by a spoilt copy; and the fate of each."""
    spoilt = dict(zip(range(len(good) - 1, 0, -2), bad_input(), strict=False))
    assert len(spoilt) == len([*bad_input()])
    records, fates = [], []
    for number, record in enumerate(good):
        records.append(record)
        fates.append("matched")
        if number in spoilt:
            fate, spoil = spoilt[number]
            event = json.loads(record.value) | {"messageId": f"spoilt-{number}"}
            records.append(replace(record, value=spoil(event, record)))
            fates.append(fate)
    return list(renumbered(records)), fates


def renumbered(records):
    """The records with the offsets that they get in this order."""
    offsets = Counter()
    for record in records:
        yield replace(record, offset=offsets[record.partition])
        offsets[record.partition] += 1


class RoomyKafka(Kafka):
    """A producer of records that are larger than the engine takes."""

    def _client_settings(self):
        return super()._client_settings() | {"message.max.bytes": MESSAGE_BYTES_MAX}


@pytest.fixture
def roomy(kafka):
    """The broker, for records that are larger than the engine takes."""
    return RoomyKafka(kafka.bootstrap)


def test_each_kind_of_bad_input_is_counted_and_harms_nothing(roomy, tmp_path):
    """Sixty records that are bad in every known way, among 3,000 good ones that stay exact."""
    good = collaboration.log()[:GOOD]
    records, fates = with_bad_input(good)
    topic = collaboration.create_topic(roomy, max_message_bytes=MESSAGE_BYTES_MAX)
    collaboration.produce(roomy, topic, records)
    tick = collaboration.newest_tick_ms(GOOD)

    dead = roomy.create_topic(partitions=1, max_message_bytes=MESSAGE_BYTES_MAX)

    metrics = metrics_at(tick, roomy, topic, dead, tmp_path)

    accepted = [record for record, fate in zip(records, fates, strict=True) if fate == "matched"]
    counted = counters(metrics)
    assert by_fate(counted) == Counter(fates)
    assert consumed(counted) == accounted(counted) == len(records)
    assert of_metrics(metrics) == (tick, truth(accepted, tick)[0])
    series, counts = truth(records, tick)
    assert of_metrics(metrics) == (tick, series)
    assert counts["rejected"] == counted["rejected"]
    expected = [letter(topic, *each) for each in zip(records, fates, strict=True)]
    assert sorted(filter(None, expected)) == sorted(letters_in(roomy, dead))


def metrics_at(tick, kafka, topic, dead, folder):
    """What a run over the topic answers at `/metrics` when it has come to the tick."""
    with run_with_letters(kafka, topic, dead, folder) as northstar:
        northstar.begin()
        northstar.wait_until_tick(tick)
        metrics = northstar.get("/metrics").text
        assert northstar.end()[0] == Exit.OK
        return metrics


def run_with_letters(kafka, topic, dead, folder, **environment):
    """A run over the topic that sends what it rejects to another, not started yet."""
    where = ("--kafka-bootstrap", kafka.bootstrap, "--state", str(folder / "state"))
    flags = (*where, "--lateness", collaboration.LATENESS, "--port", "0")
    environment |= {"KAFKA__TOPICS": topic, "TIME__IDLE_AFTER": "10m", "DEAD_LETTERS__TOPIC": dead}
    return Northstar(folder / "northstar.log", environment, str(COLLABORATION), *flags)


def letter(topic, record, fate):
    """What is to be seen of a record in the topic of dead letters, None where it is in order."""
    if fate not in {*Reason}:
        return None
    where = {"topic": topic, "partition": record.partition, "offset": record.offset}
    said = {"product": "collaboration", **where, "timestamp": record.ingested_ms, "reason": fate}
    return record.value, tuple(sorted((name, str(text)) for name, text in said.items()))


def letters_in(kafka, dead):
    """The letters that a topic of one partition holds, each as its value and what is said of it."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": dead})
    _, end = consumer.get_watermark_offsets(TopicPartition(dead, 0), timeout=ASK_TIMEOUT_S)
    consumer.assign([TopicPartition(dead, 0, OFFSET_BEGINNING)])
    found = []
    wait_until(
        lambda: found.extend(consumer.consume(1_000, timeout=0.1)) or len(found) == end,
        f"{end} letters",
        LETTERS_TIMEOUT_S,
    )
    consumer.close()
    for message in found:
        said = {name.removeprefix(HEADER_PREFIX): text for name, text in message.headers()}
        said.pop("path", None)
        yield message.value(), tuple(sorted((name, text.decode()) for name, text in said.items()))


def test_every_rejected_record_is_a_letter_across_kills(roomy, tmp_path):
    """Killed again and again while it rejects: each letter is there, some of them twice."""
    good = collaboration.log()[:GOOD]
    records, fates = with_bad_input(good)
    topic = collaboration.create_topic(roomy, max_message_bytes=MESSAGE_BYTES_MAX)
    dead = roomy.create_topic(partitions=1, max_message_bytes=MESSAGE_BYTES_MAX)
    often = {"ENGINE__EPOCH_INTERVAL": "200ms", "ENGINE__SHARDS": "8"}
    with run_with_letters(roomy, topic, dead, tmp_path, **often) as northstar:
        northstar.begin()
        bad_from = next(at for at, fate in enumerate(fates) if fate in {*Reason})
        step = (len(records) - bad_from) // (KILLS + 1)
        cuts = [bad_from + step * number for number in range(1, KILLS + 1)]
        for first, last in pairwise((0, *cuts)):
            collaboration.produce(roomy, topic, records[first:last])
            wait_until(lambda: rejected(northstar) > 0, "a rejected record", LETTERS_TIMEOUT_S)
            northstar.kill()
            northstar.begin()
        collaboration.produce(roomy, topic, records[cuts[-1] :])
        northstar.wait_until_tick(collaboration.newest_tick_ms(GOOD))
        assert northstar.end()[0] == Exit.OK

    expected = {letter(topic, *each) for each in zip(records, fates, strict=True)} - {None}
    assert expected == {*letters_in(roomy, dead)}


def test_ids_beyond_the_limit_are_letters_and_numbers_those_of_the_others(roomy, tmp_path):
    """Whom a partition brought first is counted exactly, also across `kill -9`."""
    log = collaboration.log()[:GOOD]
    topic, dead = collaboration.create_topic(roomy), roomy.create_topic(partitions=1)
    limits = {"LIMITS__IDS": str(IDS), "DEAD_LETTERS__BURST": "100000"}
    often = {"ENGINE__EPOCH_INTERVAL": "200ms", "ENGINE__SHARDS": "8"}
    with run_with_letters(roomy, topic, dead, tmp_path, **limits, **often) as northstar:
        northstar.begin()
        collaboration.produce(roomy, topic, log[: GOOD // 2])
        wait_until(lambda: rejected(northstar) > 0, "a rejected record", LETTERS_TIMEOUT_S)
        northstar.kill()
        northstar.begin()
        collaboration.produce(roomy, topic, log[GOOD // 2 :])
        tick = collaboration.newest_tick_ms(GOOD)
        northstar.wait_until_tick(tick)
        metrics = northstar.get("/metrics").text
        assert northstar.end()[0] == Exit.OK

    let_in = [record for record, fate in zip(log, fates_of(log), strict=True) if fate == "matched"]
    refused = {letter(topic, *each) for each in zip(log, fates_of(log), strict=True)} - {None}
    assert of_metrics(metrics) == (tick, truth(let_in, tick)[0])
    assert refused == {*letters_in(roomy, dead)}
    assert len(let_in) > GOOD / 2 > len(refused) > 0
    assert (
        f'{names.PARTITION_IDS}{{entity="file",partition="0",topic="{topic}"}} {IDS}.0' in metrics
    )


def fates_of(log):
    """What becomes of records where ids are limited. None is forgotten, since creators are taught.

    An event brings a file, a contributor and a project.
    """
    known, closed = defaultdict(set), set()
    for record in log:
        event = json.loads(record.value)
        brings = [event["userId"], event["properties"]["file"], event["context"]["groupId"]]
        kinds = [(record.partition, kind) for kind in range(len(brings))]
        new = [of for of, each in zip(kinds, brings, strict=True) if each not in known[of]]
        full = [of for of in new if len(known[of]) == IDS]
        if full and not closed & {*new}:
            closed.add(full[0])
        if closed & {*new} or full:
            yield Reason.TOO_MANY_IDS
            continue
        for of, each in zip(kinds, brings, strict=True):
            known[of].add(each)
        yield "matched"


def rejected(northstar):
    """How many records were rejected since the start."""
    return sum(counters(northstar.get("/metrics").text)["rejected"].values())


def truth(records, tick):
    """What must be shown at the tick, and the account of the records, by the oracle."""
    settings = Settings(lateness_ms=collaboration.LATENESS_MS)
    together = list(renumbered(records))
    series, counts = Truth(collaboration.DEFINITION, together, settings).at([tick])
    return series[tick], counts


def by_fate(counted):
    """The counters in one row: the reason where there is one, else what became of the record."""
    outcomes = {name: sum(counted[name].values()) for name in ("matched", "duplicate")}
    return Counter(outcomes | counted["filtered"] | counted["rejected"])
