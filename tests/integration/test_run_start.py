"""A start that fails says why in one clear line, and by its exit code what kind of fault it is."""

import json
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.cli.exits import Exit
from pipeline.edges.kafka_client import REACHABLE_TIMEOUT_S
from tests.integration import collaboration_log as collaboration
from tests.integration.local_broker import SASL_PASSWORD, SASL_USER, LocalBroker
from tests.integration.northstar_process import COLLABORATION, ROOT, Northstar, run_to_end
from tests.integration.ports import LOOPBACK, free_port

pytestmark = pytest.mark.services

RECORDS = 500
START_S = 20.0  # that Python and the imports take on a busy machine; a quiet one needs one second
DEFINITION = str(COLLABORATION)
NO_TOPIC = "nobody-made-this"
WRONG_PASSWORD = "not-the-password"  # noqa: S105 - that is the point
NEWER = collaboration.DEFINITION.replace("trailing 84d", "trailing 85d")
BROKEN = collaboration.DEFINITION.replace("size(projects_with_shared", "size(projects_with_share")


@pytest.fixture(scope="module", autouse=True)
def unreachable(kafka):
    """Runs that wait for what does not come; they do so while the other tests run."""
    nobody = f"{LOOPBACK}:{free_port()}"
    environment = {"KAFKA__TOPICS": NO_TOPIC}
    with ThreadPoolExecutor() as pool:
        yield {
            where: pool.submit(run_to_end, environment, DEFINITION, "--kafka-bootstrap", where)
            for where in (nobody, kafka.bootstrap)
        }


@pytest.fixture(scope="module")
def topic(kafka):
    """A topic with some records, other than the one that the definition names."""
    topic = collaboration.create_topic(kafka)
    collaboration.produce(kafka, topic, collaboration.log()[:RECORDS])
    return topic


@pytest.fixture(scope="module")
def saved(kafka, topic, tmp_path_factory):
    """Environment and flags of a run that has left its state, and what another got meanwhile."""
    folder = tmp_path_factory.mktemp("saved")
    where = ("--kafka-bootstrap", kafka.bootstrap, "--state", str(folder / "state"))
    flags = (*where, "--lateness", collaboration.LATENESS, "--port", "0")
    environment = {"KAFKA__TOPICS": topic}
    with Northstar(folder / "northstar.log", environment, DEFINITION, *flags) as northstar:
        northstar.begin()
        northstar.wait_until_ready()
        meanwhile = run_to_end(environment, DEFINITION, *flags)
        assert northstar.end()[0] == Exit.OK
    return environment, flags, meanwhile


def test_bad_settings_are_named_with_where_they_were_set():
    """Exit code 2, a line for each, before anything is connected to."""
    ended = run_to_end({"TIME__LATENES": "1m"}, DEFINITION, "--lateness", "soon")

    assert ended.code == Exit.USAGE
    slip, flag = ended.words
    assert slip.startswith("time.latenes (NORTHSTAR_TIME__LATENES): no such setting; did you")
    assert flag.startswith("time.lateness (flag): 'soon' cannot be used; write a duration")


def test_dead_letters_to_a_topic_that_is_read_are_refused():
    """Exit code 2: each letter would be rejected in its turn, and become another."""
    environment = {"KAFKA__TOPICS": "events,more", "DEAD_LETTERS__TOPIC": "more"}

    ended = run_to_end(environment, DEFINITION)

    assert ended.code == Exit.USAGE
    assert ended.words == ["dead_letters.topic: more is a topic that is read; name another"]


def test_a_property_that_librdkafka_does_not_know_is_named():
    """Exit code 2 as well; this one was a traceback once, since only librdkafka can tell."""
    ended = run_to_end({"KAFKA__PROPERTIES__SASL_MECHANISMM": "PLAIN"}, DEFINITION)

    assert ended.code == Exit.USAGE
    (line,) = ended.words
    assert line.endswith('No such configuration property: "sasl.mechanismm"')


def test_a_broken_definition_is_pointed_at(tmp_path):
    """Exit code 3, and the first line is the place in the user's own file."""
    file = tmp_path / "broken.yaml"
    file.write_text(BROKEN)
    line = 1 + BROKEN[: BROKEN.index("size(projects_with_share_")].count("\n")

    ended = run_to_end({}, str(file))

    assert ended.code == Exit.INVALID
    assert ended.words[0].startswith(f"{file}:{line}:")
    assert "there is no set `projects_with_share_files`" in ended.words[0]
    assert "Traceback" not in ended.text


def test_a_port_that_is_taken_is_told(kafka, topic):
    """Exit code 5, and the flag that picks another."""
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        flags = ("--kafka-bootstrap", kafka.bootstrap, "--port", str(port))
        ended = run_to_end({"KAFKA__TOPICS": topic}, DEFINITION, *flags)

    assert ended.code == Exit.UNREACHABLE
    (line,) = ended.words
    assert line.startswith(f"cannot listen on {LOOPBACK}:{port}: Address already in use")
    assert "--port" in line


@pytest.mark.parametrize("password", [SASL_PASSWORD, WRONG_PASSWORD])
def test_the_password_decides(kafka, request, tmp_path, password):
    """The right one gets in; with a wrong one it is exit code 5 at once, and it is not shown."""
    ours = kafka if isinstance(kafka, LocalBroker) else request.getfixturevalue("own_kafka")
    topic = collaboration.create_topic(ours)
    collaboration.produce(ours, topic, collaboration.log()[:RECORDS])
    environment = secured(topic, password)
    flags = ("--kafka-bootstrap", ours.sasl_bootstrap, "--port", "0")

    if password == SASL_PASSWORD:
        log = tmp_path / "northstar.log"
        with Northstar(log, environment, DEFINITION, *flags) as northstar:
            northstar.begin()
            northstar.wait_until_ready()
            assert northstar.end()[0] == Exit.OK
        assert password not in log.read_text()
    else:
        ended = run_to_end(environment, DEFINITION, *flags)
        assert ended.code == Exit.UNREACHABLE
        (line,) = ended.words
        assert line.startswith(f"Kafka at {ours.sasl_bootstrap} refuses us: ")
        assert ended.took_s < START_S
        assert password not in ended.text


def secured(topic, password):
    """The environment for a listener that wants SASL/PLAIN."""
    properties = {
        "SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "SASL_MECHANISM": "PLAIN",
        "SASL_USERNAME": SASL_USER,
        "SASL_PASSWORD": password,
    }
    named = {f"KAFKA__PROPERTIES__{name}": value for name, value in properties.items()}
    return {"KAFKA__TOPICS": topic, **named}


def test_state_that_another_process_uses_is_refused(saved):
    """Exit code 6, and the process that has it goes on."""
    _, flags, meanwhile = saved

    assert meanwhile.code == Exit.STATE_UNUSABLE
    (line,) = meanwhile.words
    assert line.startswith(f"{flags[3]} is in use by another process; stop it first")


def test_state_of_another_product_is_refused(saved):
    """Exit code 6, never a start from zero."""
    environment, flags, _ = saved

    ended = run_to_end(environment, str(ROOT / "definitions" / "grocery"), *flags)

    assert ended.code == Exit.STATE_UNUSABLE
    (line,) = ended.words
    assert "product was collaboration and is grocery now; it belongs to another product" in line


def test_state_of_an_older_definition_is_gone_on_with(saved, tmp_path):
    """One window has become a day longer: the log says what starts anew, and the run goes on."""
    environment, flags, _ = saved
    file, log = tmp_path / "newer.yaml", tmp_path / "newer.log"
    file.write_text(NEWER)
    flags = (*flags[:2], "--state", str(shutil.copytree(flags[3], tmp_path / "state")), *flags[4:])

    with Northstar(log, environment, str(file), *flags) as northstar:
        northstar.begin()
        northstar.wait_until_ready()
        assert northstar.end()[0] == Exit.OK

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    anew = [line for line in lines if line["event"] == "a metric starts anew"]
    assert {line["because"] for line in anew} == {"the set lapsed_contributors has changed"}
    (kept,) = (line for line in lines if line["event"].startswith("the definition has changed"))
    assert kept["metrics"]


def test_a_topic_made_anew_under_saved_state_is_data_loss(kafka, topic, saved):
    """Exit code 4: what was counted is no longer the topic's content."""
    environment, flags, _ = saved
    kafka.delete_topic(topic)
    kafka.create_topic(topic, partitions=collaboration.PARTITIONS)
    collaboration.produce(kafka, topic, collaboration.log()[:RECORDS])  # as many as before

    ended = run_to_end(environment, DEFINITION, *flags)

    assert ended.code == Exit.DATA_LOSS
    (line,) = ended.words
    assert line.startswith(
        f"topic {topic} was made anew: what was counted is no longer its content"
    )


def test_what_cannot_be_reached_is_told_within_seconds(kafka, unreachable):
    """Brokers that are down, and a topic that is not there: exit code 5, one line each."""
    told = {where: run.result() for where, run in unreachable.items()}
    (nobody,) = told.keys() - {kafka.bootstrap}

    assert [ended.code for ended in told.values()] == [Exit.UNREACHABLE] * 2
    assert max(ended.took_s for ended in told.values()) < REACHABLE_TIMEOUT_S + START_S
    (down,), (unknown,) = told[nobody].words, told[kafka.bootstrap].words
    assert down.startswith(f"Kafka at {nobody}: ")
    assert "Connection refused" in down
    assert unknown.startswith(f"Kafka at {kafka.bootstrap}: there is no topic {NO_TOPIC}")
