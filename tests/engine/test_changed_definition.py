"""A changed definition: what has not changed goes on as if nothing had, the rest starts anew.

Half of a stream is read with one definition, the rest with another. Every metric of the second is
held against a run with that one over the whole stream.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipeline.core.known import ALWAYS, at_first
from pipeline.core.plan import Plan
from pipeline.core.publish import Tick
from pipeline.core.windows import MINUTE_MS
from pipeline.engine.plan_change import reason
from tests.engine.both_engines import bytewax, compiled, local, until_exhausted
from tests.engine.deep_product import DEFINITION, DEPLOYMENT, PLAN, START_MS, stream
from tests.engine.memory_source import MemorySource

TICK_MS = DEPLOYMENT.tick_ms
RECORDS = stream(21, number=600, span_ms=8 * MINUTE_MS)
HALF = 180
EVERY = {metric.name for metric in PLAN.metrics}


@dataclass
class Engine:
    """Runs over one log and one store, each time with a definition of its own."""

    directory: Path

    def run(self, plan: Plan, until: int | None = None, **running: object) -> list[Tick]:
        """Read so many records from the start, or all of them; what this run published."""
        source = MemorySource(RECORDS[:until], slots=2, partitions=range(4), live=True, luck=7)
        stop = until_exhausted(source)
        if until == 0:
            stop.set()
        given = {"store": self.directory / "store", "store_parts": 2, "poll_records": 20}
        return bytewax(plan, DEPLOYMENT, source, stop=stop, **given | running)


@pytest.fixture
def engine(tmp_path):
    """An engine with a store that nothing was saved in yet."""
    return Engine(tmp_path)


def by_metric(plan, ticks):
    """What each metric came to at each tick."""
    return {
        (metric.name, tick.at_ms): (reading, verdict)
        for tick in ticks
        for metric, reading, verdict in zip(plan.metrics, tick.readings, tick.verdicts, strict=True)
    }


def compared(plan, ticks):
    """Which metrics are always true, which once they are covered, and which are wrong.

    Those of the second kind are given with how many readings were covered.
    """
    truth = by_metric(plan, local(plan, DEPLOYMENT, RECORDS, [tick.at_ms for tick in ticks]))
    found = by_metric(plan, ticks)
    exact, warmed, wrong = set(), {}, set()
    for name in {metric.name for metric in plan.metrics}:
        mine = {at: made for (of, at), made in found.items() if of == name}
        if all(repr(made) == repr(truth[name, at]) for at, made in mine.items()):
            exact.add(name)
            continue
        covered = {at: made for at, (made, _) in mine.items() if made.coverage == 1}
        same = all(repr(made) == repr(truth[name, at][0]) for at, made in covered.items())
        if same:
            warmed[name] = len(covered)
        else:
            wrong.add(name)
    return exact, warmed, wrong


def edited(*edits):
    """The definition with some texts in place of others."""
    text = DEFINITION
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


def turned_round():
    """The definition with everything in another order."""
    head, events = DEFINITION.split("events:\n")
    events, sets = events.split("sets:\n")
    sets, metrics = sets.split("metrics:\n")

    def reversed_(section):
        entries, lines = [], section.splitlines(keepends=True)
        for line in lines:
            if line.startswith("  ") and not line.startswith("   "):
                entries.append("")
            entries[-1] += line
        return "".join(reversed(entries))

    parts = [f"events:\n{reversed_(events)}", f"sets:\n{reversed_(sets)}"]
    return "".join([head, *parts, f"metrics:\n{reversed_(metrics)}"])


SHALLOW = edited(
    (
        "  learning_companies:\n    of: company\n    when: count(learning_teams.company) >= 2\n",
        "",
    ),
    ("  companies: {role: north_star, value: size(learning_companies)}\n", ""),
    ("  teams: {value", "  teams: {role: north_star, value"),
    ("  teams_per_company: {value: size(learning_teams) / size(learning_companies)}\n", ""),
    ("protects: companies", "protects: teams"),
)
"""One level less."""


def test_a_metric_is_added_and_the_others_do_not_notice(engine):
    """Also one that reads what no other has read of an event."""
    free = "{value: 'count(viewed, where=plan == \"free\")', window: trailing 20s}"
    added = edited(
        ("metrics:\n", "metrics:\n  added: {value: sum(viewed.seconds), window: trailing 90s}\n"),
        ("  quiet: {value", f"  free: {free}\n  quiet: {{value"),
    )
    engine.run(PLAN, HALF)
    plan = compiled(added)
    exact, warmed, wrong = compared(plan, engine.run(plan))
    assert exact == EVERY
    assert warmed.keys() == {"added", "free"}
    assert warmed["added"] > 5
    assert not wrong


UNUSED = "  unused: {of: team, when: count(viewed) >= 3, window: trailing 9m}\n  quiet_teams:"


@pytest.mark.parametrize(
    "text",
    [
        edited(("docs_in_use", "papers"), ("  viewed:\n", "  seen:\n"), ("(viewed", "(seen")),
        edited(("seconds:", "secs:"), (".seconds", ".secs"), ("author", "owner")),
        turned_round(),
        edited(("  quiet: {value: size(quiet_teams)}\n", "")),
        edited(("when: count(docs_in_use.author) >= 1 and count(active) >= 2",
                "when: count(active) >= 2 and count(docs_in_use.author) >= 1")),
        edited(("  quiet_teams:", UNUSED)),
        edited(("  docs: {value: size(docs_in_use)}", "  papers: {value: size(docs_in_use)}")),
    ],
    ids=["renamed", "values", "order", "removed", "turned", "unused", "metric"],
)  # fmt: skip
def test_names_and_order_mean_nothing(engine, text):
    """Every metric that is left goes on to the digit, verdicts included."""
    engine.run(PLAN, HALF)
    plan = compiled(text)
    assert plan.fingerprint != PLAN.fingerprint
    exact, warmed, wrong = compared(plan, engine.run(plan))
    assert exact == {metric.name for metric in plan.metrics}
    assert (warmed, wrong) == ({}, set())


@pytest.mark.parametrize(
    ("edit", "anew"),
    [
        (('where=plan == "pro"', 'where=plan == "free"'), {"pro_share"}),
        (("value: distinct(viewed.user), window: trailing 1m",
          "value: distinct(viewed.user), window: trailing 100s"), {"viewers"}),
        (("sum(viewed.seconds) > 5", "sum(viewed.seconds) > 6"), set()),
        (("other_than=author) >= 2", "other_than=author) >= 3"),
         {"docs", "teaching", "teams", "companies", "teams_per_company"}),
        (("other_than=author) >= 2", "other_than=author) >= 1"), set()),
        (("    window: trailing 40s", "    window: trailing 50s"),
         {"docs", "teaching", "teams", "companies", "teams_per_company"}),
        (("    window: trailing 40s", "    window: trailing 20s"), set()),
        (("  mean(viewed.seconds), window: trailing 1m", ""), None),
        (("{from: ms / 1000, max: 600}", "{from: ms / 100, max: 600}"),
         {"seconds", "teams", "companies", "teams_per_company"}),
        (("baseline: previous(2m)", "baseline: fixed(0.5)"), set()),
        (("window: calendar day", "window: calendar week"), {"views_today"}),
    ],
)  # fmt: skip
def test_what_has_changed_starts_anew_and_is_right_when_covered(engine, edit, anew):
    """What has not is exact at every tick; wider limits of what is kept need no start at all."""
    if anew is None:
        edit = ("value: mean(viewed.seconds), window: trailing 1m",
                "value: mean(viewed.seconds), window: trailing 25s")  # fmt: skip
        anew = {"seconds"}
    engine.run(PLAN, HALF)
    plan = compiled(edited(edit))
    ticks = engine.run(plan)
    exact, warmed, wrong = compared(plan, ticks)
    assert not wrong
    assert warmed.keys() == anew
    assert exact == EVERY - anew
    first = by_metric(plan, ticks[:1])
    assert all(first[name, ticks[0].at_ms][0].coverage < 1 for name in anew)
    assert all(warmed[name] > 3 for name in anew - {"views_today"})


FLAT = edited(
    ("count(docs_in_use.author) >= 1 and count(active) >= 2", "count(active) >= 2"),
    ("count(teachers.team) >= 1 and count(docs_in_use.team) >= 1 and ", ""),
    ("count(learning_teams.company) >= 2", "count(made) >= 1"),
    ("of: company", "of: team"),
    ("when: count(made) >= 1", "when: count(made) >= 1\n    window: trailing 1m"),
)
ROLLED_UP = FLAT.replace(
    "when: count(active) >= 2\n    window: trailing 2m", "when: count(docs_in_use.author) >= 1"
)


@pytest.mark.parametrize("workers", [1, 2])
def test_levels_come_and_go(engine, workers):
    """A roll-up that is new counts the members that there are, and so does one that comes back."""
    flat, rolled_up = compiled(FLAT), compiled(ROLLED_UP)
    assert (flat.levels, rolled_up.levels) == (1, 2)
    engine.run(flat, 100, workers=workers)
    up = compared(rolled_up, engine.run(rolled_up, 200, workers=workers))
    down = compared(flat, engine.run(flat, 300, workers=workers))
    up_again = compared(rolled_up, engine.run(rolled_up, workers=workers))
    assert up == up_again == (EVERY, {}, set())
    assert down[0] == EVERY - {"teaching"}
    assert not down[2]


def test_a_level_that_is_new_starts_anew_with_what_it_looks_at(engine):
    """Nobody has learned so far which company a team belongs to."""
    shallow = compiled(SHALLOW)
    assert shallow.levels == PLAN.levels - 1
    engine.run(shallow, HALF)
    exact, warmed, _ = compared(PLAN, engine.run(PLAN))
    assert exact == EVERY - {"companies", "teams_per_company"}
    assert warmed.keys() <= {"companies", "teams_per_company"}


def test_what_comes_back_starts_anew(engine):
    """What was left out for a while has missed what happened then, whatever is still stored."""
    without = compiled(
        edited(("  viewers: {value: distinct(viewed.user), window: trailing 1m}\n", ""))
    )
    engine.run(PLAN, 100)
    engine.run(without, HALF)
    exact, warmed, wrong = compared(PLAN, engine.run(PLAN))
    assert exact == EVERY - {"viewers"}
    assert warmed["viewers"] > 5
    assert not wrong


def test_a_change_and_back_without_a_record_in_between_is_as_two_changes(engine):
    """Stopped before anything is read, with some snapshots older than the change."""
    other = compiled(edited(('where=plan == "pro"', 'where=plan == "free"')))
    engine.run(PLAN, HALF)
    engine.run(other, 0)
    engine.run(PLAN, 0)
    exact, warmed, wrong = compared(PLAN, engine.run(PLAN))
    assert exact == EVERY - {"pro_share"}
    assert (warmed.keys(), wrong) == ({"pro_share"}, set())


def test_changes_follow_each_other(engine):
    """Windows and thresholds that grow step by step are known as far as each step was kept."""
    texts = [
        edited(("other_than=author) >= 2", f"other_than=author) >= {least}"),
               ("window: trailing 40s", f"window: trailing {size}s"))
        for least, size in ((1, 20), (2, 30), (2, 60), (3, 40), (1, 80))
    ]  # fmt: skip
    for text, until in zip(texts, (100, 180, 260, 340, None), strict=True):
        plan = compiled(text)
        _, _, wrong = compared(plan, engine.run(plan, until))
        assert not wrong


def test_history_of_baselines_is_kept_with_the_value(engine):
    """A guardrail that moves in the file and changes its limits is judged as before."""
    moved = compiled(turned_round().replace("warn: 3%", "warn: 1%"))
    engine.run(PLAN, 400)
    ticks = engine.run(moved)
    exact, _, _ = compared(moved, ticks)
    assert "pro_share" in exact
    states = {verdict.reason for (name, _), (_, verdict) in by_metric(moved, ticks).items()
              if name == "pro_share"}  # fmt: skip
    assert "" in states


def test_the_last_tick_is_made_once_more_under_the_new_definition(engine):
    """In a quiet stream nobody has to wait for the next tick."""
    last = engine.run(PLAN)[-1]
    other = compiled(turned_round())
    again = engine.run(other)
    assert [tick.at_ms for tick in again] == [last.at_ms]
    assert by_metric(other, again) == by_metric(PLAN, [last])
    assert [tick.at_ms for tick in engine.run(other)] == [last.at_ms]


def test_a_store_that_nothing_was_read_into_knows_everything(engine):
    """A definition that is changed before the first record has nothing to warm up."""
    engine.run(compiled(SHALLOW), 0)
    assert compared(PLAN, engine.run(PLAN)) == (EVERY, {}, set())


def told(engine, text):
    """What the log says of a change."""
    engine.run(PLAN, HALF)
    with capture_logs() as lines:
        engine.run(compiled(text), 0)
    return [{k: v for k, v in line.items() if k != "log_level"} for line in lines]


def test_the_log_says_what_starts_anew_and_why(engine):
    """One line each, in the words of the definition."""
    lines = told(
        engine,
        edited(
            ("metrics:\n", "metrics:\n  added: {value: count(made), window: trailing 3m}\n"),
            ("  quiet: {value: size(quiet_teams)}\n", ""),
            ("name: viewed\n", "name: viewed\n    where: ms > 200\n"),
            ("{value: size(teachers)}", "{value: size(teachers) * 2}"),
        ),
    )
    because = {line["metric"]: line.get("because") for line in lines if "metric" in line}
    assert because == {
        "added": "it is new",
        "quiet": None,
        **dict.fromkeys(
            ["docs", "teaching", "teams", "companies", "teams_per_company", "viewers"],
            "the event viewed has changed",
        ),
        **dict.fromkeys(["views_today", "seconds", "pro_share"], "the event viewed has changed"),
    }
    assert lines[-1]["metrics"] == []
    assert all(line["known_since"].startswith("2025-01-15T00:0") for line in lines
               if "because" in line)  # fmt: skip


def test_the_log_names_sets_and_windows(engine):
    """The lowest set that has changed, or the metric itself."""
    lines = told(
        engine,
        edited(
            ("other_than=author) >= 2", "other_than=author) >= 3"),
            (
                "distinct(viewed.user), window: trailing 1m",
                "distinct(viewed.user), window: trailing 2m",
            ),
        ),
    )
    because = {line["metric"]: line["because"] for line in lines if "metric" in line}
    assert because["companies"] == because["docs"] == "the set docs_in_use has changed"
    assert because["viewers"] == "its value or window has changed"
    assert lines[-1]["metrics"] == ["quiet", "views_today", "seconds", "pro_share"]


SMALL = """
version: 1
product: shop
source: {topics: [events], envelope: segment}
events:
  viewed: {name: viewed, ids: [user], values: {seconds: properties.s, price: properties.p}}
  left: {name: left, ids: [user]}
streams:
  visits: {pair: {begun: viewed, ended: left}, by: user, within: 1d}
metrics:
  north: {role: north_star, value: sum(viewed.price), window: trailing 7d}
  all_visits: {value: count(visits), window: trailing 7d}
"""


@pytest.mark.parametrize(
    ("old", "new", "because"),
    [
        ("price), window: trailing 7d", "price), window: trailing 9d",
         {"north": "its value or window has changed"}),
        ("price: properties.p", "price: properties.paid",
         {"north": "the event viewed has changed"}),
        ("value: count(visits)", 'value: "count(visits, where=begun.seconds > 1)"',
         {"all_visits": "its value or window has changed"}),
    ],
    ids=["window", "value", "column"],
)  # fmt: skip
def test_a_value_that_is_asked_for_now_is_no_change_of_its_event(old, new, because):
    """All metrics of an event were said to start anew for that it had changed."""
    before, plan = (
        compiled(SMALL),
        compiled(
            SMALL.replace(old, new) + "  added: {value: sum(viewed.seconds), window: trailing 7d}\n"
        ),
    )
    known = at_first(before)
    after = known.after(plan, 0)
    anew = [n for n in range(len(plan.metrics)) if after.metric_since_ms(plan, n) != ALWAYS]
    found = {plan.metrics[n].name: reason(known, plan, n) for n in anew}
    assert found == because | {"added": "it is new"}


def test_a_change_of_names_alone_is_told_as_such(engine):
    """Nothing starts anew, so nothing is warned of."""
    lines = told(engine, turned_round())
    assert [line["event"] for line in lines] == [
        "the definition has changed; these metrics keep their state"
    ]


def test_ticks_are_there_after_a_change(engine):
    """The same ticks as without one."""
    engine.run(PLAN, HALF)
    made = [tick.at_ms for tick in engine.run(compiled(SHALLOW), workers=2)]
    assert made[0] > START_MS
    assert made == list(range(made[0], made[-1] + TICK_MS, TICK_MS))
