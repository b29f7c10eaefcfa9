"""Counts: what became of records adds up."""

from collections import Counter

from hypothesis import given, strategies as st

from pipeline.core.records import Counts, Filtered, Reason

COUNTS = st.builds(
    Counts,
    *[st.integers(0, 9)] * 4,
    st.dictionaries(st.sampled_from(Filtered), st.integers(1, 9)).map(Counter),
    st.dictionaries(st.sampled_from(Reason), st.integers(1, 9)).map(Counter),
)


def known(counts):
    """Everything that is accounted for."""
    return counts.matched + counts.duplicate + counts.filtered.total() + counts.rejected.total()


@given(COUNTS)
def test_counts_balance_when_every_consumed_record_is_accounted_for(counts):
    """Late records are matched ones, and count once."""
    assert counts.balanced == (counts.consumed == known(counts))
    counts.consumed = known(counts)
    assert counts.balanced


@given(st.lists(COUNTS, max_size=4))
def test_counts_of_batches_add_up(several):
    """Added up, each number is the sum of the batches' numbers, by reason and by kind."""
    whole = Counts()
    for counts in several:
        whole.add(counts)
    for name in ("consumed", "matched", "duplicate", "late"):
        assert getattr(whole, name) == sum(getattr(counts, name) for counts in several)
    assert whole.filtered == sum((counts.filtered for counts in several), Counter())
    assert whole.rejected == sum((counts.rejected for counts in several), Counter())


@given(COUNTS)
def test_a_copy_stands_still_while_the_counts_go_on(counts):
    """A copy says the same, and no longer moves."""
    copied, before = counts.copy(), str(counts)
    assert counts == copied
    counts.add(Counts(1, 1, 1, 1, Counter([*Filtered]), Counter([*Reason])))
    assert before == str(copied)
    assert counts != copied
