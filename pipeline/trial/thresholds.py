"""Thresholds: every number that a metric's sets compare with, one less and one more.

The definition is written anew as data: each threshold becomes a number with a name, and the metric
gets a variant for each change of it. So one replay tells them all, and sets that count other sets
follow as they do for any variant.
"""

from __future__ import annotations

import ast
import json
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipeline.spec.load import load
from pipeline.spec.problem import Problem, Severity
from pipeline.spec.read import Result, read_text
from pipeline.spec.syntax import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.core.plan import Plan

_KEPT = ("value", "window", "params", "missing", "unit")  # what decides a metric's value


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number that a set compares with: where its text stands in the set's `when`.

    `condition` is as written, after `where=` where it stands within an aggregate. `name` is that
    of a number which has one; it is varied wherever it stands.
    """

    of_set: str
    condition: str
    number: Decimal
    start: int
    end: int
    name: str | None = None

    @property
    def step(self) -> Decimal:
        """One in the last place written, and 1 for whole numbers."""
        exponent = self.number.as_tuple().exponent
        assert isinstance(exponent, int)
        return Decimal(1).scaleb(min(exponent, 0))


@dataclass(frozen=True, slots=True)
class Change:
    """A threshold with another number. `metric` is its name in the plan, or it is `refused`."""

    threshold: Threshold
    number: Decimal
    metric: str | None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Varied:
    """A plan in which the metric is there again for each change that makes sense."""

    plan: Plan
    changes: tuple[Change, ...]


def thresholds(data: dict[str, Any], metric: str) -> tuple[Threshold, ...]:
    """The thresholds of the sets that a metric's value names, and of those that these count.

    Sets in the order of the file, each from left to right; a number with a name comes once for each
    value that it has. `data` is that of a valid definition.
    """
    base, numbers = _spelled(data, metric)
    found: dict[object, Threshold] = {}
    for name in _sets_below(data, base):
        for each in _of_set(data, name, numbers):
            found.setdefault((each.name, each.number) if each.name else each, each)
    return tuple(found.values())


def _spelled(data: dict[str, Any], metric: str) -> tuple[str, dict[str, Any]]:
    """The metric that the file has under a name; of a variant its numbers, too."""
    for name, source in data["metrics"].items():
        for variant, numbers in source.get("variants", {}).items():
            if f"{name}__{variant}" == metric:
                return name, numbers
    return metric, {}


def varied(text: str, plan: Plan, metric: str, folder: Path | None = None) -> Varied:
    """The plan of a valid definition with the metric's thresholds one less and one more.

    `plan` is that of the text, and comes back where nothing can be changed. `folder` is where files
    stand that the definition names.
    """
    writing = _Writing(text, load(text.removeprefix("\ufeff"), "").data, metric, folder)
    changes = tuple(
        change for number in range(len(writing.found)) for change in _around(writing, number)
    )
    possible = [change for change in changes if change.metric is not None]
    made = writing.read(possible).plan if possible else None
    return Varied(plan if made is None else made, changes)


class _Writing:
    """A definition as data, to be written anew with other numbers."""

    def __init__(self, text: str, data: dict[str, Any], metric: str, folder: Path | None) -> None:
        self._data = data
        self._folder = folder
        self._base, self._numbers = _spelled(data, metric)
        self.name = _unused("tried", text)
        self.found = thresholds(data, metric)

    def read(self, changes: Sequence[Change]) -> Result:
        data = deepcopy(self._data)
        named = {each: each.name or f"{self.name}_{at}" for at, each in enumerate(self.found)}
        unnamed = [each for each in self.found if each.name is None]
        for each in sorted(unnamed, key=lambda one: -one.start):
            source = data["sets"][each.of_set]
            when = str(source["when"])
            source["when"] = when[: each.start] + named[each] + when[each.end :]
            data.setdefault("params", {})[named[each]] = _plain(each.number)
        source = data["metrics"][self._base]
        data["metrics"][self.name] = {key: source[key] for key in _KEPT if key in source} | {
            "variants": {
                str(change.metric).removeprefix(f"{self.name}__"): {
                    **self._numbers,
                    named[change.threshold]: _plain(change.number),
                }
                for change in changes
            }
        }
        return read_text(json.dumps(data, ensure_ascii=False), "", folder=self._folder)


def _around(writing: _Writing, at: int) -> Iterator[Change]:
    """A threshold with one less and with one more."""
    threshold = writing.found[at]
    namesakes = [each for each in writing.found if each.name == threshold.name]
    for side, step in (("less", -threshold.step), ("more", threshold.step)):
        change = Change(threshold, threshold.number + step, f"{writing.name}__{side}_{at}")
        if threshold.name is not None and len(namesakes) > 1:
            said = f"`{threshold.name}` is another number in another set"
            yield Change(threshold, change.number, None, said)
            continue
        problem = next((one for one in writing.read([change]).problems if _is_error(one)), None)
        if problem is None:
            yield change
        else:
            said = problem.message.split(" (with the numbers of ")[0]  # of a variant nobody wrote
            yield Change(threshold, change.number, None, said)


def _is_error(problem: Problem) -> bool:
    return problem.severity is Severity.ERROR


def _sets_below(data: dict[str, Any], metric: str) -> list[str]:
    sets = data.get("sets", {})
    names, found = _names_in(str(data["metrics"][metric]["value"])), set[str]()
    while names & set(sets) - found:
        found |= names & set(sets)
        names = set().union(*(_names_in(str(sets[one]["when"])) for one in found))
    return [one for one in sets if one in found]


def _names_in(expression: str) -> set[str]:
    tree = parse(expression).tree
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _of_set(data: dict[str, Any], name: str, varied_numbers: dict[str, Any]) -> Iterator[Threshold]:
    source = data["sets"][name]
    code = parse(str(source["when"]))
    numbers = {**data.get("params", {}), **source.get("params", {}), **varied_numbers}
    compared = [(node, code.written(node)) for node in _comparisons(code.tree)]
    compared += [(node, f"where={code.written(node)}") for node in _within_where(code.tree)]
    for node, condition in sorted(compared, key=lambda one: code.span(one[0].comparators[0])):
        right = node.comparators[0]
        written = code.written(right)
        named = written if isinstance(right, ast.Name) and written in numbers else None
        if _is_number(right) or named is not None:
            number = Decimal(str(numbers.get(written, written)))
            yield Threshold(name, condition, number, *code.span(right), named)


def _comparisons(node: ast.expr) -> Iterator[ast.Compare]:
    """The comparisons that a condition joins, not those within an aggregate."""
    match node:
        case ast.BoolOp(values=values):
            for value in values:
                yield from _comparisons(value)
        case ast.UnaryOp(operand=operand):
            yield from _comparisons(operand)
        case ast.Compare():
            yield node


def _within_where(node: ast.expr) -> Iterator[ast.Compare]:
    """The comparisons of more and less within `where=`: one that is equal has no neighbours."""
    for call in ast.walk(node):
        for option in call.keywords if isinstance(call, ast.Call) else ():
            if option.arg == "where":
                found = _comparisons(option.value)
                yield from (one for one in found if not isinstance(one.ops[0], ast.Eq | ast.NotEq))


def _is_number(node: ast.expr) -> bool:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _is_number(operand)
        case ast.Constant(value=value):
            return isinstance(value, int | float) and not isinstance(value, bool)
    return False


def _plain(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)


def _unused(name: str, text: str) -> str:
    """A name that occurs nowhere in a text.

    >>> _unused("tried", "tried: 1")
    'tried_'
    """
    while name in text:
        name += "_"
    return name
