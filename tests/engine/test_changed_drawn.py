"""Drawn definitions, changed halfway through drawn streams: what is covered is true.

A record that one of the two definitions refuses and the other does not is left out: it counts, or
not, by the definition that it was read under.
"""

import io
import re
import tempfile
from collections import defaultdict
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Event

from hypothesis import HealthCheck, Phase, assume, given, settings, strategies as st
from ruamel.yaml import YAML

from pipeline.core.decode import Decoder
from pipeline.core.known import ALWAYS
from pipeline.core.plan import MemoryKind
from pipeline.core.wanted import record_names
from pipeline.engine.recovery import known_in
from pipeline.spec import read_text
from tests.engine.both_engines import bytewax, deployed, local, until_exhausted
from tests.engine.memory_source import MemorySource, as_polled
from tests.oracle.drawn_trackers import ONE_EVENT_EACH
from tests.oracle.strategies import cases

SLOTS = 2
WINDOWS = ("trailing 2s", "trailing 10s", "trailing 1m", "trailing 1h", "calendar day")
several_cases = settings(
    max_examples=50 if settings.get_current_profile_name() == "ci" else 12,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # what threads did once is not shrunk
)


@st.composite
def changed(draw, text):
    """A definition with some of it left out, turned round or asked for differently."""
    definition = YAML(typ="safe").load(text)
    metrics, sets = definition["metrics"], definition.get("sets", {})
    for name in [name for name in metrics if name != "star" and draw(st.integers(0, 3)) == 0]:
        del metrics[name]
    for about in [*metrics.values(), *sets.values()]:
        if "window" in about and draw(st.integers(0, 3)) == 0:
            about["window"] = draw(st.sampled_from(WINDOWS))
    for about in sets.values():
        if draw(st.integers(0, 2)) == 0:
            most = draw(st.sampled_from([">= 1", ">= 3"]))
            about["when"] = re.sub(r">= \d$", most, about["when"])
    for about in definition["events"].values():
        if draw(st.integers(0, 9)) == 0:
            about["where"] = "properties.ok"
    if draw(st.booleans()):
        for section in ("events", "sets", "metrics"):
            definition[section] = dict(reversed(definition.get(section, {}).items()))
    return _yaml({key: value for key, value in definition.items() if value})


def _yaml(definition):
    yaml = YAML(typ="safe")
    yaml.representer.ignore_aliases = lambda _: True
    yaml.sort_base_mapping_type_on_output = False
    text = io.StringIO()
    yaml.dump(definition, text)
    return text.getvalue()


def accepted(plan, deployment, records):
    """The names of the records that a plan accepts, by their place."""
    decoder = Decoder(plan, deployment)
    found = {}
    for number, log in MemorySource(records).logs.items():
        batch = decoder.decode(as_polled(log), decoder.fresh()).batch
        names = record_names(plan)
        found |= {
            (number, int(offset)): names[code]
            for offset, code in zip(batch.offsets, batch.names, strict=True)
        }
    return found


def alike(plans, deployment, records):
    """The records that all of these plans accept, or refuse, or do not know."""
    while True:
        names = set.intersection(*(set(record_names(plan)) for plan in plans))
        one, other = (accepted(plan, deployment, records) for plan in plans)
        unlike = {at for at in one.keys() ^ other.keys() if one.get(at, other.get(at)) in names}
        if not unlike:
            return records
        ends = defaultdict(count)
        left = [each for each in records if (each.partition, each.offset) not in unlike]
        records = [replace(each, offset=next(ends[each.partition])) for each in left]


def until_polled(source, polls):
    """A request to stop that comes with a poll of any slot."""
    stop, polled = Event(), count()
    source.on_poll = lambda _: stop.set() if next(polled) >= polls else None
    return stop


def reads_new_attribute(plan, known, number):
    """Whether a metric looks at an attribute whose older teachings were missed."""
    attributes = {each.identity for each in plan.memories if each.kind is MemoryKind.ATTRIBUTE}
    held = {identity: known.held[identity] for identity in attributes}
    return replace(known, held=held).metric_since_ms(plan, number) != ALWAYS


def numbers(reading):
    """What a reading says, without how much of it was watched."""
    return reading.value, reading.numerator, reading.denominator, reading.samples


@st.composite
def changes(draw):
    """A case, and two definitions that its stream is read with, one after the other."""
    case = draw(cases(trackers=ONE_EVENT_EACH))
    texts = [draw(changed(case.definition)), draw(changed(case.definition)), case.definition]
    return case, draw(st.permutations(texts))[:2]


@several_cases
@given(changes(), st.integers(1, 5), st.integers(1, 2), st.integers(0, 99))
def test_what_is_covered_is_true_and_what_is_the_same_goes_on(drawn, polls, workers, luck):
    """From one definition to another, some metrics the same and some not."""
    case, texts = drawn
    plans = [read_text(text, "drawn.yaml").plan for text in texts]
    assume(None not in plans)
    before, after = plans
    deployment = deployed(case)
    records = alike(plans, deployment, case.records)
    with tempfile.TemporaryDirectory() as directory:
        store = Path(directory) / "store"
        running = {"store": store, "store_parts": 1, "workers": workers, "catch_up_ticks": 100}
        source = MemorySource(records, slots=SLOTS, live=True, luck=luck)
        stop = until_polled(source, polls)
        bytewax(before, deployment, source, stop=stop, poll_records=20, **running)
        source = MemorySource(records, slots=SLOTS, live=True, luck=luck + 1)
        stop = until_exhausted(source)
        ticks = bytewax(after, deployment, source, stop=stop, poll_records=20, **running)
        known = known_in(store)
    truth = local(after, deployment, records, [tick.at_ms for tick in ticks])
    same_events = {each.identity for each in before.events} == {
        each.identity for each in after.events
    }
    kept = {each.identity for each in before.metrics}
    for made, true in zip(ticks, truth, strict=True):
        for number, (metric, found, expected) in enumerate(
            zip(after.metrics, made.readings, true.readings, strict=True)
        ):
            is_known = known.metric_since_ms(after, number) == ALWAYS
            assert is_known or metric.identity not in kept
            covered = found.coverage == 1 and not reads_new_attribute(after, known, number)
            if is_known or covered:
                assert repr(numbers(found)) == repr(numbers(expected)), metric
            if is_known and same_events:
                assert found.coverage == expected.coverage, metric
