"""Segments: which texts have names, what counts in each, and that nothing else decides it."""

import json
from random import Random

import numpy as np
import pytest

from pipeline.core.judge import History
from pipeline.core.memories.names import Names
from pipeline.core.publish import rows, tick
from pipeline.core.summaries import NAMES_KEPT, FirstTexts
from pipeline.core.windows import MINUTE_MS
from tests.core.plans import AT_MS, compiled, iso
from tests.core.roll.rolled import Rolled

SHOP = compiled(
    """
    version: 1
    product: shop
    source: {topics: [events], envelope: segment}
    entities:
      user: {plan: {from: changed.plan}}
    events:
      changed: {name: plan_changed, ids: {user: userId}, values: {plan: properties.plan}}
      ordered:
        name: ordered
        ids: {user: userId}
        values: {plan: properties.plan, amount: properties.amount}
    sets:
      buyers: {of: user, when: count(ordered) >= 1, window: trailing 1h}
    metrics:
      orders: {role: north_star, owner: core, value: count(ordered), window: trailing 1h, by: plan}
      users: {value: distinct(ordered.user), window: trailing 1h, by: plan, cap: 2}
      basket: {value: sum(ordered.amount) / orders, window: trailing 1h, by: plan, cap: 2}
      today: {value: distinct(ordered.user), window: calendar day, by: plan, cap: 1}
      buyers_now: {value: size(buyers), by: plan, cap: 3}
    """
)


def happened(name, user, minute, **properties):
    """A record of the shop."""
    at = iso(AT_MS + round(minute * MINUTE_MS))
    body = {"event": name, "timestamp": at, "userId": user, "properties": properties}
    return json.dumps(body).encode()


def ordered(user, minute, plan=None, amount=1):
    """An order on a plan."""
    return happened(
        "ordered", user, minute, **({"plan": plan} if plan is not None else {}), amount=amount
    )


def cut(rolled, metric, minute):
    """The value of each segment of a metric."""
    at_ms = AT_MS + minute * MINUTE_MS
    made = tick(rolled.plan, rolled.part(at_ms), History(), at_ms)
    number = [each.name for each in rolled.plan.metrics].index(metric)
    return {each.text: each.reading.value for each in made.segments[number]}


def test_parts_of_a_count_add_up():
    """Every order is in one segment."""
    rolled = Rolled(SHOP)
    rolled.feed([ordered("ann", 1, "pro"), ordered("ann", 2, "free"), ordered("bob", 3)])
    assert cut(rolled, "orders", 5) == {"pro": 1, "free": 1, "__other__": 0, "__none__": 1}


def test_who_has_several_texts_counts_once_in_each_segment():
    """Ann is in three segments; in that of all others she is once, with two of them."""
    rolled = Rolled(SHOP)
    texts = ["pro", "free", "x", "y", None]
    rolled.feed([ordered("ann", 1 + n, text) for n, text in enumerate(texts)])
    rolled.feed([ordered("bob", 10, "y")])
    found = cut(rolled, "users", 20)
    assert found == {"pro": 1, "free": 1, "__other__": 2, "__none__": 1}


def test_a_text_that_reads_as_another_segment_gets_no_name():
    """It is one of the others."""
    rolled = Rolled(SHOP)
    rolled.feed([ordered("ann", 1, "__none__"), ordered("ann", 2, "__other__")])
    assert cut(rolled, "orders", 5) == {"__other__": 2, "__none__": 0}


def test_names_stay_when_their_rows_are_gone():
    """The first two have their names for ever, whoever comes later."""
    rolled = Rolled(SHOP)
    rolled.feed([ordered("ann", 1, "pro"), ordered("ann", 2, "free")])
    cut(rolled, "users", 5)
    rolled.restart()
    rolled.feed([ordered("ann", 200, "new", amount=4), ordered("bob", 201, "pro")])
    rolled.restart()
    assert cut(rolled, "users", 210) == {"pro": 1, "free": 0, "__other__": 1, "__none__": 0}


def test_a_late_row_is_seen_when_it_is_visible():
    """What happened first but came last has no say in the names that were given before."""
    rolled = Rolled(SHOP, lateness_ms=0)
    rolled.feed([ordered("ann", 10, "pro"), ordered("ann", 20, "free"), ordered("ann", 1, "old")])
    assert cut(rolled, "users", 30) == {"pro": 1, "free": 1, "__other__": 1, "__none__": 0}


def test_members_are_cut_by_what_they_are_now():
    """Ann has changed; of bob nothing is known."""
    rolled = Rolled(SHOP)
    rolled.feed([happened("plan_changed", "ann", 0, plan="pro"), ordered("ann", 1)])
    rolled.feed([happened("plan_changed", "ann", 3, plan="team"), ordered("bob", 2)])
    assert cut(rolled, "buyers_now", 2) == {"pro": 1, "__other__": 0, "__none__": 0}
    found = {"pro": 0, "team": 1, "__other__": 0, "__none__": 1}
    assert cut(rolled, "buyers_now", 5) == found


def test_a_metric_over_another_is_cut_with_it():
    """Orders are divided within each segment."""
    rolled = Rolled(SHOP)
    rolled.feed([ordered("a", 1, "pro", 6), ordered("b", 2, "pro", 4), ordered("c", 3, "free", 1)])
    assert cut(rolled, "basket", 5) == {"pro": 5, "free": 1, "__other__": None, "__none__": None}


def test_rows_say_their_segment():
    """A metric's own row comes first, then one for each segment, which nothing judges."""
    rolled = Rolled(SHOP)
    rolled.feed([ordered("ann", 1, "pro")])
    at_ms = AT_MS + 5 * MINUTE_MS
    made = tick(SHOP, rolled.part(at_ms), History(), at_ms)
    found = [row for row in rows(SHOP, made) if row["metric"] == "orders"]
    assert [(row["segment"], row["value"]) for row in found] == [
        (None, 1),
        ({"plan": "pro"}, 1),
        ({"plan": "__other__"}, 0),
        ({"plan": "__none__"}, 0),
    ]
    assert {row["state"] for row in found} == {"unknown"}


# ── nothing else decides it ──────────────────────────────────────────────────────────────────────


def drawn(seed):
    """Two partitions of orders and changes, with more texts than names, some late."""
    luck = Random(seed)  # noqa: S311 - no secret
    texts = [None, "", *map(str, range(luck.choice([2, 5, 130])))]
    streams = ([], [])
    for place in range(300):
        minute = place / 2 - luck.choice([0, 0, 0, luck.random() * 30])
        user = f"u{luck.randrange(9)}"
        text = luck.choice(texts)
        name = luck.choice(["ordered", "ordered", "plan_changed"])
        known = {} if text is None else {"plan": text}
        luck.choice(streams).append(happened(name, user, minute, amount=place, **known))
    return streams


def told(rolled, minutes):
    """All rows of all ticks."""
    for minute in minutes:
        at_ms = AT_MS + minute * MINUTE_MS
        made = tick(rolled.plan, rolled.part(at_ms), History(), at_ms)
        yield from rows(rolled.plan, made)


@pytest.mark.parametrize("seed", range(6))
def test_neither_shards_nor_batches_nor_restarts_matter(seed):
    """The same rows come out, to the last digit."""
    streams, minutes = drawn(seed), [40, 80, 160, 230]
    whole, other = Rolled(SHOP, shards=1, salt=3), Rolled(SHOP, shards=5, salt=3)
    for partition, records in enumerate(streams):
        whole.feed(records, partition)
        for start in range(0, len(records), 7):
            other.feed(records[start : start + 7], partition)
    expected, found = [*told(whole, minutes)], []
    for minute in minutes:
        other.settle(AT_MS + minute * MINUTE_MS)
        other.restart()
        found += told(other, [minute])
    assert expected == found


@pytest.mark.parametrize("seed", range(20))
def test_the_first_texts_are_those_of_all_rows(seed):
    """However rows are cut, merged and let go, the smallest moments and texts are left."""
    luck = Random(seed)  # noqa: S311 - no secret
    rows_, k = luck.randrange(1, 12), luck.randrange(1, 6)
    texts = np.array([bytes([97 + luck.randrange(3), 97 + row]) for row in range(rows_)])
    seen = [(luck.randrange(rows_), luck.randrange(8)) for _ in range(40)]
    names = Names(k)
    names.resize(rows_)
    for start in range(0, len(seen), 6):
        piece = seen[start : start + 6]
        of = np.array([row for row, _ in piece])
        names.apply(of, np.array([since for _, since in piece]), texts[of])
    firsts = {row: min(since for each, since in seen if each == row) for row, _ in seen}
    expected = sorted((since, texts[row].item(), row) for row, since in firsts.items())[:k]
    of, since_ms, found = names.first()
    assert [*zip(since_ms.tolist(), found.tolist(), of.tolist(), strict=True)] == expected


def test_merged_names_are_cut_to_as_many_as_a_metric_may_have():
    """Those seen first are left."""
    one = FirstTexts({number: (number, str(number)) for number in range(80)})
    other = FirstTexts({number: (number, str(number)) for number in range(60, 160)})
    merged = one.merge(other)
    assert [number for number, _ in merged.ordered()] == [*range(NAMES_KEPT)]
    assert merged == other.merge(one)
