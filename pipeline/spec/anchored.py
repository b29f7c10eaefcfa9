"""The window beside a set: one that all its entities share, or one of each entity's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipeline.core.windows import Anchored, Calendar, Trailing
from pipeline.spec.problem import Refusal
from pipeline.spec.spans import IDLE_MS, FirstSpan, gap_ms_of, set_window_of, window_of

if TYPE_CHECKING:
    from pipeline.core.windows import Window
    from pipeline.spec.names import Names
    from pipeline.spec.schema import SetSource

_COHORTS: Final = ("matured", "started")
_FORM: Final = "`window: first 10d after signed_up`"


def set_window(names: Names, name: str) -> Window | None:
    """The window beside a set.

    None where there is none, or where it has a problem, which is then reported.
    """
    source, findings, at = names.set(name), names.findings, ("sets", name)
    if any(findings.is_broken(*at, key) for key in ("window", *_COHORTS, "gap")):
        findings.mark_broken((*at, "window"))
        return None
    window = None if source.window is None else set_window_of(source.window, names.zone)
    first = window if isinstance(window, FirstSpan) else None
    _refuse_unused(names, name, source, first)
    if not isinstance(window, FirstSpan):
        return window
    with findings.catching((*at, "window")):
        return _anchored(names, source, window)
    return None


def _refuse_unused(names: Names, name: str, source: SetSource, first: FirstSpan | None) -> None:
    """Report keys that say something of another window than the set has."""
    if source.gap is not None and (first is None or first.size_ms is not None):
        message = "`gap` is for a first session, and this set has none"
        advice = "Remove it, or write `window: first session after` and the name of an event."
        names.findings.refuse_key(("sets", name, "gap"), Refusal("bad-cohort", message, advice))
    given = [key for key in _COHORTS if getattr(source, key) is not None]
    if first is None:
        for key in given:
            message = f"`{key}` is for a window of each entity's own, and this set has none"
            refusal = Refusal("bad-cohort", message, f"Remove it, or write {_FORM} or the like.")
            names.findings.refuse_key(("sets", name, key), refusal)
    elif len(given) > 1:
        message = "a set has either a cohort that `matured` or one that `started`"
        advice = "Keep `matured` for numbers that are final, `started` for early ones."
        refusal = Refusal("bad-cohort", message, advice)
        names.findings.refuse_key(("sets", name, "started"), refusal)


def _anchored(names: Names, source: SetSource, first: FirstSpan) -> Anchored:
    _check_event(names, source, first.after)
    within = source.matured if source.matured is not None else source.started
    if within is None:
        raise Refusal(
            "bad-cohort",
            "nothing says whose first days are looked at",
            "Add `matured: trailing 28d` for those whose time was up within these days (their "
            "numbers are final), or `started: trailing 28d` for those who began in them.",
        )
    cohort = window_of(within, names.zone)
    assert isinstance(cohort, Trailing | Calendar)
    gap_ms = IDLE_MS if source.gap is None else gap_ms_of(source.gap)
    size_ms = gap_ms if first.size_ms is None else first.size_ms
    is_matured = source.matured is not None
    return Anchored(first.after, size_ms, first.size_ms is None, cohort, is_matured)


def _check_event(names: Names, source: SetSource, event: str) -> None:
    """Refuse what is no event, or one that does not say which entity it is of."""
    start = (source.window or "").rindex(event)
    try:
        if names.section_of(event) != "events":
            raise names.unknown(event, "events")
        names.event(event)
        names.check_carries(event, source.of)
        _refuse_undone(names, event)
    except Refusal as refusal:
        refusal.start, refusal.end = start, start + len(event)
        raise


def _refuse_undone(names: Names, event: str) -> None:
    undo = names.event(event).undone_by
    if undo is not None:
        message = f"`{event}` may be undone by `{undo.event}`, and so begins no window"
        advice = "Take an event of the same records without `undone_by`."
        raise Refusal("bad-undo", message, advice)
