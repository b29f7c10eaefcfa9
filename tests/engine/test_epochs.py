"""How often state is saved goes by its size."""

import pytest

from pipeline.engine.epochs import LONGEST_S, SHORTEST_S, epoch_s, epoch_s_for


def test_a_store_that_is_not_there_yet_has_the_shortest_epoch(tmp_path):
    """Nothing is saved, and nothing takes long to save."""
    assert epoch_s(tmp_path / "none") == SHORTEST_S
    assert epoch_s(None) == SHORTEST_S


@pytest.mark.parametrize(
    ("megabytes", "seconds"), [(0, 10), (220, 10), (221, 20), (2_200, 100), (1_000_000, LONGEST_S)]
)
def test_saving_takes_a_tenth_of_the_time(megabytes, seconds):
    """At 220 MB a second, in whole tens of seconds, and never longer than ten minutes."""
    assert epoch_s_for(megabytes * 1_000_000) == seconds


def test_only_the_parts_of_the_store_count(tmp_path):
    """Manifest, locks and journals beside them are no state."""
    (tmp_path / "parts").mkdir()
    with (tmp_path / "parts" / "part-0.sqlite3").open("wb") as part:
        part.truncate(440_000_000)
    with (tmp_path / "parts" / "part-0.sqlite3-wal").open("wb") as journal:
        journal.truncate(440_000_000)
    assert epoch_s(tmp_path) == 20
