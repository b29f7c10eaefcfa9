"""A run over a stream of the deep product that ends with its process.

    python -m tests.engine.killed_process STORE OUT SEED LUCK POLLS [quiet] [unclean]

The process dies at a poll, as with `kill -9`: nothing is flushed, closed or saved. In a `quiet` run
there is nothing to read; an `unclean` one leaves in the store what an earlier crash left there.
Every tick is written to the end of OUT before that, as Python shows it.
"""

import os
import sys
from itertools import count
from pathlib import Path

from pipeline.core.publish import Tick
from pipeline.engine.recovery import Store
from tests.engine.both_engines import bytewax
from tests.engine.deep_product import DEPLOYMENT, PLAN, stream
from tests.engine.memory_source import MemorySource

EPOCH_S = 0.03
STORE_PARTS = 2
NUMBER = 600
DIED = 9


class _Lines(list[Tick]):
    """Ticks, written down as they are published."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self._out = out

    def append(self, tick: Tick) -> None:
        """Write one line, at once."""
        os.write(self._out, f"{tick!r}\n".encode())


def main(store: str, out: str, seed: str, luck: str, polls: str, *how: str) -> None:
    """Run until the process dies."""
    source = MemorySource(stream(int(seed), number=NUMBER), slots=2, live=True, luck=int(luck))
    source.held_back = set(source.logs) if "quiet" in how else set()
    if "unclean" in how:
        Store._drop_unfinished = lambda *_: None  # type: ignore[method-assign]
    polled = count()

    def die(_: int) -> None:
        if next(polled) >= int(polls):
            os._exit(DIED)

    source.on_poll = die
    published = _Lines(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    bytewax(
        PLAN,
        DEPLOYMENT,
        source,
        store=Path(store),
        store_parts=STORE_PARTS,
        epoch_s=EPOCH_S,
        poll_records=25,
        published=published,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
