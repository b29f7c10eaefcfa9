"""The North Star tree with its readings, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from pipeline.core.baselines import Past, Previous, SameWeekday
from pipeline.core.compose import Reading
from pipeline.core.judge import State, Verdict
from pipeline.core.plan import Plan
from pipeline.core.publish import Tick
from pipeline.core.tree import Better, EdgeKind, Guard, Metric, Role
from pipeline.core.windows import DAY_MS, HOUR_MS
from pipeline.terminal import figures
from pipeline.terminal.glyphs import STATE_STYLES, Glyphs, sparkline
from pipeline.terminal.trail import Trail, by_column

SPARK_MS: Final = 14 * DAY_MS
PERIODS_MS: Final = (7 * DAY_MS, DAY_MS, HOUR_MS)  # a change is over the longest that is known

_FACET, _NUMBER, _UNIT, _CHANGE = 10, 7, 13, 8  # widths of columns
_FIXED: Final = _FACET + _NUMBER + _UNIT + _CHANGE + 5  # and the gaps between them
_SPARK: Final = 20
_SPARK_FROM: Final = 104  # columns of a terminal that has room for sparklines of inputs
_INDENT: Final = " "


NOT_READ: Final = Verdict(State.UNKNOWN, reason="no reading yet")


@dataclass(frozen=True, slots=True)
class Node:
    """A metric's place in the tree; `lasts` says of each ancestor below the root if it is a last.

    `edge` is None for a guardrail; `again` means that it was drawn before, with what is below it.
    """

    metric: int
    edge: EdgeKind | None
    lasts: tuple[bool, ...]
    again: bool


def nodes(plan: Plan) -> list[Node]:
    """What hangs below the North Star, in the order in which it is drawn."""
    return [*_below(plan, north_star(plan), (), set())]


def north_star(plan: Plan) -> int:
    """The metric on top."""
    return next(at for at, metric in enumerate(plan.metrics) if metric.role is Role.NORTH_STAR)


def _below(plan: Plan, at: int, lasts: tuple[bool, ...], drawn: set[int]) -> Iterator[Node]:
    children = _children(plan, at)
    for place, (child, edge) in enumerate(children, 1):
        path = (*lasts, place == len(children))
        yield Node(child, edge, path, child in drawn)
        if child not in drawn:
            drawn.add(child)
            yield from _below(plan, child, path, drawn)


def _children(plan: Plan, at: int) -> list[tuple[int, EdgeKind | None]]:
    guards = [
        (number, None)
        for number, metric in enumerate(plan.metrics)
        if metric.guard is not None and metric.guard.protects == at
    ]
    return [*((edge.metric, edge.kind) for edge in plan.metrics[at].inputs), *guards]


@dataclass(slots=True)
class TreeLines:
    """The tree at the trail's newest tick, for a terminal that many columns wide."""

    plan: Plan
    trail: Trail
    glyphs: Glyphs
    columns: int
    _then: Tick | None = field(init=False, default=None)
    _period_ms: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        star = north_star(self.plan)
        for period_ms in PERIODS_MS:
            then = self.trail.before(period_ms)
            if then is not None and then.readings[star].coverage == 1:
                self._then, self._period_ms = then, period_ms
                return

    def draw(self) -> list[Text]:
        """All lines: the North Star in a box, the tree below it, and what the lines mean."""
        lines = self._box()
        for node in nodes(self.plan):
            lines.append(self._row(node))
            if self.plan.metrics[node.metric].guard is not None and not node.again:
                lines.append(self._verdict_row(node))
        return [*lines, self._legend()]

    # ── the North Star ───────────────────────────────────────────────────────────────────────────

    def _box(self) -> list[Text]:
        glyphs = self.glyphs
        upper_left, upper_right, lower_right, lower_left, side = glyphs.box
        title = f" {glyphs.star} North Star "
        inner = self.columns - 2
        top = glyphs.rule + title + glyphs.rule * (inner - 1 - cell_len(title))
        bottom = glyphs.below_box + glyphs.rule * (inner - 1)
        sides = ((f"{side}  ", "cyan"), (f"  {side}", "cyan"))
        middle = [
            Text.assemble(sides[0], self._fitted(line, inner - 4), sides[1])
            for line in (self._star_line(inner - 4), self._star_spark(inner - 4))
        ]
        edge = (upper_left + top + upper_right, lower_left + bottom + lower_right)
        return [Text(edge[0], "cyan"), *middle, Text(edge[1], "cyan")]

    def _star_line(self, columns: int) -> Text:
        at = north_star(self.plan)
        metric, reading = self.plan.metrics[at], self._reading(at)
        value, unit = (self.glyphs.ellipsis, "")
        if reading is not None:
            value, unit = figures.figure(reading.value, metric.unit)
        right = Text.assemble((value, "bold cyan"), f" {unit}   ", self._beside(at))
        if self._then is not None and self._period_ms is not None:
            right.append(f" on {figures.span(self._period_ms)} before", "dim")
        left = self._fitted(Text(metric.label, "bold"), columns - right.cell_len - 1)
        return Text.assemble(left, " ", right)

    def _star_spark(self, columns: int) -> Text:
        points = self.trail.since(north_star(self.plan), SPARK_MS)
        if not points:
            return Text()
        label = f"  last {figures.span(points[-1][0] - points[0][0])}"
        bars = sparkline(by_column(points, columns - len(label)), self.glyphs.bars)
        return Text.assemble((bars, "cyan"), (label, "dim"))

    # ── what hangs below ─────────────────────────────────────────────────────────────────────────

    def _row(self, node: Node) -> Text:
        metric, reading = self.plan.metrics[node.metric], self._reading(node.metric)
        room = self.columns - _FIXED - self._spark_columns()
        label = Text.assemble((self._branch(node), "dim"), metric.label)
        facet = metric.facet or metric.role
        if node.again:
            return self._fitted(label.append("  (see above)", "dim"), self.columns)
        value, unit = ("", "") if reading is None else figures.figure(reading.value, metric.unit)
        parts = [
            self._fitted(label, room),
            self._fitted(Text(facet, "italic dim"), _FACET),
            Text(value.rjust(_NUMBER), "bold"),
            self._fitted(Text(unit), _UNIT),
            self._fitted(self._beside(node.metric), _CHANGE),
        ]
        if self._spark_columns():
            values = by_column(self.trail.since(node.metric, SPARK_MS), _SPARK)
            parts.append(Text(sparkline(values, self.glyphs.bars), "cyan"))
        return Text(" ").join(parts)

    def _spark_columns(self) -> int:
        return _SPARK + 1 if self.columns >= _SPARK_FROM else 0

    def _branch(self, node: Node) -> str:
        glyphs = self.glyphs
        *above, last = node.lasts
        before = "".join("    " if one else f"{glyphs.trunk}   " for one in above)
        corner = glyphs.last if last else glyphs.fork
        return f"{_INDENT}{before}{corner}{glyphs.edges[node.edge]} "

    def _beside(self, at: int) -> Text:
        """How a value has changed; where its window was not wholly watched, how much of it was."""
        reading = self._reading(at)
        if reading is None:
            return Text()
        if reading.coverage < 1:
            return Text(f"{reading.coverage:.0%} seen", "yellow")
        then = None if self._then is None else self._then.readings[at]
        if then is None or then.coverage < 1:
            return Text()
        changed = figures.change(reading.value, then.value, self.plan.metrics[at].unit)
        if changed is None:
            return Text()
        direction, size = changed
        return Text(f"{self.glyphs.directions[direction]} {size}")

    def _reading(self, at: int) -> Reading | None:
        return None if self.trail.newest is None else self.trail.newest.readings[at]

    # ── the verdict ──────────────────────────────────────────────────────────────────────────────

    def _verdict_row(self, node: Node) -> Text:
        bars = "".join("    " if last else f"{self.glyphs.trunk}   " for last in node.lasts)
        newest = self.trail.newest
        verdict = NOT_READ if newest is None else newest.verdicts[node.metric]
        evidence = _evidence(self.plan.metrics[node.metric], verdict, self.glyphs)
        state = state_text(verdict.state, self.glyphs)
        line = Text.assemble((_INDENT + bars, "dim"), state, "  ", (evidence, "dim"))
        return self._fitted(line, self.columns)

    def _legend(self) -> Text:
        """What the lines mean, and whether the formula holds."""
        edges = self.glyphs.edges
        reading, held = self._reading(north_star(self.plan)), ""
        if reading is not None and reading.residual is not None:
            held = f", residual {figures.number(round(reading.residual, 6))}"
        parts = [f"{edges[EdgeKind.FORMULA]} formula{held}"]
        parts.append(f"{edges[EdgeKind.HYPOTHESIS]} hypothesis   {edges[None]} guardrail")
        if self._period_ms is not None:
            signs = self.glyphs.directions[1] + self.glyphs.directions[-1]
            parts.append(f"{signs} on {figures.span(self._period_ms)} before")
        return self._fitted(Text(_INDENT + "   ".join(parts), "dim"), self.columns)

    def _fitted(self, text: Text, columns: int) -> Text:
        """The text, made exactly that wide."""
        if text.cell_len > columns:
            text.truncate(columns - 1)
            text.append(self.glyphs.ellipsis)
        text.pad_right(columns - text.cell_len)
        return text


def state_text(state: State, glyphs: Glyphs) -> Text:
    """A state as shape, word and colour, so that each of them is enough."""
    return Text(f"{glyphs.states[state]} {state.upper()}", STATE_STYLES[state])


def _evidence(metric: Metric, verdict: Verdict, glyphs: Glyphs) -> str:
    """What a verdict rests on: its limits, or why there is none."""
    guard = metric.guard
    assert guard is not None
    parts = [verdict.reason] if verdict.reason else []
    if verdict.warn_at is not None and verdict.breach_at is not None:
        where = _side(guard, verdict.warn_at, verdict.baseline)
        parts.append(f"yellow {where} {_limit(verdict.warn_at, metric)}")
        parts.append(f"red {where} {_limit(verdict.breach_at, metric)}")
    if isinstance(guard.baseline, Past) and verdict.baseline is not None:
        parts.append(f"{_span(guard.baseline)} {_limit(verdict.baseline, metric)}")
    return f" {glyphs.between} ".join(parts)


def _span(baseline: Past) -> str:
    """Which of the metric's own values it is held against."""
    match baseline:
        case Previous(period_ms=period_ms):
            return f"{figures.span(period_ms)} before"
        case SameWeekday(weeks=weeks):
            return f"median of {weeks} weeks"
    return f"median of {baseline.days} days"


def _limit(value: float, metric: Metric) -> str:
    shown, unit = figures.figure(value, metric.unit)
    return f"{shown} %" if unit == "%" else shown


def _side(guard: Guard, warn_at: float, baseline: float | None) -> str:
    if guard.better is Better.BETWEEN and baseline is not None:
        return "above" if warn_at >= baseline else "below"
    return "above" if guard.better is Better.LOWER else "below"
