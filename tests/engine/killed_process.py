"""A run over a stream of the deep product that ends with its process.

    python -m tests.engine.killed_process STORE OUT SEED LUCK POLLS [quiet] [unclean] [told]

The process dies at a poll, as with `kill -9`: nothing is flushed, closed or saved. In a `quiet` run
there is nothing to read; an `unclean` one leaves in the store what an earlier crash left there.
Every tick is written to the end of OUT before that, as Python shows it. Of a product that is `told`
the transitions are written to OUT.told, and the process dies when it has published so many ticks.
"""

import os
import sys
from itertools import count
from pathlib import Path

from pipeline.core.publish import Tick
from pipeline.edges.transitions import TransitionsFile
from pipeline.engine.failpoints import dying_at, nowhere
from pipeline.engine.recovery import Store
from tests.engine.both_engines import bytewax
from tests.engine.deep_product import DEPLOYMENT, PLAN, stream
from tests.engine.memory_source import MemorySource
from tests.engine.told_product import PLAN as TOLD

EPOCH_S = 0.03
STORE_PARTS = 2
NUMBER = 600
DIED = 9


class _Told(list[Tick]):
    """Ticks, whose transitions are written down as they are published."""

    def __init__(self, out: str) -> None:
        super().__init__()
        self._file = TransitionsFile(TOLD, Path(f"{out}.told"))

    def append(self, tick: Tick) -> None:
        """Write its lines, and on to the next."""
        self._file.write(tick)


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

    if "told" not in how:
        source.on_poll = die
    lines = _Lines(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    is_told = "told" in how
    bytewax(
        TOLD if is_told else PLAN,
        DEPLOYMENT,
        source,
        store=Path(store),
        store_parts=STORE_PARTS,
        epoch_s=EPOCH_S,
        poll_records=25,
        published=_Told(out) if is_told else lines,
        reach=dying_at(f"publish:{polls}") if is_told else nowhere,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
