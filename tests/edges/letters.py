"""Records of a poll, and which of them were rejected, for tests of what becomes of those."""

import numpy as np
from confluent_kafka import Message

from pipeline.core.records import Reason, Records, Rejected


def polled(*values, partition=3, first=10):
    """Records of a poll, with what the source has of them."""
    originals = [
        Message(
            topic="events",
            partition=partition,
            offset=first + at,
            key=b"k%d" % at,
            value=value,
            headers=[("trace", b"\x00\xff"), ("trace", None)],
        )
        for at, value in enumerate(values)
    ]
    offsets = np.arange(first, first + len(values))
    return Records(partition, [*values], offsets, np.full(len(values), 99), originals)


def rejected(**places):
    """Which of them were rejected, by reason."""
    found = Rejected()
    for reason, at in places.items():
        found.add(Reason(reason), np.array(at))
    return found


def nowhere(_, __):
    """No place is at fault."""
