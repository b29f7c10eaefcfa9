"""An order in which everything comes after what it needs, and the circles that have none."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def ordered(needs: Mapping[str, Iterable[str]]) -> tuple[list[str], list[list[str]]]:
    """Sort names so that each comes after those it needs; as given, where that leaves a choice.

    What is needed but is no key of `needs` is passed over.

    Returns:
        The names outside of circles and not in need of one, in order; and one circle for each
        knot of names that need each other, as `[a, b]` for `a` needs `b` needs `a`.

    >>> ordered({"a": ["b"], "b": [], "c": ["d"], "d": ["c"]})
    (['b', 'a'], [['c', 'd']])
    """
    rank = {name: at for at, name in enumerate(needs)}
    missing = {name: {need for need in needs[name] if need in rank} for name in needs}
    wanted_by: dict[str, list[str]] = {name: [] for name in needs}
    for name, wanted in missing.items():
        for need in wanted:
            wanted_by[need].append(name)
    ready = [(rank[name], name) for name, wanted in missing.items() if not wanted]
    order = []
    while ready:
        _, name = heapq.heappop(ready)
        order.append(name)
        for other in wanted_by[name]:
            missing[other].discard(name)
            if not missing[other]:
                heapq.heappush(ready, (rank[other], other))
    return order, _circles({name: wanted for name, wanted in missing.items() if wanted}, rank)


def _circles(stuck: Mapping[str, Iterable[str]], rank: Mapping[str, int]) -> list[list[str]]:
    """One circle from each start that leads to a new one; every name in `stuck` needs another."""
    circles: list[list[str]] = []
    seen: set[str] = set()
    for start in stuck:
        walk: list[str] = []
        name = start
        while name not in seen:
            seen.add(name)
            walk.append(name)
            name = min(stuck[name], key=rank.__getitem__)
        if name in walk:
            circles.append(walk[walk.index(name) :])
    return circles
