"""How two metrics move together."""

from collections.abc import Callable, Sequence
from statistics import StatisticsError, correlation

from tests.oracle.measures import Measure, Number

DAY_MS = 86_400_000
CLOSES, CLOSES_MIN = 28, 8


def closes(tick: int) -> list[int]:
    """Name the last daily closes up to a tick."""
    last = tick // DAY_MS * DAY_MS
    return [last - number * DAY_MS for number in range(CLOSES)]


def correlated(tick: int, one: Callable[[int], Measure], other: Callable[[int], Measure]) -> Number:
    """Give Pearson's correlation over the daily closes at which both are known and covered."""
    both = [(one(at), other(at)) for at in closes(tick)]
    pairs = [
        (float(a.value), float(b.value))
        for a, b in both
        if a.value is not None and b.value is not None and a.coverage == b.coverage == 1
    ]
    return None if len(pairs) < CLOSES_MIN else pearson(pairs)


def pearson(pairs: Sequence[tuple[float, float]]) -> Number:
    """Give the correlation; nothing where one side never moves."""
    try:
        return correlation([a for a, _ in pairs], [b for _, b in pairs])
    except StatisticsError:
        return None
