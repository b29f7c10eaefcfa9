"""The engine beside its peers, on equal jobs."""

import gc
import json
import subprocess
from pathlib import Path
from typing import Final

from tests.bench import bytewax_peer, throughput
from tests.bench.child import ROOT, TIMEOUT_S, call, told
from tests.bench.setting import Setting
from tests.bench.stream import load
from tests.bench.turns import Figures, fastest, rate

_EVENTS_MIN: Final = 150_000  # in fewer, a single metric shows little but its start
_HERE: Final = Path(__file__).parent


def quix(bootstrap: str, topic: str, events: int) -> Figures:
    """The figures of Quix Streams, run in an environment of its own."""
    # Away from our pyproject, whose pins are not its own.
    command = ["uv", "run", "--quiet", "--isolated", "--no-project", "--no-config"]
    command += ["--python", "3.11", "--with-requirements", str(_HERE / "quix_requirements.txt")]
    command += ["python", str(_HERE / "quix_job.py"), bootstrap, topic, str(events)]
    done = subprocess.run(
        command, cwd=ROOT.parent, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"Quix Streams failed:\n{told(done.stderr)}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def beside_bytewax(log: str, one: int, all_25: int, rounds: int) -> dict[str, Figures]:
    """Our figures and the peer's, in turns; the peer reads so many events for each job."""
    logs = {log: load(Path(log))}
    gc.freeze()
    turns = {
        "peer_1": lambda: bytewax_peer.run("single", logs[log].first(one)),
        "ours_1": lambda: throughput.turn(logs, "single", log),
        "peer_25": lambda: bytewax_peer.run("all", logs[log].first(all_25)),
        "ours_25": lambda: throughput.turn(logs, "catalogue", log),
    }
    return fastest(turns, rounds, by="thread_s")


def measure_bytewax(setting: Setting) -> dict[str, float]:
    """One metric and 25 beside stock windows, from memory, by the time of the engine's thread.

    The peer reads the start of the same log: its 25 windows would take minutes for the whole. Its
    cost an event does not fall as its windows fill, so what is left out is to its gain.
    """
    one, all_25 = (20_000, 1_000) if setting.quick else (100_000, 10_000)
    log = setting.log(events=max(setting.events, _EVENTS_MIN))
    found = call("peers", "beside_bytewax", log=log, one=one, all_25=all_25, rounds=setting.rounds)
    eps = {name: rate(run, "thread_s") for name, run in found.items()}
    return {
        "bytewax_1_eps": eps["peer_1"],
        "bytewax_25_eps": eps["peer_25"],
        "vs_bytewax_1": eps["ours_1"] / eps["peer_1"],
        "vs_bytewax_25": eps["ours_25"] / eps["peer_25"],
    }


def measure_quix(setting: Setting) -> dict[str, float]:
    """One daily count from the same topic, by wall time from the first record on."""
    log = setting.log()
    place = {"bootstrap": setting.broker().bootstrap, "topic": setting.topic(log)}
    events = 20_000 if setting.quick else 200_000
    found = fastest(
        {
            "quix": lambda: quix(**place, events=events),
            "ours": lambda: call("throughput", "from_kafka", definition="counted", **place),
        },
        1 if setting.quick else 2,
        by="wall_s",
    )
    return {
        "quix_eps": rate(found["quix"]),
        "vs_quix_1": rate(found["ours"]) / rate(found["quix"]),
    }
