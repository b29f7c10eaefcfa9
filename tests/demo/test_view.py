"""The live view, drawn from ticks made by hand."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from pipeline.core.compose import Reading
from pipeline.core.judge import NOT_JUDGED, State, Verdict
from pipeline.core.publish import Tick
from pipeline.core.records import Counts, Filtered, Reason
from pipeline.core.tree import Better
from pipeline.core.windows import DAY_MS, HOUR_MS
from pipeline.demo.definition import demo_plan
from pipeline.demo.season import LIVE_MS
from pipeline.telemetry import Telemetry
from pipeline.terminal.view import View
from tests.demo.streams import Watch

PLAN = demo_plan()
VALUES = {
    "weekly_learning_users": (2_055, None, None),
    "activated_organisations": (122, None, None),
    "learning_users_per_organisation": (2_055 / 122, 2_055, 122),
    "broadcasted_learnings": (4_168, None, None),
    "attentive_view_ratio": (0.7035, 97_788, 138_995),
    "tickets_per_active_user": (0.1725, 865, 5_013),
}
GREEN = Verdict(State.GREEN, baseline=0.16, warn_at=0.2, breach_at=0.24)
SERVED = ("http://127.0.0.1:9464  /metrics  /healthz  /readyz  /api/v1/readings",)

EXPECTED = """\
 Insight Suite (demo)                                 Tue 20 Jan 2026 08:00 UTC
╭─ ★ North Star ───────────────────────────────────────────────────────────────╮
│  Weekly Learning Users               2,055 users   ▲ 2.9 % on 7 days before  │
│  ▁▁▁▁▂▂▂▂▂▂▂▂▂▃▃▃▃▃▃▃▃▄▄▄▄▄▄▄▄▄▅▅▅▅▅▅▅▅▅▆▆▆▆▆▆▆▆▇▇▇▇▇▇▇▇█████  last 10 days  │
╰┬─────────────────────────────────────────────────────────────────────────────╯
 ├── Activated Organisations          breadth        122 organisations ▲ 2.5 %
 ├── Learning Users per Organisation  depth         16.8 users         ▲ 2.9 %
 ├┄┄ Broadcasted Learnings            frequency    4,168 learnings     ▲ 2.9 %
 ├┄┄ Attentive Views                  efficiency    70.3 %             ▲ 2.0 pp
 └◇─ Support Tickets per Active User  guardrail    0.172 tickets       ▲ 2.9 %
     ● GREEN  yellow above 0.200 · red above 0.240 · 7 days before 0.160
 ── formula, residual 0   ┄┄ hypothesis   ◇─ guardrail   ▲▼ on 7 days before
────────────────────────────────────────────────────────────────────────────────
 events    800/s     481,600 in all, 98.9 % matched
 of these  5,786 late (1.2 %) · 2,410 duplicate (0.5 %) · 2,511 filtered
 rejected  240: field_type 120, not_object 97, bad_id 20, other reasons 3
 watermark Tue 20 Jan 2026 08:03:20 UTC
 served    http://127.0.0.1:9464  /metrics  /healthz  /readyz  /api/v1/readings
"""


def tick(at_ms, part=1.0, coverage=1.0, verdict=GREEN):
    """A tick of the demo's plan, with all values times `part`."""
    readings, verdicts = [], []
    for metric in PLAN.metrics:
        value, numerator, denominator = VALUES[metric.name]
        now = round(value * part) if isinstance(value, int) else value * part
        residual = 0.0 if metric.formula is not None else None
        readings.append(Reading(now, numerator, denominator, 9, coverage, residual))
        verdicts.append(NOT_JUDGED if metric.guard is None else verdict)
    return Tick(at_ms, tuple(readings), tuple(verdicts))


def busy():
    """Telemetry of an engine that has seen some records."""
    telemetry = Telemetry()
    figures = telemetry.partition(0)
    figures.counts = Counts(consumed=480_000, matched=476_299, duplicate=2_410, late=5_786)
    figures.counts.filtered[Filtered.UNKNOWN_NAME] = 2_511
    figures.counts.rejected.update(
        {Reason.FIELD_TYPE: 120, Reason.NOT_OBJECT: 97, Reason.BAD_ID: 20, Reason.FUTURE: 3}
    )
    figures.watermark_ms = LIVE_MS + 200_000
    telemetry.partition(1).watermark_ms = LIVE_MS - HOUR_MS
    telemetry.partition(1).idle = True
    return telemetry


def drawn(view, columns=80, **console):
    """What a console of that width prints, without spaces at the ends of lines."""
    given = {"force_terminal": False, "color_system": None, **console}
    out = Console(file=io.StringIO(), width=columns, legacy_windows=False, **given)
    out.print(view)
    return re.sub(" +$", "", out.file.getvalue(), flags=re.MULTILINE)


@pytest.fixture
def watch():
    """The view's clock."""
    return Watch()


@pytest.fixture
def view(watch):
    """A view that has seen ten days, a tick each hour, growing by 0.4 % a day."""
    shown = View(PLAN, busy(), SERVED, watch)
    for hour in range(-240, 1):
        shown.take(tick(LIVE_MS + hour * HOUR_MS, 1 + hour / 24 * 0.004))
    return shown


def test_the_view_at_80_columns(view, watch):
    """The tree, the verdict, and how the engine is doing, in one look."""
    drawn(view)
    watch.now_s += 2
    view._telemetry.partition(0).counts.consumed += 1_600

    assert drawn(view) == EXPECTED


def test_it_fits_a_small_terminal(view):
    """No line is wider than 80 columns, and all of them fit in 24."""
    lines = drawn(view).splitlines()

    assert len(lines) < 24
    assert max(map(len, lines)) <= 80


def test_before_the_first_tick_nothing_is_made_up():
    """No number is shown as 0 that is not known."""
    telemetry = Telemetry()
    telemetry.waiting_for.add("slot 0 to catch up")

    text = drawn(View(PLAN, telemetry))

    assert "catching up" in text
    assert "? UNKNOWN  no reading yet" in text
    assert "watermark unknown" in text
    assert not re.search(r"\d (users|organisations|learnings|tickets)", text)


def test_a_window_not_wholly_watched_says_so(view):
    """Coverage takes the place of a change, which would compare unlike things."""
    view.take(tick(LIVE_MS + HOUR_MS, coverage=0.43))

    assert drawn(view).count("43% seen") == 6


def test_an_unknown_value_is_unknown(view):
    """A reading without value is a word."""
    last = tick(LIVE_MS + HOUR_MS)
    readings = tuple(replace(reading, value=None) for reading in last.readings)
    view.take(replace(last, readings=readings))

    assert drawn(view).count("unknown") == 6


@pytest.mark.parametrize(
    ("state", "shape", "colour"),
    [
        (State.GREEN, "●", "32"),
        (State.YELLOW, "◆", "33"),
        (State.RED, "■", "31"),
        (State.UNKNOWN, "?", None),
    ],
)
def test_a_state_has_a_shape_a_word_and_a_colour(view, monkeypatch, state, shape, colour):
    """Without colours, or without knowing shapes, the state is still there."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    view.take(tick(LIVE_MS + HOUR_MS, verdict=replace(GREEN, state=state)))

    assert f"{shape} {state.upper()}" in drawn(view)
    coloured = drawn(view, force_terminal=True, color_system="standard")
    sequence = f"1;{colour}" if colour else "1"
    assert f"\x1b[{sequence}m{shape} {state.upper()}\x1b[0m" in coloured


def test_no_color_is_respected(view, monkeypatch):
    """With NO_COLOR there is bold and dim, and no colour at all."""
    monkeypatch.setenv("NO_COLOR", "1")

    text = drawn(view, force_terminal=True, color_system="truecolor")

    assert "\x1b[1m" in text
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", text)


def test_why_a_verdict_is_unknown(view):
    """The reason stands beside the state."""
    verdict = Verdict(State.UNKNOWN, reason="the window is not covered yet")
    view.take(tick(LIVE_MS + HOUR_MS, verdict=verdict))

    assert "? UNKNOWN  the window is not covered yet" in drawn(view)


def test_a_guardrail_that_wants_more_warns_below(watch):
    """The words follow the direction in which things get worse."""
    metrics = tuple(
        metric
        if metric.guard is None
        else replace(metric, guard=replace(metric.guard, better=Better.HIGHER))
        for metric in PLAN.metrics
    )
    view = View(replace(PLAN, metrics=metrics), Telemetry(), (), watch)
    view.take(tick(LIVE_MS))

    assert "yellow below 0.200 · red below 0.240" in drawn(view)


def test_a_terminal_without_unicode_gets_plain_letters(view):
    """Where the encoding knows no boxes, every meaning keeps a shape."""
    console = Console(file=io.TextIOWrapper(io.BytesIO(), "ascii"), width=80, force_terminal=True)
    console.print(view)
    console.file.flush()
    text = console.file.buffer.getvalue().decode("ascii")

    assert "* North Star" in text
    assert "o GREEN" in text


def test_a_wide_terminal_shows_where_every_input_comes_from(view):
    """From 104 columns on there is a sparkline for each line."""
    lines = drawn(view, columns=120).splitlines()

    assert sum("█" in line for line in lines) == 6
    assert max(map(len, lines)) <= 120


def test_a_narrow_terminal_cuts_lines_and_never_breaks_them(view):
    """As many lines at 40 columns as at 80."""
    assert len(drawn(view, columns=40).splitlines()) == len(drawn(view).splitlines())


def test_the_change_is_over_the_longest_period_known(watch):
    """Seven days, or else one day, or else an hour; nothing where there is no past."""
    for hours, period in ((24 * 8, "7 days"), (30, "1 day"), (3, "1 hour")):
        view = View(PLAN, Telemetry(), (), watch)
        for hour in range(-hours, 1):
            view.take(tick(LIVE_MS + hour * HOUR_MS, 1 + hour * 0.001))
        assert f"% on {period} before" in drawn(view)

    view = View(PLAN, Telemetry(), (), watch)
    view.take(tick(LIVE_MS))
    assert "before" not in drawn(view).partition("├")[0]


def test_a_partly_watched_past_is_no_past(watch):
    """A change on a week that was not wholly seen would be a lie."""
    view = View(PLAN, Telemetry(), (), watch)
    view.take(tick(LIVE_MS - 7 * DAY_MS, coverage=0.5))
    view.take(tick(LIVE_MS))

    assert " on 7 days before" not in drawn(view)


def test_one_plain_line(view):
    """Where there is no terminal, a line says the same."""
    line = view.line()

    assert line.startswith("2026-01-20T08:00:00Z weekly_learning_users=2055 ")
    assert "attentive_view_ratio=70.3% tickets_per_active_user=0.172(green)" in line
    assert line.endswith("records=480000 late=5786 duplicate=2410 rejected=240")
    assert View(PLAN, Telemetry()).line().startswith("catching up records=0")
