"""Known: what saved state still says under a definition that has changed, and since when.

A memory is found again by its identity. One that is new begins empty, and knows what happened from
then on. One that is asked for more than before, more others or longer windows, goes on with what it
has: so there is a grant for each size in which it was kept.

    since ──────────── k 3, 7 days ────────────▶
            C - 7 d ── k 3, 28 days ───────────▶   asked for at C
                   C ── k 5, 28 days ──────────▶

What begins anew is stored under another name, so that no leftover of its past passes for it.

What looks at the earliest event ever is never known from then on: who had begun before counts as
beginning when they come again, however long ago that is. So it is known only once it is filled from
a log that has all of the past, or once a deployment's `firsts_known_after_ms` have passed since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

from pipeline.core.decode import LONG_AGO
from pipeline.core.expression import named_in
from pipeline.core.plan import Memory, MemoryKind, Plan, Term, TermKind
from pipeline.core.sets import AtLeast, Cohort, Compared, comparisons
from pipeline.core.streams import IS_FIRST, OfItems, StreamKind
from pipeline.core.tree import terms_of
from pipeline.core.windows import Window

ALWAYS: Final = LONG_AGO  # for as long as anything was watched
NEVER: Final = 1 << 62  # not at any tick to come
_OF_EVER: Final = frozenset({TermKind.NEW, TermKind.RESURRECTED})  # of growth, at any time before


@dataclass(frozen=True, slots=True)
class Grant:
    """`k` others, and what windows see that reach back `reach_ms`, are known from a moment on.

    For one that keeps no others `k` is 0, for one that never forgets `reach_ms` is.
    """

    k: int
    reach_ms: int
    since_ms: int


@dataclass(frozen=True, slots=True)
class Held:
    """A memory or a feed: the generation that it began empty in, and a memory's grants.

    What came before `missed_ms` it never took in.
    """

    born: int
    grants: tuple[Grant, ...] = ()
    missed_ms: int = ALWAYS


@dataclass(frozen=True, slots=True)
class Known:
    """What is known under a plan. With no word on a memory, it is all known.

    A `generation` is a plan in its turn; `plan` is its fingerprint. `held` goes by identity; of
    `events`, their values (`viewed.seconds`), `sets` and `metrics` it is the identities that are
    kept, by name.
    """

    plan: str = ""
    generation: int = 0
    held: Mapping[str, Held] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)
    sets: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)

    def stored_as(self, identity: str) -> str:
        """Under which name something is stored."""
        return f"{identity}.{self.held[identity].born if identity in self.held else 0}"

    def has_all_of(self, plan: Plan) -> bool:
        """Whether there is a word on everything that a plan keeps."""
        identities = {feed.identity for feed in plan.feeds}
        identities |= {each for memory in plan.memories for each in _all_of(memory)}
        return identities <= self.held.keys()

    def after(self, plan: Plan, since_ms: int) -> Known:
        """What is known under the next plan; what is new in it is known from a moment on."""
        generation = self.generation + 1
        held = {
            feed.identity: self.held.get(feed.identity, Held(generation)) for feed in plan.feeds
        }
        for memory, identity in ((each, one) for each in plan.memories for one in _all_of(each)):
            before = self.held.get(identity)
            wanted = Grant(memory.k, memory.reach_ms or 0, since_ms)
            if before is None:
                held[identity] = Held(generation, (wanted,), since_ms)
            else:
                grants = _goes_on(before.grants, wanted, by_id=_is_by_id(memory))
                if memory.kind is MemoryKind.IDS and self._is_fed_anew(plan, memory):
                    grants = _later(grants, since_ms)
                held[identity] = replace(before, grants=tuple(grants))
        return Known(
            plan.fingerprint,
            generation,
            held,
            dict(_of_events(plan)),
            {each.name: each.identity for each in plan.sets},
            {metric.name: metric.identity for metric in plan.metrics},
        )

    def _is_fed_anew(self, plan: Plan, memory: Memory) -> bool:
        """Whether it takes in rows that it did not; of ids, any feed brings some of its own."""
        return any(plan.feeds[feed].identity not in self.held for feed in memory.feeds)

    def memory_since_ms(self, memory: Memory) -> int:
        """From when on all is known that a memory of the plan keeps."""
        return max(self.rows_since_ms(memory, identity) for identity in _all_of(memory))

    def rows_since_ms(self, memory: Memory, identity: str | None = None) -> int:
        """The same of a stream but for its columns, or of one of these, by its identity."""
        held = self.held.get(identity or memory.identity)
        if held is None:
            return ALWAYS
        reach_ms = memory.reach_ms or 0
        return min(
            (each.since_ms for each in held.grants if each.k >= memory.k
             and each.reach_ms >= reach_ms),
            default=ALWAYS,
        )  # fmt: skip

    def filled(self, chosen: Iterable[Memory], since_ms: int) -> Known:
        """With some memories begun anew in this generation, and filled as far back as that.

        What came before is missed, as where nothing is filled: who had begun then is not known.
        """
        anew = {
            identity: Held(
                self.generation, (Grant(each.k, each.reach_ms or 0, since_ms),), since_ms
            )
            for each in chosen
            for identity in _all_of(each)
        }
        return replace(self, held={**self.held, **anew})

    def not_before(self, since_ms: int) -> Known:
        """With nothing known from before a moment."""
        held = {
            identity: replace(each, grants=tuple(_later(each.grants, since_ms)))
            for identity, each in self.held.items()
        }
        return replace(self, held=held)

    def next_generation(self) -> Known:
        """The same plan again; what another plan of this generation leaves behind is not found."""
        return replace(self, generation=self.generation + 1)

    def terms_since_ms(
        self, plan: Plan, firsts_known_after_ms: int | None = None
    ) -> tuple[int, ...]:
        """From when on each term of the plan is known."""
        return _Since(plan, self, firsts_known_after_ms).terms()

    def metric_since_ms(
        self, plan: Plan, metric: int, firsts_known_after_ms: int | None = None
    ) -> int:
        """From when on a metric's value is known."""
        terms = self.terms_since_ms(plan, firsts_known_after_ms)
        return max((terms[term] for term in terms_of(plan.metrics, metric)), default=ALWAYS)


def at_first(plan: Plan) -> Known:
    """What is known where nothing was read yet: everything, from then on."""
    return Known(generation=-1).after(plan, ALWAYS)


def _all_of(memory: Memory) -> tuple[str, ...]:
    """The identities of all that a memory keeps: the columns of a stream have their own."""
    return memory.identity, *memory.column_identities


def _of_events(plan: Plan) -> Iterator[tuple[str, str]]:
    """The identities of events and of their values."""
    for event in plan.events:
        yield event.name, event.identity
        for value in event.values:
            yield f"{event.name}.{value.name}", value.identity


def _is_by_id(memory: Memory) -> bool:
    """Whether it keeps sessions of ids, which rest for as long as windows reach."""
    of = memory.stream
    return of is not None and of.kind is StreamKind.SESSION and of.within_ms is None


def _goes_on(grants: Iterable[Grant], wanted: Grant, *, by_id: bool) -> Iterator[Grant]:
    """The grants of a memory that is asked for more, or less, than it has kept so far."""
    found = {*grants}
    kept_k = max(grant.k for grant in found)
    kept_ms = max(grant.reach_ms for grant in found)
    if wanted.reach_ms > kept_ms:
        # What no window could see any more has been let go of.
        forgotten_ms = wanted.since_ms - kept_ms
        found |= {
            Grant(grant.k, wanted.reach_ms, max(grant.since_ms, forgotten_ms))
            for grant in grants
            if grant.reach_ms == kept_ms
        }
    if wanted.k > kept_k:
        found.add(wanted)
    if by_id and wanted.reach_ms < kept_ms:
        found = {*_later(found, wanted.since_ms)}  # what would be two sessions now was made one
    cut = {
        Grant(min(each.k, wanted.k), min(each.reach_ms, wanted.reach_ms), each.since_ms)
        for each in found
    }
    for grant in sorted(cut, key=lambda each: (each.k, each.reach_ms, each.since_ms)):
        if not any(_says_more(other, grant) for other in cut - {grant}):
            yield grant


def _later(grants: Iterable[Grant], since_ms: int) -> Iterator[Grant]:
    return (replace(grant, since_ms=max(grant.since_ms, since_ms)) for grant in grants)


def _says_more(one: Grant, other: Grant) -> bool:
    larger = one.k >= other.k and one.reach_ms >= other.reach_ms
    return larger and one.since_ms <= other.since_ms


class _Since:
    """From when on the parts of one plan are known: the latest of all that they look at."""

    def __init__(self, plan: Plan, known: Known, firsts_known_after_ms: int | None) -> None:
        self._plan = plan
        self._known = known
        self._firsts_known_after_ms = firsts_known_after_ms
        self._set_ms = cache(self._since_of_set)

    def terms(self) -> tuple[int, ...]:
        return tuple(map(self._term_ms, self._plan.terms))

    def _term_ms(self, term: Term) -> int:
        found = self._whole_term_ms(term)
        return found if term.by is None else max(found, self._memory_ms(term.by, 0, None))

    def _whole_term_ms(self, term: Term) -> int:
        if term.kind is TermKind.COHORT and term.set is not None:
            return max(self._cohort_ms(self._plan.sets[term.set].cohort))
        if term.period_ms is not None and term.memory is not None:
            of_ever = term.kind in _OF_EVER
            ever_ms = self._ever_ms(self._identity(term.memory)) if of_ever else ALWAYS
            return max(ever_ms, self._memory_ms(term.memory, 0, None))
        of_set = ALWAYS if term.set is None else self._set_ms(term.set)
        if term.memory is None:
            return of_set
        asked = () if term.as_of is None else comparisons(term.as_of)
        known = [self._memory_ms(each.memory, 0, None) for each in asked]
        window = term.windows[0] if term.windows and term.kind is not TermKind.SIZE_BY else None
        items_ms = self._items_ms(term.memory, term.items, window)
        return max([*known, of_set, items_ms, self._memory_ms(term.memory, 0, window)])

    def _memory_ms(self, number: int, k: int, window: Window | None) -> int:
        """As far as a window and a number of others ask for it."""
        memory = self._plan.memories[number]
        if memory.kind is MemoryKind.TALLY:
            return self._tally_ms(number)
        if memory.kind is MemoryKind.GROWTH:
            return self._growth_ms(number)
        return self._kept_ms(memory, memory.identity, k, window)

    def _kept_ms(self, memory: Memory, identity: str, k: int, window: Window | None) -> int:
        """A memory's rows, or a column of a stream's, by its identity."""
        held = self._known.held.get(identity)
        if held is None:
            return ALWAYS
        reach_ms = 0 if window is None or memory.reach_ms is None else window.reach_ms
        enough = [grant for grant in held.grants if grant.k >= k and grant.reach_ms >= reach_ms]
        since_ms = min(grant.since_ms for grant in enough)
        if memory.looks_at_first:
            return max(since_ms, self._ever_ms(identity))
        return since_ms if since_ms == ALWAYS else since_ms + memory.settled_after_ms

    def _identity(self, memory: int) -> str:
        return self._plan.memories[memory].identity

    def _ever_ms(self, identity: str) -> int:
        """From when on it is known what came first ever, as far as a memory tells."""
        held = self._known.held.get(identity)
        if held is None or held.missed_ms == ALWAYS:
            return ALWAYS
        after_ms = self._firsts_known_after_ms
        return NEVER if after_ms is None else held.missed_ms + after_ms

    def _items_ms(self, number: int, items: OfItems | None, window: Window | None) -> int:
        """From when on is known what is asked of items: their columns, and what came first."""
        memory = self._plan.memories[number]
        if items is None or memory.stream is None:
            return ALWAYS
        asked = {*named_in(items.where), items.column, items.distinct, items.by}
        of = memory.stream
        found = [self._ever_ms(of.first_identity)] if IS_FIRST in asked else []
        columns = zip(of.columns, of.column_identities, strict=True)
        found += [self._kept_ms(memory, each, 0, window) for name, each in columns if name in asked]
        return max(found, default=ALWAYS)

    def _tally_ms(self, tally: int) -> int:
        """A tally is counted anew from the members of the set below, as soon as it is there."""
        rolled_up = [
            max(self._set_ms(number), self._memory_ms(roll_up.attribute, 0, None))
            for number, each in enumerate(self._plan.sets)
            for roll_up in each.roll_ups
            if roll_up.tally == tally
        ]
        reached = [
            max(self._set_ms(each.set), self._memory_ms(each.pairs, 0, each.window))
            for each in self._plan.reaches
            if each.tally == tally
        ]
        return max(rolled_up + reached)

    def _growth_ms(self, number: int) -> int:
        held = self._known.held.get(self._identity(number))
        if held is None:
            return ALWAYS
        return max(self._grown_ms(number), *(grant.since_ms for grant in held.grants))

    def _grown_ms(self, growth: int) -> int:
        """Who was a member is known as far back as who is."""
        sets = enumerate(self._plan.sets)
        return max(self._set_ms(number) for number, each in sets if growth in each.growth)

    def _since_of_set(self, number: int) -> int:
        each = self._plan.sets[number]
        compared = [self._compared_ms(one) for one in comparisons(each.when)]
        return max([*compared, *self._cohort_ms(each.cohort)])

    def _cohort_ms(self, cohort: Cohort | None) -> list[int]:
        if cohort is None:
            return []
        runs = [self._memory_ms(run, 0, cohort.window) for run in cohort.runs]
        return [self._memory_ms(cohort.anchor, 0, None), *runs]

    def _compared_ms(self, compared: Compared) -> int:
        if not isinstance(compared, AtLeast):
            return self._memory_ms(compared.memory, 0, None)
        of_others = self._plan.memories[compared.memory].kind is MemoryKind.TOP_K
        k = compared.threshold + 1 if of_others else 0
        found = self._memory_ms(compared.memory, k, compared.window)
        found = max(found, self._items_ms(compared.memory, compared.items, compared.window))
        if compared.since_first is not None:
            found = max(found, self._memory_ms(compared.since_first.memory, 0, None))
        if compared.leave_out is None or compared.leave_out < 0:
            return found
        return max(found, self._memory_ms(compared.leave_out, 0, None))
