"""A product whose sets roll up three times, and a stream for it in which everything goes wrong."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from pipeline.core.decode import Decoder
from pipeline.core.deployment import Deployment
from pipeline.core.windows import MINUTE_MS, SECOND_MS
from tests.engine.both_engines import compiled
from tests.engine.memory_source import MemorySource, as_polled
from tests.oracle.oracle import Record

START_MS = 1_736_899_200_000
"""2025-01-15T00:00Z, a Wednesday; a multiple of every tick and step."""

DEFINITION = """
version: 1
product: deep
calendar: {zone: Europe/Berlin}
source: {topics: [events], envelope: {name: kind, time: {from: ts, unit: ms}, id: id}}
entities:
  doc:
    author: {is: user, from: made.user}
    team: {is: team, from: made.team}
  user: {team: {is: team, from: joined.team}}
  team: {company: {is: company, from: founded.company}}
events:
  made: {name: made, ids: {user: user, doc: doc, team: team}}
  joined: {name: joined, ids: {user: user, team: team}}
  founded: {name: founded, ids: {team: team, company: company}}
  viewed:
    name: viewed
    ids: {user: user, doc: doc, team: team}
    values: {seconds: {from: ms / 1000, max: 600}, plan: plan}
  active: {name: [made, viewed, joined], ids: {user: user, team: team}}
sets:
  docs_in_use:
    of: doc
    when: distinct(viewed.user, other_than=author) >= 2
    window: trailing 40s
  teachers:
    of: user
    when: count(docs_in_use.author) >= 1 and count(active) >= 2
    window: trailing 2m
  learning_teams:
    of: team
    when: count(teachers.team) >= 1 and count(docs_in_use.team) >= 1 and sum(viewed.seconds) > 5
    window: trailing 3m
  learning_companies:
    of: company
    when: count(learning_teams.company) >= 2
  quiet_teams:
    of: team
    when: count(viewed, window="trailing 5m") >= 1 and not count(viewed) >= 5
    window: trailing 15s
metrics:
  companies: {role: north_star, value: size(learning_companies)}
  teams: {value: size(learning_teams)}
  teams_per_company: {value: size(learning_teams) / size(learning_companies)}
  teaching: {value: size(teachers)}
  docs: {value: size(docs_in_use)}
  quiet: {value: size(quiet_teams)}
  viewers: {value: distinct(viewed.user), window: trailing 1m}
  views_today: {value: count(viewed), window: calendar day}
  seconds: {value: mean(viewed.seconds), window: trailing 1m}
  pro_share:
    value: count(viewed, where=plan == "pro") / count(viewed)
    window: trailing 30s
    role: guardrail
    guard:
      protects: companies
      better: higher
      baseline: previous(2m)
      warn: 3%
      breach: 20%
      min_samples: 5
      hold: 10m
      severity: page
      owner: nobody
      runbook: https://example.org/runbook
"""

PLAN = compiled(DEFINITION)

SHARDS = 4
DEPLOYMENT = Deployment(
    tick_ms=5 * SECOND_MS,
    lateness_ms=10 * SECOND_MS,
    dedup_horizon_ms=2 * MINUTE_MS,
    shards=SHARDS,
)

FAULTS = (b"{", b"", None, b'{"kind":"viewed","ts":"soon"}', b'{"kind":"other","ts":1}')


@dataclass(frozen=True)
class _Write:
    """A record that is on its way, and when it arrives."""

    arrives_ms: int
    time_ms: int
    body: dict[str, object]


def stream(
    seed: int,
    *,
    number: int = 800,
    partitions: int = 4,
    span_ms: int = 5 * MINUTE_MS,
    start_ms: int = START_MS,
) -> list[Record]:
    """Records in the order in which they arrive: late, doubled, broken, and good ones."""
    luck = Random(seed)  # noqa: S311
    writes = sorted(
        (_write(luck, place, start_ms + place * span_ms // number) for place in range(number)),
        key=lambda write: write.arrives_ms,
    )
    ends = dict.fromkeys(range(partitions), 0)
    records = []
    for value, arrives_ms in _values(luck, writes):
        partition = luck.randrange(partitions)
        records.append(Record(partition, ends[partition], arrives_ms, value))
        ends[partition] += 1
    return records


def _write(luck: Random, place: int, time_ms: int) -> _Write:
    kind = luck.choices(("viewed", "made", "joined", "founded"), (70, 15, 8, 7))[0]
    delay_s = luck.choices((0, luck.random() * 10, luck.random() * 90), (60, 35, 5))[0]
    body = {"kind": kind, "ts": time_ms, "id": f"r{place}", **_ids(luck)}
    return _Write(time_ms + round(delay_s * SECOND_MS), time_ms, body)


def _ids(luck: Random) -> dict[str, object]:
    return {
        "user": f"u{luck.randrange(12)}",
        "doc": f"d{luck.randrange(15)}",
        "team": f"t{luck.randrange(5)}",
        "company": f"c{luck.randrange(2)}",
        "ms": luck.choice((100, 1_500, 2_500, None)),
        "plan": luck.choice(("pro", "free", None)),
    }


def _values(luck: Random, writes: list[_Write]) -> Iterator[tuple[bytes | None, int]]:
    for place, write in enumerate(writes):
        yield json.dumps(write.body).encode(), write.arrives_ms
        if luck.random() < 0.05:
            yield luck.choice(FAULTS), write.arrives_ms
        if luck.random() < 0.05:  # sent again, to any partition
            again = writes[max(0, place - luck.randrange(50))]
            yield json.dumps(again.body).encode(), write.arrives_ms


def last_tick_ms(records: list[Record]) -> int:
    """The newest tick that all partitions have reached."""
    decoder = Decoder(PLAN, DEPLOYMENT)
    newest = []
    for log in MemorySource(records).logs.values():
        state = decoder.fresh()
        newest.append(decoder.decode(as_polled(log), state).watermark_ms)
    return min(newest) // DEPLOYMENT.tick_ms * DEPLOYMENT.tick_ms
