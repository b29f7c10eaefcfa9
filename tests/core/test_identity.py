"""Identity: who is somebody, who is nobody, and that only equal ids are equal."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.core import identity
from pipeline.core.identity import (
    ABSENT,
    ID_LENGTH_MAX,
    ID_NUMBER_MAX,
    PLACEHOLDERS,
    REFUSED,
    Identity,
    canonical,
    message_hashes,
)
from pipeline.core.plan import IdMode, IdSource

PLAIN = IdSource(IdMode.FIRST, (("userId",),))
FIRST = IdSource(IdMode.FIRST, (("userId",), ("anonymousId",), ("context", "device")))
TOGETHER = IdSource(IdMode.TOGETHER, (("userId",), ("chart",)))

# What might stand in a record: somebody, nobody, and what only looks like a joined id.
IDS = st.one_of(
    st.none(),
    st.sampled_from(
        ["ann", "bob", "1", "anonymousId\x1f", "a\x1eb", "", " ", "Guest", "ann\x1ebob"]
    ),
    st.integers(-1, 3),
    st.text(max_size=3),
)


def hashed(source, *columns, salt=0):
    """The hashes of rows of one new Identity."""
    return Identity(salt).hashes(source, columns).tolist()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ann", "ann"),
        ("Ann", "Ann"),
        (" ann ", " ann "),
        ("Ünï cödé", "Ünï cödé"),
        ("\U0001f600", "\U0001f600"),
        ("nobody", "nobody"),
        ("guest1", "guest1"),
        ("00", "00"),
        ("-1", "-1"),
        (1, "1"),
        (ID_NUMBER_MAX - 1, "9007199254740991"),
        ("x" * ID_LENGTH_MAX, "x" * ID_LENGTH_MAX),
    ],
)
def test_an_id_is_its_text(value, expected):
    """Texts stay as they are, whole numbers become their digits."""
    assert expected == canonical(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "\t\n",
        "\N{NO-BREAK SPACE}",
        "\N{IDEOGRAPHIC SPACE} ",
        "x" * (ID_LENGTH_MAX + 1),
        "a\x00b",
        "a\nb",
        "\x1f",
        "a\x7f",
        "a\x80",
        "\x9fa",
        0,
        -1,
        ID_NUMBER_MAX,
        -ID_NUMBER_MAX,
        10**30,
        *sorted(PLACEHOLDERS),
        *(text.upper() for text in sorted(PLACEHOLDERS)),
        "None",
        "NaN",
        "Unknown",
    ],
)
def test_an_id_that_names_nobody_is_refused(value):
    """Empty, blank, too long, with a control character, out of range, or a placeholder."""
    assert canonical(value) is None
    assert hashed(PLAIN, ["ann", value, "ann"])[1] == REFUSED


def test_the_placeholders_are_those_of_the_reference():
    """The list in definitions/LANGUAGE.md and the one in the code are the same."""
    listed = "0 null none nil undefined nan n/a guest anonymous unknown"
    assert set(listed.split()) == PLACEHOLDERS


def test_an_absent_id_has_the_hash_of_absence():
    """None is absent wherever it is met, alone, first or together."""
    assert hashed(PLAIN, [None]) == [ABSENT]
    assert hashed(FIRST, [None], [None], [None]) == [ABSENT]
    assert hashed(TOGETHER, [None, "a", None], ["a", None, None]) == [ABSENT] * 3


def test_a_number_and_its_digits_are_one_id():
    """Producers that write 42 as a number and as text mean the same user."""
    number, text = hashed(PLAIN, [42, "42"])
    assert number == text


def test_the_first_present_id_counts():
    """Later paths are asked only where all earlier ones are absent."""
    columns = ["ann", None, None, "ann"], ["x", "x", None, None], ["y", None, "y", None]
    user, anonymous, device, again = hashed(FIRST, *columns)
    assert hashed(PLAIN, ["ann"]) == [user] == [again]
    assert len({user, anonymous, device}) == 3


def test_ids_of_later_paths_are_set_apart():
    """The same text is another id at each path but the first."""
    first = hashed(PLAIN, ["x"])[0]
    second = hashed(FIRST, [None], ["x"], [None])[0]
    third = hashed(FIRST, [None], [None], ["x"])[0]
    assert len({first, second, third}) == 3
    assert second == hashed(FIRST, [None], ["x"], ["y"])[0]


def test_an_id_set_apart_is_the_same_in_every_source_that_reads_that_path():
    """Two events that look for an anonymous id in one place mean the same visitor."""
    other = IdSource(IdMode.FIRST, (("id",), ("anonymousId",)))
    assert hashed(FIRST, [None], ["x"], [None]) == hashed(other, [None], ["x"])


def test_a_refused_first_id_is_refused_whatever_else_is_there():
    """A placeholder is present: it does not make way for the next path."""
    assert hashed(FIRST, ["guest", None], ["x", " "], ["y", "y"]) == [REFUSED, REFUSED]


def test_ids_together_tell_order_and_border():
    """Parts are joined so that neither their order nor where one ends can be confused."""
    columns = ["a", "b", "ab", "a"], ["b", "a", "c", "bc"]
    assert len(set(hashed(TOGETHER, *columns))) == 4
    assert hashed(TOGETHER, ["a", 1], ["guest", "ok"])[0] == REFUSED
    assert hashed(TOGETHER, [1], ["x"]) == hashed(TOGETHER, ["1"], ["x"])


def test_an_id_together_is_absent_where_a_part_is_whatever_the_others_are():
    """A placeholder beside an absent part is no fault."""
    assert hashed(TOGETHER, ["guest", None], [None, ""]) == [ABSENT, ABSENT]


def test_the_salt_changes_every_hash():
    """The same id has nothing in common under another salt, but absence stays absence."""
    ids = [None, "guest", "ann", 7]
    plain, salted = hashed(PLAIN, ids), hashed(PLAIN, ids, salt=1)
    assert plain[:2] == salted[:2] == [ABSENT, REFUSED]
    assert not {*plain[2:]} & {*salted[2:]}


def test_no_id_takes_the_hash_of_absence_or_refusal(monkeypatch):
    """Where xxh3 gives one of the two hashes that are set apart, another is taken."""
    for digest in (0, 1):
        monkeypatch.setattr(identity, "xxh3_64_intdigest", lambda *_, digest=digest: digest)
        assert hashed(PLAIN, ["ann"])[0] not in {ABSENT, REFUSED}


SOURCES = st.sampled_from([PLAIN, FIRST, TOGETHER])
BATCHES = st.lists(st.tuples(SOURCES, st.lists(st.tuples(IDS, IDS, IDS), max_size=6)), max_size=5)


def in_one_identity(batches, salt=3):
    """The hashes of several batches, one Identity for all."""
    one = Identity(salt)
    return [one.hashes(source, columns_of(source, rows)).tolist() for source, rows in batches]


def columns_of(source, rows):
    """As many columns as the source has paths."""
    return [[row[place] for row in rows] for place in range(len(source.paths))]


@given(BATCHES)
def test_what_was_hashed_before_changes_no_hash(batches):
    """A batch gives what it gives to a new Identity, row by row."""
    fresh = [
        [Identity(3).hashes(source, columns_of(source, [row])).tolist()[0] for row in rows]
        for source, rows in batches
    ]
    assert fresh == in_one_identity(batches)


def test_an_id_that_looks_like_one_set_apart_is_no_such_id():
    """Regression: a part with a separator in it once met the cache entry of an anonymous id."""
    one = Identity(0)
    two = IdSource(IdMode.FIRST, (("userId",), ("anonymousId",)))
    one.hashes(two, [[None], ["v"]])
    assert one.hashes(TOGETHER, [["anonymousId\x1f"], ["v"]]).tolist() == [REFUSED]


@given(st.lists(IDS, max_size=8))
def test_only_equal_ids_are_equal(values):
    """Two plain ids have one hash exactly if they have one text."""
    hashes = hashed(PLAIN, values)
    texts = [None if value is None else canonical(value) or REFUSED for value in values]
    assert len(set(texts)) == len({*zip(texts, hashes, strict=True)}) == len(set(hashes))


def test_message_ids_may_be_any_text_but_the_empty_one():
    """A message id names a record, not a person: placeholders and blanks are ids like others."""
    ids = message_hashes([None, "", "guest", " ", "a", 7, "7", -1, "a"])
    assert ids[:2].tolist() == [0, 0]
    assert np.count_nonzero(ids[2:]) == 7
    assert ids[5] == ids[6]
    assert ids[4] == ids[8]
    assert len(set(ids[2:].tolist())) == 5
