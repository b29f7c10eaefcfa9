"""The definitions that ship with the engine."""

from pathlib import Path

import pytest

from pipeline.spec import read_definition
from tests.inventory.page import claims_of
from tests.scenarios.scenario import ROOT, titled

DEFINITIONS = sorted((ROOT / "definitions").glob("*/*.yaml"))


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_a_shipped_definition_has_no_problem(path: Path):
    """What we show as an example draws not even a warning."""
    result = read_definition(path)
    found = [f"{problem.line}: {problem.message}" for problem in result.problems]
    assert found == []
    assert result.plan is not None


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_a_shipped_definition_has_its_own_folder_and_name_and_says_what_was_settled(path: Path):
    """Folder, file and product bear one name, and comments or a page say what was settled."""
    plan = read_definition(path).plan
    assert plan is not None
    assert plan.product == path.stem == path.parent.name
    page = path.parent / "README.md"
    assert [*claims_of(path)] or "settled" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_a_shipped_definition_has_a_scenario(path: Path):
    """No example ships without numbers that were worked out for it."""
    named = f"definitions/{path.parent.name}/{path.name}"
    assert any(f"file: {named}" in one.read_text(encoding="utf-8") for one in titled().values())
