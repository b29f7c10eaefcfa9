"""What an entity of the catalogue costs: bytes while it is known, and time at every tick."""

import ctypes
import gc
import time
from pathlib import Path
from typing import Final

from pipeline.core.deployment import Deployment
from pipeline.engine.local import LocalEngine
from tests.bench.catalogue import catalogue, plan_of
from tests.bench.child import call
from tests.bench.setting import Setting
from tests.bench.stream import PARTITIONS, START_MS, load

FULL: Final = 1_000_000
_PAGE_BYTES: Final = 4096
_TICK_MS: Final = 5_000
_TICKS: Final = 15
_POLL_RECORDS: Final = 10_000


def at_rest(log: str) -> dict[str, float]:
    """Fill tables with a log, then let ticks pass in which nothing comes."""
    records = load(Path(log))
    polls = [poll for n in range(PARTITIONS) for poll in records.polls(n, _POLL_RECORDS)]
    newest_ms = max(int(times[-1]) for times in records.ingested_ms)
    polls.sort(key=lambda poll: int(poll.ingested_ms[0]))
    plan = plan_of(catalogue())
    before = _resident_bytes()
    engine = LocalEngine(plan, Deployment())
    settled_ms = START_MS
    for poll in polls:
        engine.feed(poll)
        # Rows shall not wait for a tick that is a week away: that is not what they cost at rest.
        settled_ms = max(settled_ms, int(poll.ingested_ms[0]))
        engine.settle(settled_ms)
    at_ms = newest_ms // _TICK_MS * _TICK_MS + _TICK_MS
    engine.evaluate(at_ms)
    grown = _resident_bytes() - before
    taken = []
    for step in range(1, _TICKS + 1):
        began_s = time.thread_time()
        engine.evaluate(at_ms + step * _TICK_MS)
        taken.append(time.thread_time() - began_s)
    return {"bytes": grown, "tick_s": sorted(taken)[_TICKS // 2]}


def _resident_bytes() -> int:
    """What the process holds, once everything it can give back is given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


def measure(setting: Setting) -> dict[str, float]:
    """A million entities: half of them people, the others charts and some organisations.

    Two events each, spread over six days. Quick runs have half of that, and say what a million
    would come to.
    """
    entities = FULL // 2 if setting.quick else FULL
    users, orgs = entities // 2, entities // 50
    log = setting.log(
        events=entities, users=users, charts=entities - users - orgs, orgs=orgs, once=True,
        events_per_s=max(1, entities // (6 * 86_400)),
    )  # fmt: skip
    found = call("entities", "at_rest", log=log)
    return {
        "bytes_per_entity": found["bytes"] / entities,
        "tick_ms_1m": found["tick_s"] * 1000 * FULL / entities,
    }
