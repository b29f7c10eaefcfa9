"""`northstar try`, as a person calls it."""

import json

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.cli.exits import Exit
from tests.trial.made_up_events import CANDIDATE as QUERYING, EVENTS, PRESENT as INSIGHT_SUITE
from tests.trial.stories import (
    CANDIDATE,
    DEEP,
    FIRST,
    PRESENT,
    definition,
    record,
    video_days,
    written,
)


@pytest.fixture
def files(tmp_path):
    """The video product: candidate, present definition and events."""
    (tmp_path / "candidate.yaml").write_text(definition("deep_video", CANDIDATE))
    (tmp_path / "present.yaml").write_text(definition("video", PRESENT))
    written(tmp_path / "events.jsonl", video_days())
    return tmp_path


def run(*arguments):
    """The command's end and output."""
    return CliRunner().invoke(app, ["try", *map(str, arguments)])


def tried(folder, *flags):
    """The outcome of the video product, as data."""
    ended = run(*of(folder), *flags, "--output", "json")
    assert ended.exit_code == Exit.OK, ended.output
    return json.loads(ended.stdout)


def of(folder):
    """The arguments that every trial of the video product has."""
    present, events = folder / "present.yaml", folder / "events.jsonl"
    return [
        folder / "candidate.yaml",
        "--against",
        present,
        "--events",
        events,
        "--to",
        "2026-03-12",
    ]


def test_both_values_stand_side_by_side(files):
    """More come every day, 20 + 2d of them; how many watch is the story's own."""
    found = tried(files)
    assert [step["at"] for step in found["steps"]][:2] == [
        "2026-03-03T00:00:00Z",
        "2026-03-04T00:00:00Z",
    ]
    assert [step["candidate"]["value"] for step in found["steps"]] == [*DEEP]
    assert [step["present"]["value"] for step in found["steps"]] == [
        20 + 2 * day for day in range(1, 11)
    ]
    assert found["candidate"]["metric"] == "deep_users"
    assert (found["present"]["product"], found["every"]) == ("video", "1d")


def test_whom_both_count(files):
    """Who watches twice came that day: of the last day's 40 both count ten."""
    found = tried(files)
    assert found["overlap"] == {
        "at": "2026-03-12T00:00:00Z",
        "entity": "user",
        "why_not": None,
        "both": 10,
        "only_candidate": 0,
        "only_present": 30,
        "jaccard": 0.25,
    }
    assert [step["overlap"]["both"] for step in found["steps"]] == [*DEEP]


def test_the_candidate_foretells_renewals(files):
    """As many renew as watched the day before: 1 at lag 1; daily users are at -16 of 60 there."""
    found = tried(files, "--result", "renewals", "--lags", "3")["correlation"]
    lags = {lag["steps"]: lag for lag in found["lags"]}
    assert [lag["points"] for lag in found["lags"]] == [10, 9, 8, 7]
    assert lags[1]["candidate"]["value"] == 1.0
    assert lags[1]["present"]["value"] == pytest.approx(-16 / 60)
    assert lags[3]["candidate"] == {"value": None, "low": None, "high": None}
    assert found["best"]["candidate"] == 1
    assert (found["points_min"], found["windows_overlap"]) == (8, False)


def test_what_the_threshold_decides(files):
    """With one long video half of the others count too, with three at most three regulars."""
    within, found = tried(files)["thresholds"]
    assert (within["condition"], within["as_written"]["threshold"]) == ("where=seconds >= 60", 60.0)
    assert (found["set"], found["condition"]) == (
        "deep",
        "count(watched, where=seconds >= 60) >= 2",
    )
    assert found["as_written"] == {"threshold": 2.0, "last": 10, "mean": 5.5, "steps": 10}
    assert found["less"] == {
        "threshold": 1.0,
        "last": 25,
        "mean": 18.0,
        "steps": 10,
        "last_change": 1.5,
        "mean_change": pytest.approx(12.5 / 5.5),
        "refused": None,
    }
    more = found["more"]
    assert (more["last"], more["mean"], more["last_change"]) == (3, 2.7, -0.7)


def test_what_was_not_watched_is_not_known(tmp_path):
    """A first event at noon leaves half a window: neither value, nor whom they count, is known."""
    (tmp_path / "candidate.yaml").write_text(definition("deep_video", CANDIDATE))
    (tmp_path / "present.yaml").write_text(definition("video", PRESENT))
    written(tmp_path / "events.jsonl", [each for each in video_days() if "T00" not in each["ts"]])
    first, second = tried(tmp_path)["steps"][:2]
    assert first["candidate"] == first["present"] == {"value": None, "coverage": 0.5}
    assert first["overlap"] is None
    assert (second["candidate"]["value"], second["present"]["value"]) == (0, 15)


def test_the_report_says_all_four(files):
    """The same for people: plain text where there is no terminal."""
    shown = run(*of(files), "--result", "renewals").stdout
    (last,) = (line.split() for line in shown.splitlines() if line.startswith("2026-03-12"))
    assert last == ["2026-03-12", "10", "40", "4", "10", "0", "30", "25%"]
    assert "by the present metric only    30" in shown
    assert (
        "The candidate goes best with the result 1d later: +1.00 (+1.00 to +1.00), n = 9." in shown
    )
    assert "25 (+150%)" in shown
    assert "\x1b" not in shown


def test_too_few_steps_are_said_to_be_too_few(files):
    """Five steps say nothing, and the report says that this is no verdict either."""
    shown = run(*of(files), "--from", "2026-03-08", "--result", "renewals").stdout
    assert "it takes 8 steps at which all three are known and move, and there are 5." in shown
    assert "neither that they go together nor that they do not" in shown


def test_a_metric_of_the_same_file_may_be_the_candidate(files):
    """Both sides may be named, and a value that counts nobody has no overlap, with the reason."""
    present = files / "present.yaml"
    ended = run(
        *(present, "--against", present, "--events", files / "events.jsonl"),
        *("--candidate-metric", "renewals", "--metric", "daily_users", "--output", "json"),
    )
    found = json.loads(ended.stdout)
    assert found["candidate"]["metric"] == "renewals"
    assert found["overlap"]["why_not"] == (
        "`renewals` is neither the size of a set nor a number of different ids"
    )
    assert found["thresholds"] == []
    assert found["correlation"] is None
    assert len(found["steps"]) == 9  # up to the newest event


def test_other_topics_are_refused_at_the_candidate_s_own_line(files):
    """What cannot have read the same records is no comparison, and the file says where."""
    (files / "candidate.yaml").write_text(definition("deep_video", CANDIDATE, topic="films"))
    ended = run(*of(files))
    assert ended.exit_code == Exit.INVALID
    assert "candidate.yaml:4:11: error[other-source]" in ended.stderr
    assert "the candidate reads other topics than `video`, which reads videos" in ended.stderr


def test_another_envelope_is_refused(files):
    """The same records cannot be written in two envelopes."""
    path = files / "candidate.yaml"
    path.write_text(path.read_text().replace("time: ts", "time: at"))
    ended = run(*of(files))
    assert ended.exit_code == Exit.INVALID
    assert "reads another envelope than `video`" in ended.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--metric", "daily_user"), "has no metric `daily_user`. Did you mean `daily_users`?"),
        (("--candidate-metric", "deep"), "has no metric `deep`. Known metrics: `deep_users`."),
        (("--result", "renewal"), "neither definition has a metric `renewal`. Did you mean"),
        (("--events", "-"), "standard input can be read once only"),
        (("--every", "0s"), "--every takes a duration of more than nothing"),
        (("--from", "2026-04-01"), "there is no tick between --from and --to"),
        (("--events", "nowhere.jsonl"), "nowhere.jsonl: No such file"),
        (("--from", "2026-01-01", "--every", "1m"), "ticks are too many; ask for 20,000"),
    ],
)
def test_wrong_use_is_said(files, flags, said):
    """Each slip ends with 2 and a sentence about it."""
    ended = run(*of(files), *flags)
    assert ended.exit_code == Exit.USAGE
    assert said in ended.stderr
    assert "tried" not in ended.stderr  # the trial's own metrics are nobody's choice


def test_a_broken_candidate_is_reported_as_ever(files):
    """Problems of the candidate point at its own text."""
    path = files / "candidate.yaml"
    path.write_text(path.read_text().replace("size(deep)", "size(deeper)"))
    ended = run(*of(files))
    assert ended.exit_code == Exit.INVALID
    assert "candidate.yaml:15:46: error[unknown-set]" in ended.stderr


def test_records_of_nobody_are_a_finding(files):
    """Events that are none of the definition's are said, instead of two rows of zeros."""
    written(files / "events.jsonl", [record(FIRST, "scrolled", "a")])
    ended = run(*of(files))
    assert ended.exit_code == Exit.FINDINGS
    assert "no record was one of the present definition's events" in ended.stderr


def test_the_worked_example():
    """Who queries and who teaches are mostly not the same people, as the example's page says."""
    ended = run(
        *(QUERYING, "--against", INSIGHT_SUITE, "--events", EVENTS),
        *("--result", "consumption_of_learnings", "--output", "json"),
    )
    found = json.loads(ended.stdout)
    last = found["steps"][-1]
    assert (last["candidate"]["value"], last["present"]["value"]) == (18, 23)
    assert [found["overlap"][key] for key in ("both", "only_candidate", "only_present")] == [
        5,
        13,
        18,
    ]
    assert len(found["steps"]) == 41
    assert all(
        step["overlap"]["both"] + step["overlap"]["only_candidate"] == step["candidate"]["value"]
        and step["overlap"]["both"] + step["overlap"]["only_present"] == step["present"]["value"]
        for step in found["steps"]
        if step["overlap"] is not None
    )
