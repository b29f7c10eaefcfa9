"""A sample of records from a file or a topic, for `sniff` and `init`."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.cli.exits import Exit, leave
from pipeline.core.records import Records
from pipeline.edges import kcat
from pipeline.edges.faults import UnreachableError, UnreadableError
from pipeline.edges.files import STANDARD_INPUT, FileSource, Lines
from pipeline.edges.kafka_sample import newest_records
from pipeline.settings import SettingsError, load
from pipeline.sniff.envelope import Fit, best_fit
from pipeline.sniff.fields import EventSeen, events_seen
from pipeline.sniff.sample import Sample

RECORDS: Final = 5_000
_MOSTLY: Final = 0.9


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What a look at a file or topic has shown."""

    origin: str
    topic: str | None  # None: a file
    lines: Lines
    sample: Sample
    fit: Fit | None
    events: dict[str, EventSeen]


def sniffed(origin: str, records: int, bootstrap: str | None, settings: Path | None) -> Sniffed:
    """Look at a file, or at a topic where there is no such file. Exits where there is neither."""
    is_file = origin == STANDARD_INPUT or os.path.lexists(origin)
    lines = Lines.VALUE
    if is_file:
        lines, polls = _of_file(origin, records)
    else:
        polls = _of_topic(origin, records, bootstrap, settings)
    sample = Sample(polls)
    fit = best_fit(sample)
    seen = {} if fit is None else events_seen(sample, fit)
    return Sniffed(origin, None if is_file else origin, lines, sample, fit, seen)


def why_no_fit(sample: Sample, instead: str) -> str:
    """What is wrong with a sample that no envelope fits; `instead` is for one that can be read."""
    if not sample.records:
        return "there are no records in it"
    if sample.unreadable.total() == sample.records:
        reasons = ", ".join(sample.unreadable)
        return f"no record could be read ({reasons}): each line, or message, is one JSON object"
    return f"no envelope fits; {instead}"


def _of_file(path: str, limit: int) -> tuple[Lines, Sequence[Records]]:
    polls: list[Records] = []
    try:
        reader = FileSource([path], time.time_ns() // 1_000_000).open(0, {})
        left = limit
        while left > 0 and not reader.finished(0):
            found = reader.poll(left)
            polls += found
            left -= sum(len(each.values) for each in found)
        reader.close()
    except (UnreachableError, UnreadableError) as fault:
        leave(Exit.USAGE, str(fault))
    values = [value for each in polls for value in each.values]
    if values and sum(map(kcat.is_line, values)) >= _MOSTLY * len(values):
        return Lines.KCAT, [kcat.opened(each) for each in polls]
    return Lines.VALUE, polls


def _of_topic(
    topic: str, limit: int, bootstrap: str | None, settings: Path | None
) -> Sequence[Records]:
    try:
        chosen = load(settings, flags={"kafka.bootstrap": bootstrap})
    except SettingsError as refused:
        leave(Exit.USAGE, f"there is no file {topic}, and for a topic: {refused}")
    if bootstrap is None and settings is None and "NORTHSTAR_KAFKA__BOOTSTRAP" not in os.environ:
        leave(Exit.USAGE, f"there is no file {topic}; for a topic say --kafka-bootstrap host:port")
    try:
        return newest_records(chosen.kafka, topic, limit)
    except (SettingsError, UnreachableError) as fault:
        leave(Exit.UNREACHABLE, str(fault))
