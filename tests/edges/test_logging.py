"""Log lines: one form for all who log, without secrets and without raw ids."""

import io
import json
import logging

import pytest
import structlog

from pipeline.edges.logging import configure
from pipeline.settings import LogSettings

SECRET = "hunter22-and-more"  # noqa: S105 - shows where it must not


@pytest.fixture
def lines():
    """Configures logging to a text of ours; gives the lines so far."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()

    def run(**settings):
        configure(LogSettings(**settings), secrets={SECRET, "hunter22", ""}, stream=stream)
        return lambda: stream.getvalue().splitlines()

    yield run
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_a_line_is_one_json_object(lines):
    """Time, level and fields, sorted, one object a line."""
    written = lines()
    structlog.get_logger().warning("partition error", topic="orders", partition=3)

    (line,) = map(json.loads, written())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "partition error",
        "level": "warning",
        "partition": 3,
        "topic": "orders",
    }


def test_other_libraries_log_in_the_same_form(lines):
    """What others say through the standard library looks like our own lines."""
    written = lines()
    logging.getLogger("waitress").error("%s [%s] %s", "FAIL", "consumer-1", "refused")

    (line,) = map(json.loads, written())
    assert line["event"] == "FAIL [consumer-1] refused"
    assert line["level"] == "error"


def test_the_level_leaves_lesser_lines_out(lines):
    """Both kinds of loggers keep to it."""
    written = lines(level="error")
    structlog.get_logger().warning("ours")
    logging.getLogger("theirs").warning("theirs")

    assert written() == []


def test_lines_for_people_have_no_colours_in_a_file(lines):
    """The console form is plain where nobody sees colours."""
    written = lines(format="console")
    structlog.get_logger().info("started", port=9464)

    (line,) = written()
    assert "started" in line
    assert "port=9464" in line
    assert "\x1b" not in line


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize(
    "fields",
    [
        {"error": f"login as me:{SECRET} failed"},
        {"sasl_password": "anything " + SECRET},
        {"properties": {"sasl.password": SECRET, "deep": [{"url": f"http://{SECRET}@x"}]}},
        {"fault": ValueError(SECRET)},
        {"too_deep": {"a": {"b": {"c": {"d": {"e": SECRET}}}}}},
        {"raw": SECRET.encode()},
    ],
)
def test_no_secret_is_in_a_line(lines, form, fields):
    """Whether it comes by name, within a text, within a structure or as bytes."""
    written = lines(format=form)
    structlog.get_logger().warning("trouble", **fields)

    (line,) = written()
    assert "hunter" not in line


def test_a_fault_shows_neither_secrets_nor_local_variables(lines):
    """A traceback is text, cleaned like any other."""
    written = lines()

    def fail():
        password = "local-" + "variable"
        raise ValueError(f"bad {SECRET} {len(password)}")

    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("theirs").exception("failed too")

    assert len(written()) == 2
    for line in written():
        assert "ValueError: bad *** 14" in line
        assert "local-variable" not in line
        assert "hunter" not in line


@pytest.mark.parametrize("name", ["user_id", "userId", "entity", "key", "value", "payload", "ids"])
def test_no_raw_id_is_in_a_line(lines, name):
    """A field that would hold a person's id or a record is left out."""
    written = lines()
    structlog.get_logger().info("seen", **{name: "alice@example.org"})

    assert "alice" not in written()[0]


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_text_can_make_a_line_of_its_own(lines, form):
    """Control characters in a field neither start a line nor move the cursor."""
    written = lines(format=form)
    structlog.get_logger().info("seen", path="x\r\nlevel=error \x1b[2J \ud800 \u202e")

    (line,) = written()
    assert "\x1b" not in line
    assert "\u202e" not in line
