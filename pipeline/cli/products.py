"""Definitions, for commands that work on a single product."""

from __future__ import annotations

from pathlib import Path

from pipeline.cli.exits import Exit, leave
from pipeline.cli.validate import valid_results_at
from pipeline.core.plan import Plan
from pipeline.spec import Result


def plan_at(path: Path) -> Plan:
    """The plan of the one definition at a path. Exits where there is none, or several."""
    plan = definition_at(path).plan
    assert plan is not None, "a definition without errors has a plan"
    return plan


def definition_at(path: Path) -> Result:
    """The one definition at a path, which has a plan. Exits where there is none, or several."""
    results = valid_results_at(path)
    if len(results) > 1:
        files = ", ".join(result.file for result in results)
        leave(Exit.USAGE, f"{path} holds several definitions; name one of {files}")
    return results[0]
