"""Scores of surveys: what is measured of them, and between which bounds it lies.

Intervals are those of 95 %: Wilson's for a share, the normal one for a difference of shares.
"""

from math import sqrt

from tests.oracle.model import Aggregate

Interval = tuple[float, float]

Z = 1.96
PROMOTER, DETRACTOR = 9, 6


def nps(score: str) -> str:
    """Select promoters less detractors in a hundred, and how many of either there are."""
    promoters = f"count(*) FILTER ({score} >= {PROMOTER})"
    detractors = f"count(*) FILTER ({score} <= {DETRACTOR})"
    number = f"count({score})"
    value = f"100 * ({promoters} - {detractors}) / nullif({number}, 0)"
    return f"{value}, {number}, NULL, NULL, [{promoters}, {detractors}, {number}]"


def csat(score: str, top: object) -> str:
    """Select the share of scores of at least `top`, and both its sides."""
    satisfied, number = f"count(*) FILTER ({score} >= {top})", f"count({score})"
    return (
        f"{satisfied} / nullif({number}, 0), {number}, {satisfied}, {number}, "
        f"[{satisfied}, {number}]"
    )


def interval(aggregate: Aggregate, counts: list[int]) -> Interval | None:
    """Give low and high; nothing without scores."""
    if not counts[-1]:
        return None
    if aggregate.function == "nps":
        return nps_interval(*counts)
    return wilson(*counts)


def nps_interval(promoters: int, detractors: int, number: int) -> Interval:
    """Give the interval of an NPS: z deviations of the mean of -100, 0 and 100."""
    p, d = promoters / number, detractors / number
    half = Z * 100 * sqrt(max(0.0, p + d - (p - d) ** 2) / number)
    return 100 * (p - d) - half, 100 * (p - d) + half


def wilson(hits: int, number: int) -> Interval:
    """Give Wilson's score interval of a share (E. B. Wilson, 1927).

    >>> [round(bound, 3) for bound in wilson(8, 10)]
    [0.49, 0.943]
    """
    share, z2 = hits / number, Z * Z
    middle = (share + z2 / (2 * number)) / (1 + z2 / number)
    half = Z / (1 + z2 / number) * sqrt(share * (1 - share) / number + z2 / (4 * number * number))
    return middle - half, middle + half
