"""`northstar demo`, as a person starts it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from pipeline.cli.demo import tick_ms
from pipeline.core.windows import HOUR_MS, MINUTE_MS, SECOND_MS
from pipeline.demo.definition import demo_plan
from tests.integration.waiting import wait_until

READY_S = 60.0  # it takes a few seconds; machines that test are busy
SMALL = ("--rate", "3000", "--port", "0")
METRICS = {metric.name for metric in demo_plan().metrics}


@pytest.fixture
def start(tmp_path):
    """Starts demos with their output in files; they end with the test."""
    started = []

    def run(*options):
        out, err = tmp_path / "out", tmp_path / "err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "pipeline", "demo", *options],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        started.append(process)
        return process, out, err

    yield run
    for process in started:
        process.kill()
        process.wait()


def wait_for(process, condition, what):
    """Wait for something that a demo does while it runs."""
    wait_until(lambda: process.poll() is not None or condition(), what, READY_S)
    assert process.poll() is None, "it has ended"


def address(err):
    """Where a demo says that it serves."""
    found = re.search(r"http://[\d.:]+", err.read_text())
    return found and found[0]


def status(url):
    """Status and body of a request."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - our own loopback
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_last_readings_as_json_lines(start):
    """It serves while it runs, prints every metric once when it ends, and exits 0."""
    process, out, err = start("--duration", "6s", "--output", "json", *SMALL)
    wait_for(process, lambda: address(err), "an address")
    url = address(err)
    assert status(f"{url}/healthz") == (200, "ok\n")
    wait_for(process, lambda: status(f"{url}/readyz")[0] == 200, "readings")
    served = json.loads(status(f"{url}/api/v1/readings")[1])
    scraped = status(f"{url}/metrics")[1]

    assert process.wait(READY_S) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["metric"] for row in rows} == {row["metric"] for row in served} == METRICS
    assert all(row["value"] is not None and row["coverage"] == 1 for row in rows)
    assert {row["state"] for row in rows if row["metric"] == "tickets_per_active_user"} <= {
        "green",
        "yellow",
        "red",
    }
    assert "northstar_ready 1.0" in scraped
    assert re.search(
        r'northstar_metric_value{[^}]*metric="weekly_learning_users"[^}]*} \d', scraped
    )
    assert 'northstar_records_rejected_total{reason="bad_time"}' in scraped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_ends_in_order(start, number):
    """Ctrl-C is the usual end of a demo, and no failure."""
    process, out, _ = start(*SMALL)
    wait_for(process, lambda: "weekly_learning_users=" in out.read_text(), "a line")

    process.send_signal(number)

    assert process.wait(READY_S) == 0
    line = r"\d{4}-\S+Z (catching up )?weekly_learning_users=\d.* records=\d+ .*"
    assert re.fullmatch(line, out.read_text().splitlines()[-1])


def test_there_are_readings_however_short_the_time(start):
    """A duration that is over before the history is read ends with the first readings."""
    process, out, err = start("--duration", "1s", "--output", "json", *SMALL)

    assert process.wait(READY_S) == 0
    assert len(out.read_text().splitlines()) == len(METRICS)
    assert "waiting for the first readings" in err.read_text()


def test_a_taken_port_is_one_clear_line(start):
    """It says which port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process, out, err = start("--port", port)

        assert process.wait(READY_S) == 5
    (line,) = err.read_text().splitlines()
    assert line.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert line.endswith("choose another --host or --port")
    assert out.read_text() == ""


@pytest.mark.parametrize(
    ("option", "text"), [("--duration", "15"), ("--speed", "fast"), ("--duration", "0s")]
)
def test_what_is_no_duration_is_refused(start, option, text):
    """A number needs its unit; the message shows one."""
    process, _, err = start(option, text)

    assert process.wait(READY_S) == 2
    assert "15s" in err.read_text()


@pytest.mark.parametrize(
    ("speed_ms", "expected_ms"),
    [
        (HOUR_MS, 10 * MINUTE_MS),
        (MINUTE_MS, 10 * SECOND_MS),
        (SECOND_MS, SECOND_MS),
        (7 * 24 * HOUR_MS, HOUR_MS),
    ],
)
def test_ticks_keep_pace_with_the_clock(speed_ms, expected_ms):
    """A few ticks a second at any speed, never longer than an hour."""
    assert tick_ms(speed_ms) == expected_ms
