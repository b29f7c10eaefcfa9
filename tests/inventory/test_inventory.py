"""Every row of the inventory is defined, shown with numbers, and settled; the page says where."""

from ruamel.yaml import YAML

from tests.inventory.page import BAD, PAGE, claims, page, rows, shown

SECTIONS = ("sets", "streams", "metrics")


def test_every_row_is_defined_and_shown():
    """No row is without a definition or a scenario."""
    claimed = {row for claim in claims() for row in claim.rows}
    missing = [row for row in rows() if row not in claimed or row not in shown()]
    assert missing == []


def test_no_row_is_named_that_there_is_not():
    """A slip in an id is no row."""
    named = [row for claim in claims() for row in claim.rows] + [*shown()]
    assert [row for row in named if row not in rows()] == []


def test_a_claim_stands_above_what_it_is_about():
    """Every comment of a row belongs to the set, stream or metric below it."""
    for file in {claim.file for claim in claims() if claim.file.parent != BAD}:
        written = YAML(typ="safe").load(file)
        named = [name for section in SECTIONS for name in written.get(section, {})]
        assert [one.name for one in claims() if one.file == file and one.name not in named] == []


def test_a_row_is_shown_by_a_scenario_of_its_definition():
    """The numbers are those of the very file that is there to be copied."""
    seen = shown()
    for row in rows():
        files = {claim.file for claim in claims() if row in claim.rows}
        texts = [path.read_text(encoding="utf-8") for path in seen.get(row, [])]
        about = [f for f in files if any(f"/{f.name}" in text for text in texts)]
        assert about or all(f.parent == BAD for f in files), row


def test_the_page_is_up_to_date():
    """`make inventory` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page()
