"""Parts that a stream names by their events have shorter names, too."""

import pytest

from pipeline.core.streams import StreamKind
from pipeline.spec.stream_columns import short_names
from pipeline.spec.streams import DraftStream
from tests.engine.both_engines import compiled

DEFINITION = """
version: 1
product: shop
source: {topics: [events], envelope: segment}
events:
  order_placed: {name: a, ids: {order: order}, values: {city: properties.city, n: properties.n}}
  order_delivered: {name: b, ids: {order: order}, values: {n: properties.n}}
streams:
  ways: {pair: [order_placed, order_delivered], by: order, within: 2d}
  first: {first: [order_placed, order_delivered], by: order%s}
metrics:
  sums: {role: north_star, value: sum(ways.%sdelivered.n), window: trailing 7d, by: %splaced.city}
  firsts: {value: "count(first, where=%splaced.n > 1)", window: trailing 7d}
"""


@pytest.mark.parametrize(
    ("kind", "events", "expected"),
    [
        ("pair", ["order_placed", "order_delivered"], ["placed", "delivered"]),
        ("pair", ["web_order_placed", "web_order_sent"], ["placed", "sent"]),
        ("pair", ["order", "order_delivered"], [None, "delivered"]),
        ("pair", ["placed", "delivered"], [None, None]),
        ("pair", ["orders_placed", "order_sent"], [None, None]),
        ("pair", ["a_b", "a_a_b"], ["b", None]),
        ("first", ["order_placed"], [None]),
        ("session", ["item_count", "item_seen"], [None, "seen"]),
    ],
)
def test_a_name_is_short_without_the_words_that_all_begin_with(kind, events, expected):
    """Nothing, another part and a column of the kind are no short names."""
    parts = dict(zip(events, events, strict=True))
    stream = DraftStream("ways", StreamKind(kind), parts, "order", (), None)
    assert dict(zip(events, expected, strict=True)) == dict.fromkeys(events) | {
        alias: name for name, alias in short_names(stream).items()
    }


def test_parts_with_names_of_their_own_have_no_shorter_ones():
    """Whoever names a part has said how it is called."""
    parts = {"order_placed": "order_placed", "order_done": "order_delivered"}
    assert short_names(DraftStream("ways", StreamKind.PAIR, parts, "order", (), None)) == {}


def test_a_short_name_is_the_same_column():
    """All that is remembered and asked is found by the same keys, whichever name is written."""
    short = compiled(DEFINITION % ("", "", "", ""))
    whole = compiled(DEFINITION % (", remember: forever", *["order_"] * 3))
    assert [each.key for each in short.memories] == [each.key for each in whole.memories]
    assert short.terms == whole.terms
