"""Where settings come from, which are refused, and what the refusal says."""

from pathlib import Path

import pytest

from pipeline.settings import (
    DEFAULT_SALT,
    LogFormat,
    OnDataLoss,
    SettingsError,
    Start,
    duration_ms,
    load,
)

SECRET = "hunter22-and-more"  # noqa: S105 - shows where it must not


def written(tmp_path, text):
    """A settings file."""
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return path


def refusals(file=None, environment=None, flags=None):
    """The lines of what is refused."""
    with pytest.raises(SettingsError) as refused:
        load(file, environment or {}, flags)
    return str(refused.value).splitlines()


def test_without_anything_the_defaults_hold():
    """A deployment that says nothing runs with what the reference promises."""
    settings = load(environment={})

    assert settings.kafka.start is Start.EARLIEST
    assert settings.kafka.on_data_loss is OnDataLoss.STOP
    assert settings.kafka.slots == 8
    assert settings.dead_letters.topic is None
    assert settings.dead_letters.per_second_max == 100
    assert settings.time.tick_ms == 5_000
    assert settings.time.lateness_ms == 60_000
    assert settings.time.dedup_horizon_ms == 3_600_000
    assert settings.engine.shards == 32
    assert settings.engine.state_directory is None
    assert settings.http.host == "127.0.0.1"
    assert settings.http.port == 9_464


def test_the_environment_goes_over_the_file_and_flags_over_both(tmp_path):
    """Each layer overrides the one before, setting by setting."""
    file = written(tmp_path, "kafka: {bootstrap: file:1, group: file}\nhttp: {port: 1}\n")
    environment = {"NORTHSTAR_KAFKA__BOOTSTRAP": "env:2", "NORTHSTAR_KAFKA__GROUP": "env"}

    settings = load(file, environment, {"kafka.bootstrap": "flag:3", "http.port": None})

    assert settings.kafka.bootstrap == "flag:3"
    assert settings.kafka.group == "env"
    assert settings.http.port == 1


def test_the_environment_can_name_the_file(tmp_path):
    """`NORTHSTAR_SETTINGS` is the file where no flag names one."""
    file = written(tmp_path, "log: {format: console}\n")

    settings = load(environment={"NORTHSTAR_SETTINGS": str(file)})

    assert settings.log.format is LogFormat.CONSOLE


def test_each_kind_of_value_can_come_from_the_environment():
    """Durations, lists, truth values, paths and librdkafka's names, all written as text."""
    settings = load(
        environment={
            "NORTHSTAR_TIME__LATENESS": "90s",
            "NORTHSTAR_KAFKA__TOPICS": "orders, refunds",
            "NORTHSTAR_KAFKA__INSECURE": "true",
            "NORTHSTAR_ENGINE__STATE_DIRECTORY": "/var/lib/northstar",
            "NORTHSTAR_KAFKA__PROPERTIES__SASL_MECHANISM": "PLAIN",
            "NORTHSTAR_KAFKA__PROPERTIES__LOG_LEVEL": "3",
        }
    )

    assert settings.time.lateness_ms == 90_000
    assert settings.kafka.topics == ("orders", "refunds")
    assert settings.kafka.insecure
    assert settings.engine.state_directory == Path("/var/lib/northstar")
    assert set(settings.kafka.properties) == {"sasl.mechanism", "log_level"}


def test_properties_of_layers_add_up(tmp_path):
    """The file says how to log in, the environment with which password."""
    file = written(tmp_path, "kafka: {properties: {sasl.username: me, enable.idempotence: true}}\n")

    settings = load(file, {}, {"kafka.properties.sasl.password": SECRET})

    shown = {name: value.get_secret_value() for name, value in settings.kafka.properties.items()}
    assert shown == {
        "sasl.username": "me",
        "sasl.password": SECRET,
        "enable.idempotence": "true",
    }


def test_an_empty_file_or_section_says_nothing(tmp_path):
    """A section whose keys are all commented out is as good as none."""
    assert load(written(tmp_path, ""), {}) == load(environment={})
    assert load(written(tmp_path, "kafka:\nhttp: {}\n"), {}) == load(environment={})


def test_variables_of_others_are_let_be():
    """Empty ones, other programs' and those that Kubernetes sets for a service."""
    others = {
        "NORTHSTAR_SERVICE_HOST": "10.0.0.1",
        "NORTHSTAR_PORT": "tcp://10.0.0.1:9464",
        "NORTHSTAR_REQUIRE_SERVICES": "1",
        "NORTHSTAR_KAFKA__BOOTSTRAP": "",
        "PATH": "/bin",
    }

    assert load(environment=others) == load(environment={})


def test_null_takes_the_group_away(tmp_path):
    """Without a group nothing is committed anywhere."""
    assert load(written(tmp_path, "kafka: {group: null}"), {}).kafka.group is None


def test_a_problem_names_setting_source_and_what_to_write(tmp_path):
    """One line each, all at once, from all layers."""
    file = written(tmp_path, "kafka:\n  boostrap: broker:9092\n  slots: many\ntime:\n  tick: 5\n")
    environment = {"NORTHSTAR_LOG__LEVEL": "loud"}

    lines = refusals(file, environment, {"http.port": 99_999})

    assert lines == [
        f"kafka.boostrap ({file}:2): no such setting; did you mean bootstrap?",
        (
            f"kafka.slots ({file}:3): 'many' cannot be used; write a whole number from 1 to 1024, "
            "fixed for the life of the saved state"
        ),
        f"time.tick ({file}:5): 5 cannot be used; write a duration of whole seconds from 1s to 1h",
        (
            "http.port (flag): 99999 cannot be used; write a whole number to 65535; "
            "0 picks a free port"
        ),
        (
            "log.level (NORTHSTAR_LOG__LEVEL): 'loud' cannot be used; "
            "write debug, info, warning or error"
        ),
    ]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"kafka": 5}, "kafka (flag): a section; write kafka.bootstrap and the like"),
        ({"kafka.slots.more": 5}, "a single value, with nothing under it"),
        ({"kafka.properties": 5}, "properties; write name: value under it"),
        ({"kafak.bootstrap": "a:1"}, "no such setting; did you mean kafka?"),
        ({"salt": "short"}, "salt (flag): this value cannot be used; write at least 8 characters"),
        ({"kafka.bootstrap": "broker"}, "write host:port, several joined by commas"),
        ({"kafka.bootstrap": "a:1, b:2"}, "write host:port, several joined by commas"),
        ({"kafka.topics": []}, "write a list of at most 80 topics"),
        ({"kafka.topics": ["t"] * 81}, "write a list of at most 80 topics"),
        ({"dead_letters.topic": ""}, "write a topic other than those that are read, or null"),
        ({"dead_letters.burst": 0}, "write a whole number from 1 to 1000000"),
        ({"time.tick": "1500ms"}, "write a duration of whole seconds from 1s to 1h"),
        ({"time.tick": "x" * 1_000}, "x…"),
        ({"kafka.properties.log_level": [1]}, "kafka.properties.log_level (flag): this value"),
    ],
)
def test_what_cannot_be_used_is_refused(flags, words):
    """The refusal is one line of ours, whatever the value."""
    (line,) = refusals(flags=flags)

    assert words in line
    assert len(line) < 200


@pytest.mark.parametrize("name", ["NORTHSTAR_KAFKKA__BOOTSTRAP", "NORTHSTAR_SALTS"])
def test_a_slip_of_the_pen_in_a_variable_is_refused(name):
    """A variable that was surely meant for us does not go by unseen."""
    (line,) = refusals(environment={name: "anything"})

    assert "did you mean" in line
    assert name in line


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("enable.auto.commit", "true", "when state is saved"),
        ("enable.auto.offset.store", "true", "when state is saved"),
        ("auto.offset.reset", "latest", "kafka.on_data_loss"),
        ("enable.partition.eof", "true", "lag is a gauge"),
        ("plugin.library.paths", "x.so", "loads code"),
        ("stats_cb", "x", "engine"),
        ("log_cb", "x", "engine"),
        ("group.id", "x", "kafka.group"),
        ("bootstrap.servers", "x", "kafka.bootstrap"),
        ("receive.message.max.bytes", "1000", "stalls its partition"),
        ("enable.ssl.certificate.verification", False, "kafka.insecure"),
        ("ssl.endpoint.identification.algorithm", "None", "kafka.insecure"),
    ],
)
def test_a_property_of_ours_is_refused_with_a_reason(name, value, words):
    """What would break a promise is not the deployment's to set."""
    (line,) = refusals(flags={f"kafka.properties.{name}": value})

    assert line.startswith(f"kafka.properties.{name} (flag): ")
    assert words in line


def test_verification_can_be_turned_off_with_a_warning():
    """Unverified TLS takes two settings, and is told at every start."""
    flags = {
        "kafka.insecure": True,
        "kafka.properties.enable.ssl.certificate.verification": False,
        "salt": SECRET,
    }

    (warning,) = load(environment={}, flags=flags).warnings()

    assert warning.startswith("kafka.insecure")


def test_the_default_salt_warns():
    """A salt that all the world knows is allowed, and told at every start."""
    (warning,) = load(environment={}).warnings()

    assert warning.startswith("salt")
    assert load(environment={}).salt.get_secret_value() == DEFAULT_SALT


def test_a_secret_can_be_read_from_a_file(tmp_path):
    """`file:PATH` is the text of that file without the newline at its end."""
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    reference = f"file:{tmp_path / 'secret'}"

    settings = load(environment={"NORTHSTAR_SALT": reference})

    assert settings.salt.get_secret_value() == SECRET


def test_a_secret_file_that_is_not_there_is_refused():
    """The refusal names the path, and the setting it stood in."""
    (line,) = refusals(flags={"kafka.properties.sasl.password": "file:/no/such"})

    assert line == (
        "kafka.properties.sasl.password (flag): file:/no/such: No such file or directory; "
        "write the path of a file to read it from"
    )


def test_no_secret_shows(tmp_path):
    """Neither a text form nor a refusal holds the salt or a property."""
    flags = {"salt": SECRET, "kafka.properties.sasl.password": SECRET, "log.level": "x"}
    shown = "\n".join(refusals(flags=flags))
    shown += "\n".join(refusals(written(tmp_path, f"salt: {SECRET}\nsalt: {SECRET}\n")))
    shown += "\n".join(refusals(written(tmp_path, f'salt: "{SECRET}\n')))
    shown += "\n".join(refusals(flags={"kafka.properties.sasl.password": [SECRET]}))
    settings = load(environment={}, flags=flags | {"log.level": None})

    assert SECRET not in shown
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert settings.secrets() == {SECRET}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kafka: [", "no YAML"),
        ("kafka: {slots: 1}\nkafka: {slots: 2}\n", ":2): a key is written twice"),
        ("- a list\n", "no mapping"),
        ("kafka: &x {slots: 1}\nengine: *x\n", ":2): no YAML: an alias; write it out"),
        ("[" * 5_000, "no YAML"),
        ("a: \x07\n", "no YAML"),
        ("#" * (1 << 20) + "\n", "longer than 1 MiB"),
    ],
)
def test_a_file_that_is_no_settings_is_refused(tmp_path, text, words):
    """Broken, doubled, aliased, endlessly nested or endless: one line, naming the file."""
    (line,) = refusals(written(tmp_path, text))

    assert line.startswith(f"settings file ({tmp_path}")
    assert words in line


def test_a_file_that_is_not_there_is_refused():
    """The refusal says who named the file."""
    (line,) = refusals(environment={"NORTHSTAR_SETTINGS": "/no/such.yaml"})

    assert line == (
        "settings file (/no/such.yaml): No such file or directory; "
        "write a file's path in NORTHSTAR_SETTINGS"
    )


@pytest.mark.parametrize(
    ("text", "ms"),
    [("0ms", 0), ("90s", 90_000), ("5m", 300_000), ("2h", 7_200_000), ("1w", 604_800_000)],
)
def test_a_duration_is_a_whole_number_and_a_unit(text, ms):
    """The same text as in definitions."""
    assert ms == duration_ms(text)


@pytest.mark.parametrize(
    "text", ["", "90", "1.5s", "-1s", "1 s", "s", "5S", 90, None, "9" * 40 + "s"]
)
def test_anything_else_is_no_duration(text):
    """No unit is ever guessed."""
    with pytest.raises(ValueError, match="no duration"):
        duration_ms(text)
