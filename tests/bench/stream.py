"""Made-up records of an analytics suite: 230 bytes each, some people and charts far busier.

They are made once, kept in files, and read back by every child process, so that no measurement
pays for them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.records import Records

START_MS: Final = int(datetime(2026, 3, 2, 8, tzinfo=UTC).timestamp() * 1000)
PARTITIONS: Final = 4

_NAMES: Final = ("chart_viewed", "query_run", "chart_shared", "support_ticket_opened")
_SHARES: Final = (0.70, 0.24, 0.05, 0.01)
_SHARES_ONCE: Final = (0.90, 0.0, 0.10, 0.0)  # so that each event is about a chart
_TAIL: Final = 1.1  # of activity: the busiest hundredth does half of everything
_HISTORY_PART: Final = 10
_OUT_OF_ORDER_MS: Final = 3_000.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """What to make. `events_per_s` is the density in event time.

    A tenth of the events lies before that if there is a `history_ms`, spread out over it.
    `poison` is the share of records that are broken. `one_org` is the share of all events that
    belongs to a single organisation, None for one like the others. `once` gives every person and
    chart exactly one event in turn, to fill tables.
    """

    events: int
    events_per_s: int = 25_000
    history_ms: int = 0
    users: int = 200_000
    charts: int = 100_000
    orgs: int = 5_000
    poison: float = 0.0
    one_org: float | None = None
    once: bool = False
    seed: int = 7

    @property
    def duration_ms(self) -> int:
        """How much event time it covers, but for the history."""
        return max(1, self.events * 1000 // self.events_per_s)


@dataclass(frozen=True, slots=True)
class Log:
    """Records by partition, as they stand in a log."""

    values: tuple[list[bytes | None], ...]
    ingested_ms: tuple[NDArray[np.int64], ...]

    def __len__(self) -> int:
        return sum(map(len, self.values))

    def polls(self, partition: int, size: int) -> Iterator[Records]:
        """A partition in pieces, as a reader hands them out."""
        values, ingested_ms = self.values[partition], self.ingested_ms[partition]
        offsets = np.arange(len(values), dtype=np.int64)
        for start in range(0, len(values), size):
            piece = slice(start, start + size)
            yield Records(partition, values[piece], offsets[piece], ingested_ms[piece])

    def first(self, events: int) -> "Log":
        """About so many records from the start, as many of each partition."""
        each = events // len(self.values)
        return Log(
            tuple(values[:each] for values in self.values),
            tuple(times[:each] for times in self.ingested_ms),
        )


def made(traffic: Traffic) -> Log:
    """The records of this traffic; the same for the same traffic."""
    luck = np.random.default_rng(traffic.seed)
    count = traffic.events
    times = luck.integers(0, traffic.duration_ms, count)
    if traffic.history_ms:
        times[::_HISTORY_PART] = -luck.integers(0, traffic.history_ms, len(times[::_HISTORY_PART]))
    times = START_MS + np.sort(times)
    happened = times - np.minimum(luck.exponential(400.0, count), _OUT_OF_ORDER_MS).astype(np.int64)
    users, charts = _chosen(luck, traffic, traffic.users), _chosen(luck, traffic, traffic.charts)
    orgs = users % traffic.orgs
    if traffic.one_org is not None:
        orgs[luck.random(count) < traffic.one_org] = 0
    names = luck.choice(len(_NAMES), count, p=_SHARES_ONCE if traffic.once else _SHARES)
    lengths = np.minimum(luck.lognormal(9.2, 1.3, count), 3_600_000).astype(np.int64)
    stamps = np.datetime_as_string(happened.astype("datetime64[ms]"))
    messages = luck.permutation(count)
    values: list[bytes] = [
        _WRITTEN[name] % (stamp.encode(), message, user, org, chart, length, chart)
        for name, stamp, message, user, org, chart, length in zip(
            names.tolist(), stamps.tolist(), messages.tolist(), users.tolist(), orgs.tolist(),
            charts.tolist(), lengths.tolist(), strict=True,
        )
    ]  # fmt: skip
    for row in np.flatnonzero(luck.random(count) < traffic.poison).tolist():
        values[row] = _poisoned(values[row], row)
    return _dealt(values, times, users % PARTITIONS)


_WRITTEN: Final = tuple(
    b'{"event":"%b","timestamp":"%%bZ","messageId":"b7e1-%%012x","userId":"u%%07d",'
    b'"context":{"groupId":"org-%%05d","locale":"de-DE"},'
    b'"properties":{"chart_id":"c%%07d","ms":%%d,"path":"/c/%%07d"}}' % name.encode()
    for name in _NAMES
)


def _chosen(luck: np.random.Generator, traffic: Traffic, number: int) -> NDArray[np.int64]:
    """Who takes part in each event: everyone in turn, or the busy far more often."""
    if traffic.once:
        return np.arange(traffic.events) % number
    weights = 1.0 / (np.arange(number) + 10.0) ** _TAIL
    edges = np.cumsum(weights / weights.sum())
    ranks = np.minimum(np.searchsorted(edges, luck.random(traffic.events)), number - 1)
    return luck.permutation(number)[ranks]


def _poisoned(value: bytes, row: int) -> bytes:
    """A record as broken producers send it: cut off, of a wrong type, without id, or of no time."""
    kinds = (
        value[: len(value) // 2],
        value.replace(b'"ms":', b'"ms":"12","x":'),
        value.replace(b'"userId":"u', b'"userId":"anonymous","u":"'),
        value.replace(b'"timestamp":"2026', b'"timestamp":"soon'),
    )
    return kinds[row % len(kinds)]


def _dealt(values: Sequence[bytes], times: NDArray[np.int64], partition: NDArray[np.int64]) -> Log:
    rows = [np.flatnonzero(partition == number) for number in range(PARTITIONS)]
    return Log(
        tuple([values[row] for row in mine.tolist()] for mine in rows),
        tuple(times[mine] for mine in rows),
    )


# ── in files ─────────────────────────────────────────────────────────────────────────────────────


def save(log: Log, folder: Path) -> None:
    """Write a log down."""
    folder.mkdir(parents=True)
    for number, (values, times) in enumerate(zip(log.values, log.ingested_ms, strict=True)):
        (folder / f"{number}.values").write_bytes(b"\n".join(value or b"" for value in values))
        np.save(folder / f"{number}.npy", times)


def load(folder: Path) -> Log:
    """Read a log back."""
    numbers = range(len(list(folder.glob("*.values"))))
    return Log(
        tuple([*(folder / f"{number}.values").read_bytes().split(b"\n")] for number in numbers),
        tuple(np.load(folder / f"{number}.npy") for number in numbers),
    )
