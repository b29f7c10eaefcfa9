"""Taking turns: what is compared runs A B A B, and the best of each side counts.

Neighbours on the machine only ever make a run slower, so the quickest is the one nearest to the
truth.
"""

from collections.abc import Callable, Mapping

Figures = dict[str, float]


def fastest(turns: Mapping[str, Callable[[], Figures]], rounds: int, by: str) -> dict[str, Figures]:
    """The best run of each, per event of the time that `by` names."""
    found: dict[str, list[Figures]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            found[name].append(turn())
    return {
        name: min(runs, key=lambda run: run[by] / run["events"]) for name, runs in found.items()
    }


def rate(run: Figures, by: str = "wall_s") -> float:
    """Events a second."""
    return run["events"] / run[by]
