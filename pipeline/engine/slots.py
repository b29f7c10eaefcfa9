"""Slots: where records enter the dataflow. Decode and match run here, beside the reading.

A slot is a Bytewax source partition over one or more partitions of the log. Its watermark is that
of the slowest of them which is neither idle nor at its end. Its snapshot holds, for each partition,
the next offset and what decode remembers.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Final

import structlog
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from pipeline.core.clock import HOLDS_NOBODY_BACK
from pipeline.core.decode import LONG_AGO, Decoder, PartitionState
from pipeline.core.deployment import Deployment
from pipeline.core.fence import Spans
from pipeline.core.match import Contributions, Matcher, Rows, joined
from pipeline.core.plan import Plan
from pipeline.core.records import Records
from pipeline.core.snapshot import Arrays, pack, unpack
from pipeline.engine.failpoints import Failpoint, Reach, nowhere
from pipeline.engine.messages import CLOCK_KEY, Delivery, Message, Watermark
from pipeline.engine.routing import shard_key
from pipeline.engine.source import DeadLetters, SlotReader, Source
from pipeline.telemetry import Telemetry

POLL_RECORDS: Final = 16_384

# A slot that is ahead of the others waits for them when this many rows wait for their tick: at
# about 60 bytes each, a quarter of a gigabyte.
PENDING_ROWS_MAX: Final = 4_000_000
MANY: Final = 0.8  # of the ids that a partition may bring, from which on it is warned of
_REST: Final = timedelta(milliseconds=10)  # between polls that found nothing

Keyed = tuple[str, Message]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Intake:
    """What every slot of a process is built from.

    `stop` asks all of them to end. `faults` takes in what a reader raised: the slots then end as if
    asked to, so that what was read before is saved. `dead_letters` take what decode rejects.
    `saved` takes in, by partition, the positions of the latest snapshots.
    """

    plan: Plan
    deployment: Deployment
    source: Source
    telemetry: Telemetry
    stop: Event
    idle_after_s: float = 30.0
    poll_records: int = POLL_RECORDS
    pending_rows_max: int = PENDING_ROWS_MAX
    monotonic_s: Callable[[], float] = time.monotonic
    faults: list[Exception] = field(default_factory=list)
    saved: dict[int, int] = field(default_factory=dict)
    dead_letters: DeadLetters | None = None
    reach: Reach = nowhere


class Slots(FixedPartitionedSource[Keyed, bytes]):
    """The slots of a source, as Bytewax wants them listed and built."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def list_parts(self) -> list[str]:
        """Every slot there is: Bytewax deals them out to workers."""
        return [f"slot-{number:03d}" for number in range(self._intake.source.slots)]

    def build_part(
        self,
        step_id: str,  # noqa: ARG002
        for_part: str,
        resume_state: bytes | None,
    ) -> StatefulSourcePartition[Keyed, bytes]:
        """Open a slot, where its snapshot left off."""
        number = int(for_part.removeprefix("slot-"))
        self._intake.telemetry.wait_for_slots([number])
        try:
            return Slot(self._intake, number, resume_state)
        except Exception as fault:  # noqa: BLE001 - told by `run`, when all slots have ended
            self._intake.faults.append(fault)
            self._intake.stop.set()
            return _Unopened(resume_state)


class _Unopened(StatefulSourcePartition[Keyed, bytes]):
    """A slot that could not be opened: it ends at once, and what was saved of it stays."""

    def __init__(self, saved: bytes | None) -> None:
        self._saved = saved

    def next_batch(self) -> list[Keyed]:
        raise StopIteration

    def snapshot(self) -> bytes:
        return self._saved or pack({}, {"positions": {}, "first_ms": None, "idle": []})


class Slot(StatefulSourcePartition[Keyed, bytes]):
    """One slot, open."""

    def __init__(self, intake: Intake, number: int, saved: bytes | None) -> None:
        self._intake = intake
        self._number = number
        self._decoder = Decoder(intake.plan, intake.deployment)
        self._matcher = Matcher(intake.plan, intake.deployment)
        self._states: dict[int, PartitionState] = {}
        self._positions: dict[int, int] = {}
        self._heard_s: dict[int, float] = {}
        self._first_ms: int | None = None
        self._told_ms: int | None = None
        self._saved_positions: list[dict[int, int]] = []
        self._resting = False
        self._warned: dict[int, set[str]] = defaultdict(set)
        if saved is not None:
            self._load(saved)
        self._reader: SlotReader = intake.source.open(number, self._positions)
        intake.telemetry.slot_watermarks[number] = LONG_AGO

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    def next_batch(self) -> list[Keyed]:
        """Poll once. Gives every shard its rows and, when it has moved, the watermark."""
        if self._intake.stop.is_set() or self._is_over():
            raise StopIteration
        self._intake.telemetry.polls += 1
        self._tell_durable()
        if self._is_too_far_ahead():
            self._resting = True  # and nobody is idle: what came since the last poll is not known
            return []
        polled = self._poll()
        self._intake.reach(Failpoint.POLL)
        self._resting = not polled
        spans = {records.partition: _span(records) for records in polled}
        contributions = [self._take_in(records) for records in polled]
        watermark_ms = self._watermark_ms()
        self._note_catching_up(watermark_ms)
        self._intake.telemetry.slot_watermarks[self._number] = watermark_ms
        if not contributions and watermark_ms == self._told_ms:
            return []
        self._told_ms = watermark_ms
        return self._messages(contributions, spans, watermark_ms)

    def _is_too_far_ahead(self) -> bool:
        """Whether to wait for slower slots. The slowest never waits, so all move on."""
        telemetry = self._intake.telemetry
        if telemetry.pending_rows <= self._intake.pending_rows_max:
            return False
        own_ms = telemetry.slot_watermarks[self._number]
        return min(telemetry.slot_watermarks.values()) < own_ms < HOLDS_NOBODY_BACK

    def _poll(self) -> Sequence[Records]:
        try:
            return self._reader.poll(self._intake.poll_records)
        except Exception as fault:
            self._intake.faults.append(fault)
            self._intake.stop.set()
            raise StopIteration from fault

    def _is_over(self) -> bool:
        """Every partition has ended, and that has been told."""
        partitions = self._reader.partitions()
        over = bool(partitions) and all(map(self._reader.finished, partitions))
        return over and self._told_ms == HOLDS_NOBODY_BACK

    def _take_in(self, records: Records) -> Contributions:
        number = records.partition
        state = self._states.setdefault(number, self._decoder.fresh())
        newest_ms = state.newest_ms
        decoded = self._decoder.decode(records, state)
        if decoded.rejected and self._intake.dead_letters is not None:
            places = self._decoder.place_at_fault
            self._intake.dead_letters.take(records, decoded.rejected, places)
        if state.newest_ms > newest_ms:
            # Records that show no new time, garbage among them, would else hold the others back
            # for as long as they come.
            self._heard_s[number] = self._intake.monotonic_s()
        contributions = self._matcher.match(decoded.batch)
        decoded.counts.add(contributions.counts)
        figures = self._intake.telemetry.partition(number)
        figures.counts.add(decoded.counts)
        figures.watermark_ms = decoded.watermark_ms
        self._tell_ids(number, state)
        _, self._positions[number] = _span(records)
        if contributions.visible_ms is not None:
            first_ms, _ = contributions.visible_ms
            self._first_ms = first_ms if self._first_ms is None else min(self._first_ms, first_ms)
        return contributions

    def _tell_ids(self, number: int, state: PartitionState) -> None:
        """Show whom a partition has brought, where that is limited, and warn once of each kind."""
        limit = self._intake.deployment.ids_max
        if limit is None or state.crowd is None:
            return
        ids = self._intake.telemetry.partition(number).ids = state.crowd.sizes()
        many = {kind for kind, known in ids.items() if known >= MANY * limit}
        for kind in sorted(many - self._warned[number]):
            log.warning("a partition nears its limit", partition=number, entity=kind, limit=limit)
        self._warned[number] |= many

    def _watermark_ms(self) -> int:
        holding = [number for number in self._reader.partitions() if not self._is_absent(number)]
        states = (self._states.get(number) for number in holding)
        return min(
            (LONG_AGO if state is None else self._decoder.watermark_ms(state) for state in states),
            default=HOLDS_NOBODY_BACK,
        )

    def _newest_ms(self) -> int:
        """How far the slot's partitions have come at the most."""
        watermarks = map(self._decoder.watermark_ms, self._states.values())
        return max(watermarks, default=LONG_AGO)

    def _is_absent(self, partition: int) -> bool:
        """Ended, or idle: nothing there, and nothing heard for long."""
        if self._reader.finished(partition):
            return True
        now_s = self._intake.monotonic_s()
        silent_s = now_s - self._heard_s.setdefault(partition, now_s)
        silent = silent_s >= self._intake.idle_after_s
        idle = silent and self._reader.at_end(partition)
        self._intake.telemetry.partition(partition).idle = idle
        return idle

    def _note_catching_up(self, watermark_ms: int) -> None:
        telemetry = self._intake.telemetry
        if telemetry.waits_for_slot(self._number) and all(
            map(self._reader.caught_up, self._reader.partitions())
        ):
            telemetry.slot_caught_up(self._number, watermark_ms, self._newest_ms())

    # ── telling ──────────────────────────────────────────────────────────────────────────────────

    def _messages(
        self, contributions: Sequence[Contributions], spans: Spans, watermark_ms: int
    ) -> list[Keyed]:
        rows: dict[int, dict[int, dict[int, list[Rows]]]] = defaultdict(lambda: defaultdict(dict))
        for contribution in contributions:
            for (level, shard), by_feed in contribution.rows.items():
                for feed, piece in by_feed.items():
                    rows[shard][level].setdefault(feed, []).append(piece)
        known = [each.visible_ms for each in contributions if each.visible_ms is not None]
        visible_ms = (min(known)[0], max(last for _, last in known)) if known else None
        keyed: list[Keyed] = [
            (
                shard_key(shard),
                Delivery(self._number, watermark_ms, spans, visible_ms, _joined(rows[shard])),
            )
            for shard in range(self._intake.deployment.shards)
        ]
        watermark = Watermark(self._number, watermark_ms, self._newest_ms(), self._first_ms)
        keyed.append((CLOCK_KEY, watermark))
        return keyed

    def next_awake(self) -> datetime | None:
        """At once after records, a little later after none."""
        return datetime.now(UTC) + _REST if self._resting else None

    # ── saving ───────────────────────────────────────────────────────────────────────────────────

    def snapshot(self) -> bytes:
        """Where to go on, and what decode remembers, partition by partition."""
        if self._intake.dead_letters is not None:
            self._intake.dead_letters.settle()
        self._saved_positions.append({**self._positions})
        self._intake.saved.update(self._positions)
        arrays = {
            f"{number}/{name}": array
            for number, state in self._states.items()
            for name, array in state.dump().items()
        }
        known = {**self._reader.positions(), **self._positions}
        positions = {str(number): at for number, at in known.items()}
        figures = self._intake.telemetry.partition
        idle = [number for number in self._reader.partitions() if figures(number).idle]
        facts = {"positions": positions, "first_ms": self._first_ms, "idle": idle}
        saved = pack(arrays, facts)
        self._intake.reach(Failpoint.SLOT_SNAPSHOT)
        return saved

    def _load(self, saved: bytes) -> None:
        arrays, facts = unpack(saved)
        self._first_ms = facts["first_ms"]
        # What was idle stays so until it is heard of: it holds nobody back after a restart.
        self._heard_s = dict.fromkeys(facts["idle"], -math.inf)
        self._positions = {int(number): at for number, at in facts["positions"].items()}
        self._intake.reach(Failpoint.RESTORE)
        saved_states: dict[int, Arrays] = defaultdict(dict)
        for name, array in arrays.items():
            partition, _, rest = name.partition("/")
            saved_states[int(partition)][rest] = array
        for number, state in saved_states.items():
            self._states[number] = self._decoder.fresh()
            self._states[number].load(state)
            self._tell_ids(number, self._states[number])

    def _tell_durable(self) -> None:
        """A poll after a snapshot means that the epoch before that snapshot is on disk."""
        if len(self._saved_positions) > 1:
            *_, before, _last = self._saved_positions
            del self._saved_positions[:-1]
            self._intake.reach(Failpoint.COMMIT)
            self._reader.durable(before)

    def close(self) -> None:
        """Let go of the reader."""
        self._reader.close()


def _span(records: Records) -> tuple[int, int]:
    return int(records.offsets[0]), int(records.offsets[-1]) + 1


def _joined(by_level: dict[int, dict[int, list[Rows]]]) -> dict[int, dict[int, Rows]]:
    return {
        level: {feed: joined(pieces) for feed, pieces in by_feed.items()}
        for level, by_feed in by_level.items()
    }


def pick_clock(messages: Iterable[Keyed]) -> list[Keyed]:
    """The messages for the clock."""
    return [(key, message) for key, message in messages if key == CLOCK_KEY]


def pick_shards(messages: Iterable[Keyed]) -> list[Keyed]:
    """The messages for the shards."""
    return [(key, message) for key, message in messages if key != CLOCK_KEY]
