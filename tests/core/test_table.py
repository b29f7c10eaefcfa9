"""Tables: rows come and go together with their memories."""

import numpy as np
import pytest

from pipeline.core import plan, table as tables
from pipeline.core.memories.registry import make
from pipeline.core.plan import MemoryKind
from pipeline.core.table import Table
from pipeline.core.windows import DAY_MS, Trailing

NOW_MS = 1_000 * DAY_MS
COUNTED = (0, 0)


def keys(*given):
    """Keys as a table takes them."""
    return np.array(given, np.uint64)


@pytest.fixture
def table():
    """A table with two memories and one roll-up."""
    shared = {"key": "", "level": 0, "entity": "user", "feed": 0, "k": 0}
    day = Trailing(DAY_MS)
    made = Table()
    made.memories[4] = make(
        plan.Memory(
            kind=MemoryKind.LAST_SEEN, column=None, window=None, reach_ms=day.reach_ms, **shared
        )
    )
    made.memories[7] = make(
        plan.Memory(kind=MemoryKind.LEDGER, column=None, window=day, reach_ms=None, **shared)
    )
    made.counted[COUNTED] = np.empty(0, np.uint64)
    return made


def seen(table, number, at_ms, *given):
    """Apply an event of each key to one memory."""
    rows = table.rows_for(keys(*given))
    table.memories[number].apply(rows, np.full(len(rows), at_ms), None)


def who(table):
    """The keys that have a row."""
    return table.index.keys.tolist()


def test_new_entities_get_a_row_everywhere(table):
    """Every memory and every roll-up has as many rows as the index."""
    assert table.rows_for(keys(9, 8, 9)).tolist() == [0, 1, 0]
    assert table.rows_for(keys(8, 7)).tolist() == [1, 2]
    assert [len(memory.vacant(NOW_MS)) for memory in table.memories.values()] == [3, 3]
    assert table.counted[COUNTED][:3].tolist() == [0, 0, 0]


def test_rows_that_remember_nothing_are_given_up(table):
    """A row stays while any memory or roll-up has something of it, and others close up."""
    seen(table, 4, NOW_MS - 3 * DAY_MS, 1, 2, 3, 4)
    seen(table, 4, NOW_MS, 2)
    seen(table, 7, NOW_MS, 3)
    table.counted[COUNTED][3] = 77
    for memory in table.memories.values():
        memory.expire(NOW_MS)
    table.clear(NOW_MS)
    assert who(table) == [2, 3, 4]
    assert table.memories[4].at_least(NOW_MS, 1).tolist() == [True, False, False]
    assert table.memories[7].at_least(1).tolist() == [False, True, False]
    assert table.counted[COUNTED].tolist() == [0, 0, 77]
    assert table.rows_for(keys(4, 1)).tolist() == [2, 3]
    assert table.counted[COUNTED][3] == 0


def test_a_table_is_looked_through_once_a_day(table):
    """Between two looks nothing is given up, unless the table has doubled."""
    seen(table, 4, NOW_MS - 3 * DAY_MS, 1)
    table.clear(NOW_MS)
    assert who(table) == []
    seen(table, 4, NOW_MS - 3 * DAY_MS, 2)
    table.clear(NOW_MS + DAY_MS - 1)
    assert who(table) == [2]
    table.clear(NOW_MS + DAY_MS)
    assert who(table) == []


def test_a_table_that_has_doubled_is_looked_through_at_once(table, monkeypatch):
    """Many entities in one day do not wait for its end."""
    monkeypatch.setattr(tables, "_CLEAR_AT", 4)
    seen(table, 4, NOW_MS, 1, 2, 3)
    table.clear(NOW_MS)
    seen(table, 4, NOW_MS - 3 * DAY_MS, 4, 5)
    table.clear(NOW_MS + 1)
    assert who(table) == [1, 2, 3, 4, 5]
    seen(table, 4, NOW_MS - 3 * DAY_MS, 6)
    table.clear(NOW_MS + 2)
    assert who(table) == [1, 2, 3]


def test_a_table_in_which_every_row_is_needed_stays_as_it_is(table):
    """Looking and finding nothing changes nothing."""
    seen(table, 7, NOW_MS, 1, 2)
    table.clear(NOW_MS)
    assert who(table) == [1, 2]
    assert table.memories[7].at_least(1).tolist() == [True, True]
