"""The events of the worked example: six weeks of the demo's own traffic, in one file.

`python -m tests.trial.made_up_events` writes it anew.
"""

import gzip
from pathlib import Path

from pipeline.core.windows import DAY_MS, HOUR_MS
from pipeline.demo.season import LIVE_MS
from pipeline.demo.traffic import PARTITIONS, Traffic

DEFINITIONS = Path(__file__).parents[2] / "definitions"
PRESENT = DEFINITIONS / "insight_suite"
CANDIDATE = DEFINITIONS / "candidates" / "insight_suite"
EVENTS = CANDIDATE / "events.jsonl.gz"

SEED = 1
EVENTS_A_DAY = 100.0
DAYS = 42


def made_up() -> bytes:
    """The lines, in the order in which they arrive."""
    traffic, end = Traffic(SEED, EVENTS_A_DAY), LIVE_MS // DAY_MS * DAY_MS
    found = []
    for number in range((end - DAYS * DAY_MS) // HOUR_MS, end // HOUR_MS):
        for partition in range(PARTITIONS):
            hour = traffic.hour(partition, number)
            found += zip(hour.arrivals_ms.tolist(), hour.values, strict=True)
    found.sort(key=lambda each: each[0])
    return b"".join(value + b"\n" for _, value in found)


if __name__ == "__main__":
    EVENTS.write_bytes(gzip.compress(made_up(), 9, mtime=0))
