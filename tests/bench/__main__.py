"""Run all benchmarks: a table, and as the last line one JSON object of the figures.

    python -m tests.bench [--quick] [MEASURE …]

Nothing here is asserted: people judge. Ratios count, for they are taken side by side.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.bench import child, entities, latency, peers, processes, snapshots, throughput
from tests.bench.setting import Setting
from tests.bench.targets import ROWS, Row

Measure = Callable[[Setting], dict[str, float]]

MEASURES: Final[dict[str, Measure]] = {
    "kafka": throughput.measure_kafka,
    "memory": throughput.measure_memory,
    "bytewax": peers.measure_bytewax,
    "quix": peers.measure_quix,
    "entities": entities.measure,
    "snapshots": snapshots.measure,
    "processes": processes.measure,
    "latency": latency.measure,
}


def main(*arguments: str) -> None:
    """Take the measures asked for, all of them if none is named."""
    quick = "--quick" in arguments
    asked = [name for name in arguments if name != "--quick"] or [*MEASURES]
    whole = asked == [*MEASURES]
    began_s = time.monotonic()
    child.begin()
    figures: dict[str, float | None] = {row.key: None for row in ROWS} if whole else {}
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as ends:
        setting = Setting(Path(folder), quick, ends)
        for name in asked:
            figures |= _taken(name, setting, failures)
    figures["seconds"] = round(time.monotonic() - began_s, 1)
    sys.stdout.write(_table(figures, quick=quick) + "\n")
    sys.stdout.write(json.dumps({"quick": quick} | figures) + "\n")
    sys.exit("\n".join(failures) or None)


def _taken(name: str, setting: Setting, failures: list[str]) -> dict[str, float | None]:
    """The figures of one measure. One that fails leaves the others be."""
    began_s = time.monotonic()
    try:
        found = MEASURES[name](setting)
    except Exception as failed:  # noqa: BLE001 - told at the end, with the figures there are
        failures.append(f"{name}: {failed}")
        found = {}
    taken_s = time.monotonic() - began_s
    rounded: dict[str, float | None] = {k: float(f"{v:.4g}") for k, v in found.items()}
    sys.stderr.write(f"{name}: {taken_s:.1f} s: {rounded}\n")
    return rounded


def _table(figures: dict[str, float | None], *, quick: bool) -> str:
    lines = [f"{'measure':58} {'found':>12} {'target':>9}"]
    lines += [_line(row, figures[row.key], quick=quick) for row in ROWS if row.key in figures]
    return "\n".join(lines)


def _line(row: Row, value: float | None, *, quick: bool) -> str:
    found = "-" if value is None else f"{value:,.4g}" if value < 1_000 else f"{value:,.0f}"
    target = "" if row.side is None else f"{row.side} {row.bound:g}"
    reached = None if value is None else row.reached_by(value)
    mark = {None: "", True: "ok", False: "missed"}[reached]
    note = f"({row.quick})" if quick and row.quick else ""
    return f"{row.text:58} {found:>12} {target:>9} {row.unit:8} {mark:6} {note}".rstrip()


if __name__ == "__main__":
    main(*sys.argv[1:])
