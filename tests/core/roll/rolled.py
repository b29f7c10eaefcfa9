"""All stages of the core in a row, without an engine: records in, readings at ticks out."""

from pipeline.core.changes import changes_by_shard
from pipeline.core.decode import Decoder
from pipeline.core.deployment import Deployment
from pipeline.core.judge import History
from pipeline.core.match import Matcher
from pipeline.core.partial import Partial, merge
from pipeline.core.publish import tick
from pipeline.core.roll import Shard
from pipeline.core.seeds import Share
from tests.core.plans import records


class Rolled:
    """The shards of a plan, fed and asked."""

    def __init__(self, plan, shards=3, **deployment):
        self.plan, self.shards = plan, shards
        self.deployment = Deployment(shards=shards, **deployment)
        self.decoder = Decoder(plan, self.deployment)
        self.matcher = Matcher(plan, self.deployment)
        self.partitions = {}
        self.levels = self.fresh()

    def fresh(self):
        """Empty shards of every level."""
        levels = range(self.plan.levels)
        salt = self.deployment.salt
        return [
            [
                Shard(self.plan, level, salt=salt, share=Share(number, self.shards))
                for number in range(self.shards)
            ]
            for level in levels
        ]

    def feed(self, values, partition=0, ingested_ms=2**60):
        """Take in records of a partition."""
        state = self.partitions.setdefault(partition, self.decoder.fresh())
        piece = records(values, partition=partition, ingested_ms=ingested_ms)
        found = self.matcher.match(self.decoder.decode(piece, state).batch)
        for (level, shard), rows in found.rows.items():
            self.levels[level][shard].queue(rows, found.visible_ms)
        # Rows of which no feed wants any were watched all the same.
        self.levels[0][partition % self.shards].queue({}, found.visible_ms)

    def settle(self, before_ms):
        """Apply early what the next tick will see."""
        for shard in self.every():
            shard.settle(before_ms)

    def every(self):
        """All shards, lower levels first."""
        return [shard for level in self.levels for shard in level]

    def part(self, at_ms, between=lambda: None):
        """What all shards come to at a tick; `between` is called before each higher level."""
        parts: list[Partial] = []
        for number in range(len(self.levels)):
            if number:
                between()
            for shard in self.levels[number]:
                part, changes = shard.evaluate(at_ms)
                parts.append(part)
                self.hand_up(at_ms, changes)
        return merge(parts)

    def hand_up(self, at_ms, changes):
        """Give the shards above what members changed."""
        for tally, change in changes.items():
            level = self.levels[self.plan.memories[tally].level]
            for shard, part in changes_by_shard(change, self.shards):
                level[shard].queue_changes(at_ms, {tally: part})

    def readings(self, at_ms):
        """The reading of every metric at a tick, by name."""
        made = tick(self.plan, self.part(at_ms), History(), at_ms)
        names = [metric.name for metric in self.plan.metrics]
        return dict(zip(names, made.readings, strict=True))

    def values(self, at_ms, *names):
        """The values of some metrics, or of all by name."""
        found = {name: reading.value for name, reading in self.readings(at_ms).items()}
        return [found[name] for name in names] if names else found

    def restart(self):
        """All shards saved, and others loaded in their place."""
        saved = [
            [shard.dump({"level": n}, {}) for shard in each] for n, each in enumerate(self.levels)
        ]
        self.levels = self.fresh()
        for number, (level, packed) in enumerate(zip(self.levels, saved, strict=True)):
            for shard, each in zip(level, packed, strict=True):
                facts, sent = shard.load(each)
                assert facts["level"] == number
                assert not sent
