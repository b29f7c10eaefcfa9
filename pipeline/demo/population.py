"""Who uses the demo product, and on what: users, their organisations, and charts.

Few do most of it: users, organisations and charts follow Zipf's law, as in real products. Charts
are made every day and age; who owns one is worked out from its number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.demo.mixing import fraction
from pipeline.demo.season import GROWTH_MAX, WEEKEND, growth, local_day

Numbers = NDArray[np.int64]
Fractions = NDArray[np.float64]  # evenly spread from 0 up to 1: luck, drawn or mixed

_EVENTS_A_USER_A_DAY: Final = 4
_USERS_MIN: Final = 200
_USERS_AN_ORG: Final = 16
_USER_SKEW: Final = (1.3, 30)  # Zipf's exponent, and the ranks that share the first place
_ORG_SKEW: Final = (1.05, 4)

_CHARTS_A_USER_A_DAY: Final = 0.02
_WEEKEND_CHARTS: Final = 0.15  # of a working day's
_AGE_MAX_DAYS: Final = 4  # older ones are not looked at: the history has to know who made them

# A chart's number holds its organisation, its day since 1970, and which of that day's it is.
_DAY_BITS: Final = 20
_CHART_BITS: Final = 20


def zipf(luck: Fractions, size: float | NDArray[np.float64], skew: tuple[float, float]) -> Numbers:
    """Ranks from 0 to below `size`, with chances like `1 / (rank + shift) ** exponent`.

    The exponent is not 1. Ranks come from a continuous distribution, cut to whole numbers.

    >>> zipf(np.array([0.0, 0.5, 0.999]), 1000, (1.2, 40)).tolist()
    [0, 117, 995]
    """
    exponent, shift = skew
    power = 1 - exponent
    first, last = shift**power, (size + shift) ** power
    ranks = (first - luck * (first - last)) ** (1 / power) - shift
    return np.asarray(np.clip(ranks, 0, size - 1), np.int64)


@dataclass(frozen=True, slots=True)
class Population:
    """Everybody who is or will be there.

    `users` is how many there are when the demo goes live. `org_of` gives each user's organisation;
    `members` are the users in the order of their organisations, those of organisation `o` from
    `first[o]` on, `sizes[o]` of them.
    """

    seed: int
    users: int
    org_of: Numbers
    members: Numbers
    first: Numbers
    sizes: Numbers

    def draw_users(self, luck: Fractions, time_ms: int) -> Numbers:
        """Users who are there at that moment, the busy ones more often."""
        return zipf(luck, self.users * growth(time_ms), _USER_SKEW)

    def draw_new_charts(self, orgs: Numbers, luck: Fractions, time_ms: int) -> Numbers:
        """Charts of the day, each as likely as the other."""
        day, weekday = local_day(time_ms)
        charts = self._charts_a_day(orgs, np.full(len(orgs), weekday))
        return _chart(orgs, np.full(len(orgs), day), (luck * charts).astype(np.int64))

    def draw_seen_charts(
        self, orgs: Numbers, luck: Fractions, age_luck: Fractions, time_ms: int
    ) -> Numbers:
        """Charts that people look at: mostly new ones, and of every day a few far more often."""
        day, weekday = local_day(time_ms)
        age = _reciprocal(age_luck, np.float64(_AGE_MAX_DAYS))
        charts = self._charts_a_day(orgs, (weekday - age) % 7)
        return _chart(orgs, day - age, _reciprocal(luck, charts))

    def owners(self, charts: Numbers) -> Numbers:
        """The user who made each chart: one of the organisation, the busy ones more often."""
        orgs = charts >> (_DAY_BITS + _CHART_BITS)
        luck = fraction(self.seed, "owner", charts)
        places = (luck**3 * self.sizes[orgs]).astype(np.int64)
        return np.asarray(self.members[self.first[orgs] + places])

    def _charts_a_day(self, orgs: Numbers, weekdays: Numbers) -> Fractions:
        part = np.where(weekdays >= WEEKEND, _WEEKEND_CHARTS, 1)
        return np.asarray(np.ceil(self.sizes[orgs] * _CHARTS_A_USER_A_DAY * part))


def _reciprocal(luck: Fractions, size: Fractions | np.float64) -> Numbers:
    """Ranks from 0 to below `size`, with chances like `1 / (rank + 1)`."""
    return np.asarray((size + 1) ** luck - 1, np.int64)


def _chart(orgs: Numbers, days: Numbers, places: Numbers) -> Numbers:
    return (orgs << _DAY_BITS | days) << _CHART_BITS | places


def populate(seed: int, events_a_day: float) -> Population:
    """As many people as make that many events a day when the demo goes live."""
    users = max(_USERS_MIN, round(events_a_day / _EVENTS_A_USER_A_DAY))
    ever = np.arange(int(users * GROWTH_MAX))
    orgs = max(2, users // _USERS_AN_ORG)
    org_of = zipf(fraction(seed, "home", ever), orgs, _ORG_SKEW)
    sizes = np.bincount(org_of, minlength=orgs)
    members = np.argsort(org_of, kind="stable")
    return Population(seed, users, org_of, members, np.cumsum(sizes) - sizes, sizes)
