"""Where transitions are told: the file that a flag or a setting names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import structlog

from pipeline.cli.exits import Exit, leave
from pipeline.core.plan import Plan, TermKind
from pipeline.core.publish import Tick
from pipeline.edges.transitions import TransitionsFile

log = structlog.get_logger()


def transitions_file(plan: Plan, path: Path, *, anew: bool = False) -> TransitionsFile:
    """The file, open; leave where no set tells anything, or it cannot be written."""
    if not _told_sets(plan):
        leave(Exit.USAGE, f"no set of {plan.product} has `transitions: true`")
    try:
        return TransitionsFile(plan, path, anew=anew)
    except OSError as fault:
        leave(Exit.USAGE, f"{path} cannot be written: {fault.strerror}")


def told_before(
    file: TransitionsFile | None, publish: Callable[[Tick], None]
) -> Callable[[Tick], None]:
    """A way to publish that first writes a tick's transitions, and hands it on without."""

    def tell(tick: Tick) -> None:
        if file is not None:
            file.write(tick)
        publish(tick.without_transitions())

    return tell


def asked_for(plan: Plan, path: Path | None) -> TransitionsFile | None:
    """The file that settings name; a warning where sets have something to tell, and no file."""
    sets = _told_sets(plan)
    if path is None and sets:
        log.warning("nobody is told of transitions: set transitions.file", sets=sets)
    if path is None or not sets:
        return None
    return transitions_file(plan, path)


def leave_for(fault: OSError) -> NoReturn:
    """Leave where transitions could not be written; their tick will be made again."""
    leave(Exit.STATE_UNUSABLE, f"transitions cannot be written: {fault.strerror}")


def _told_sets(plan: Plan) -> list[str]:
    return [
        plan.sets[term.set].name
        for term in plan.terms
        if term.kind is TermKind.TRANSITIONS and term.set is not None
    ]
