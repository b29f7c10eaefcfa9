"""The drawn cases must be worth drawing: sets with members, ratios that are defined."""

from collections import Counter, defaultdict

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.oracle.decoding import Decoder
from tests.oracle.drawn_trackers import TRACKERS
from tests.oracle.language import read
from tests.oracle.oracle import Expected, expected
from tests.oracle.strategies import Case, cases

TELLING_SHARE_MIN = 0.5
OUTCOMES = (
    "matched",
    "filtered",
    "duplicate",
    "too_large",
    "invalid_json",
    "too_deep",
    "not_object",
    "field_type",
    "bad_time",
    "bad_id",
    "out_of_range",
    "future",
    "too_old",
)


def _note(seen: Counter[str], case: Case, found: Expected) -> None:
    assert len(case.records) <= 300
    assert len(case.ticks_ms) <= 8
    assert all(tick % case.tick_ms == 0 for tick in case.ticks_ms)
    for reading in found.readings.values():
        seen["readings"] += 1
        seen["telling"] += bool(reading.value)
        seen["none"] += reading.value is None
        seen["covered"] += reading.coverage == 1
        seen[f"state {reading.state}"] += 1
        seen["residual"] += reading.residual is not None
    rejected = found.counts["rejected"]
    assert isinstance(rejected, dict)
    for outcome in ("consumed", "matched", "filtered", "duplicate"):
        seen[outcome] += int(str(found.counts[outcome]))
    seen.update(rejected)


def _lessons(case: Case) -> dict[tuple[str, str, str, int], set[str]]:
    """Collect what the records say of each attribute of each entity at each millisecond."""
    definition = read(case.definition)
    lessons: dict[tuple[str, str, str, int], set[str]] = defaultdict(set)
    decoder = Decoder(definition)
    for decoded in (each for record in case.records for each in decoder.decode(record)):
        for attribute in definition.attributes:
            ids = getattr(decoded.bearings.get(attribute.event), "ids", {})
            entity, value = ids.get(attribute.entity), ids.get(attribute.field)
            if entity is not None and value is not None and decoded.time_ms is not None:
                key = (attribute.entity, attribute.name, entity, decoded.time_ms)
                lessons[key].add(value)
    return lessons


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_no_attribute_is_taught_two_things_at_once(case: Case):
    """The reference leaves open which lesson wins, so no case may depend on it."""
    assert all(len(values) == 1 for values in _lessons(case).values())


@pytest.mark.parametrize("tracker", TRACKERS)
def test_drawn_records_are_read_as_their_tracker_writes_them(tracker):
    """Most of them count, some by an id in another place than the first; nearly all have one."""
    seen: Counter[str] = Counter()

    @settings(
        max_examples=8,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(40, trackers=[tracker]))
    def draw_and_note(case: Case) -> None:
        definition = read(case.definition)
        decoder = Decoder(definition)
        for decoded in (each for record in case.records for each in decoder.decode(record)):
            seen["events"] += 1
            seen["accepted"] += decoded.fate is None
            seen["with id"] += decoded.fate is None and decoded.id is not None
            for bearing in decoded.bearings.values():
                seen[str(bearing.ids.get("user")).split(" ")[0]] += 1
        seen["has ids"] |= definition.envelope.id is not None
        shared = definition.envelope.ids.get("user")
        seen["falls back"] |= shared is not None and shared.kind == "first"

    draw_and_note()
    assert seen["accepted"] > 0.5 * seen["events"]
    assert seen["text"] > 0
    assert not seen["falls back"] or seen["from"] > 0
    assert not seen["has ids"] or seen["with id"] > 0


def test_drawn_cases_are_telling():
    """Half of all readings and more are neither 0 nor none, and every outcome occurs."""
    seen: Counter[str] = Counter()

    @settings(
        max_examples=250,
        deadline=None,
        database=None,
        derandomize=True,  # the same cases every time: what is rare must not fail by bad luck
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def draw_and_note(case: Case) -> None:
        found = expected(case.definition, case.records, case.settings, case.ticks_ms)
        _note(seen, case, found)

    draw_and_note()
    print(dict(sorted(seen.items())))  # noqa: T201 - shown by pytest -rP, to tune the strategies
    assert seen["telling"] >= TELLING_SHARE_MIN * seen["readings"]
    for state in ("green", "yellow", "red", "unknown"):
        assert seen[f"state {state}"] > 0
    for outcome in OUTCOMES:
        assert seen[outcome] > 0, outcome
