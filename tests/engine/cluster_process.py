"""One process of a cluster that runs the deep product; started by `test_two_processes.py`.

    python -m tests.engine.cluster_process NUMBER ADDRESSES SEED SLOTS OUT

Writes a line for every tick that this process publishes, the tick as Python shows it, and a last
one that says how much of the work was done here.
"""

import json
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event

from bytewax.run import cli_main

from pipeline.core.publish import Tick
from pipeline.engine.dataflow import build
from pipeline.engine.operators import Steps
from pipeline.engine.slots import Intake
from pipeline.telemetry import Telemetry
from tests.engine.both_engines import EVERY_TICK
from tests.engine.deep_product import DEPLOYMENT, PLAN, stream
from tests.engine.memory_source import MemorySource

SHARDS = 16
"""Enough for each process to have some; the ticks are those of any other number."""


def main(number: str, addresses: str, seed: str, slots: str, out: str) -> None:
    """Run this process's share of the flow to its end."""
    source = MemorySource(stream(int(seed)), slots=int(slots), luck=int(number))
    deployment = replace(DEPLOYMENT, shards=SHARDS)
    telemetry = Telemetry()
    intake = Intake(PLAN, deployment, source, telemetry, Event(), poll_records=50)
    steps = Steps(PLAN, deployment, source.slots, telemetry, EVERY_TICK)
    with Path(out).open("w", encoding="utf-8") as lines:

        def write(tick: Tick) -> None:
            lines.write(f"{tick!r}\n")

        cli_main(
            build(intake, steps, write),
            process_id=int(number),
            addresses=addresses.split(";"),
            epoch_interval=timedelta(seconds=10),
        )
        done = {"slots": len(source.opened_at), "entities": sum(telemetry.entities.values())}
        lines.write(json.dumps(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
