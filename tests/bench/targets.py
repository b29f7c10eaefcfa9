"""What is measured, in the order of the table, and what each figure shall reach."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Side(StrEnum):
    """On which side of its bound a figure shall lie."""

    AT_LEAST = ">="
    AT_MOST = "<="


@dataclass(frozen=True, slots=True)
class Row:
    """A figure: its key in the JSON object, what it is, and its target if it has one.

    `quick` says what is different about it in a quick run.
    """

    key: str
    text: str
    side: Side | None = None
    bound: float = 0.0
    unit: str = ""
    quick: str = ""

    def reached_by(self, value: float) -> bool | None:
        """Whether a value reaches the target; None where there is none."""
        if self.side is None:
            return None
        return value >= self.bound if self.side is Side.AT_LEAST else value <= self.bound


_LEAST, _MOST = Side.AT_LEAST, Side.AT_MOST

ROWS: Final = (
    Row("floor_1_eps", "floor 1: consume(10_000) and value()", unit="events/s"),
    Row("floor_2_eps", "floor 2: and a typed msgspec decode of the same fields", unit="events/s"),
    Row("kafka_25_eps", "25 metrics, one process, from Kafka", unit="events/s"),
    Row("floor2_share_25", "25 metrics as a share of floor 2, by wall time", _LEAST, 0.60),
    Row("floor2_share_25_cpu", "the same by processor time of all threads"),
    Row("memory_1_eps", "1 metric from memory", unit="events/s"),
    Row("memory_25_eps", "25 metrics from memory", unit="events/s"),
    Row("memory_75_eps", "75 metrics from memory", unit="events/s"),
    Row("bytewax_1_eps", "Bytewax, 1 plain window", unit="events/s"),
    Row("vs_bytewax_1", "1 metric, times a plain window", _LEAST, 10.0),
    Row("bytewax_25_eps", "Bytewax, 25 plain windows, on the log's start", unit="events/s"),
    Row("vs_bytewax_25", "25 metrics, times 25 plain windows", _LEAST, 100.0),
    Row("quix_eps", "Quix Streams, a daily count from Kafka", unit="events/s"),
    Row("vs_quix_1", "a daily count from Kafka, times Quix Streams", _LEAST, 5.0),
    Row("metrics_75_over_25", "time of 75 metrics over 25", _MOST, 1.10),
    Row("window_7d_over_1d", "time with windows of 7 days over 1 day", _MOST, 1.05),
    Row("window_30d_over_1d", "time with windows of 30 days over 1 day", _MOST, 1.05),
    Row(
        "tick_1s_over_5s", "time with ticks of 1 s over 5 s", _MOST, 1.05, "",
        "at 30,000 events/s, not 100,000",
    ),
    Row(
        "bytes_per_entity", "state per entity at 1 M entities", _MOST, 250.0, "B",
        "measured at 0.5 M",
    ),
    Row(
        "tick_ms_1m", "evaluating a tick at 1 M entities", _MOST, 50.0, "ms",
        "measured at 0.5 M, times 2",
    ),
    Row(
        "snapshot_s_10m", "a snapshot of 10 M entities", None, 0.0, "s",
        "processor time at 0.25 M, times 40",
    ),
    Row(
        "snapshot_overhead_10m", "snapshots of 10 M entities, of the default epoch", _MOST, 0.10,
        "",
        "the same over an epoch of that size",
    ),
    Row(
        "restore_s_10m", "restore of 10 M entities", _MOST, 10.0, "s",
        "measured at 0.5 M, times 20",
    ),
    Row("store_mb_10m", "the store with 10 M entities", None, 0.0, "MB", "0.25 M, times 40"),
    Row("processes_2", "2 processes from memory, times one, by wall time", _LEAST, 1.8),
    Row("processes_2_cpu", "one's processor time over the busier one's of two"),
    Row("latency_eps", "events a second while latency is taken", unit="events/s"),
    Row("latency_p99_s", "event to scrape, p99", _MOST, 5.0, "s"),
    Row("poison_1pct", "speed with 1 % poison records, of clean", _LEAST, 0.85),
    Row("one_org_half", "speed with half of all in one organisation, of even", _LEAST, 0.80),
)  # fmt: skip
