"""Run one function in a process of its own, so that memory and processor time are its alone.

    python -m tests.bench.child MODULE FUNCTION ARGUMENTS

The arguments are a JSON object; the answer is the last line of standard output, a JSON object.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
TIMEOUT_S: Final = 300.0


def call(module: str, function: str, **arguments: Any) -> dict[str, float]:
    """The figures of a function of `tests.bench`, run elsewhere.

    Raises:
        RuntimeError: It failed; the text is the end of what it wrote.
    """
    command = [sys.executable, "-m", "tests.bench.child", module, function]
    done = subprocess.run(
        [*command, json.dumps(arguments)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{module}.{function} failed:\n{told(done.stderr)}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def told(errors: str) -> str:
    """The end of what a process wrote about its failure."""
    return "\n".join(errors.splitlines()[-12:])


def main(module: str, function: str, arguments: str) -> None:
    """Run the function, and say what it found."""
    found = getattr(importlib.import_module(f"tests.bench.{module}"), function)(
        **json.loads(arguments)
    )
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
