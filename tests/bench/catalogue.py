"""The plans that the benchmarks run: 25 metrics as written, 75 grown from them, or a single one."""

import re
from pathlib import Path
from typing import Any, Final

import msgspec
from ruamel.yaml import YAML

from pipeline.core.plan import Plan
from pipeline.spec import read_text

CATALOGUE: Final = Path(__file__).parent / "catalogue" / "insight_suite.yaml"

_SIZE = re.compile(r"trailing (\d+)([hd])")
_BOUND = re.compile(r"(>=|<) (\d+)")
_LINES: Final = ("", "pro", "enterprise")
_SMALL: Final = 5
_EXPRESSIONS: Final = ("when", "window", "value")
_OF_THE_TREE: Final = ("role", "facet", "formula", "inputs")


def plan_of(text: str) -> Plan:
    """The plan of a definition that has no errors."""
    read = read_text(text, "catalogue.yaml")
    assert read.plan is not None, "\n".join(map(str, read.problems))
    return read.plan


def catalogue() -> str:
    """The 25 metrics."""
    return CATALOGUE.read_text(encoding="utf-8")


def grown() -> str:
    """The catalogue for three product lines that look at one stream: 25 metrics for each.

    The first line's are those of the catalogue. Each of the others asks its own questions of the
    same events: windows twice (three times) as long, bounds and thresholds to match.
    """
    written = YAML(typ="safe").load(catalogue())
    names = {*written["sets"], *written["metrics"]}
    for factor, line in enumerate(_LINES[1:], 2):
        of_line = _OfLine(line, factor, frozenset(names))
        for part in ("sets", "metrics"):
            mine = {name: each for name, each in written[part].items() if name in names}
            written[part] |= {f"{name}_{line}": of_line.rewritten(e) for name, e in mine.items()}
    return msgspec.json.encode(written).decode()  # which is YAML, too


class _OfLine:
    """Rewrites sets and metrics for a further product line."""

    def __init__(self, line: str, factor: int, names: frozenset[str]) -> None:
        self._line = line
        self._factor = factor
        self._names = names

    def rewritten(self, each: dict[str, Any]) -> dict[str, Any]:
        """The same question, asked by this line."""
        # One North Star a product: this line's own is a metric like others, outside the tree.
        left_out = () if "guard" in each else _OF_THE_TREE
        kept = {key: value for key, value in each.items() if key not in left_out}
        kept |= {key: self._expression(kept[key]) for key in _EXPRESSIONS if key in kept}
        if "definition" in kept:
            kept["definition"] = f"As for everyone, with windows and bounds of {self._line}."
        return kept

    def _expression(self, text: str) -> str:
        text = _SIZE.sub(lambda found: f"trailing {int(found[1]) * self._factor}{found[2]}", text)
        text = _BOUND.sub(lambda found: f"{found[1]} {self._raised(int(found[2]))}", text)
        return re.sub(r"\w+", lambda found: self._named(found[0]), text)

    def _raised(self, bound: int) -> int:
        """One is "at all" and stays; small numbers of people go up by one."""
        if bound == 1:
            return bound
        return bound + self._factor - 1 if bound < _SMALL else bound * self._factor

    def _named(self, word: str) -> str:
        return f"{word}_{self._line}" if word in self._names else word


def of_one_window(size: str) -> str:
    """The catalogue with every window of the same size, and no baseline that asks for more ticks.

    A day is 24 hours here, too: windows of an hour become as long as the others.
    """
    text = re.sub(r"trailing \d+[hd]", f"trailing {size}", catalogue())
    return text.replace("previous(7d)", "fixed(0.3)")


def one_metric(value: str, window: str) -> str:
    """A definition with a single metric over everything that people do, and nothing else."""
    written = YAML(typ="safe").load(catalogue())
    written["events"] = {"active": written["events"]["active"] | {"ids": {"user": "userId"}}}
    written["metrics"] = {
        "single": {
            "label": "The single metric",
            "definition": "The only one.",
            "role": "north_star",
            "value": value,
            "window": window,
            "unit": "things",
            "owner": "bench",
        }
    }
    del written["entities"], written["sets"]
    return msgspec.json.encode(written).decode()
