"""The committed events of the worked example."""

import gzip

from tests.trial.made_up_events import EVENTS, made_up


def test_the_events_are_those_of_the_demo():
    """What is committed is what the demo's traffic makes; a test says when it has to be written."""
    assert gzip.decompress(EVENTS.read_bytes()) == made_up()
