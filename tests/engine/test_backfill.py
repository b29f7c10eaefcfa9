"""Backfill: what starts anew is filled from the log, as if it had always been asked for.

Half of a stream is read with one definition, the rest with another that is filled. Every reading is
held against a run with the second over the whole stream, coverage and all.
"""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from pipeline.core.snapshot import unpack
from pipeline.engine import backfill, store_scan
from pipeline.engine.recovery import known_in
from tests.engine import test_changed_definition
from tests.engine.both_engines import bytewax, compiled, local, until_exhausted
from tests.engine.deep_product import DEPLOYMENT, PLAN
from tests.engine.memory_source import MemorySource
from tests.engine.test_changed_definition import (
    EVERY,
    HALF,
    RECORDS,
    SHALLOW,
    Engine,
    by_metric,
    compared,
    edited,
)

LONG = "  long:\n    name: viewed\n    ids: {user: user}\n    where: ms > 2000\n"
ADDED = edited(
    ("metrics:\n", "metrics:\n  added: {value: sum(viewed.seconds), window: trailing 90s}\n")
)
CHANGED = edited(('where=plan == "pro"', 'where=plan == "free"'))
PRO_TEAMS = """  pro_teams:
    of: team
    when: count(viewed, where=plan == "pro") >= 2
    window: trailing 2m
  quiet_teams:"""
NEW_EVENT = edited(
    ("  active: {name", f"{LONG}  active: {{name"),
    ("metrics:\n", "metrics:\n  added: {value: distinct(long.user), window: trailing 3m}\n"),
)  # fmt: skip

STREAMS = edited(
    ("sets:\n", """streams:
  unread: {pair: [made, viewed], by: doc, within: 20s}
  sittings: {session: [made, viewed], by: user, gap: 8s, same: [team]}
  rests: {gap: viewed, by: user, within: 30s}
sets:
"""),
    ("metrics:\n", """metrics:
  unread_docs: {value: "count(unread, where=not matched and made.ms > 1000)", window: trailing 1m}
  sitting: {value: "mean(sittings.length, where=viewed.seconds > 2)", window: trailing 1m}
  first_sittings: {value: "count(sittings, where=is_first)", window: trailing 2m}
  resting: {value: sum(rests.elapsed), window: trailing 1m}
"""),
    ("made: {name: made, ids: {user: user, doc: doc, team: team}}",
     "made: {name: made, ids: {user: user, doc: doc, team: team}, values: {ms: ms}}"),
)  # fmt: skip


CUT = edited(
    ("from: joined.team}}", "from: joined.team}, plan: {from: joined.plan}}"),
    (
        "{user: user, team: team}}\n  founded",
        "{user: user, team: team}, values: {plan: plan}}\n  founded",
    ),
    ("(viewed.user), window: trailing 1m", "(viewed.user), window: trailing 1m, by: plan, cap: 1"),
    ("size(teachers)}", "size(teachers), by: plan}"),
    ("count(viewed), window: calendar day", "count(viewed), window: calendar day, by: plan"),
    ("(viewed.seconds), window: trailing 1m", "(viewed.seconds), window: trailing 1m, by: plan"),
)


class Past:
    """What is left of the stream so far, as a source of history; `polls` are left until a crash."""

    def __init__(self, until=HALF, deleted=0, polls=1_000_000):
        self._source = MemorySource(
            RECORDS[:until],
            slots=2,
            partitions=range(4),
            live=True,
            luck=9,
            from_end=bool(deleted),
            on_poll=self._polled,
        )
        self._starts = dict.fromkeys(range(4), deleted) if deleted else {}
        self._polls = polls

    def _polled(self, _):
        self._polls -= 1
        if self._polls < 0:
            raise RuntimeError("crash")

    def __call__(self, slot, _):
        return self._source.open(slot, self._starts)


@pytest.fixture
def engine(tmp_path):
    """An engine with a store that nothing was saved in yet."""
    return Engine(tmp_path)


def wrong(plan, ticks):
    """The metrics with a reading other than in a run of the plan from the beginning.

    Baselines are left out, for those look at ticks and not at events.
    """
    truth = by_metric(plan, local(plan, DEPLOYMENT, RECORDS, [tick.at_ms for tick in ticks]))
    mine = by_metric(plan, ticks)
    return {
        name for (name, at), (made, _) in mine.items() if repr(made) != repr(truth[name, at][0])
    }


@pytest.mark.parametrize(
    "text",
    [
        ADDED,
        NEW_EVENT,
        CHANGED,
        edited(("value: distinct(viewed.user), window: trailing 1m",
                "value: distinct(viewed.user), window: trailing 100s")),
        edited(("    window: trailing 40s", "    window: trailing 50s")),
        edited(("other_than=author) >= 2", "other_than=author) >= 3")),
        edited(("{from: ms / 1000, max: 600}", "{from: ms / 100, max: 600}")),
        edited(("window: calendar day", "window: calendar week")),
        edited(("sum(viewed.seconds) > 5", "sum(viewed.seconds) > 5 and count(made) >= 1")),
        edited(("count(active) >= 2", "count(viewed) >= 2")),
        STREAMS,
    ],
    ids=[
        "added", "event", "where", "window", "set", "more", "value", "calendar", "term", "count",
        "streams",
    ],
)  # fmt: skip
@pytest.mark.parametrize("half", [HALF, 401])
def test_what_is_filled_is_as_if_it_had_always_been_asked_for(engine, text, half):
    """All readings are exact at the first tick and at every other, and so is their coverage."""
    engine.run(PLAN, half)
    plan = compiled(text)
    ticks = engine.run(plan, history=Past(half))
    assert len(ticks) > 5
    assert wrong(plan, ticks) == set()


@pytest.mark.parametrize("half", [HALF, 401])
def test_segments_are_filled_with_their_names(engine, half):
    """Names are those of the whole past, and so is what each comes to."""
    engine.run(PLAN, half)
    plan = compiled(CUT)
    ticks = engine.run(plan, history=Past(half))
    truth = local(plan, DEPLOYMENT, RECORDS, [tick.at_ms for tick in ticks])
    assert [tick.segments for tick in ticks] == [tick.segments for tick in truth]
    assert max(len(each) for each in ticks[-1].segments) > 2


@pytest.mark.parametrize("text", [ADDED, NEW_EVENT, CHANGED])
def test_without_it_the_same_changes_start_anew(engine, text):
    """So that the test above would fail where nothing is filled."""
    engine.run(PLAN, HALF)
    assert wrong(compiled(text), engine.run(compiled(text))) in ({"added"}, {"pro_share"})


def test_a_new_roll_up_on_levels_that_are_there(engine):
    """What it looks at is filled, and members are counted from that."""
    both = "count(learning_teams.company) >= 1 and count(pro_teams.company) >= 1"
    text = edited(
        ("count(learning_teams.company) >= 2", both),
        ("  quiet_teams:", PRO_TEAMS),
    )
    engine.run(PLAN, HALF)
    assert wrong(compiled(text), engine.run(compiled(text), workers=2, history=Past())) == set()


def test_changes_follow_each_other(engine):
    """What was filled goes on like all others, and what was known in part is filled as well."""
    engine.run(PLAN, 100)
    engine.run(compiled(ADDED), HALF)
    both = compiled(ADDED.replace("window: trailing 90s", "window: trailing 3m"))
    assert wrong(both, engine.run(both, 300, history=Past())) == set()
    assert wrong(both, engine.run(both, 350)) == set()
    engine.run(PLAN, 400)
    assert wrong(both, engine.run(both, history=Past(400))) == set()


def test_nothing_that_is_known_is_read_again(engine):
    """A definition that has not changed, or whose changes need no history, reads none."""
    renamed = compiled(edited(("docs_in_use", "papers")))
    engine.run(PLAN, HALF)
    engine.run(PLAN, 300, history=Past(polls=0))
    assert wrong(renamed, engine.run(renamed, history=Past(polls=0))) == set()


def test_a_log_that_was_cut_short_fills_what_it_can(engine):
    """Coverage is that of the log, and what is covered is right."""
    engine.run(PLAN, HALF)
    plan = compiled(NEW_EVENT)
    with capture_logs() as lines:
        ticks = engine.run(plan, history=Past(deleted=15))
    (told,) = (line for line in lines if line["event"] == "filled from history")
    assert told["known_since"].startswith("2025-01-15T00:0")
    exact, warmed, never = compared(plan, ticks)
    assert exact >= EVERY - {"pro_share"}
    assert (warmed.keys(), never) == ({"added"}, set())
    later = Engine(engine.directory / "without")
    later.run(PLAN, HALF)
    assert warmed["added"] > compared(plan, later.run(plan))[1]["added"]


@pytest.mark.parametrize("deleted", [1, 8, 22, 30, 38])
@pytest.mark.parametrize("text", [ADDED, CHANGED])
def test_wherever_a_log_was_cut_nothing_is_wrong(engine, text, deleted):
    """Also of a feed with rows that wait, which may be read otherwise without what came before."""
    engine.run(PLAN, HALF)
    exact, _, never = compared(
        compiled(text), engine.run(compiled(text), history=Past(deleted=deleted))
    )
    assert (exact >= EVERY - {"pro_share"}, never) == (True, set())


def test_with_other_lateness_nothing_counts_twice(engine):
    """What waits is visible at other moments then, so nothing of its feed is filled."""
    engine.run(PLAN, HALF)
    source = MemorySource(RECORDS, slots=2, partitions=range(4), live=True, luck=7)
    sooner = replace(DEPLOYMENT, lateness_ms=0)
    given = {"store": engine.directory / "store", "store_parts": 2, "history": Past()}
    with capture_logs() as lines:
        bytewax(compiled(ADDED), sooner, source, stop=until_exhausted(source), **given)
    because = [line["because"] for line in lines if line["event"] == "not filled from history"]
    assert because == ["records that wait for their tick are read otherwise than they were"]


def test_a_log_that_is_gone_fills_nothing(engine):
    """It is told, and the metric starts anew."""
    engine.run(PLAN, HALF)
    plan = compiled(ADDED)
    with capture_logs() as lines:
        ticks = engine.run(plan, history=Past(deleted=40))
    assert "not filled from history" in {line["event"] for line in lines}
    exact, warmed, never = compared(plan, ticks)
    assert (exact, warmed.keys(), never) == (EVERY, {"added"}, set())


def test_a_crash_while_history_is_read_changes_nothing(engine):
    """The next start begins it again; the old definition goes on as well."""
    plan = compiled(NEW_EVENT)
    engine.run(PLAN, HALF)
    for polls in (0, 3, 7):
        with pytest.raises(RuntimeError, match="crash"):
            engine.run(plan, history=Past(polls=polls))
    assert compared(PLAN, engine.run(PLAN, 250)) == (EVERY, {}, set())
    assert wrong(plan, engine.run(plan, history=Past(250))) == set()


def generations(store):
    """Those that memories are saved under: one to come must find none of its own."""
    for part in sorted(store.glob("parts/*.sqlite3")):
        for saved in store_scan.scan(part):
            for name in unpack(saved.packed)[0]:
                if name.startswith("memory/"):
                    yield int(name.split("/")[1].rpartition(".")[2])


@pytest.mark.parametrize("then", ["again", "without", "back"])
@pytest.mark.parametrize("text", [ADDED, NEW_EVENT, CHANGED])
@pytest.mark.parametrize("calls", [1, 2])
def test_a_crash_while_it_is_written_leaves_nothing_half_filled(
    engine, monkeypatch, text, calls, then
):
    """One part has it and the other not, or both have and the manifest does not say so yet."""
    plan = compiled(text)
    engine.run(PLAN, HALF)
    with monkeypatch.context() as patch:
        left = iter(range(calls))

        def crash(part, changed):
            store_scan.rewrite(part, changed)
            if next(left) == calls - 1:
                raise RuntimeError("crash")

        patch.setattr(backfill, "rewrite", crash)
        with pytest.raises(RuntimeError, match="crash"):
            engine.run(plan, history=Past())
    store = engine.directory / "store"
    assert max(generations(store)) <= known_in(store).generation
    if then == "again":
        assert wrong(plan, engine.run(plan, history=Past())) == set()
    elif then == "without":
        _, warmed, never = compared(plan, engine.run(plan))
        assert warmed.keys() in ({"added"}, {"pro_share"})
        assert not never
    else:
        assert compared(PLAN, engine.run(PLAN, 300)) == (EVERY, {}, set())
        assert wrong(plan, engine.run(plan, history=Past(300))) == set()


def test_asked_to_stop_it_leaves_the_store_as_it_was(engine):
    """The definition counts as changed at the next start still."""
    plan = compiled(NEW_EVENT)
    engine.run(PLAN, HALF)
    assert engine.run(plan, 0, history=Past()) == []
    assert wrong(plan, engine.run(plan, history=Past())) == set()


def test_a_level_that_only_counts_members_is_right_at_once(engine):
    """Its tallies need no history, but for the attribute below, which is filled."""
    engine.run(compiled(SHALLOW), HALF)
    assert wrong(PLAN, engine.run(PLAN, history=Past())) == set()


def test_a_level_that_is_new_and_looks_at_events_starts_anew(engine):
    """No state of it was saved that could be filled; that is told."""
    at_least = "count(learning_teams.company) >= 2"
    plan = compiled(
        edited((at_least, f"{at_least} and count(founded) >= 1\n    window: trailing 1m"))
    )
    engine.run(compiled(SHALLOW), HALF)
    with capture_logs() as lines:
        exact, _, never = compared(plan, engine.run(plan, history=Past()))
    because = [line["because"] for line in lines if line["event"] == "not filled from history"]
    assert because == ["no state was saved of its level yet"]
    assert (exact, never) == (EVERY - {"companies", "teams_per_company"}, set())


def test_history_from_before_anything_was_watched(engine):
    """What is filled is covered from the first event on; what is not stays as it was."""

    def started_late(directory):
        engine = Engine(directory)
        directory.mkdir()
        source = MemorySource(
            RECORDS[:100], slots=2, partitions=range(4), live=True, luck=7, from_end=True
        )
        given = {"store": directory / "store", "store_parts": 2}
        bytewax(PLAN, DEPLOYMENT, source, stop=until_exhausted(source), **given)
        engine.run(PLAN, HALF)
        return engine

    plan = compiled(NEW_EVENT)
    mine = started_late(engine.directory / "filled").run(plan, history=Past())
    others = started_late(engine.directory / "not").run(plan)
    assert "added" not in wrong(plan, mine)
    assert "added" in wrong(plan, others)
    kept = EVERY - {"pro_share"}
    before, after = by_metric(plan, others), by_metric(plan, mine)
    assert [at for at in after if at[0] in kept and repr(after[at]) != repr(before[at])] == []


def test_what_comes_again_is_known_of_records_that_nobody_asked_for(engine, monkeypatch):
    """Ids of a new event's records are remembered, so that one from before the change counts once.

    The first half of the stream ends between the two.
    """
    without = compiled(
        SHALLOW.replace("  team: {company: {is: company, from: founded.company}}\n", "").replace(
            "  founded: {name: founded, ids: {team: team, company: company}}\n", ""
        )
    )
    plan = compiled(
        SHALLOW.replace(
            "metrics:\n", "metrics:\n  added: {value: count(founded), window: trailing 9m}\n"
        )
    )
    monkeypatch.setattr(test_changed_definition, "RECORDS", repeated(RECORDS, HALF))
    monkeypatch.setitem(globals(), "RECORDS", repeated(RECORDS, HALF))
    engine.run(without, HALF)
    assert wrong(plan, engine.run(plan, history=Past())) == set()


def repeated(records, place):
    """The records, the last founding before a place once more at that place."""
    again = [each for each in records[:place] if each.value and b'"founded"' in each.value][-1]
    number = again.partition
    ends = [each.offset for each in records[:place] if each.partition == number]
    return [
        *records[:place],
        replace(again, offset=max(ends) + 1),
        *(
            replace(each, offset=each.offset + 1) if each.partition == number else each
            for each in records[place:]
        ),
    ]
