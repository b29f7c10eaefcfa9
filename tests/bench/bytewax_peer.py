"""The peer: the same figures the obvious way, a stock Bytewax `fold_window` for each.

Every choice is the peer's to gain: orjson, a single key wherever the figure allows it, windows that
move once a day where ours move in steps of ten minutes, and sets that stop at the first roll-up.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import bytewax.operators as op
import numpy as np
import orjson
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import (
    EventClock,
    SlidingWindower,
    TumblingWindower,
    Windower,
    fold_window,
)
from bytewax.testing import TestingSink, TestingSource, run_main

from tests.bench.stream import Log

Record = dict[str, Any]

_ALIGNED: Final = datetime(2026, 1, 5, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
_BATCH: Final = 10_000
_ACTIVE: Final = frozenset({"chart_shared", "chart_viewed", "query_run"})


@dataclass(frozen=True, slots=True)
class Figure:
    """One window: which events, of whom, over how long, and what is kept of each."""

    events: frozenset[str]
    size: timedelta
    key: Callable[[Record], str]
    kept: Callable[[Record], Any]

    def windower(self) -> Windower:
        """Windows of a day and less tumble, longer ones move by a day."""
        if self.size <= _DAY:
            return TumblingWindower(length=self.size, align_to=_ALIGNED)
        return SlidingWindower(length=self.size, offset=_DAY, align_to=_ALIGNED)


def _all(_: Record) -> str:
    return "all"


def _user(record: Record) -> str:
    return str(record["userId"])


def _chart(record: Record) -> str:
    return str(record["properties"]["chart_id"])


def _org(record: Record) -> str:
    return str(record["context"]["groupId"])


def _seconds(record: Record) -> float:
    return float(record["properties"]["ms"]) / 1000


_VIEWED: Final = frozenset({"chart_viewed"})
_QUERIED: Final = frozenset({"query_run"})
_TICKET: Final = frozenset({"support_ticket_opened"})
_WEEK: Final = 7 * _DAY
_MONTH: Final = 28 * _DAY
_HOUR: Final = timedelta(hours=1)

SINGLE: Final = (Figure(_ACTIVE, _DAY, _all, _user),)

# One for each metric of the catalogue, in its order.
ALL: Final = (
    Figure(_VIEWED, _WEEK, _chart, _user),
    Figure(_VIEWED, _WEEK, _org, _user),
    Figure(_VIEWED, _WEEK, _org, _user),
    Figure(_VIEWED, _WEEK, _chart, _user),
    Figure(_VIEWED, _WEEK, _all, _seconds),
    Figure(_VIEWED, _WEEK, _all, _seconds),
    Figure(_TICKET | _ACTIVE, _DAY, _all, _user),
    Figure(_ACTIVE, _DAY, _all, _user),
    Figure(_ACTIVE, _WEEK, _all, _user),
    Figure(_ACTIVE, _MONTH, _all, _user),
    Figure(_ACTIVE, _MONTH, _all, _user),
    Figure(_ACTIVE, _WEEK, _all, _user),
    Figure(_ACTIVE, _WEEK, _all, _org),
    Figure(_QUERIED, _WEEK, _all, _user),
    Figure(_VIEWED, _WEEK, _all, _chart),
    Figure(_VIEWED, _WEEK, _all, _user),
    Figure(_VIEWED, _WEEK, _all, _seconds),
    Figure(_VIEWED, _WEEK, _all, _seconds),
    Figure(_VIEWED, _DAY, _all, _seconds),
    Figure(_VIEWED, _DAY, _all, _seconds),
    Figure(_QUERIED, _DAY, _all, _seconds),
    Figure(_QUERIED, _HOUR, _all, _seconds),
    Figure(_QUERIED, _HOUR, _all, _seconds),
    Figure(_VIEWED, _WEEK, _user, _seconds),
    Figure(_VIEWED, _WEEK, _user, _seconds),
)


def run(figures: str, log: Log) -> dict[str, float]:
    """Fold a log into windows; from memory, on one worker."""
    chosen = {"single": SINGLE, "all": ALL}[figures]
    values = _in_order(log)
    flow = Dataflow("peer")
    records = op.map("decode", op.input("in", flow, TestingSource(values, _BATCH)), orjson.loads)
    clock: EventClock[Record] = EventClock(
        _happened, wait_for_system_duration=timedelta(seconds=10)
    )
    for number, figure in enumerate(chosen):
        mine = op.filter(f"mine-{number}", records, _of(figure))
        keyed = op.key_on(f"key-{number}", mine, figure.key)
        folded = fold_window(f"fold-{number}", keyed, clock, figure.windower(), *_folding(figure))
        op.output(f"out-{number}", folded.down, TestingSink([]))
    wall_s, thread_s = time.perf_counter(), time.thread_time()
    run_main(flow)
    return {
        "wall_s": time.perf_counter() - wall_s,
        "thread_s": time.thread_time() - thread_s,
        "events": len(values),
    }


def _in_order(log: Log) -> list[bytes | None]:
    values = [value for part in log.values for value in part]
    return [values[row] for row in np.argsort(np.concatenate(log.ingested_ms), kind="stable")]


def _of(figure: Figure) -> Callable[[Record], bool]:
    return lambda record: record["event"] in figure.events


def _happened(record: Record) -> datetime:
    return datetime.fromisoformat(record["timestamp"])


def _folding(figure: Figure) -> tuple[Callable[..., Any], ...]:
    if figure.kept is _seconds:
        return float, lambda total, record: total + figure.kept(record), lambda a, b: a + b

    def add(members: set[str], record: Record) -> set[str]:
        members.add(figure.kept(record))
        return members

    return set, add, set.union
