"""When processes are started again, when they count as hung, and when it is given up."""

import pytest

from pipeline.engine.restarts import (
    BACK_OFF_MAX_S,
    FAILURES_IN_A_ROW_MAX,
    FAILURES_MAX,
    FAILURES_WITHIN_S,
    START_WITHIN_S,
    End,
    Pulse,
    Restarts,
    cause,
)

HUNG_AFTER_S = 10.0


def unlucky():
    """The longest wait."""
    return 1.0


def test_the_wait_doubles_until_it_is_given_up():
    """Nothing gets ready: a little more patience each time, and then none."""
    restarts = Restarts(unlucky)

    waits_s = [restarts.wait_s(now_s=float(number)) for number in range(FAILURES_IN_A_ROW_MAX)]

    assert waits_s == [0.2, 0.4, 0.8, 1.6, 3.2, None]
    assert restarts.given_up() == "6 starts in a row have failed"


def test_the_wait_has_a_limit(monkeypatch):
    """However often it fails, nobody waits for longer."""
    monkeypatch.setattr("pipeline.engine.restarts.FAILURES_IN_A_ROW_MAX", 19)
    restarts = Restarts(unlucky)

    assert [restarts.wait_s(0.0) for _ in range(18)][-1] == BACK_OFF_MAX_S


def test_half_of_the_wait_is_luck():
    """Those who failed together do not come back together, and none comes at once."""
    drawn = iter([0.0, 0.5])
    restarts = Restarts(lambda: next(drawn))

    assert restarts.wait_s(0.0) == pytest.approx(0.1)
    assert restarts.wait_s(1.0) == pytest.approx(0.3)


def test_a_start_that_got_ready_ends_the_row():
    """The next failure is a first one."""
    restarts = Restarts(unlucky)
    for _ in range(FAILURES_IN_A_ROW_MAX - 1):
        restarts.wait_s(0.0)
    restarts.ready()

    assert restarts.wait_s(0.0) == 0.2


def test_too_many_failures_within_a_time_are_given_up():
    """Each start gets ready, and fails soon after."""
    restarts = Restarts(unlucky)

    for number in range(FAILURES_MAX):
        wait_s = restarts.wait_s(now_s=float(number))
        restarts.ready()

    assert wait_s is None
    assert restarts.given_up() == "20 failures within 10 minutes"


def test_failures_of_long_ago_do_not_count():
    """A failure now and then goes on for ever."""
    restarts = Restarts(unlucky)
    apart_s = FAILURES_WITHIN_S // (FAILURES_MAX - 1) + 1

    for number in range(3 * FAILURES_MAX):
        assert restarts.wait_s(now_s=number * apart_s) == 0.2
        restarts.ready()


@pytest.mark.parametrize(
    ("ends", "text", "code"),
    [
        ([End(0, 70), End(1, -9)], "process 1 was ended by SIGKILL", -9),
        ([End(0, -6), End(1, -9)], "process 0 was ended by SIGABRT", -6),
        ([End(0, -9), End(1, 4)], "process 1 ended with exit code 4", 4),
        ([End(0, 0), End(1, 70), End(2, 1)], "process 1 ended with exit code 70", 70),
        ([End(0, -63)], "process 0 was ended by signal 63", -63),
    ],
)
def test_the_end_that_explains_the_others_is_told(ends, text, code):
    """A code with a meaning before a signal, a signal before the failures that follow from it."""
    failure = cause(ends, telling={4, 5})

    assert (failure.text, failure.code) == (text, code)


def test_a_process_that_polls_is_alive():
    """As long as its count grows, whatever the count."""
    pulse = Pulse(0.0, HUNG_AFTER_S)
    for second in range(100):
        pulse.feel(polls=second, now_s=float(second))
        assert pulse.stopped(float(second)) is None


def test_a_process_that_polls_no_more_has_stopped():
    """Its words do not help: the count is what matters."""
    pulse = Pulse(0.0, HUNG_AFTER_S)
    pulse.feel(polls=7, now_s=1.0)
    pulse.feel(polls=7, now_s=9.0)

    assert pulse.has_begun
    assert pulse.stopped(11.0) is None
    assert pulse.stopped(11.1) == "has not moved for 10 s"


@pytest.mark.parametrize(
    ("hung_after_s", "limit_s"), [(HUNG_AFTER_S, START_WITHIN_S), (1_000.0, 1_000.0)]
)
def test_a_process_that_reads_its_state_has_time(hung_after_s, limit_s):
    """Before the first poll it is not hung, unless it takes very long."""
    pulse = Pulse(0.0, hung_after_s)
    pulse.feel(polls=0, now_s=20.0)

    assert not pulse.has_begun
    assert pulse.stopped(limit_s) is None
    assert pulse.stopped(limit_s + 1) == f"has not begun to read within {limit_s + 1:.0f} s"
