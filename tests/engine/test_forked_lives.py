"""What lives that are killed are lived in; what they come to is told by `kill_stories.py`."""

import json
import subprocess
import sys

TIMEOUT_S = 120.0
# In a process of its own, since one with threads is better not forked.
PROGRAM = """
import dataclasses, json, socket, sys
from tests.engine import forked_lives
from tests.integration.ports import LOOPBACK, free_ports

folder, drawn = sys.argv[1], []
taken = socket.create_server((LOOPBACK, 0))

def draw(count):
    drawn.append(count)
    port, *others = free_ports(count)
    return [port, taken.getsockname()[1]] if len(drawn) == 1 else [port, *others]

forked_lives.free_ports = draw
life = forked_lives.Life(
    store=f"{folder}/store",
    outs=[f"{folder}/0", f"{folder}/1"],
    log=f"{folder}/log",
    seed=1,
    luck=1,
    epoch_s=0.1,
)
ended = forked_lives.lived(life)
print(json.dumps([ended.codes, drawn]))
"""


def test_a_port_that_somebody_else_took_is_drawn_again(tmp_path):
    """On a busy machine a program may be quicker to one; that is no failure of a life."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        check=True,
        timeout=TIMEOUT_S,
        stdout=subprocess.PIPE,
    )

    codes, drawn = json.loads(done.stdout)
    assert codes == [0, 0]
    assert drawn == [2, 2]
    assert "Address already in use" in (tmp_path / "log").read_text()
