"""What kills came to: how many, what was wrong after them, and what that says of the next one."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

CONFIDENCE = 0.95


@dataclass
class Tally:
    """Counts of stories. `kills` are those that found somebody alive, by a few words on each.

    `wrong` and `missing` have a line for each tick that is not what the oracle says, and for each
    that never came; `failed` one for each process that ended otherwise than by a kill.
    `bad_stories` are those with a line in any of them.
    """

    stories: int = 0
    bad_stories: int = 0
    lives: int = 0
    ticks: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """All that should not be."""
        return [*self.wrong, *self.missing, *self.failed]

    def take_story(
        self, wrong: Iterable[str], missing: Iterable[str], failed: Iterable[str]
    ) -> bool:
        """Take in what was found of one story; whether it was a good one."""
        before = len(self.faults)
        self.wrong += wrong
        self.missing += missing
        self.failed += failed
        bad = len(self.faults) > before
        self.stories += 1
        self.bad_stories += bad
        return not bad

    def add(self, other: "Tally") -> None:
        """Take in another tally."""
        self.stories += other.stories
        self.bad_stories += other.bad_stories
        self.lives += other.lives
        self.ticks += other.ticks
        self.kills += other.kills
        self.wrong += other.wrong
        self.missing += other.missing
        self.failed += other.failed

    def __str__(self) -> str:
        return (
            f"{self.kills.total()} kills in {self.lives} lives of {self.stories} stores, "
            f"{self.ticks} ticks; {len(self.wrong)} wrong, {len(self.missing)} missing, "
            f"{len(self.failed)} processes failed"
        )


def at_most(bad: int, kills: int) -> float:
    """How often a kill does harm at the most, with 95 % confidence, after so many that did.

    The rule of three where none did, else the one-sided bound of Clopper and Pearson (1934).

    >>> at_most(0, 300)
    0.01
    >>> round(at_most(1, 300), 5), round(at_most(10, 10), 5)
    (0.01571, 1.0)
    """
    if bad >= kills:
        return 1.0
    if not bad:
        return min(1.0, 3 / kills)
    low, high = bad / kills, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        if _probability(bad, kills, middle) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _probability(bad: int, kills: int, each: float) -> float:
    """That so many or fewer of the kills do harm, if each does with this probability."""
    if each >= 1:
        return float(bad >= kills)
    yes, no = math.log(each), math.log1p(-each)
    ways = math.lgamma(kills + 1)
    return math.fsum(
        math.exp(
            ways - math.lgamma(k + 1) - math.lgamma(kills - k + 1) + k * yes + (kills - k) * no
        )
        for k in range(bad + 1)
    )
