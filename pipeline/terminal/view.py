"""The live view: a product's tree, and how the engine is doing.

The engine's thread hands over ticks, the terminal's thread draws; between them is a queue.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from rich.console import Console, ConsoleOptions
from rich.text import Text

from pipeline.core.plan import Plan
from pipeline.core.publish import Tick, iso
from pipeline.core.records import Counts
from pipeline.telemetry import Telemetry
from pipeline.terminal import figures
from pipeline.terminal.glyphs import ASCII, UNICODE, Glyphs
from pipeline.terminal.throughput import Throughput
from pipeline.terminal.trail import Trail
from pipeline.terminal.tree import TreeLines, north_star

COLUMNS_MIN: Final = 60
COLUMNS_MAX: Final = 120
_QUEUE_MAX: Final = 10_000  # ticks between two drawings; the oldest go first
_TITLE, _RATE = 10, 10  # columns
_REASONS_MAX: Final = 3


class View:
    """What a rich console prints of a product; print it again to see what is new.

    `served` are the addresses where the same can be read by machines, a line each.
    """

    def __init__(
        self,
        plan: Plan,
        telemetry: Telemetry,
        served: Sequence[str] = (),
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.plan = plan
        self.trail = Trail()
        self._telemetry = telemetry
        self._served = served
        self._arriving: deque[Tick] = deque(maxlen=_QUEUE_MAX)
        self._throughput = Throughput(monotonic_s)

    def take(self, tick: Tick) -> None:
        """Show this tick from the next drawing on. May be called from any thread."""
        self._arriving.append(tick)

    def _catch_up(self) -> None:
        while self._arriving:
            self.trail.take(self._arriving.popleft())

    # ── on a terminal ────────────────────────────────────────────────────────────────────────────

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Draw what is known now; lines are cut where the console is too narrow for them."""
        self._catch_up()
        columns = max(COLUMNS_MIN, min(options.max_width, COLUMNS_MAX))
        for line in self._lines(columns, ASCII if options.ascii_only else UNICODE):
            line.no_wrap, line.overflow = True, "crop"
            yield line

    def _lines(self, columns: int, glyphs: Glyphs) -> Iterator[Text]:
        yield self._header(columns, glyphs)
        yield from TreeLines(self.plan, self.trail, glyphs, columns).draw()
        yield Text(glyphs.rule * columns, "dim")
        for title, told in self._engine(glyphs):
            yield Text.assemble((f" {title:<{_TITLE}}", "dim"), told)

    def _header(self, columns: int, glyphs: Glyphs) -> Text:
        newest = self.trail.newest
        left = Text(f" {self.plan.label}", "bold")
        waiting = self._telemetry.waiting_for or newest is None
        middle = Text(f"  {glyphs.between} catching up" if waiting else "", "yellow")
        right = "" if newest is None else f"{figures.moment(newest.at_ms)} "
        gap = max(1, columns - left.cell_len - middle.cell_len - len(right))
        return Text.assemble(left, middle, " " * gap, (right, "bold"))

    def _engine(self, glyphs: Glyphs) -> Iterator[tuple[str, Text]]:
        """The engine's figures, as titles and lines."""
        counts = self._telemetry.totals()
        per_second = self._throughput.per_second(counts.consumed)
        rate = "" if per_second is None else f"{per_second:,.0f}/s"
        matched = (
            f"{counts.consumed:,} in all, {figures.share(counts.matched, counts.consumed)} matched"
        )
        yield "events", Text.assemble((rate.ljust(_RATE), "bold"), matched)
        yield "of these", Text(f" {glyphs.between} ".join(_of_these(counts)))
        yield "rejected", Text(_rejected(counts))
        at_ms = _watermark_ms(self._telemetry)
        watermark = figures.UNKNOWN if at_ms is None else figures.moment(at_ms, seconds=True)
        yield "watermark", Text(watermark)
        for place, line in enumerate(self._served):
            yield "" if place else "served", Text(line)

    # ── where there is no terminal ───────────────────────────────────────────────────────────────

    def line(self) -> str:
        """The same in one line of plain text."""
        self._catch_up()
        counts = self._telemetry.totals()
        per_second = self._throughput.per_second(counts.consumed)
        rate = "" if per_second is None else f" rate={per_second:.0f}/s"
        engine = f"records={counts.consumed}{rate} late={counts.late} duplicate={counts.duplicate}"
        engine += f" rejected={counts.rejected.total()}"
        newest = self.trail.newest
        if newest is None:
            return f"catching up {engine}"
        shown = [north_star(self.plan)]
        shown += [at for at in range(len(self.plan.metrics)) if at not in shown]
        metrics = " ".join(self._plain(newest, at) for at in shown)
        state = "catching up " if self._telemetry.waiting_for else ""
        return f"{iso(newest.at_ms)} {state}{metrics} {engine}"

    def _plain(self, tick: Tick, at: int) -> str:
        metric, reading, verdict = self.plan.metrics[at], tick.readings[at], tick.verdicts[at]
        value, unit = figures.figure(reading.value, metric.unit)
        state = "" if metric.guard is None else f"({verdict.state})"
        sign = "%" if unit == "%" else ""
        return f"{metric.name}={value.replace(',', '')}{sign}{state}"


def _of_these(counts: Counts) -> list[str]:
    whole = counts.consumed
    return [
        f"{counts.late:,} late ({figures.share(counts.late, whole)})",
        f"{counts.duplicate:,} duplicate ({figures.share(counts.duplicate, whole)})",
        f"{counts.filtered.total():,} filtered",
    ]


def _rejected(counts: Counts) -> str:
    """How many records were refused, and why most of them."""
    reasons = counts.rejected.copy().most_common()
    if not reasons:
        return "none"
    listed = [f"{reason} {many:,}" for reason, many in reasons[:_REASONS_MAX]]
    others = sum(many for _, many in reasons[_REASONS_MAX:])
    if others:
        listed.append(f"other reasons {others:,}")
    return f"{counts.rejected.total():,}: {', '.join(listed)}"


def _watermark_ms(telemetry: Telemetry) -> int | None:
    """How far the slowest partition is that holds the others back."""
    known = [
        partition.watermark_ms
        for partition in list(telemetry.partitions.values())
        if partition.watermark_ms is not None and not partition.idle
    ]
    return min(known, default=None)
