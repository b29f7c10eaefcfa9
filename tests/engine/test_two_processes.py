"""A cluster of two processes, between which messages travel as bytes, gives the same ticks."""

import json
import subprocess
import sys

import pytest

from pipeline.core.windows import MINUTE_MS
from tests.engine.both_engines import local
from tests.engine.deep_product import DEPLOYMENT, PLAN, START_MS, stream
from tests.integration.ports import free_port

SEED = 10
TIMEOUT_S = 60.0
TICK_MS = DEPLOYMENT.tick_ms


@pytest.fixture
def cluster(tmp_path):
    """Runs both processes to their end; gives the lines that each wrote."""
    processes = []

    def run(slots):
        addresses = ";".join(f"127.0.0.1:{port}" for port in two_ports())
        outs = [tmp_path / f"process-{number}" for number in (0, 1)]
        for number, out in enumerate(outs):
            given = [str(number), addresses, str(SEED), str(slots), str(out)]
            command = [sys.executable, "-m", "tests.engine.cluster_process", *given]
            processes.append(subprocess.Popen(command, stderr=subprocess.PIPE))
        for process in processes:
            _, complaints = process.communicate(timeout=TIMEOUT_S)
            assert process.returncode == 0, complaints.decode()
        return [out.read_text(encoding="utf-8").splitlines() for out in outs]

    yield run
    for process in processes:
        process.kill()
        process.wait()


def two_ports():
    """Two ports that nobody listens on."""
    first, second = free_port(), free_port()
    return (first, second) if first != second else two_ports()


@pytest.mark.parametrize("slots", [2, 4])
def test_two_processes_give_the_local_engines_ticks(cluster, slots):
    """Both processes read and keep entities, and one of them publishes every tick."""
    (first, *done_first), (second, *done_second) = (
        (lines[:-1], json.loads(lines[-1])) for lines in cluster(slots)
    )
    assert not first or not second
    ticks = range(START_MS - 4 * TICK_MS, START_MS + 6 * MINUTE_MS, TICK_MS)
    known = local(PLAN, DEPLOYMENT, stream(SEED), ticks)
    expected = {repr(tick): tick.at_ms for tick in known}
    assert expected.keys() >= {*first, *second}
    at = [expected[line] for line in first or second]
    since = [*range(START_MS + TICK_MS, at[-1] + TICK_MS, TICK_MS)]
    assert since == [moment for moment in at if moment > START_MS]
    assert len(since) > 40
    for done in (*done_first, *done_second):
        assert done["slots"] > 0
        assert done["entities"] > 0
