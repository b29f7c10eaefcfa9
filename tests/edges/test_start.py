"""What a run is refused for before anything is connected to."""

from dataclasses import replace

import pytest
import typer

from pipeline.cli.exits import Exit
from pipeline.cli.start import check_reachable
from pipeline.demo.definition import demo_plan
from pipeline.edges import kafka_client
from pipeline.settings import TOPICS_MAX, load

PLAN = demo_plan()


@pytest.fixture
def connected(monkeypatch):
    """The topics that a cluster was asked for."""
    asked = []
    monkeypatch.setattr(kafka_client, "check_reachable", lambda _, topics: asked.append(topics))
    return asked


def refused(plan, flags):
    """The exit code of a start."""
    with pytest.raises(typer.Exit) as left:
        check_reachable(plan, load(environment={}, flags=flags))
    return left.value.exit_code


def test_properties_that_a_producer_of_letters_refuses_are_told(connected, capsys):
    """By exit code 2 and a line; it was a traceback once, since a consumer takes them."""
    flags = {"kafka.properties.acks": "1", "dead_letters.topic": "rejected"}

    assert refused(PLAN, flags) == Exit.USAGE
    assert "acks" in capsys.readouterr().err
    assert connected == []


def test_without_dead_letters_no_producer_is_asked(connected):
    """Whoever sends nothing may set what he likes for it."""
    check_reachable(PLAN, load(environment={}, flags={"kafka.properties.acks": "1"}))

    assert connected == [[*PLAN.topics]]


def test_more_topics_than_have_places_are_refused(connected, capsys):
    """By exit code 2, the count and the limit, not by an overflow on the first record."""
    topics = tuple(f"t{number}" for number in range(TOPICS_MAX + 1))

    assert refused(replace(PLAN, topics=topics), {}) == Exit.USAGE
    assert "81 topics, and at most 80 can be read" in capsys.readouterr().err
    assert connected == []


def test_letters_and_transitions_have_topics_of_their_own(connected, capsys):
    """Who reads what was rejected need not see who is a member, with raw ids."""
    flags = {"dead_letters.topic": "told", "transitions.topic": "told"}

    assert refused(PLAN, flags) == Exit.USAGE
    assert "dead_letters.topic and transitions.topic are one topic" in capsys.readouterr().err
    assert connected == []
