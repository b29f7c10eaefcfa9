"""The map of the code in `pipeline/README.md` leaves no file of the core out."""

from pathlib import Path

PIPELINE = Path(__file__).parents[2] / "pipeline"


def test_every_file_of_the_core_is_on_the_map():
    """Who reads it from top to bottom has met them all."""
    page = (PIPELINE / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in (PIPELINE / "core").rglob("*.py")} - {"__init__.py"}
    assert {name for name in files if f"{name}`" not in page} == set()
