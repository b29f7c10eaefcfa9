"""What stands in a batch, and that it does not matter how records were cut into batches."""

from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.core.decode import Decoder
from pipeline.core.event_batch import EventBatch
from pipeline.core.expression import At
from pipeline.core.identity import ABSENT, Identity
from pipeline.core.match import Matcher
from pipeline.core.plan import IdMode, IdSource
from pipeline.core.records import Counts, Filtered, Reason
from pipeline.core.snapshot import pack, unpack
from pipeline.core.wanted import leaves, record_names
from pipeline.core.windows import DAY_MS, HOUR_MS
from tests.core.decode.cases import GOOD, ONE_OF_ALL
from tests.core.decode.decoded import DEPLOYMENT, OWN, counted, decoded, reading, rows
from tests.core.plans import AT_MS, SUITE, record, records

LIMITED = replace(DEPLOYMENT, ids_max=3)


def test_a_batch_holds_ids_values_and_places_in_order():
    """Every row has its ids by where they were read, and its values by event and name."""
    values = [
        record(userId=42, plan="pro", paid=True),
        record("chart_shared", userId="bob", plan=5),
        record("order_paid", AT_MS + 1, userId=None, anonymousId="x", chart=None, test=False),
    ]
    batch = decoded(values).batch
    identity = Identity(0)
    assert isinstance(batch, EventBatch)
    assert [record_names(SUITE)[code] for code in batch.names] == [
        "chart_viewed",
        "chart_shared",
        "order_paid",
    ]
    assert batch.times_ms.tolist() == [AT_MS, AT_MS, AT_MS + 1]
    plain = IdSource(IdMode.FIRST, (("userId",),))
    visitor = dict(SUITE.events[2].ids)["visitor"]
    viewing = dict(SUITE.events[2].ids)["viewing"]
    users = identity.hashes(plain, [["42", "bob", None]]).tolist()
    assert users == batch.ids[plain].tolist()
    assert [*users[:2], identity.hashes(visitor, [[None], ["x"]])[0]] == batch.ids[visitor].tolist()
    together = identity.hashes(viewing, [["42", "bob", None], ["c1", "c1", None]]).tolist()
    assert together == batch.ids[viewing].tolist()
    assert together[2] == ABSENT
    assert batch.values[2, "seconds"].tolist()[:1] == [5.0]
    assert batch.dictionary["pro"] == batch.values[2, "plan"][0]
    assert batch.values[2, "paid"].tolist()[0] == 1
    app, test = (leaf for leaf in leaves(SUITE.events[3].where) if isinstance(leaf, At))
    assert [batch.dictionary["suite"]] * 3 == batch.columns[app].tolist()
    assert batch.columns[test].tolist() == [-1, -1, 0]


def test_a_value_that_is_a_number_as_written_is_the_same_in_every_row():
    """An expression without a place fills its column."""
    plan = reading(OWN, "properties.ms > 1", values="2 * 3")
    batch = decoded([GOOD, GOOD], plan).batch
    assert batch.values[0, "seconds"].tolist() == [6.0, 6.0]
    assert counted([GOOD, GOOD], plan).matched == 2


def test_the_salt_of_the_deployment_seeds_the_ids():
    """Two deployments with other salts have no hash in common."""
    salted = Decoder(SUITE, replace(DEPLOYMENT, salt=5))
    batch = salted.decode(records([GOOD]), salted.fresh()).batch
    source = SUITE.events[0].ids[0][1]
    assert batch.ids[source].tolist() != decoded([GOOD]).batch.ids[source].tolist()


def test_a_batch_without_text_or_loss_is_handed_on_as_it_is():
    """Where nothing is refused no column is copied, and where something is, all are cut alike."""
    batch = decoded([GOOD, GOOD]).batch
    assert len(batch) == 2
    short = decoded([GOOD, record(userId="guest"), GOOD]).batch
    lengths = {len(column) for column in (*short.ids.values(), *short.values.values())}
    assert lengths == {2}
    assert isinstance(short.names, np.ndarray)


def drawn_stream(seed, size):
    """A partition of mostly good records, out of order, some late, old or twice."""
    random = Random(seed)  # noqa: S311 - a stream of records, no secret
    found, now = [], AT_MS - 3 * HOUR_MS
    for _ in range(size):
        now += random.choice([0, 100, 5_000, 60_000])
        if random.random() < 0.2:
            found.append(random.choice(ONE_OF_ALL))
            continue
        found.append(
            record(
                random.choice([*record_names(SUITE), "page_seen"]),
                now - random.choice([0, 0, 0, 30_000, 120_000, HOUR_MS, 9 * DAY_MS]),
                messageId=random.choice([None, *(f"m{n}" for n in range(20))]),
                userId=random.choice(["ann", "bob", 7, None]),
                anonymousId=random.choice(["ann", "x", None]),
                chart=random.choice(["c1", "c2", None]),
                plan=random.choice(["pro", "free", None, f"plan {now}"]),
                paid=random.choice([True, False, None]),
                test=random.choice([True, False, None]),
                ms=random.choice([0, 0.5, 1234, 599_999, None]),
            )
        )
    return found


def in_batches(values, bounds, deployment=DEPLOYMENT, *, saved=False):
    """Rows, counts and watermark of records that come in several batches."""
    decoder = Decoder(SUITE, deployment)
    matcher = Matcher(SUITE, deployment)
    state, counts, found = decoder.fresh(), Counts(), []
    for start, end in pairwise(bounds):
        if saved:
            arrays, _ = unpack(pack(state.dump(), {}))
            decoder = Decoder(SUITE, deployment)
            state = decoder.fresh()
            state.load(arrays)
        piece = records(values[start:end], first_offset=start)
        result = decoder.decode(piece, state)
        counts.add(result.counts)
        counts.add(matcher.match(result.batch).counts)
        found += rows(result.batch)
    return found, counts, decoder.watermark_ms(state)


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_batches_do_not_matter(size):
    """Records one by one, by sevens, by thousands or all at once give the same rows and counts."""
    values = drawn_stream(size, 1_500)
    whole = in_batches(values, [0, len(values)], LIMITED)
    assert whole == in_batches(values, [*range(0, len(values), size), len(values)], LIMITED)
    counts = whole[1]
    assert counts.balanced
    assert min(counts.matched, counts.duplicate, counts.late) > 0
    assert {*Filtered} == {*counts.filtered}
    assert {*Reason} == {*counts.rejected}


@given(st.integers(0, 2**32), st.integers(0, 40), st.lists(st.integers(0, 40), max_size=6))
def test_any_cut_with_a_restart_at_every_batch_gives_the_same(seed, size, cuts):
    """However records are cut, and though every batch comes after a restart."""
    values = drawn_stream(seed, size)
    bounds = [0, *sorted(cut % (size + 1) for cut in cuts), size]
    for deployment in (DEPLOYMENT, LIMITED):
        whole = in_batches(values, [0, size], deployment)
        assert whole == in_batches(values, bounds, deployment, saved=True)


def test_those_who_came_first_are_counted_as_if_there_were_no_limit():
    """Of a fourth user no record is accepted; of the others none is missing."""
    users = [*"abcabdcadb"]
    values = [record(userId=f"u{user}", chart=None) for user in users]

    found, counts, _ = in_batches(values, [0, len(values)], LIMITED)

    known = [value for value, user in zip(values, users, strict=True) if user != "d"]
    assert found == in_batches(known, [0, len(known)])[0]
    assert counts.rejected == {Reason.TOO_MANY_IDS: users.count("d")}


def test_a_duplicate_brings_its_ids_as_well():
    """Who is let in is decided before it is known which record is a duplicate."""
    sent = [("a", "m1"), ("b", "m1"), ("c", "m2"), ("d", "m3")]
    values = [record(userId=f"u{user}", messageId=each, chart=None) for user, each in sent]
    counts = in_batches(values, [0, len(values)], LIMITED)[1]
    assert (counts.matched, counts.duplicate) == (2, 1)
    assert counts.rejected == {Reason.TOO_MANY_IDS: 1}
