"""Run one function in a process of its own, so that memory and processor time are its alone.

Each is forked off a server that has everything imported: starting Python and importing the engine
takes longer than many a quick measurement.
"""

import importlib
import multiprocessing
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from tests.bench.turns import Figures

ROOT: Final = Path(__file__).parents[2]
TIMEOUT_S: Final = 300.0

_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.bench.__main__"])


def begin() -> None:
    """Start the server that children are forked off, so that the first need not wait for it."""
    forkserver.ensure_running()


class Child:
    """A function of `tests.bench` that runs elsewhere."""

    def __init__(self, module: str, function: str, arguments: Mapping[str, Any]) -> None:
        """Start it."""
        self._name = f"{module}.{function}"
        self._answer, theirs = _FORKS.Pipe(duplex=False)
        self._process = _FORKS.Process(target=_run, args=(theirs, module, function, arguments))
        self._process.daemon = True
        self._process.start()
        theirs.close()

    def figures(self) -> Figures:
        """What it found.

        Raises:
            RuntimeError: It failed, or took longer than `TIMEOUT_S`.
        """
        try:
            if not self._answer.poll(TIMEOUT_S):
                raise RuntimeError(f"{self._name} took longer than {TIMEOUT_S:.0f} s")
            found: Figures | str = self._answer.recv()
        except EOFError:
            raise RuntimeError(f"{self._name} ended without an answer") from None
        finally:
            self._process.kill()
            self._process.join()
        if isinstance(found, str):
            raise RuntimeError(  # noqa: TRY004 - its text is the failure
                f"{self._name} failed:\n{found}"
            )
        return found


def call(module: str, function: str, **arguments: Any) -> Figures:
    """The figures of a function of `tests.bench`, run elsewhere.

    Raises:
        RuntimeError: It failed, or took longer than `TIMEOUT_S`.
    """
    return Child(module, function, arguments).figures()


def calls(module: str, function: str, each: Sequence[Mapping[str, Any]]) -> list[Figures]:
    """The figures of one function for several arguments, all at a time.

    Raises:
        RuntimeError: One failed, or took longer than `TIMEOUT_S`.
    """
    running = [Child(module, function, arguments) for arguments in each]
    return [child.figures() for child in running]


def told(errors: str) -> str:
    """The end of what a process wrote about its failure."""
    return "\n".join(errors.splitlines()[-12:])


def _run(answer: Connection, module: str, function: str, arguments: Mapping[str, Any]) -> None:
    try:
        asked = getattr(importlib.import_module(f"tests.bench.{module}"), function)
        answer.send(asked(**arguments))
    except BaseException:  # noqa: BLE001 - told by whoever asked
        answer.send(told(traceback.format_exc()))
