"""`northstar replay` on the command line: which ticks are made where nobody says."""

import json

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.cli.exits import Exit

DEFINITION = """\
version: 1
product: shop
game: transaction
source: {topics: [orders], envelope: segment}
events: {ordered: {name: order, ids: {user: userId}}}
metrics: {buyers: {role: north_star, value: distinct(ordered.user), window: trailing 7d}}
"""


@pytest.fixture
def replay(tmp_path):
    """Replays orders, each of somebody else, at these moments."""
    definition, events = tmp_path / "shop.yaml", tmp_path / "orders.jsonl"
    definition.write_text(DEFINITION)

    def run(moments, *flags, name="order"):
        orders = [
            {"event": name, "timestamp": moment, "messageId": f"m{n}", "userId": f"u{n}"}
            for n, moment in enumerate(moments)
        ]
        events.write_text("".join(f"{json.dumps(order)}\n" for order in orders))
        given = () if "--events" in flags else ("--events", str(events))
        return CliRunner().invoke(app, ["replay", str(definition), *given, *flags])

    return run


def told(ended):
    """Ticks and values."""
    rows = map(json.loads, ended.stdout.splitlines())
    return {row["at"]: row["value"] for row in rows}


MOMENTS = ["2024-01-01T10:00:00Z", "2024-01-02T11:00:00Z", "2024-01-04T12:00:00Z"]


def test_from_the_first_event_to_the_newest(replay):
    """The first tick is the first after an event."""
    ended = replay(MOMENTS)
    assert ended.exit_code == Exit.OK
    assert told(ended) == {
        "2024-01-02T00:00:00Z": 1,
        "2024-01-03T00:00:00Z": 2,
        "2024-01-04T00:00:00Z": 2,
    }


def test_what_is_said_is_what_is_found(replay):
    """Said or found, the same ticks are the same bytes."""
    assert replay(MOMENTS).stdout == replay(MOMENTS, "--from", "2024-01-02").stdout


def test_all_events_between_two_ticks_are_shown_by_the_later(replay):
    """A file of one hour has a number."""
    assert told(replay(MOMENTS[:1])) == {"2024-01-02T00:00:00Z": 1}


def test_a_last_tick_beyond_the_newest_event_is_made(replay):
    """Values fall by time alone."""
    values = told(replay(MOMENTS, "--to", "2024-01-12"))
    assert [values[f"2024-01-{day}T00:00:00Z"] for day in ("05", "09", "11", "12")] == [3, 2, 1, 0]


def test_days_after_the_newest_event_have_no_tick(replay):
    """Nothing is shown, and it is said where the events end."""
    ended = replay(MOMENTS, "--from", "2024-01-05")
    assert (ended.exit_code, ended.stdout) == (Exit.FINDINGS, "")
    assert "no tick to show: the newest event is of 2024-01-04T12:00:00Z" in ended.stderr


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("--events", "-"), Exit.USAGE, "say --from, or name a file"),
        (("--events", "nowhere.jsonl"), Exit.USAGE, "nowhere.jsonl: No such file"),
        (("--every", "0s"), Exit.USAGE, "there is no tick between"),
        (("--to", "2023-01-01"), Exit.USAGE, "there is no tick between"),
    ],
)
def test_wrong_use_is_said(replay, flags, code, said):
    """Each slip ends with a sentence about it."""
    ended = replay(MOMENTS, *flags)
    assert (ended.exit_code, ended.stdout) == (code, "")
    assert said in ended.stderr


def test_records_of_nobody_are_a_finding(replay):
    """There is no first event to begin after."""
    ended = replay(MOMENTS, name="scrolled")
    assert ended.exit_code == Exit.FINDINGS
    assert "`northstar sniff` says which" in ended.stderr
