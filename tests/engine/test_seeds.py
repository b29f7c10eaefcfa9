"""Seeded streams through the whole engine: shards, levels, processes and resumes are no matter."""

from datetime import UTC, datetime

import pytest

from pipeline.engine.local import LocalEngine, replay
from pipeline.spec import read_text
from tests.engine.both_engines import bytewax, local, same, until_exhausted
from tests.engine.deep_product import DEPLOYMENT, START_MS, last_tick_ms, stream
from tests.engine.memory_source import MemorySource
from tests.engine.test_resume import until_polled

TEXT = """
version: 1
product: seeded
source: {topics: [events], envelope: {name: kind, time: {from: ts, unit: ms}, id: id}}
entities:
  doc: {author: {is: user, from: made.user}}
events:
  made: {name: made, ids: {user: user, doc: doc, team: team}}
  joined: {name: joined, ids: {user: user, team: team}}
  viewed:
    name: viewed
    ids: {user: user, doc: doc}
    values: {seconds: {from: ms / 1000, max: 600}}
streams:
  beginners: {first: [viewed, joined], by: user, seed: users.tsv}
sets:
  docs_in_use: {of: doc, when: count(viewed) >= 2, window: trailing 40s}
  begun: {of: user, when: count(beginners) >= 1, window: trailing 2m}
  teachers:
    of: user
    when: count(docs_in_use.author) >= 1 or count(beginners) >= 1
    window: trailing 90s
metrics:
  north: {role: north_star, value: size(teachers)}
  begun_now: {value: size(begun)}
  beginners_now: {value: count(beginners), window: trailing 1m}
  their_seconds: {value: mean(beginners.seconds), window: trailing 5m}
"""
TICK_MS = DEPLOYMENT.tick_ms


def at(seconds):
    """A moment of the stream, as files have it."""
    return datetime.fromtimestamp(START_MS / 1000 + seconds, UTC).isoformat()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the definition and its seed stand."""
    return tmp_path_factory.mktemp("seeded")


@pytest.fixture(scope="module")
def plan(folder):
    """Of twelve users three are old, three began somewhere within; a hundred are never seen."""
    lines = ["u0", "u1", f"u2\t{at(-200_000)}", f"u3\t{at(-30)}", f"u4\t{at(60)}", f"u5\t{at(200)}"]
    lines += [f"unseen{n}\t{at(10 * n - 500)}" for n in range(100)]
    (folder / "users.tsv").write_text("\n".join(lines))
    result = read_text(TEXT, "seeded.yaml", folder=folder)
    assert result.plan is not None, result.problems
    return result.plan


@pytest.fixture(scope="module")
def records():
    """A stream of four partitions."""
    return stream(13, number=500)


@pytest.fixture(scope="module")
def expected(plan, records):
    """What the local engine makes of it, at every tick there is."""
    span = range(START_MS - 4 * TICK_MS, last_tick_ms(records) + TICK_MS, TICK_MS)
    ticks = local(plan, DEPLOYMENT, records, span)
    values = [{reading.value for reading in tick.readings} for tick in ticks]
    assert len(set().union(*values)) > 15  # of something
    return {tick.at_ms: tick for tick in ticks}


def test_a_tick_of_its_own_says_the_same(plan, records, expected):
    """What earlier ticks have looked at decides nothing."""
    for at_ms in [*expected][3::17]:
        assert same([expected[at_ms]], local(plan, DEPLOYMENT, records, [at_ms]))


@pytest.mark.parametrize("limit", [1, 13])
def test_records_may_be_cut_anywhere(plan, records, expected, limit):
    """Polls of so many records, in any mixture of partitions, give the same ticks."""
    source = MemorySource(records, luck=limit).open(0, {})
    found = list(replay(LocalEngine(plan, DEPLOYMENT), source, sorted(expected), limit=limit))
    assert same(expected.values(), found)


@pytest.mark.parametrize("workers", [1, 2])
def test_stopped_and_resumed_the_engine_goes_on_exactly(plan, records, expected, tmp_path, workers):
    """A shard that is loaded knows which it is, and notes nothing twice."""
    published = []
    for polls in (5, 9, 12, None):
        source = MemorySource(records, slots=2, live=True)
        stop = until_exhausted(source) if polls is None else until_polled(source, polls)
        running = {
            "store": tmp_path / "store",
            "store_parts": 2,
            "poll_records": 25,
            "workers": workers,
        }
        bytewax(plan, DEPLOYMENT, source, stop=stop, published=published, **running)
    assert len({tick.at_ms for tick in published}) > 20
    assert same([expected[tick.at_ms] for tick in published], published)


SHORT = TEXT.replace("trailing 2m", "trailing 10s").replace("trailing 5m", "trailing 20s")


@pytest.mark.parametrize(
    ("text", "lines"),
    [(TEXT.replace(", seed: users.tsv", ""), None), (TEXT, "u0\nu7\n"), (SHORT, None)],
    ids=["none", "another", "shorter"],
)
def test_a_seed_that_comes_later_is_filled_with_the_past(
    plan, folder, records, expected, tmp_path, text, lines
):
    """As if it had always been there; and windows that grow look at more of one that was."""
    if lines is not None:
        (tmp_path / "users.tsv").write_text(lines)
    before = read_text(text, "seeded.yaml", folder=folder if lines is None else tmp_path).plan
    assert before is not None
    store = {"store": tmp_path / "store", "store_parts": 2, "poll_records": 25}
    live = {"slots": 2, "partitions": range(4), "live": True}
    half, whole = MemorySource(records[:250], **live), MemorySource(records, **live)
    bytewax(before, DEPLOYMENT, half, stop=until_exhausted(half), **store)

    def past(slot, _):
        return MemorySource(records[:250], **live).open(slot, {})

    stop = until_exhausted(whole)
    found = bytewax(plan, DEPLOYMENT, whole, stop=stop, **store, history=past)
    assert same([expected[tick.at_ms] for tick in found], found)
