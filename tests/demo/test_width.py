"""Tables are never cut where nobody looks at a terminal."""

from rich.table import Table

from pipeline.terminal.width import console_for


def test_a_table_in_a_pipe_is_as_wide_as_what_stands_in_it(capsys):
    """A path of 200 characters can be copied out of a file; 80 columns would cut it."""
    table = Table("field", box=None)
    table.add_row("properties." + "x" * 200)
    console_for(table).print(table)
    assert "properties." + "x" * 200 in capsys.readouterr().out
