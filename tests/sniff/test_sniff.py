"""What `sniff` and `init` make of records, and what they keep to themselves."""

import json
import re
from pathlib import Path

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.cli.init import Game, worksheet
from pipeline.sniff.fields import is_data
from pipeline.sniff.starter import snake
from pipeline.spec import read_text
from pipeline.spec.presets import ENVELOPES
from tests.edges.test_kafka import TIMEOUT_S

RECORDED = Path(__file__).parents[1] / "envelopes"


def called(*arguments, code=0):
    """Standard output of the command line."""
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.stdout


def refused(*arguments):
    """Why the command line does not do it."""
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr


def looked_at(*arguments, code=0):
    """What `sniff` says, as data."""
    return json.loads(called("sniff", *arguments, "--output", "json", code=code))


def written(path, records):
    """A file of records."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def tracked(number, **properties):
    """A record as a tracker of our own writes it."""
    return {
        "kind": ["opened", "saved"][number % 2],
        "at": 1_700_000_000_000 + number,
        "user_id": f"u-{number % 7}",
        "props": {"size": number - 3, "plan": ["free", "pro"][number % 2], **properties},
    }


@pytest.mark.parametrize("preset", ENVELOPES)
def test_the_preset_is_named_with_its_evidence(preset):
    """Each tracker's records are known for what they are, bad ones among them or not."""
    found = looked_at(RECORDED / f"{preset}.jsonl")
    assert found["envelope"]["preset"] == preset
    assert any("have a name" in line for line in found["envelope"]["evidence"])
    assert any("have a time" in line for line in found["envelope"]["evidence"])
    assert found["lines"] == ("kcat" if preset in ("cloudevents", "kafka") else "value")
    assert sum(found["unreadable"].values()) >= 1


@pytest.mark.parametrize("preset", ENVELOPES)
def test_what_init_writes_is_valid_and_runs_on_that_very_input(preset, tmp_path):
    """The definition has no errors, and the command that is shown counts events."""
    file = tmp_path / "starter.yaml"
    shown = called("init", file, "--from", RECORDED / f"{preset}.jsonl")
    command = shown.splitlines()[-1].split()
    assert command[:2] == ["northstar", "replay"]
    rows = called(*command[1:-1], "json").splitlines()
    called("validate", file)
    counts = [json.loads(row) for row in rows]
    assert max(row["value"] or 0 for row in counts) > 0


def test_places_are_guessed_where_no_preset_fits(tmp_path):
    """Usual names are tried with every unit, and a number that may be negative stays readable."""
    file = written(tmp_path / "own.jsonl", map(tracked, range(40)))
    spelled_out = looked_at(file)["envelope"]["spelled_out"]
    assert spelled_out == {
        "name": "kind",
        "time": {"from": "at", "unit": "ms"},
        "ids": {"user": {"first": ["user_id"]}},
    }
    called("init", tmp_path / "own.yaml", "--from", file)
    text = (tmp_path / "own.yaml").read_text()
    assert "min: -" in text
    assert "product: own\n" in text


def in_milliseconds(number):
    """A record as Mixpanel's own servers send it on."""
    return {
        "event": ["opened", "saved"][number % 2],
        "properties": {
            "time": 1_700_000_000_000 + number,
            "distinct_id": f"u-{number % 7}",
            "$insert_id": f"i-{number}",
        },
    }


def with_a_header(number):
    """A record as `kcat -J` prints it, whose name stands in a header."""
    return {
        "topic": "orders",
        "partition": 0,
        "offset": number,
        "tstype": "create",
        "ts": 1_700_000_000_000 + number,
        "key": f"u-{number % 7}",
        "headers": ["source", f"s-{number}", "type", ["placed", "paid"][number % 2]],
        "payload": json.dumps({"total": number}),
    }


@pytest.mark.parametrize(
    ("record", "spelled_out"),
    [
        (
            in_milliseconds,
            {"preset": "mixpanel", "time": {"from": "properties.time", "unit": "ms"}},
        ),
        (with_a_header, {"preset": "kafka", "name": "kafka.header.type"}),
    ],
)
def test_what_differs_from_a_preset_is_told(record, spelled_out, tmp_path):
    """A tracker's own variant is found, and what is made of it runs."""
    file = written(tmp_path / "own.jsonl", map(record, range(40)))
    found = looked_at(file)
    assert found["envelope"]["preset"] == spelled_out["preset"]
    assert found["envelope"]["spelled_out"] == spelled_out
    assert [(event["events"], event["users"]) for event in found["events"]] == [(20, 7), (20, 7)]
    shown = called("init", tmp_path / "own.yaml", "--from", file)
    rows = called(*shown.splitlines()[-1].split()[1:-1], "json").splitlines()
    counts = [row["value"] for row in map(json.loads, rows) if row["metric"].endswith("_weekly")]
    assert max(counts) == 20
    assert "and what differs from it" in called("sniff", file)


def test_events_and_fields_are_counted(tmp_path):
    """How many, how many users, how many have a field, and as what."""
    file = written(tmp_path / "own.jsonl", [*map(tracked, range(40))])
    opened, _ = looked_at(file)["events"]
    assert (opened["name"], opened["events"], opened["share"], opened["users"]) == (
        "opened", 20, 0.5, 7,
    )  # fmt: skip
    fields = {field["field"]: field for field in opened["fields"]}
    assert fields["props.size"] == {
        "field": "props.size", "present": 1.0, "types": {"number": 20}, "values": [],
    }  # fmt: skip
    assert fields["props.plan"]["values"] == ["free"]


SECRETS = {
    "email": "ann@example.org",
    "city": "Bielefeld",
    "note": "Ann Smith",
    "token": "hunter",
    "code": "A-17-B",
    "rare": "leprosy",
}


@pytest.mark.parametrize("output", ["table", "json"])
def test_nothing_of_anybody_is_shown(tmp_path, output):
    """No id, no value that few share, no text of people's own, no key that is an id (P10)."""
    records = [
        tracked(number, **(SECRETS if number < 2 else {"city": "Bielefeld", "email": "all@a.b"}))
        for number in range(40)
    ]
    for number, record in enumerate(records):
        record["props"]["by_user"] = {f"member{10_000 + number}": 1}
        record["props"]["tags"] = {
            f"tag{'abcdefgh'[number % 8]}{number}": 1 for number in range(70)
        }
    file = written(tmp_path / "own.jsonl", records)
    shown = called("sniff", file, "--output", output)
    told = [*SECRETS.values(), "u-1", "member", "tagb", "1700000000", "all@a.b"]
    assert [text for text in told if text in shown] == []
    assert "props.by_user.*" in shown
    assert "props.tags.*" in shown
    called("init", tmp_path / "own.yaml", "--from", file)
    assert [text for text in told if text in (tmp_path / "own.yaml").read_text()] == []


@pytest.mark.parametrize(
    "key", ["firstname", "lastName", "nickname", "useremail", "homeaddress", "birthday", "nick"]
)
def test_what_people_are_called_is_not_shown_however_the_key_is_written(tmp_path, key):
    """As one word it is as private as with a line between."""
    records = (tracked(number, **{key: "Ann"}) for number in range(40))
    opened, _ = looked_at(written(tmp_path / "own.jsonl", records))["events"]
    fields = {field["field"]: field["values"] for field in opened["fields"]}
    assert (fields[f"props.{key}"], fields["props.plan"]) == ([], ["free"])


def test_a_number_of_any_length_is_looked_at(tmp_path):
    """Producers write what they like; a time of 400 digits is none."""
    records = [*map(tracked, range(40)), {"kind": "opened", "at": 10**400, "user_id": "u-1"}]
    assert looked_at(written(tmp_path / "own.jsonl", records))["records"] == 41


@pytest.mark.parametrize("key", ["class", "from", "true"])
def test_a_start_puts_reserved_words_into_quotes(tmp_path, key):
    """`props.class` is no expression, and the definition would not have been valid."""
    records = (tracked(number, **{key: number}) for number in range(40))
    file = written(tmp_path / "own.jsonl", records)
    called("init", tmp_path / "own.yaml", "--from", file)
    text = (tmp_path / "own.yaml").read_text()
    assert f'props[\\"{key}\\"]' in text
    assert read_text(text, "own.yaml").plan is not None


def test_names_of_people_are_not_taken_for_names_of_events(tmp_path):
    """A place whose texts hardly ever come again is no name of an event."""
    records = [{"name": f"Person {number}", "at": 1_700_000_000_000} for number in range(40)]
    file = written(tmp_path / "people.jsonl", records)
    assert looked_at(file, code=1)["envelope"] is None
    called("init", tmp_path / "people.yaml", "--from", file, code=1)


@pytest.mark.parametrize("game", Game)
def test_a_worksheet_is_valid_as_it_stands(game, tmp_path):
    """No error, no warning, one page, and of its game; a file that is there stays as it is."""
    text = worksheet(game)
    result = read_text(text, "worksheet.yaml")
    assert [problem.message for problem in result.problems] == []
    assert result.plan.game == game.value
    assert len(text.splitlines()) <= 66
    file = tmp_path / "own.yaml"
    called("init", file, "--game", game.value)
    assert file.read_text() == text
    called("init", file, "--game", game.value, code=2)
    assert called("init", "-", "--game", game.value) == text


def test_init_wants_to_know_what_from(tmp_path):
    """A game or records, one of the two; and what is neither file nor topic is said to be."""
    assert "say either --game" in refused("init", tmp_path / "a.yaml")
    both = ("--game", "attention", "--from", RECORDED / "segment.jsonl")
    assert "say either --game" in refused("init", tmp_path / "a.yaml", *both)
    assert not (tmp_path / "a.yaml").exists()
    assert "nowhere.jsonl" in refused("sniff", tmp_path / "nowhere.jsonl")


def test_a_topic_is_sniffed(tmp_path):
    """The newest records of all partitions, with what Kafka has beside them."""
    producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = producer.list_topics(timeout=TIMEOUT_S).brokers.values()
    for number in range(20):
        value = json.dumps({"n": number}).encode()
        producer.produce("orders", value, f"u-{number % 4}".encode(), timestamp=1_700_000_000_000)
    assert producer.flush(TIMEOUT_S) == 0
    bootstrap = f"{broker.host}:{broker.port}"
    found = looked_at("orders", "--kafka-bootstrap", bootstrap, "--records", 200)
    assert found["envelope"]["preset"] == "kafka"
    (event,) = found["events"]
    assert (event["name"], event["events"], event["users"]) == ("orders", 20, 4)
    called("init", tmp_path / "own.yaml", "--from", "orders", "--kafka-bootstrap", bootstrap)
    assert 'topics: ["orders"], envelope: kafka' in (tmp_path / "own.yaml").read_text()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Order Completed", "order_completed"),
        ("orderPlaced", "order_placed"),
        ("class", "class_event"),
        ("7 days", "event_7_days"),
        ("✓", "event"),
    ],
)
def test_names_become_names_of_the_language(text, name):
    """Snake case, never a reserved word, never empty."""
    assert snake(text) == name


@pytest.mark.parametrize(
    ("key", "data"),
    [("chart_id", False), ("$browser", False), ("u-2024-11", True), ("a@b.c", True), ("7", True)],
)
def test_keys_that_are_data_are_told_from_names(key, data):
    """Numbers, addresses and long hexadecimals are no names of fields."""
    assert is_data(key) is data


def test_every_key_is_documented(tmp_path):
    """Programs may build on the keys that the page lists, and there are no others."""
    file = written(tmp_path / "events.jsonl", [tracked(number) for number in range(20)])
    page = (Path(__file__).parents[2] / "deploy" / "README.md").read_text()
    section = page.split("## Looking at records")[1].split("\n## ")[0]
    found = looked_at(file)
    event = found["events"][0]
    keys = {*found, *found["envelope"], *event, *event["fields"][0]}
    listed = {key.removesuffix("[]") for key in re.findall(r"`([a-z_]+(?:\[\])?)`", section)}
    assert keys - listed == set()


def test_what_was_not_found_is_said(tmp_path):
    """Without ids nothing is deduplicated, and without users nobody is counted: both are told."""
    records = [{"kind": "opened", "ts": 1_700_000_000 + number} for number in range(20)]
    file = written(tmp_path / "events.jsonl", records)
    evidence = looked_at(file)["envelope"]["evidence"]
    assert evidence[-2:] == [
        "no id of a record was found: repeated ones count again (`id: path`)",
        "no user was found: say where one is (`ids: {user: path}`)",
    ]
    assert "# No user was found" in called("init", "-", "--from", file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "there are no records in it"),
        ("version: 1\n", "no record could be read (invalid_json)"),
        ('{"a": 1}\n', "no envelope fits; spell one out"),
    ],
)
def test_what_is_wrong_with_a_file_that_nothing_fits_is_said(tmp_path, content, said):
    """An empty file, one that is no JSON, and one whose envelope is unknown are three slips."""
    file = tmp_path / "events.jsonl"
    file.write_text(content)
    result = CliRunner().invoke(app, ["sniff", str(file)])
    assert (result.exit_code, said in result.stderr) == (1, True)


def test_the_table_of_the_command_that_init_prints_is_not_cut(tmp_path):
    """What `init` prints runs as it stands, and shows whole names and figures, with their units."""
    name = "something_has_happened_that_has_a_long_name"
    records = [{**tracked(number), "kind": name} for number in range(40)]
    file = written(tmp_path / "events.jsonl", records)
    definition = tmp_path / "mine.yaml"
    command = called("init", definition, "--from", file).splitlines()[-1]
    shown = called(*command.split()[1:])
    assert f"{name}_weekly" in shown
    assert "…" not in shown
    assert "unknown" not in shown
