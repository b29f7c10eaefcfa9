"""Every preset on records as its tracker writes them, beside a table of what becomes of each.

`<preset>.jsonl` has the records, `<preset>.tsv` a row for each event of each line: the outcome, and
of what is matched its name, user (`place|id` where it is set apart), time, message id and value.
"""

import csv
import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from xxhash import xxh3_64_intdigest

from pipeline.core.deployment import Deployment
from pipeline.core.wanted import record_names
from pipeline.edges.files import FileSource, Lines
from pipeline.engine.local import LocalEngine
from pipeline.spec import read_text
from pipeline.spec.presets import ENVELOPES

HERE = Path(__file__).parent
NOW_MS = int(datetime(2024, 5, 7, tzinfo=UTC).timestamp() * 1000)
LOGS = ("cloudevents", "kafka")

# The names that are asked for: the last has a value at the path beside it.
EVENTS = {
    "segment": (["Product Viewed", "page"], "Order Completed", "properties.revenue"),
    "amplitude": (["song_played"], "purchase", "event_properties.price"),
    "amplitude_export": (["song_played"], "purchase", "event_properties.price"),
    "mixpanel": (["Video Watched"], "Purchase", "properties.seconds"),
    "snowplow": (["add_to_cart"], "checkout", "unstruct_event_org_example_add_to_cart_1.price"),
    "posthog": (["file_shared"], "upload", "properties.size"),
    "cloudevents": (["com.example.order.viewed"], "com.example.order.placed", "data.total"),
    "mparticle": (["Song Played", "screen_view"], "Purchase", "events.data.price"),
    "kafka": (["views"], "orders", "total"),
}


def plan_for(preset):
    """A definition in which nobody has written a path but that of a value."""
    names, valued, path = EVENTS[preset]
    text = f"""
version: 1
product: presets
source: {{topics: [events], envelope: {preset}}}
events:
  plain: {{name: {names}, ids: [user]}}
  valued: {{name: {valued}, ids: [user], values: {{amount: {path}}}}}
metrics:
  users: {{role: north_star, value: distinct(plain.user), window: trailing 1d, owner: me}}
  amount: {{value: sum(valued.amount), window: trailing 1d}}
  count: {{value: count(plain), window: trailing 1d}}
"""
    result = read_text(text, preset)
    assert result.plan is not None, [problem.message for problem in result.problems]
    return result.plan


@dataclass
class Found:
    """What came of a file: the engine's own counts and the rows that decode gave."""

    counts: object
    rows: list
    rejected: Counter
    message_ids: set


def decoded(preset, lines):
    """Decode a file in pieces of a few records each."""
    plan = plan_for(preset)
    engine = LocalEngine(plan, Deployment(shards=1))
    kind = Lines.KCAT if preset in LOGS else Lines.VALUE
    reader = FileSource([str(HERE / f"{preset}.jsonl")], NOW_MS, lines=kind).open(0, {})
    rows, rejected = [], Counter()
    decode = engine._decoder.decode

    def watched(records, state):
        result = decode(records, state)
        rows.extend(rows_of(plan, result.batch))
        for reason, places in result.rejected:
            rejected.update((int(records.offsets[at]) + 1, reason.value) for at in places)
        return result

    engine._decoder.decode = watched
    while not reader.finished(0):
        for records in reader.poll(lines):
            engine.feed(records)
    keys = {int(key) for key in engine._partitions[0].dedup.dump()["ids"]}
    return Found(engine.counts, rows, rejected, keys)


def rows_of(plan, batch):
    """Line, name, user, time and value of each row."""
    source = dict(plan.events[0].ids)["user"]
    names = record_names(plan)
    columns = zip(
        (batch.offsets + 1).tolist(),
        (names[code] for code in batch.names),
        batch.ids[source].tolist(),
        batch.times_ms.tolist(),
        batch.values[1, "amount"].tolist(),
        strict=True,
    )
    valued = plan.events[1].record_names
    return [
        (line, name, user, time, None if name not in valued or math.isnan(amount) else amount)
        for line, name, user, time, amount in columns
    ]


def table(preset):
    """The expectations, row by row."""
    with (HERE / f"{preset}.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [{key: None if text == "-" else text for key, text in row.items()} for row in rows]


def user_hash(text):
    """The hash of an id as the table writes it, reckoned without the engine's own code."""
    if text is None:
        return 0
    place, bar, rest = text.partition("|")
    return xxh3_64_intdigest((f"{place}\x1f{rest}" if bar else text).encode(), Deployment().salt)


def time_ms(text):
    """Milliseconds since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


presets = pytest.mark.parametrize("preset", ENVELOPES)


@presets
@pytest.mark.parametrize("lines", [1, 7, 1_000], ids="{} at a time".format)
def test_every_record_becomes_what_the_table_says(preset, lines):
    """Name, user with its prefix, time, message id and value; whatever the size of a poll."""
    expected, found = table(preset), decoded(preset, lines)
    matched = [row for row in expected if row["outcome"] == "matched"]
    assert found.rows == [
        (
            int(row["line"]),
            row["name"],
            user_hash(row["user"]),
            time_ms(row["time"]),
            None if row["amount"] is None else float(row["amount"]),
        )
        for row in matched
    ]
    ids = {row["message id"].replace("|", "\x1e") for row in matched if row["message id"]}
    assert found.message_ids == {xxh3_64_intdigest(text.encode()) for text in ids}


@presets
def test_every_record_is_accounted_for(preset):
    """Rejected and filtered for the reason in the table, and nothing is left over."""
    expected, found = table(preset), decoded(preset, 1_000)
    outcomes = Counter(row["outcome"] for row in expected)
    assert found.counts.balanced
    assert found.counts.consumed == len(expected)
    assert found.counts.matched == outcomes["matched"]
    assert found.counts.duplicate == outcomes["duplicate"]
    told = {f"rejected {reason}": number for reason, number in found.counts.rejected.items()}
    told |= {f"filtered {kind}": number for kind, number in found.counts.filtered.items()}
    assert told == {outcome: number for outcome, number in outcomes.items() if outcome.count(" ")}
    assert found.rejected == Counter(
        (int(row["line"]), row["outcome"].removeprefix("rejected "))
        for row in expected
        if row["outcome"].startswith("rejected")
    )


@presets
def test_there_is_enough_of_every_preset(preset):
    """At least twenty records each, every kind of end among them."""
    assert len((HERE / f"{preset}.jsonl").read_text().splitlines()) >= 20
    ends = {row["outcome"].partition(" ")[0] for row in table(preset)}
    assert ends >= {"matched", "filtered", "rejected"}
