"""Transitions as lines of JSON in a file."""

import errno
import json
import os

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli.exits import Exit
from pipeline.cli.replay import replay
from pipeline.cli.transitions import asked_for, told_before
from pipeline.edges.transitions import TransitionsFile
from pipeline.settings import load
from tests.edges.told_shop import DEFINITION, LINES, PLAN, TICK, UNTOLD


def told_in(path):
    """Settings that name a file."""
    return load(environment={}, flags={"transitions.file": str(path)})


def lines(path):
    """What a file says."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_told_ticks_that_nobody_can_read_are_unusable_state(tmp_path, capsys):
    """By exit code 6 and a line, as for any other part of it; it was a traceback."""
    told = tmp_path / "told"
    told.write_bytes(b"1700000000000\nrust")
    flags = {"transitions.file": str(tmp_path / "file"), "engine.state_directory": str(tmp_path)}
    with pytest.raises(typer.Exit) as left:
        asked_for(PLAN, load(environment={}, flags=flags))
    assert left.value.exit_code == Exit.STATE_UNUSABLE
    assert f"{told} cannot be read" in capsys.readouterr().err


def test_ticks_are_appended(tmp_path):
    """Also by the next run; only the owner can read them, and a tick without any adds none."""
    path = tmp_path / "told.jsonl"
    for _ in range(2):
        file = TransitionsFile(PLAN, path)
        file.write(TICK)
        file.write(TICK.without_transitions())
        file.close()
    assert lines(path) == [*LINES, *LINES]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("torn", [b"{", b'{"at":"1970', b"x" * 40_000])
def test_what_a_crash_left_of_a_line_goes(tmp_path, torn):
    """Its tick comes again."""
    path = tmp_path / "told.jsonl"
    path.write_bytes(b"{}\n" + torn)
    file = TransitionsFile(PLAN, path)
    file.write(TICK)
    assert lines(path) == [{}, *LINES]


def test_a_file_anew(tmp_path):
    """What was in it goes."""
    path = tmp_path / "told.jsonl"
    path.write_text("{}\n")
    path.chmod(0o644)
    TransitionsFile(PLAN, path, anew=True).write(TICK)
    assert lines(path) == LINES
    assert path.stat().st_mode & 0o077 == 0


def test_who_may_read_a_file_that_is_there_is_left_to_its_owner(tmp_path):
    """Those who are to do something about it may belong to its group."""
    path = tmp_path / "told.jsonl"
    path.write_text("{}\n")
    path.chmod(0o640)
    TransitionsFile(PLAN, path).write(TICK)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_full_disk_is_a_fault(tmp_path, monkeypatch):
    """It is raised, so that nothing is saved past the tick, and kept to be told."""

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    file = TransitionsFile(PLAN, tmp_path / "told.jsonl")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        file.write(TICK)
    assert file.fault is not None


def test_a_new_file_is_on_disk_under_its_name(tmp_path, monkeypatch):
    """What is synced of a file whose directory is not may be gone after a power cut."""
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
    for _ in range(2):
        TransitionsFile(PLAN, tmp_path / "told.jsonl").close()
    assert synced == [tmp_path.stat().st_ino]


def test_lines_come_before_the_tick_and_ids_go_no_further(tmp_path):
    """Who shows numbers gets none."""
    published = []
    path = tmp_path / "told.jsonl"
    (file,) = asked_for(PLAN, told_in(path))
    told_before([file], published.append)(TICK)
    file.close()
    told_before([], published.append)(TICK)
    assert lines(path) == LINES
    assert published == [TICK.without_transitions()] * 2


def test_no_file_without_anything_to_tell(tmp_path):
    """Nor where no file is named."""
    assert asked_for(UNTOLD, told_in(tmp_path / "told.jsonl")) == []
    assert asked_for(PLAN, load(environment={}, flags={})) == []
    assert [*tmp_path.iterdir()] == []


@pytest.fixture
def replayed(tmp_path):
    """Replays one view with a definition; gives what was said and the file."""

    def run(definition):
        (tmp_path / "shop.yaml").write_text(definition)
        (tmp_path / "events.jsonl").write_text(
            '{"kind":"viewed","ts":1700000070000,"user":"ann"}\n'
        )
        app = typer.Typer()
        app.command()(replay)
        span = ["--from", "2023-11-14T22:14Z", "--to", "2023-11-14T22:17Z", "--every", "1m"]
        path = tmp_path / "told.jsonl"
        given = [tmp_path / "shop.yaml", "--events", tmp_path / "events.jsonl", *span]
        told = CliRunner().invoke(app, [*map(str, given), "--transitions", str(path)])
        return told, path

    return run


def test_replay_tells(replayed):
    """Every tick that it makes."""
    _, path = replayed(DEFINITION)
    found = [(line["at"], line["id"], line["change"]) for line in lines(path)]
    assert found == [
        ("2023-11-14T22:15:00Z", "ann", "entered"),
        ("2023-11-14T22:16:00Z", "ann", "left"),
    ]


def test_replay_refuses_to_tell_nothing(replayed):
    """A slip of the pen, most likely."""
    result, path = replayed(DEFINITION.replace(", transitions: true", ""))
    assert result.exit_code == Exit.USAGE
    assert not path.exists()


def test_a_replay_says_that_its_file_has_no_room(replayed, tmp_path, monkeypatch):
    """It ended in a traceback."""

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "told.jsonl").touch()
    monkeypatch.setattr(os, "fsync", full)
    said, path = replayed(DEFINITION)
    assert said.exit_code == Exit.USAGE
    assert said.stderr == f"{path} cannot be written: No space left on device\n"


def test_a_pipe_is_no_file_to_be_told_in(tmp_path, capsys):
    """Nobody knows where its last whole line ends; the reason was `None`."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(typer.Exit) as left:
        asked_for(PLAN, told_in(path))
    assert left.value.exit_code == Exit.USAGE
    assert "Illegal seek" in capsys.readouterr().err
