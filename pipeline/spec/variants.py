"""Variants: a metric again with other numbers, side by side with the one that was chosen.

A variant is made before anything is compiled, as if the file had spelled it out: a metric
`name__variant`, and a set of its own for each set on the way whose numbers differ. Their parts
stand where the originals stand, so that a problem points at what the user wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.spec.fields import NAME_LENGTH_MAX
from pipeline.spec.findings import Broken
from pipeline.spec.params import Given, can_be_read, names_in, names_in_calls, numbers_at
from pipeline.spec.problem import Refusal, suggestion

if TYPE_CHECKING:
    from pipeline.spec.findings import Findings
    from pipeline.spec.load import DataPath
    from pipeline.spec.schema import Definition, MetricSource, SetSource


@dataclass(frozen=True, slots=True)
class Spelled:
    """A definition with its variants spelled out, and the sets that they have of their own.

    `sets[("metrics", "hours__strict")]` is `{"heavy": "heavy__strict"}`.
    """

    definition: Definition
    sets: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def given(self, findings: Findings, at: DataPath) -> Given:
        """What names of the expression at a data path stand for."""
        sets = self.sets.get((str(at[0]), str(at[1])), {})
        return Given(numbers_at(self.definition, findings, at), sets)


def spelled(definition: Definition, findings: Findings) -> Spelled:
    """The definition with a metric for each variant; problems of variants are reported."""
    if not any(source.variants for source in definition.metrics.values()):
        return Spelled(definition)
    maker = _Maker(definition, findings)
    for name, source in definition.metrics.items():
        maker.metrics[name] = source
        for variant in source.variants:
            with findings.catching(("metrics", name, "variants", variant), key=True):
                maker.add(name, variant)
    sets = _beside(definition.sets, maker.sets)
    changed = definition.model_copy(update={"metrics": maker.metrics, "sets": sets})
    return Spelled(changed, maker.renamed)


def _beside(
    originals: dict[str, SetSource], copies: dict[str, tuple[str, SetSource]]
) -> dict[str, SetSource]:
    """All sets, each copy after what it is a copy of."""
    found = {}
    for name, source in originals.items():
        found[name] = source
        found |= {copy: made for copy, (of, made) in copies.items() if of == name}
    return found


class _Maker:
    def __init__(self, definition: Definition, findings: Findings) -> None:
        self._definition = definition
        self._findings = findings
        self.metrics: dict[str, MetricSource] = {}
        self.sets: dict[str, tuple[str, SetSource]] = {}  # copy: what of, and the copy
        self.renamed: dict[tuple[str, str], dict[str, str]] = {}
        self._copy_names: dict[tuple[str, tuple[tuple[str, float], ...]], str] = {}

    def add(self, name: str, variant: str) -> None:
        """Make one variant. Raises Refusal where it would change nothing."""
        source = self._definition.metrics[name]
        numbers = source.variants[variant]
        below = self._below(self._subjects_of(("metrics", name, "value")))
        self._check(name, variant, below)
        copy = self._free_name(f"{name}__{variant}")
        renamed = self._copied_sets(below, name, variant)
        label = source.label or name.replace("_", " ").capitalize()
        self.metrics[copy] = source.model_copy(
            update={
                "label": f"{label} ({variant.replace('_', ' ')})",
                "role": "reference",
                "params": {**source.params, **numbers},
                "variants": {},
                "inputs": {},
                "targets": [],
                "allow": [],
                "formula": None,
                "guard": None,
                **dict.fromkeys(
                    ("checklist", "proxy_for", "since", "replaces", "review_by", "retire_on")
                ),
            }
        )
        self._copy_marks(("metrics", name), ("metrics", copy), name, variant)
        self.renamed["metrics", copy] = renamed

    def _copied_sets(self, below: list[str], name: str, variant: str) -> dict[str, str]:
        """A set of its own for each set that the numbers change, by the set's name."""
        numbers = self._definition.metrics[name].variants[variant]
        changed = {one for one in below if self._names_in(("sets", one, "when")) & set(numbers)}
        while True:
            more = {
                one
                for one in below
                if one not in changed and self._subjects_of(("sets", one, "when")) & changed
            }
            if not more:
                break
            changed |= more
        key = tuple(sorted(numbers.items()))
        renamed = {one: self._set_name(one, key, name, variant) for one in changed}
        for one, copy in renamed.items():
            if copy not in self.sets:
                source = self._definition.sets[one]
                params = {**source.params, **numbers}
                self.sets[copy] = (
                    one,
                    source.model_copy(update={"params": params, "transitions": False}),
                )
                self._copy_marks(("sets", one), ("sets", copy), name, variant)
                self.renamed["sets", copy] = renamed
        return renamed

    def _set_name(
        self, one: str, key: tuple[tuple[str, float], ...], name: str, variant: str
    ) -> str:
        """Two variants with the same numbers share their sets."""
        made = self._copy_names.get((one, key))
        if made is None:
            made = f"{one}__{variant}"
            if made in self.sets or made in self._definition.sets:
                made = f"{one}__{name}__{variant}"
            self._copy_names[one, key] = made
        return made

    def _copy_marks(self, of: DataPath, to: DataPath, name: str, variant: str) -> None:
        self._findings.copy_broken(of, to)
        document = self._findings.document
        document.copy(of, to, f"with the numbers of `{variant}`")
        document.copy(("metrics", name, "variants", variant), (*to, "params"), "")

    def _check(self, name: str, variant: str, below: list[str]) -> None:
        """Refuse numbers that the metric makes no use of; raises Broken where there are some."""
        definition = self._definition
        used = [("metrics", name, "value"), *(("sets", one, "when") for one in below)]
        document = self._findings.document
        lost = set(document.data.get("sets") or ()) - set(definition.sets)
        if not all(can_be_read(document, at) for at in used) or lost & self._names_in(used[0]):
            raise Broken
        words = set().union(*(self._names_in(at) for at in used))
        known = set(definition.params) | set(definition.metrics[name].params)
        known |= {param for one in below for param in definition.sets[one].params}
        for param in definition.metrics[name].variants[variant]:
            if param in known & words:
                continue
            at = ("metrics", name, "variants", variant, param)
            message = f"`{name}` makes no use of a number `{param}`"
            if param in words:
                message = f"`{param}` is no name of a number"
            advice = suggestion(param, sorted(known & words), "numbers here")
            advice += f" A number gets its name in `params: {{{param}: 60}}`, and is used by it."
            self._findings.refuse_key(at, Refusal("unknown-param", message, advice))
        if self._findings.is_broken("metrics", name, "variants", variant):
            raise Broken

    def _free_name(self, copy: str) -> str:
        of = self._definition
        if copy in {*of.events, *of.streams, *of.metrics, *self.metrics}:
            advice = "Rename one of the two."
            raise Refusal("name-twice", f"the variant would be `{copy}`, which is there", advice)
        if len(copy) > NAME_LENGTH_MAX:
            raise Refusal(
                "bad-name",
                f"the variant would be `{copy}`, longer than {NAME_LENGTH_MAX} characters",
                "Take a shorter name for the variant.",
            )
        return copy

    def _below(self, names: set[str]) -> list[str]:
        """The sets among some names, and those that they count, in the file's order."""
        found: set[str] = set()
        while names:
            found |= names & set(self._definition.sets)
            inner = [self._subjects_of(("sets", one, "when")) for one in found]
            names = (set().union(*inner) & set(self._definition.sets)) - found
        return [one for one in self._definition.sets if one in found]

    def _subjects_of(self, at: DataPath) -> set[str]:
        """What the aggregates of an expression are about."""
        return names_in_calls(self._findings.document, at)

    def _names_in(self, at: DataPath) -> set[str]:
        return names_in(self._findings.document, at)
