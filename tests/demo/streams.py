"""Reading the demo's traffic to some moment, for tests of what it is made of."""

import re
from collections import defaultdict

import orjson

from pipeline.core.windows import HOUR_MS
from pipeline.demo.source import SLOTS, Pace, TrafficSource
from pipeline.demo.traffic import PARTITIONS

_IN_ORDER = re.compile(rb'\{"type".*"timestamp":"2026.*\}\}$')


class Watch:
    """A monotonic clock that stands until it is told to go on."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


def hours(traffic, first_ms, last_ms):
    """Values and arrivals of all partitions from one moment to another, hour by hour."""
    for number in range(first_ms // HOUR_MS, last_ms // HOUR_MS):
        for partition in range(PARTITIONS):
            hour = traffic.hour(partition, number)
            yield from zip(hour.values, hour.arrivals_ms.tolist(), strict=True)


def events(traffic, first_ms, last_ms):
    """The same, of records that are in order: read, with their arrival."""
    for value, arrival_ms in hours(traffic, first_ms, last_ms):
        if value is not None and _IN_ORDER.match(value):
            yield orjson.loads(value), arrival_ms


def read_live(traffic, limit, hours_live, positions=None):
    """Everything a source hands out until some hours after it went live: pieces by partition."""
    watch = Watch()
    source = TrafficSource(traffic, Pace(3600, watch))
    readers = [source.open(slot, positions or {}) for slot in range(SLOTS)]
    found = defaultdict(list)
    while True:
        polled = [records for reader in readers for records in reader.poll(limit)]
        for records in polled:
            found[records.partition].append(records)
        if not polled and watch.now_s >= 100 + hours_live:
            return found
        watch.now_s += 0 if polled else 0.37
