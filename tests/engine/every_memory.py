"""A product with a metric of every kind of memory, over a stream in which everything goes wrong.

It is the deep product and `PIECES` beside it, each of which may be left out. Its stream goes over a
midnight of the product's calendar.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from pipeline.core.plan import MemoryKind
from pipeline.core.windows import MINUTE_MS, SECOND_MS
from tests.engine import deep_product
from tests.engine.both_engines import compiled
from tests.oracle.oracle import Record

START_MS = deep_product.START_MS - 62 * MINUTE_MS
"""Two minutes before midnight in Berlin; a multiple of every tick and step."""

HEAD = """
version: 1
product: every
calendar: {zone: Europe/Berlin}
source: {topics: [events], envelope: {name: kind, time: {from: ts, unit: ms}, id: id}}
entities:
  doc:
    author: {is: user, from: made.user}
    team: {is: team, from: made.team}
  user:
    team: {is: team, from: joined.team}
    plan: {from: joined.plan}
    level: {from: made.level}
  team: {company: {is: company, from: founded.company}}
events:
  made:
    name: made
    ids: {user: user, doc: doc, team: team}
    values: {level: ms / 500, seconds: {from: ms / 1000, max: 600}}
  joined: {name: joined, ids: {user: user, team: team}, values: {plan: plan}}
  founded: {name: founded, ids: {team: team, company: company}}
  viewed:
    name: viewed
    ids: {user: user, doc: doc, team: team}
    values: {seconds: {from: ms / 1000, max: 600}, plan: plan}
  active: {name: [made, viewed, joined], ids: {user: user, team: team}}
"""


@dataclass(frozen=True)
class Piece:
    """What asks for a kind of memory: lines of the sections of a definition, and the kinds."""

    kinds: Collection[MemoryKind]
    metrics: str
    sets: str = ""
    streams: str = ""
    events: str = ""


PIECES = {
    "value": Piece(
        {MemoryKind.VALUE},
        sets="""
  pro_users: {of: user, when: plan == "pro" and count(viewed) >= 2, window: trailing 40s}
  low_users: {of: user, when: not level >= 4 and count(viewed) >= 1, window: trailing 20s}
""",
        metrics="""
  pros: {value: size(pro_users)}
  lows: {value: size(low_users)}
""",
    ),
    "segments": Piece(
        {MemoryKind.SEEN_WITH, MemoryKind.NAMES},
        metrics="""
  viewers_by_plan: {value: distinct(viewed.user), window: trailing 1m, by: plan, cap: 1}
  teachers_by_plan: {value: size(teachers), by: plan}
  seconds_by_plan: {value: mean(viewed.seconds), window: calendar day, by: plan}
""",
    ),
    "transitions": Piece(
        {MemoryKind.IDS},
        sets="""
  seen_users: {of: user, when: count(viewed) >= 2, window: trailing 30s, transitions: true}
""",
        metrics="""
  seen_now: {value: size(seen_users)}
""",
    ),
    "habits": Piece(
        {MemoryKind.ACTIVE_UNITS},
        sets="""
  often: {of: user, when: "active_units(viewed, of=2) >= 2"}
  steady: {of: doc, when: "streak(viewed, grace=1) >= 2 or active_units(made, of=3) >= 2"}
""",
        metrics="""
  often_now: {value: size(often)}
  steady_now: {value: size(steady)}
""",
    ),
    "since_first": Piece(
        {MemoryKind.FIRST_SEEN},
        sets="""
  heavy: {of: user, when: "mean_per(viewed, period=30s, periods=4, new_members=since_first) > 2"}
""",
        metrics="""
  heavy_now: {value: size(heavy)}
""",
    ),
    "growth": Piece(
        {MemoryKind.GROWTH},
        metrics="""
  more: {value: "new(docs_in_use, 1m)"}
  stayed: {value: "retention(docs_in_use, 1m)"}
  back: {value: "resurrected(learning_teams, 1m)"}
  gone: {value: "churned(learning_teams, 1m)"}
""",
    ),
    "streams": Piece(
        {MemoryKind.STREAM},
        streams="""
  reading: {pair: [made, viewed], by: doc, within: 30s, keep: matched, at: second}
  unread: {pair: [made, viewed], by: doc, within: 30s, keep: unmatched}
  way: {sequence: [joined, made, viewed], by: team, within: 2m}
  sittings: {session: [made, viewed], by: user, gap: 8s}
  visits: {session: [viewed], by: user, id: doc, gap: 8s}
  rests: {gap: [viewed, made], by: user, same: [team], within: 1m}
  beginners: {first: [viewed, joined], by: user}
""",
        sets="""
  regulars: {of: user, when: count(sittings) >= 2 and sum(rests.elapsed) > 3, window: trailing 1m}
""",
        metrics="""
  read: {value: 'count(reading, where=viewed.plan == "pro" or elapsed < 9)', window: trailing 40s}
  unread_now: {value: count(unread), window: trailing 1m}
  far: {value: "reached(way, 2) / count(way)", window: trailing 2m}
  way_seconds: {value: sum(way.viewed.seconds), window: trailing 2m}
  length: {value: "mean(sittings.length, where=ended)", window: trailing 40s}
  new_ones: {value: "count(sittings, where=is_first)", window: trailing 40s}
  visited: {value: "count(visits, where=viewed.seconds > 2)", window: trailing 10m}
  between: {value: median(rests.elapsed), window: trailing 1m}
  beginners_now: {value: distinct(beginners.user), window: trailing 1m}
  regular: {value: size(regulars)}
""",
    ),
    "items_by_text": Piece(
        {MemoryKind.STREAM, MemoryKind.NAMES},
        streams="""
  stays: {session: [made, viewed], by: user, gap: 8s}
  pauses: {gap: [viewed, made], by: user, same: [team], within: 1m}
""",
        metrics="""
  length_by_plan: {value: mean(stays.length), window: trailing 1m, by: viewed.plan}
  pauses_by_plan: {value: "count(pauses, where=viewed.seconds > 1)", window: trailing 1m, by: plan}
""",
    ),
    "undone": Piece(
        {MemoryKind.STREAM},
        events="""
  unseen:
    name: made
    ids: {user: user, doc: doc, team: team}
    values: {seconds: {from: ms / 1000, max: 600}}
    undone_by: {event: viewed, by: doc, within: 20s}
""",
        sets="""
  left_alone: {of: doc, when: count(unseen) >= 1 and sum(unseen.seconds) < 3, window: trailing 1m}
""",
        metrics="""
  unseen_docs: {value: count(unseen), window: trailing 40s}
  unseen_seconds: {value: "mean(unseen.seconds, where=seconds > 1)", window: trailing 1m}
  unseen_most: {value: max(unseen.seconds), window: trailing 1m}
  alone_now: {value: size(left_alone)}
""",
    ),
    "extremes": Piece(
        {MemoryKind.EXTREMES},
        metrics="""
  least: {value: 'min(viewed.seconds, where=plan == "pro")', window: trailing 10s}
  most_today: {value: max(viewed.seconds), window: calendar day}
""",
    ),
    "sketch": Piece(
        {MemoryKind.SKETCH},
        metrics="""
  usual: {value: median(viewed.seconds), window: trailing 20s}
  slow: {value: "quantile(viewed.seconds, 0.9)", window: calendar day}
""",
    ),
    "registers": Piece(
        {MemoryKind.REGISTERS, MemoryKind.REGISTERS_BY, MemoryKind.NAMES},
        metrics="""
  about_docs: {value: approx_distinct(viewed.doc), window: trailing 20s}
  about_users: {value: approx_distinct(viewed.user), window: calendar day}
  docs_by_plan: {value: approx_distinct(viewed.doc), window: trailing 1m, by: plan, cap: 1}
  users_by_plan: {value: approx_distinct(viewed.user), window: calendar day, by: plan}
""",
    ),
    "top_share": Piece(
        {MemoryKind.LEDGER},
        metrics="""
  busiest: {value: "top_share(viewed, by=user, top=10%)", window: trailing 1m}
  busiest_today: {value: "top_share(viewed, by=doc, top=20%)", window: calendar day}
""",
    ),
    "own_spans": Piece(
        {MemoryKind.DIARY, MemoryKind.ENCOUNTERS, MemoryKind.FIRST_SEEN},
        sets="""
  quick_docs:
    of: doc
    when: distinct(viewed.user, other_than=author) >= 2
    window: first 20s after viewed
    matured: trailing 2m
  quick_teams:
    of: team
    when: count(viewed) >= 3 or sum(viewed.seconds) > 2
    window: first session after viewed
    gap: 3s
    started: trailing 3m
  late_teams:
    of: team
    when: count(viewed) >= 2
    window: first session after joined
    gap: 4s
    matured: trailing 90s
""",
        metrics="""
  quick: {value: size(quick_docs) / cohort(quick_docs)}
  begun: {value: cohort(quick_teams)}
  quick_now: {value: size(quick_teams)}
  over: {value: cohort(late_teams)}
  late: {value: size(late_teams)}
""",
    ),
    "as_of": Piece(
        {MemoryKind.HISTORY, MemoryKind.DIARY, MemoryKind.ENCOUNTERS},
        sets="""
  pro_readers:
    of: user
    when: >-
      distinct(viewed.doc, where=user.plan == "pro") >= 2
      and count(viewed, where=user.plan != "free") >= 2
    window: trailing 20s
""",
        metrics="""
  pro_seconds:
    value: 'sum(viewed.seconds, where=user.plan == "pro" and seconds > 1)'
    window: trailing 1m
  either: {value: 'count(viewed, where=user.plan == "pro" or seconds > 4)', window: trailing 1m}
  pro_days: {value: 'distinct(viewed.user, where=not user.plan == "free")', window: calendar day}
  pro_reading: {value: size(pro_readers)}
""",
    ),
    "reach": Piece(
        {MemoryKind.PAIRS},
        metrics="""
  of_docs: {value: "distinct(viewed.user, within=docs_in_use)", window: trailing 1m}
  of_teams: {value: "distinct(viewed.user, within=learning_teams)", window: trailing 30s}
  docs_of_teams:
    value: 'sum_distinct(viewed.doc, within=learning_teams, where=plan == "pro")'
    window: calendar day
""",
    ),
    "days": Piece(
        {MemoryKind.LEDGER, MemoryKind.LAST_SEEN, MemoryKind.PANES},
        sets="""
  of_yesterday: {of: user, when: count(viewed) >= 2, window: last calendar day}
""",
        metrics="""
  yesterday: {value: size(of_yesterday)}
  viewers_yesterday: {value: distinct(viewed.user), window: last calendar day}
  views_yesterday: {value: count(viewed), window: last calendar day}
""",
    ),
}

_, _SETS = deep_product.DEFINITION.split("sets:\n")
_SETS, _METRICS = _SETS.split("metrics:\n")
BASE = frozenset(metric.name for metric in deep_product.PLAN.metrics)
"""The metrics that are there whatever pieces are."""


def definition(pieces: Collection[str]) -> str:
    """The deep product with these pieces beside it."""
    chosen = [PIECES[name] for name in PIECES if name in pieces]
    streams = "".join(piece.streams for piece in chosen)
    return "".join(
        [
            HEAD,
            *(piece.events for piece in chosen),
            f"streams:\n{streams}" if streams else "",
            f"sets:\n{_SETS}",
            *(piece.sets for piece in chosen),
            f"metrics:\n{_METRICS}",
            *(piece.metrics for piece in chosen),
        ]
    )


DEFINITION = definition(PIECES)
PLAN = compiled(DEFINITION)
DEPLOYMENT = replace(deep_product.DEPLOYMENT, tick_ms=20 * SECOND_MS)
"""Coarser than the deep product's: a tick costs more here, and many runs are to be had."""


def stream(seed: int, *, number: int = 800, partitions: int = 4) -> list[Record]:
    """The deep product's records, from `START_MS` on."""
    return deep_product.stream(seed, number=number, partitions=partitions, start_ms=START_MS)
