"""The laws that every memory keeps (`pipeline/core/memories/memory.py`), from the registry.

A history is played as `roll.Shard` plays it: events wait until a tick that may see them, come in
any order and in any number of batches, and the memory expires what the tick cannot see.
"""

from random import Random

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.core.memories.ledger import Ledger
from pipeline.core.memories.panes import Panes
from pipeline.core.memories.registry import _MAKERS
from pipeline.core.plan import MemoryKind
from pipeline.core.snapshot import pack, unpack
from tests.core.memories.streams import each_stream
from tests.core.memories.subjects import SUBJECTS as PLAIN, Event, events, moments, ticks

SEEDS = st.integers(0, 2**32)
SUBJECTS = PLAIN | dict(each_stream())


def those(holds):
    """The subjects of which something holds."""
    chosen = {name: subject for name, subject in SUBJECTS.items() if holds(subject)}
    return pytest.mark.parametrize("subject", chosen.values(), ids=[*chosen])


class Player:
    """Plays events to a memory and asks it."""

    def __init__(self, subject, seed=0, memory=None, rows=0):
        self.subject, self.memory, self.rows = subject, memory or subject.make(), rows
        self.random = Random(seed)  # noqa: S311 - shuffles, and keeps no secret

    def take(self, batch):
        """Apply events, shuffled and cut into pieces; rows come into being as they are met."""
        batch = self.random.sample(batch, len(batch))
        while batch:
            size = self.random.randint(1, len(batch))
            piece, batch = batch[:size], batch[size:]
            self.make_room(max(event.row for event in piece) + 1)
            rows = [event.row for event in piece] if self.subject.of_entities else []
            self.memory.apply(
                np.array(rows, np.int64),
                np.array([event.time_ms for event in piece], np.int64),
                self.subject.array([event.column for event in piece]),
            )

    def make_room(self, rows):
        """Rows up to here exist."""
        if self.subject.of_entities and rows > self.rows:
            self.rows = rows
            self.memory.resize(rows)

    def play(self, history, ticks, after_ms=None):
        """What the memory answers at every tick."""
        found = []
        for tick in ticks:
            self.take([event for event in history if seen(event, after_ms, tick)])
            found.append(self.subject.asked(self.memory, tick))
            after_ms = tick
        return found

    def copy(self):
        """A player whose memory was saved and loaded on the way."""
        memory = self.subject.make()
        memory.load(unpack(pack(self.memory.dump(), {}))[0])
        return Player(self.subject, self.random.random(), memory, self.rows)


def seen(event, after_ms, tick_ms):
    """Whether an event becomes visible between two ticks."""
    return event.visible_ms < tick_ms and (after_ms is None or event.visible_ms >= after_ms)


def naive(subject, history, ticks, rows):
    """What a naive reading answers at every tick."""
    return [
        subject.expected([event for event in history if seen(event, None, tick)], tick, rows)
        for tick in ticks
    ]


def cut_to(answers, rows):
    """The answers about some of the rows only."""
    return [[[of_rows[row] for row in rows] for of_rows in at_tick] for at_tick in answers]


def bytes_of(memory):
    """How much a memory saves, once a ledger has merged its runs, which it does in its own time."""
    arrays, of_runs = memory.dump(), ("run", "pane", "entry")
    entries = set()
    if "entry_rows" in arrays:
        panes = np.repeat(arrays["panes"], arrays["pane_sizes"]).tolist()
        entries = {*zip(panes, arrays["entry_rows"].tolist(), strict=True)}
        arrays = {name: array for name, array in arrays.items() if not name.startswith(of_runs)}
    return len(entries) + sum(array.nbytes for array in arrays.values())


def test_every_kind_of_memory_has_its_laws():
    """A kind that is added to the plan is made by the registry and a subject here."""
    assert set(MemoryKind) == set(_MAKERS)
    assert set(MemoryKind) == {subject.kind for subject in SUBJECTS.values()}


@those(lambda _: True)
@given(data=st.data(), seed=SEEDS)
def test_answers_are_those_of_a_naive_reading(subject, data, seed):
    """At every tick a memory answers as if all visible events were read anew."""
    history, at = data.draw(events(subject)), data.draw(ticks(subject))
    player, expected, found = Player(subject, seed), [], []
    for number, tick in enumerate(at):
        found += player.play(history, [tick], at[number - 1] if number else None)
        expected += naive(subject, history, [tick], player.rows)
    assert expected == found


@those(lambda _: True)
@given(data=st.data(), seed=SEEDS, other_seed=SEEDS)
def test_order_and_batches_do_not_matter(subject, data, seed, other_seed):
    """Two players that shuffle and cut the same events differently hear the same answers."""
    history, at = data.draw(events(subject)), data.draw(ticks(subject))
    one, other = Player(subject, seed), Player(subject, other_seed)
    one.make_room(4)
    other.make_room(4)
    assert one.play(history, at) == other.play(history, at)
    assert bytes_of(one.memory) == bytes_of(other.memory)


@those(lambda _: True)
@given(data=st.data(), seed=SEEDS)
def test_loaded_a_memory_answers_as_before(subject, data, seed):
    """A memory that is saved and loaded at any tick answers on as one that never was."""
    history, at = data.draw(events(subject)), data.draw(ticks(subject))
    stop = data.draw(st.integers(0, len(at)))
    whole = Player(subject, seed)
    expected = whole.play(history, at)
    player = Player(subject, seed)
    found = player.play(history, at[:stop])
    loaded = player.copy()
    found += loaded.play(history, at[stop:], at[stop - 1] if stop else None)
    assert expected == found
    assert bytes_of(whole.memory) == bytes_of(loaded.memory)


@those(lambda _: True)
@given(data=st.data(), seed=SEEDS)
def test_vacant_rows_answer_nothing_from_then_on(subject, data, seed):
    """At the tick, and at any later one, a vacant row answers as one that nothing happened to."""
    history, at = data.draw(events(subject)), data.draw(ticks(subject))
    now, *later = sorted({at[0], *data.draw(ticks(subject))})
    player = Player(subject, seed)
    player.play(history, [now])
    flags = player.memory.vacant(now)
    assert len(flags) == player.rows
    vacant = np.flatnonzero(flags).tolist()
    found = [subject.asked(player.memory, tick) for tick in (now, *later)]
    nothing = naive(subject, [], (now, *later), player.rows)
    if subject.of_entities:
        assert cut_to(nothing, vacant) == cut_to(found, vacant)


@those(lambda subject: subject.of_entities)
@given(data=st.data(), seed=SEEDS)
def test_dropped_rows_leave_the_others_alone(subject, data, seed):
    """Whichever rows are dropped, the others close up and go on as if those had never been."""
    history, at = data.draw(events(subject)), data.draw(ticks(subject))
    stop = data.draw(st.integers(0, len(at)))
    player = Player(subject, seed)
    player.play(history, at[:stop])
    before = naive(subject, history, at[:stop][-1:], player.rows)
    kept = data.draw(st.lists(st.booleans(), min_size=player.rows, max_size=player.rows))
    player.memory.keep(np.array(kept, np.bool_))
    player.rows = sum(kept)
    numbers = [row for row, stays in enumerate(kept) if stays]
    assert cut_to(before, numbers) == [subject.asked(player.memory, at[stop - 1])] * bool(stop)
    player.make_room(4)
    numbered = [
        event._replace(row=numbers.index(event.row)) for event in history if event.row in numbers
    ]
    found = player.play(numbered, at[stop:], at[stop - 1] if stop else None)
    assert naive(subject, numbered, at[stop:], player.rows) == found


@those(lambda _: True)
@given(data=st.data(), seed=SEEDS)
def test_what_no_window_sees_any_more_takes_no_room(subject, data, seed):
    """After a tick a memory is as large as if what has expired had never come, and says so."""
    history, now = data.draw(events(subject)), data.draw(moments(subject))
    history = [event for event in history if seen(event, None, now)]
    player, fresh = Player(subject, seed), Player(subject, seed)
    player.make_room(4)
    fresh.make_room(4)
    player.play(history, [now])
    edge_ms = subject.edge_ms(now)
    fresh.take([event for event in history if event.time_ms >= edge_ms])
    subject.asked(fresh.memory, now)
    assert bytes_of(fresh.memory) == bytes_of(player.memory)
    if subject.forgets:
        kept = {event.row for event in history if event.time_ms >= subject.vacant_ms(now)}
        vacant = {*np.flatnonzero(player.memory.vacant(now)).tolist()}
        assert {*range(player.rows)} - kept <= vacant


@those(lambda subject: subject.forgets)
@given(data=st.data(), seed=SEEDS)
def test_when_all_is_over_nothing_is_left(subject, data, seed):
    """Once every window has passed, all rows are vacant, and dropped they leave an empty memory."""
    history = data.draw(events(subject))
    newest = max((event.visible_ms for event in history), default=10**12)
    end = newest + 2 * max(window.reach_ms for window in subject.windows) + subject.slack_ms
    player, empty = Player(subject, seed), Player(subject)
    player.play(history, [end])
    vacant = player.memory.vacant(end)
    assert vacant.all()
    player.memory.keep(~vacant)
    subject.asked(empty.memory, end)
    assert bytes_of(empty.memory) == bytes_of(player.memory)


def test_a_tally_that_comes_back_to_nothing_is_vacant():
    """Members that came and went leave no trace of whom they named."""
    subject = next(each for each in SUBJECTS.values() if each.kind is MemoryKind.TALLY)
    player = Player(subject)
    player.take([Event(0, 0, 1, 0), Event(0, 0, 1, 0), Event(1, 0, 1, 0), Event(0, 0, -1, 0)])
    assert player.memory.vacant(0).tolist() == [False, False]
    player.take([Event(0, 0, -1, 0)])
    assert player.memory.vacant(0).tolist() == [True, False]


@pytest.mark.parametrize("kind", [MemoryKind.LEDGER, MemoryKind.PANES])
def test_many_small_batches_in_one_pane_come_to_the_same(kind):
    """Pieces that are joined when there are many leave the window as one, and all at once."""
    subject = next(each for each in SUBJECTS.values() if each.kind is kind)
    history = [Event(number % 2, 1_000_500, 1, 1_000_500) for number in range(150)]
    player = Player(subject)
    for event in history:
        player.take([event])
    for tick in (1_001_000, 1_010_999, 1_011_000):
        assert subject.expected(history, tick, 2) == subject.asked(player.memory, tick)
    assert bytes_of(player.copy().memory) == bytes_of(player.memory)


@those(lambda _: True)
def test_to_apply_nothing_changes_nothing(subject):
    """A batch without events leaves a memory that has some as it was."""
    player = Player(subject)
    player.make_room(1)
    one = b"a" if subject.kind in (MemoryKind.NAMES, MemoryKind.IDS) else 1
    event = Event(0, 10**12, 0 if subject.columns is None else one, 10**12)
    player.take([event])
    saved = bytes_of(player.memory)
    none = np.empty(0, np.int64)
    player.memory.apply(none, none, subject.array([]))
    assert saved == bytes_of(player.memory)
    assert naive(subject, [event], [10**12 + 1], 1) == player.play([], [10**12 + 1])


@pytest.mark.parametrize("memory", [Ledger(None), Panes(None)], ids=["ledger", "panes"])
def test_a_memory_over_everything_lets_go_of_nothing(memory):
    """Without a window of its own a memory holds what its period gives it, at any tick."""
    memory.resize(1)
    memory.apply(np.zeros(2, np.int64), np.array([0, 10**12]), np.array([3, 4]))
    memory.expire(2**60)
    if isinstance(memory, Panes):
        assert (memory.count, memory.micros) == (2, 7)
    else:
        assert (memory.at_least(2).all(), memory.sum_at_least(7).all()) == (True, True)
