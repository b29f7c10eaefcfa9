"""Shards are dealt out evenly, by Bytewax itself."""

from collections import Counter

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.run import cli_main

from pipeline.engine.routing import shard_key, text_hash

SHARDS = 32


class Keys(FixedPartitionedSource):
    """One partition that gives every shard's key once."""

    def list_parts(self):
        return ["all"]

    def build_part(self, step_id, for_part, resume_state):  # noqa: ARG002
        return KeysPartition()


class KeysPartition(StatefulSourcePartition):
    """Its batch, and then the end."""

    def __init__(self):
        self.left = [[(shard_key(shard), shard) for shard in range(SHARDS)]]

    def next_batch(self):
        if not self.left:
            raise StopIteration
        return self.left.pop()

    def snapshot(self):
        return None


class Passing(StatefulBatchLogic):
    """Gives on what it is given, where its key lives."""

    def on_batch(self, values):
        return values, self.DISCARD

    def snapshot(self):
        return None


class Workers(DynamicSink):
    """Notes the worker that each key came out on."""

    def __init__(self):
        self.found = {}

    def build(self, step_id, worker_index, worker_count):  # noqa: ARG002
        return WorkersPartition(self.found, worker_index)


class WorkersPartition(StatelessSinkPartition):
    """The sink of one worker."""

    def __init__(self, found, worker):
        self.found, self.worker = found, worker

    def write_batch(self, items):
        self.found.update((key, self.worker) for key, _ in items)


@pytest.mark.parametrize("workers", [2, 3, 4, 5])
def test_bytewax_deals_shards_out_as_the_hash_says(workers):
    """Over 2, 3 and 4 workers that is evenly, over 5 as it happens."""
    flow, sink = Dataflow("routing"), Workers()
    keyed = op.stateful_batch("keyed", op.input("in", flow, Keys()), lambda _: Passing())
    op.output("out", keyed, sink)
    cli_main(flow, workers_per_process=workers)
    keys = [shard_key(shard) for shard in range(SHARDS)]
    assert {key: text_hash(key) % workers for key in keys} == sink.found
    shares = Counter(sink.found.values()).values()
    assert workers == 5 or max(shares) - min(shares) <= 1


def test_every_shard_has_a_key_of_its_own():
    """However many there are."""
    keys = [shard_key(shard) for shard in range(1_000)]
    assert len({*keys}) == len(keys)
