"""A real Prometheus that scrapes what a test runs, and `promtool`'s judgement of metrics."""

import http.client
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.integration.ports import LOOPBACK, free_port
from tests.integration.processes import ServerProcess
from tests.integration.services import ServiceMissingError
from tests.integration.waiting import wait_until

START_TIMEOUT_S = 60.0
REQUEST_TIMEOUT_S = 10.0
PROMTOOL_TIMEOUT_S = 60.0
QUERY_INTERVAL_S = 0.2

Series = dict[str, Any]


class PrometheusServer:
    """A Prometheus that scrapes its targets and evaluates its rules each second."""

    def __init__(
        self, folder: Path, targets: Sequence[str], rule_files: Sequence[Path] = ()
    ) -> None:
        """Lay out the server's folder; nothing runs yet.

        Raises:
            ServiceMissingError: There is no `prometheus` on this machine.
        """
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        config = folder / "prometheus.yml"
        config.write_text(json.dumps(_config(targets, rule_files)))  # JSON is YAML too
        command = [
            program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{self.port}",
        ]
        self._process = ServerProcess(command, folder / "prometheus.log")

    def start(self) -> None:
        """Start the server and return when it is ready for queries."""
        self._process.start(self._ready, START_TIMEOUT_S)

    def stop(self) -> None:
        """Shut the server down in order."""
        self._process.stop()

    def query(self, promql: str) -> list[Series]:
        """The instant vector: series of `metric` and `value` (time in seconds, value as text)."""
        return self._result("query", query=promql)

    def query_range(
        self, promql: str, start_s: float, end_s: float, step_s: float = 1.0
    ) -> list[Series]:
        """The range vector: series of `metric` and `values`."""
        return self._result("query_range", query=promql, start=start_s, end=end_s, step=step_s)

    def wait_for(
        self, promql: str, predicate: Callable[[list[Series]], bool], timeout_s: float = 30.0
    ) -> list[Series]:
        """The first answer that the predicate accepts.

        Raises:
            AssertionError: None came within `timeout_s`; the text shows the last.
        """
        seen: list[Series] = []

        def accepted() -> bool:
            seen[:] = self.query(promql)
            return predicate(seen)

        try:
            wait_until(accepted, promql, timeout_s, QUERY_INTERVAL_S)
        except TimeoutError as error:
            raise AssertionError(f"{error}; the last answer was {seen}") from error
        return seen

    def _ready(self) -> bool:
        try:
            return self._get("/-/ready")[0] == http.client.OK
        except OSError:
            return False

    def _result(self, endpoint: str, **parameters: str | float) -> list[Series]:
        status, body = self._get(f"/api/v1/{endpoint}?{urlencode(parameters)}")
        answer = json.loads(body)
        if status != http.client.OK:
            raise RuntimeError(f"Prometheus answered {status}: {answer['error']}")
        return answer["data"]["result"]

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=REQUEST_TIMEOUT_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _config(targets: Sequence[str], rule_files: Sequence[Path]) -> dict[str, object]:
    return {
        "global": {
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "evaluation_interval": "1s",
        },
        "rule_files": [str(path) for path in rule_files],
        "scrape_configs": [
            {"job_name": "northstar", "static_configs": [{"targets": list(targets)}]},
        ],
    }


def check_metrics(text: str) -> tuple[int, str]:
    """Exit code and words of `promtool check metrics`: 0 fine, 1 unreadable, 3 against custom.

    Raises:
        ServiceMissingError: There is no `promtool` on this machine.
    """
    done = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=text,
        text=True,
        check=False,
        timeout=PROMTOOL_TIMEOUT_S,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.returncode, done.stdout


def program(name: str) -> str:
    """The path of one of Prometheus' programs.

    Raises:
        ServiceMissingError: It is not on this machine.
    """
    path = shutil.which(name)
    if path is None:
        raise ServiceMissingError(f"no {name} is on the PATH (Debian's package prometheus has it)")
    return path
