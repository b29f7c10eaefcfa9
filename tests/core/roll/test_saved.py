"""Shards are saved by what they hold: another order or other names find the same again."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.known import Known, at_first
from pipeline.core.roll import Shard
from pipeline.core.snapshot import unpack
from tests.core.roll.rolled import Rolled
from tests.engine.both_engines import compiled
from tests.engine.deep_product import DEFINITION, PLAN, START_MS, stream
from tests.engine.memory_source import MemorySource

TICK_MS = START_MS + 60_000


def rolled():
    """The deep product's shards after a minute, with rows that wait."""
    made = Rolled(PLAN, shards=2, lateness_ms=10_000)
    for number, log in MemorySource(stream(31, number=200)).logs.items():
        made.feed([record.value for record in log], partition=number)
    made.part(TICK_MS)
    return made


def arrays(packed):
    """What a snapshot holds, in any order."""
    return {name: array.tolist() for name, array in unpack(packed)[0].items()}


def again(packed, plan, level, known=None):
    """What a shard of another plan saves of what it has found."""
    shard = Shard(plan, level, known)
    shard.load(packed)
    return arrays(shard.dump({}, {}))


def backwards(plan):
    """The same plan, compiled from a text in which everything is the other way round."""
    head, rest = DEFINITION.split("sets:\n")
    sets, metrics = rest.split("metrics:\n")

    def turned(section):
        entries = []
        for line in section.splitlines(keepends=True):
            if line.startswith("  ") and line[2] != " ":
                entries.append("")
            entries[-1] += line
        return "".join(reversed(entries))

    text = f"{head}sets:\n{turned(sets)}metrics:\n{turned(metrics)}"
    found = compiled(text.replace("docs_in_use", "papers").replace(".seconds", ".s").replace(
        "seconds: {from", "s: {from"))  # fmt: skip
    assert [memory.key for memory in found.memories] != [memory.key for memory in plan.memories]
    return found


@pytest.mark.parametrize("level", range(PLAN.levels))
def test_order_and_names_find_everything_again(level):
    """To the last byte, queues and changes that wait included."""
    other = backwards(PLAN)
    for shard in rolled().levels[level]:
        packed = shard.dump({}, {})
        assert again(packed, other, level) == arrays(packed)


def test_what_the_plan_has_no_more_is_left_out():
    """And what it has besides begins empty."""
    plan = compiled(
        DEFINITION.replace("distinct(viewed.user), window: trailing 1m", "size(quiet_teams) * 2")
    )
    gone = {memory.identity for memory in PLAN.memories} - {m.identity for m in plan.memories}
    packed = rolled().levels[0][0].dump({}, {})
    (memory,) = gone
    found = again(packed, plan, 0)
    assert arrays(packed).keys() - found.keys() <= {
        name
        for name in arrays(packed)
        if memory in name or name.startswith("queue/") or name == "keys/user"
    }
    back = again(Shard(plan, 0).dump({}, {}), PLAN, 0)
    assert {name for name in back if memory in name}


def test_what_is_born_again_is_not_found():
    """Under a later generation the same identity begins empty; its entities have their rows."""
    identity = next(m.identity for m in PLAN.memories if m.kind == "last_seen" and m.level == 0)
    known = at_first(PLAN)
    reborn = replace(known, held=known.held | {identity: replace(known.held[identity], born=7)})
    packed = rolled().levels[0][0].dump({}, {})
    found = again(packed, PLAN, 0, reborn)
    before = np.array(arrays(packed)[f"memory/{identity}.0/newest"])
    assert len(before)
    assert len(found[f"memory/{identity}.7/newest"]) == len(before)
    assert set(found[f"memory/{identity}.7/newest"]) == {np.iinfo(np.int64).min}


def test_a_column_that_nobody_asked_for_is_absent_in_rows_that_wait():
    """The rows themselves still count."""
    plan = compiled(
        DEFINITION.replace(
            "  docs: {value", "  sum: {value: sum(made.n), window: trailing 1m}\n  docs: {value"
        ).replace("doc: doc, team: team}}", "doc: doc, team: team}, values: {n: ms}}")
    )
    assert len(plan.memories) == len(PLAN.memories) + 1
    for shard in rolled().levels[0]:
        packed = shard.dump({}, {})
        loaded = Shard(plan, 0, Known())
        loaded.load(packed)
        before = Shard(PLAN, 0)
        before.load(packed)
        assert loaded.waiting == before.waiting
        counts, _ = loaded.evaluate(START_MS + 300_000)
        expected, _ = before.evaluate(START_MS + 300_000)
        assert sum(counts.counts) == sum(expected.counts)
