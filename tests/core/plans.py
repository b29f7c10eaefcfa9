"""Plans for tests of the core, compiled from definitions, and records to go with them."""

import json
from dataclasses import replace

import numpy as np

from pipeline.core.baselines import Fixed
from pipeline.core.plan import Term, TermKind
from pipeline.core.records import Records
from pipeline.core.tree import Better, Guard, Metric, Role
from pipeline.core.windows import MINUTE_MS
from pipeline.spec import Severity, read_text

AT_MS = 1_705_744_800_000
"""2024-01-20T10:00:00Z, a Saturday."""


def compiled(text):
    """The plan of a definition that has no errors."""
    result = read_text(text, "definition.yaml")
    errors = [each for each in result.problems if each.severity is Severity.ERROR]
    assert result.plan is not None, errors
    return result.plan


SUITE = compiled(
    """
    version: 1
    product: suite
    calendar: {zone: Europe/Berlin, week_starts: monday}
    source: {topics: [events], envelope: segment}
    entities:
      chart: {owner: {is: user, from: shared.user}}
      user: {team: {is: team, from: joined.team}}
    events:
      shared: {name: chart_shared, ids: {user: userId, chart: properties.chart}}
      joined: {name: team_joined, ids: {user: userId, team: properties.team}}
      viewed:
        name: chart_viewed
        ids:
          user: userId
          chart: properties.chart
          visitor: {first: [userId, anonymousId]}
          viewing: {together: [userId, properties.chart]}
          watched: properties.watched
        values:
          seconds: {from: properties.ms / 1000, max: 600}
          plan: properties.plan
          paid: properties.paid
      paid:
        name: order_paid
        ids: {user: userId}
        values: {amount: {from: properties.amount, min: -100}}
        where: properties.app == "suite" and not properties.test
      active: {name: [chart_shared, chart_viewed], ids: {user: userId}}
    sets:
      charts_with_reach:
        of: chart
        when: distinct(viewed.user, other_than=owner) >= 2
        window: trailing 7d
      learning_users:
        of: user
        when: count(charts_with_reach.owner) >= 1 and count(active) >= 1
        window: trailing 7d
      learning_teams:
        of: team
        when: count(learning_users.team) >= 2
      spenders:
        of: user
        when: sum(paid.amount) >= 20 or count(paid, window="calendar day") >= 3
        window: trailing 7d
      quiet_viewers:
        of: user
        when: count(viewed) >= 1 and not (count(shared) >= 1 or count(active) >= 3)
        window: trailing 1h
      watchers_of_others:
        of: user
        when: distinct(viewed.watched, other_than=user) >= 1
        window: last calendar day
    metrics:
      weekly_learning_users: {role: north_star, value: size(learning_users), owner: core}
      teams: {value: size(learning_teams)}
      reach: {value: size(charts_with_reach)}
      spending: {value: size(spenders)}
      quiet: {value: size(quiet_viewers)}
      watchers: {value: size(watchers_of_others)}
      views: {value: count(viewed), window: trailing 1h}
      pro_views: {value: 'count(viewed, where=plan == "pro")', window: trailing 1h}
      paid_views: {value: 'count(viewed, where=paid)', window: trailing 1h}
      seconds: {value: mean(viewed.seconds), window: trailing 1h}
      revenue: {value: sum(paid.amount), window: calendar day}
      visitors: {value: distinct(viewed.visitor), window: trailing 1h}
      viewings: {value: distinct(viewed.viewing), window: calendar week}
    """
)


def record(name="chart_viewed", at_ms=AT_MS, **parts):
    """A record in order; `None` leaves a part out, and what is no part is a property."""
    body = {"event": name, "timestamp": iso(at_ms), "userId": "ann", "messageId": None}
    body |= {"properties": {"chart": "c1", "ms": 5_000, "app": "suite", "amount": 5}}
    for part, value in parts.items():
        (body if part in TOP else body["properties"])[part] = value
    body["properties"] = without_none(body["properties"])
    return json.dumps(without_none(body)).encode()


TOP = ("event", "timestamp", "userId", "anonymousId", "messageId")


def without_none(body):
    """What is there."""
    return {key: value for key, value in body.items() if value is not None}


def iso(at_ms):
    """A moment as the envelope writes it."""
    text = np.datetime_as_string(np.datetime64(at_ms, "ms"))
    return f"{text}Z"


def records(values, ingested_ms=AT_MS + MINUTE_MS, partition=0, first_offset=0):
    """Records of one partition, all of which reached the log at one time."""
    return Records(
        partition,
        list(values),
        np.arange(first_offset, first_offset + len(values)),
        np.full(len(values), ingested_ms, np.int64),
    )


# ── plans by hand, for compose and judge ─────────────────────────────────────────────────────────


def metric(value, name="metric", **changes):
    """A metric of this value."""
    given = {
        "label": "",
        "definition": "",
        "role": Role.REFERENCE,
        "facet": None,
        "unit": "things",
        "owner": None,
        "formula": None,
        "inputs": (),
        "guard": None,
    }
    return Metric(name=name, value=value, **(given | changes))


def guard(**changes):
    """A guard that is red beyond 5 % over 100 and yellow beyond 3 %."""
    given = {
        "protects": 0,
        "better": Better.LOWER,
        "low": None,
        "high": None,
        "baseline": Fixed(100.0),
        "warn": 0.03,
        "breach": 0.05,
        "min_samples": 10,
        "hold_ms": 0,
        "severity": "page",
        "owner": None,
        "runbook": None,
    }
    return Guard(**(given | changes))


def plan_of(*metrics, windows=((),)):
    """A plan of these metrics, with a term for each tuple of windows."""
    terms = tuple(Term(TermKind.PANES, 0, None, None, tuple(each)) for each in windows)
    return replace(SUITE, metrics=metrics, terms=terms, sets=(), memories=(), feeds=(), events=())
