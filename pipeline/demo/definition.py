"""The demo's definition, as it is shipped with the program."""

from __future__ import annotations

from importlib.resources import files

from pipeline.core.plan import Plan
from pipeline.spec.read import read_text

FILE = "definition.yaml"


def demo_plan() -> Plan:
    """The plan of the demo product."""
    result = read_text((files("pipeline.demo") / FILE).read_text("utf-8"), FILE)
    assert result.plan is not None, result.problems
    return result.plan
