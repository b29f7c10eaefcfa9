"""Whole cases for comparing an engine with the oracle."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.oracle.baselines import past_ticks
from tests.oracle.draft import SCALES, SLOW, Scale
from tests.oracle.drawn_classes import ADD
from tests.oracle.drawn_days import ZONES, special_days
from tests.oracle.drawn_definition import drafted, written
from tests.oracle.drawn_records import Pick, picks, streamed
from tests.oracle.drawn_trackers import TRACKERS
from tests.oracle.growth import growths, period_ms
from tests.oracle.language import read
from tests.oracle.model import Definition
from tests.oracle.oracle import Record, Settings
from tests.oracle.words import resolution_ms

DAY_MS = 86_400_000
LONG_BEFORE_MS = 300 * DAY_MS
TICKS_MAX = 8


@dataclass(frozen=True)
class Case:
    """One thing to ask both the engine and the oracle."""

    definition: str
    records: list[Record]
    settings: Settings
    ticks_ms: list[int]
    tick_ms: int
    about: str = "plain"
    """Its class."""
    tracker: str = "segment"
    """Who writes its records."""


def _base_ms(draw: DrawFn, zone: str) -> int:
    """Draw the start of a day on which something is unlike other days."""
    day = draw(st.sampled_from(special_days(zone)))
    moment = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    return int(moment.timestamp()) * 1_000


def _ticks(draw: DrawFn, base_ms: int, scale: Scale) -> list[int]:
    """Draw ticks from the data's span on, mostly within it."""
    first = base_ms // scale.tick_ms
    steps = scale.span_ms // scale.tick_ms
    near = st.integers(first - steps // 4, first + steps)
    after = st.integers(first + steps, first + steps * 3 // 2)
    numbers = draw(
        st.lists(
            st.one_of(near, near, near, near, after), min_size=3, max_size=TICKS_MAX, unique=True
        )
    )
    return [number * scale.tick_ms for number in sorted(numbers)]


def _edges(definition: Definition, base_ms: int, ticks_ms: list[int]) -> Iterator[int]:
    """Name the moments at which something begins or ends."""
    yield base_ms
    for tick in ticks_ms:
        yield tick
        for window in definition.windows():
            if window.kind == "trailing":
                resolution = resolution_ms(window.length_ms)
                yield (tick - window.length_ms) // resolution * resolution
                yield tick - window.length_ms


def _times(
    definition: Definition, base_ms: int, ticks_ms: list[int], scale: Scale
) -> st.SearchStrategy[int]:
    edges = sorted(
        {
            edge + by
            for edge in _edges(definition, base_ms, ticks_ms)
            for by in (0, -1, 1)
            if edge >= base_ms - 3 * scale.span_ms
        }
    )
    lengths = [w.length_ms for w in definition.windows() if w.kind == "trailing"]
    short_ms = min([scale.span_ms, *lengths])
    in_sight = st.builds(
        lambda tick, back: tick - back, st.sampled_from(ticks_ms), st.integers(1, short_ms)
    )
    anywhere = st.integers(base_ms - scale.span_ms // 2, ticks_ms[-1] + scale.tick_ms)
    choices = [in_sight, in_sight, in_sight, anywhere, st.sampled_from(edges)]
    if any(window.kind == "last" for window in definition.windows()):
        choices += [
            st.integers(base_ms - 90 * DAY_MS, base_ms),
            st.integers(base_ms - DAY_MS, base_ms),
        ]
    return st.one_of(choices)


def _delays(settings: Settings, scale: Scale) -> st.SearchStrategy[int]:
    within = st.integers(0, settings.lateness_ms)
    beyond = st.integers(settings.lateness_ms, settings.lateness_ms + scale.span_ms // 2)
    none = st.just(0)
    return st.one_of(none, none, none, none, within, within, within, beyond)


def _settings(draw: DrawFn, scale: Scale) -> Settings:
    horizons_ms = (3_600_000, 4 * scale.tick_ms, 20 * scale.tick_ms)
    return Settings(
        lateness_ms=draw(st.sampled_from(scale.lateness_ms)),
        future_max_ms=draw(st.sampled_from([2 * scale.tick_ms, 300_000])),
        dedup_horizon_ms=draw(st.sampled_from(horizons_ms)),
    )


def _echoes(definition: Definition, drawn: list[Pick], ticks_ms: list[int]) -> list[Pick]:
    """Repeat some of the stream in the past that guards look back to."""
    last = ticks_ms[-1]
    guards = [m.guard for m in definition.metrics.values()]
    backs = {last - past for guard in guards for past in past_ticks(guard, last)}
    return [
        Pick(**{**vars(pick), "time_ms": pick.time_ms - back, "kind": "good"})
        for back in sorted(backs)
        for pick in drawn[:: 2 + len(backs)]
        if pick.time_ms < ticks_ms[-1]
    ]


def _long_before_ms(definition: Definition) -> int:
    """Give how long before all others the first records are, if there are such.

    Growth looks at every tick of a grid from the first record on, so that is not too long ago.
    """
    periods = [period_ms(definition, aggregate) for aggregate in growths(definition)]
    return 2 * max(periods) if periods else LONG_BEFORE_MS


@st.composite
def cases(
    draw: DrawFn,
    records_max: int = 80,
    classes: Sequence[str] = ("plain",),
    zone: str | None = None,
    trackers: Sequence[str] = tuple(TRACKERS),
) -> Case:
    """Draw a definition, a stream of records for it, settings and ticks to look at.

    Most cases begin with a few records of long before, so that windows are covered and guards
    have something to say.

    Args:
        draw: of Hypothesis.
        records_max: how many records at most, but for those of long before.
        classes: of `drawn_classes.ADD`, one of which the case is about.
        zone: of the calendar, any of `ZONES` unless given.
        trackers: of `TRACKERS`, one of which writes the records.
    """
    about = draw(st.sampled_from(classes))
    scale = draw(st.sampled_from((SLOW, *SCALES[-1:]) if about == "habits" else SCALES))
    # Windows of the calendar look at records of long ago, from which on growth has its grid.
    draft = drafted(draw, scale, small=about != "plain", has_calendar=about != "growth")
    ADD[about](draft)
    zone = zone or draw(st.sampled_from(ZONES))
    tracker = draw(st.sampled_from(trackers))
    text = written(draft, zone, TRACKERS[tracker])
    definition = read(text)
    settings = _settings(draw, scale)
    base_ms = _base_ms(draw, zone)
    ticks_ms = _ticks(draw, base_ms, scale)
    names = sorted({name for event in definition.events.values() for name in event.names})
    drawing = picks(names, _times(definition, base_ms, ticks_ms, scale), _delays(settings, scale))
    number = draw(st.integers(min(5, records_max), records_max))
    drawn = [draw(drawing) for _ in range(number)]
    if draw(st.sampled_from([False, True, True])):
        drawn += _echoes(definition, drawn, ticks_ms)
        before_ms = base_ms - _long_before_ms(definition)
        drawn += [
            Pick(**{**vars(p), "time_ms": before_ms, "kind": "good", "delay_ms": 0})
            for p in drawn[:5]
        ]
    records = streamed(definition, settings, drawn, TRACKERS[tracker])
    return Case(text, records, settings, ticks_ms, scale.tick_ms, about, tracker)
