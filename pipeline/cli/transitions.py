"""Where transitions are told: the file that a flag or a setting names, and the topic of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import structlog

from pipeline.cli.exits import Exit, leave
from pipeline.core.plan import Plan, TermKind
from pipeline.core.publish import Tick
from pipeline.edges.faults import UnreachableError
from pipeline.edges.transitions import TransitionsFile
from pipeline.edges.transitions_topic import TransitionsTopic
from pipeline.engine.told import FILE, ToldTicks
from pipeline.settings import Settings

log = structlog.get_logger()


class Told(Protocol):
    """Somewhere that transitions are told."""

    @property
    def fault(self) -> OSError | UnreachableError | None:
        """Why they no longer can be."""

    def write(self, tick: Tick) -> None:
        """Tell those of a tick; only return when they are safe."""


def transitions_file(plan: Plan, path: Path, *, anew: bool = False) -> TransitionsFile:
    """The file, open; leave where no set tells anything, or it cannot be written."""
    if not _told_sets(plan):
        leave(Exit.USAGE, f"no set of {plan.product} has `transitions: true`")
    try:
        return TransitionsFile(plan, path, anew=anew)
    except OSError as fault:
        leave(Exit.USAGE, f"{path} cannot be written: {fault.strerror}")


def told_before(told: Sequence[Told], publish: Callable[[Tick], None]) -> Callable[[Tick], None]:
    """A way to publish that first tells a tick's transitions, and hands it on without."""

    def tell(tick: Tick) -> None:
        for each in told:
            each.write(tick)
        publish(tick.without_transitions())

    return tell


def asked_for(plan: Plan, settings: Settings) -> list[Told]:
    """What settings name; a warning where sets have something to tell, and there is nothing."""
    sets, own = _told_sets(plan), settings.transitions
    if own.file is None and own.topic is None and sets:
        asked = "nobody is told of transitions: set transitions.file or transitions.topic"
        log.warning(asked, sets=sets)
    if not sets or (own.file is None and own.topic is None):
        return []
    store = settings.engine.state_directory
    told: list[Told] = [] if store is None else [_ticks_of(store)]
    told += [] if own.file is None else [transitions_file(plan, own.file)]
    return told if own.topic is None else [*told, TransitionsTopic(plan, settings)]


def _ticks_of(store: Path) -> ToldTicks:
    """The ticks that were told; leave where nobody can say which they are."""
    try:
        return ToldTicks(store)
    except (OSError, ValueError) as fault:
        advice = "bring it back from a copy, or start with an empty directory"
        leave(Exit.STATE_UNUSABLE, f"{store / FILE} cannot be read: {fault}; {advice}")


def told_ticks(told: Sequence[Told]) -> frozenset[int]:
    """The ticks that were told before this start, as far as anything is saved."""
    return frozenset().union(*(each.ticks for each in told if isinstance(each, ToldTicks)))


def leave_for_fault(told: Sequence[Told]) -> None:
    """Leave where transitions could not be told; their tick will be made again."""
    for fault in (each.fault for each in told):
        if isinstance(fault, OSError):
            leave(Exit.STATE_UNUSABLE, f"transitions cannot be written: {fault.strerror}")
        if fault is not None:
            leave(Exit.UNREACHABLE, str(fault))


def _told_sets(plan: Plan) -> list[str]:
    return [
        plan.sets[term.set].name
        for term in plan.terms
        if term.kind is TermKind.TRANSITIONS and term.set is not None
    ]
