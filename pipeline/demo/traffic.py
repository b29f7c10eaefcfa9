"""The traffic of the demo product: Segment records, hour by hour.

Every hour of every partition is drawn from its own generator, so it is the same however and by
whom it is asked for. Records stand in the order of their arrival: most arrive within seconds, some
minutes or hours after they happened, and some twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.windows import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from pipeline.demo.faults import spoilt
from pipeline.demo.mixing import mixed
from pipeline.demo.population import Numbers, populate
from pipeline.demo.season import growth, season, trouble

PARTITIONS: Final = 4
EVENTS_A_DAY: Final = 30_000.0

LATE_SHARE: Final = 0.015
DUPLICATE_SHARE: Final = 0.005
SPOILT_SHARE: Final = 0.001
_LATE_MS: Final = (2 * MINUTE_MS, 6 * HOUR_MS)  # of a phone in a tunnel, of a laptop that was shut
_ON_THE_WAY_MS: Final = 4 * SECOND_MS  # on average, for all others
_ON_THE_WAY_MS_MAX: Final = 30 * SECOND_MS
_SENT_AGAIN_MS: Final = 20 * SECOND_MS  # on average

# What people do, and how often; tickets more often in times of trouble. The last one is of no
# interest to the definition, as many records in a real topic.
VIEWED, QUERIED, SHARED, TICKET, SCROLLED = range(5)
_SHARES: Final = {VIEWED: 0.675, QUERIED: 0.25, SHARED: 0.05, TICKET: 0.02, SCROLLED: 0.005}
_SHARES_UP_TO: Final = np.cumsum([*_SHARES.values()])

_START: Final = (
    b'{"type":"track","event":"%b","messageId":"%%016x","timestamp":"%%bZ",'
    b'"userId":"%%016x","context":{"groupId":"%%016x"},"properties":{%b}}'
)
_SHAPES: Final = {
    VIEWED: _START % (b"chart_viewed", b'"chart_id":"%016x","ms":%d'),
    QUERIED: _START % (b"query_run", b'"query_id":"%016x","ms":%d'),
    SHARED: _START % (b"chart_shared", b'"chart_id":"%016x","recipients":%d'),
    TICKET: _START % (b"support_ticket_opened", b'"ticket_id":"%016x","severity":%d'),
    SCROLLED: _START % (b"page_scrolled", b'"page_id":"%016x","pixels":%d'),
}

# The number that each carries is log-normal: mean and deviation of its logarithm. A view takes 18 s
# in the middle, a query less than one; recipients, severity and pixels are small.
_AMOUNTS: Final = {
    VIEWED: (9.8, 1.1),
    QUERIED: (6.5, 1.4),
    SHARED: (1.0, 0.6),
    TICKET: (0.5, 0.5),
    SCROLLED: (6.0, 1.0),
}
_AMOUNT_MAX: Final = 10_000_000  # a view that is left open over lunch


@dataclass(frozen=True, slots=True)
class Hour:
    """What arrives in one hour at one partition: records, and when (ms, rising) they arrive."""

    values: list[bytes | None]
    arrivals_ms: NDArray[np.int64]


@dataclass(slots=True)
class _Draft:
    """Events of an hour, a row each, in the order of arrival; `times_ms` is when they happened.

    `things` is what an event is about: a chart, or something with a number of its own.
    """

    arrivals_ms: Numbers
    times_ms: Numbers
    kinds: Numbers
    users: Numbers
    things: Numbers
    amounts: Numbers


class Traffic:
    """Everything that ever happens, for a seed.

    `events_a_day` is the mean of a week when the demo goes live; the size of the population goes
    with it.
    """

    def __init__(self, seed: int = 1, events_a_day: float = EVENTS_A_DAY) -> None:
        self.seed = seed
        self.events_a_day = events_a_day
        self._population = populate(seed, events_a_day)

    def hour(self, partition: int, number: int) -> Hour:
        """The records that arrive at a partition in an hour, counted since 1970."""
        draw = np.random.Generator(np.random.PCG64((self.seed, partition, number)))
        draft = self._draft(draw, number * HOUR_MS)
        values = self._written(draw, draft)
        return _with_duplicates(draw, _spoilt_here_and_there(draw, values), draft.arrivals_ms)

    # ── what happens ─────────────────────────────────────────────────────────────────────────────

    def _draft(self, draw: np.random.Generator, start_ms: int) -> _Draft:
        arrivals_ms = self._arrivals(draw, start_ms)
        many = len(arrivals_ms)
        times_ms = arrivals_ms - _delays(draw, many)
        kinds = self._kinds(draw, times_ms)
        users = self._population.draw_users(draw.random(many), start_ms)
        things, users = self._things(draw, kinds, users, start_ms)
        return _Draft(arrivals_ms, times_ms, kinds, users, things, _amounts(draw, kinds))

    def _arrivals(self, draw: np.random.Generator, start_ms: int) -> Numbers:
        """More and more, or fewer and fewer, of them in the course of the hour."""
        busy, busier = season(start_ms), season(start_ms + HOUR_MS)
        hourly = self.events_a_day * growth(start_ms) * HOUR_MS / DAY_MS / PARTITIONS
        many = draw.poisson(hourly * (busy + busier) / 2)
        luck = draw.random(many)
        if busy != busier:  # the inverse of a distribution whose density is a slope
            root = np.sqrt(busy**2 + luck * (busier**2 - busy**2))
            luck = (root - busy) / (busier - busy)
        return np.asarray(start_ms + np.sort((luck * HOUR_MS).astype(np.int64)))

    def _kinds(self, draw: np.random.Generator, times_ms: Numbers) -> Numbers:
        kinds = np.searchsorted(_SHARES_UP_TO, draw.random(len(times_ms)), "right")
        extra = _SHARES[TICKET] * (trouble(self.seed, times_ms) - 1)
        kinds[draw.random(len(times_ms)) < extra] = TICKET
        return np.minimum(kinds, SCROLLED)

    def _things(
        self, draw: np.random.Generator, kinds: Numbers, users: Numbers, start_ms: int
    ) -> tuple[Numbers, Numbers]:
        """What events are about, and who acts: a chart is shared by the one who made it."""
        people, many = self._population, len(kinds)
        orgs = people.org_of[users]
        luck, age_luck = draw.random(many), draw.random(many)
        things = draw.integers(0, 1 << 62, many)
        seen = np.flatnonzero(kinds == VIEWED)
        things[seen] = people.draw_seen_charts(orgs[seen], luck[seen], age_luck[seen], start_ms)
        made = np.flatnonzero(kinds == SHARED)
        things[made] = people.draw_new_charts(orgs[made], luck[made], start_ms)
        users[made] = people.owners(things[made])
        return things, users

    # ── how it is written ────────────────────────────────────────────────────────────────────────

    def _written(self, draw: np.random.Generator, draft: _Draft) -> list[bytes]:
        many = len(draft.kinds)
        times = np.datetime_as_string(draft.times_ms.astype("datetime64[ms]")).astype("S23")
        columns = [
            draw.integers(0, (1 << 64) - 1, many, np.uint64, endpoint=True),
            times,
            mixed(self.seed, "user", draft.users),
            mixed(self.seed, "org", self._population.org_of[draft.users]),
            mixed(self.seed, "thing", draft.things),
            draft.amounts,
        ]
        values = [b""] * many
        for kind, shape in _SHAPES.items():
            rows = np.flatnonzero(draft.kinds == kind)
            fields = zip(*(column[rows].tolist() for column in columns), strict=True)
            for row, given in zip(rows.tolist(), fields, strict=True):
                values[row] = shape % given
        return values


def _delays(draw: np.random.Generator, many: int) -> Numbers:
    """How long events were on their way, in milliseconds."""
    usual = np.minimum(draw.exponential(_ON_THE_WAY_MS, many), _ON_THE_WAY_MS_MAX)
    shortest, longest = np.log(_LATE_MS)
    late = np.exp(draw.uniform(shortest, longest, many))
    return np.where(draw.random(many) < LATE_SHARE, late, usual).astype(np.int64)


def _amounts(draw: np.random.Generator, kinds: Numbers) -> Numbers:
    """The number that each event carries, in milliseconds where it is a duration."""
    mean, deviation = np.array([*_AMOUNTS.values()])[kinds].T
    amounts = np.exp(mean + deviation * draw.standard_normal(len(kinds)))
    return np.asarray(np.minimum(amounts, _AMOUNT_MAX), np.int64)


def _spoilt_here_and_there(draw: np.random.Generator, values: list[bytes]) -> list[bytes | None]:
    """The records, a few of them broken."""
    found: list[bytes | None] = [*values]
    rows = np.flatnonzero(draw.random(len(values)) < SPOILT_SHARE)
    for row, luck in zip(rows.tolist(), draw.integers(0, 1 << 16, len(rows)).tolist(), strict=True):
        found[row] = spoilt(values[row], luck)
    return found


def _with_duplicates(
    draw: np.random.Generator, values: list[bytes | None], arrivals_ms: Numbers
) -> Hour:
    """Some records arrive once more, a little later in the same hour."""
    again = np.flatnonzero(draw.random(len(values)) < DUPLICATE_SHARE)
    delays = draw.exponential(_SENT_AGAIN_MS, len(again)).astype(np.int64)
    end_ms = arrivals_ms[-1:] // HOUR_MS * HOUR_MS + HOUR_MS - 1
    later_ms = np.minimum(arrivals_ms[again] + delays, end_ms)
    arrivals_ms = np.concatenate([arrivals_ms, later_ms])
    order = np.argsort(arrivals_ms, kind="stable")
    values = values + [values[row] for row in again.tolist()]
    return Hour([values[row] for row in order.tolist()], arrivals_ms[order])
