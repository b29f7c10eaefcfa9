"""`definitions/README.md`: where each row of the inventory is defined, shown and settled.

A row is claimed by a comment above the set, metric or stream that settles it:

    # N14: how long does a search wait? ten minutes (`within`). Several results opened? the first.
    actionable_searches:

Lines of comment below it belong to it. Scenarios name their rows with the key `rows`. Rows about
refusals are claimed the same way in `tests/spec/bad`, whose golden is the scenario.
Run `make inventory` to write the page anew.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.scenarios.scenario import FOLDER as SCENARIOS, ROOT

PAGE = ROOT / "definitions" / "README.md"
BAD = ROOT / "tests" / "spec" / "bad"
CLAIM = re.compile(r"\s*# ([NIC]\d+(?:(?:, | to )[NIC]\d+)*): (.+)")
COMMENT = re.compile(r"\s*#\s*(.+)")
SHOWS = re.compile(r"^rows: \[(.+)\]$", re.MULTILINE)
KEY = re.compile(r"\s*(\w+):")
HEAD = """# Definitions

A folder for each product. [LANGUAGE.md](LANGUAGE.md) says what they are written in, to the
millisecond; [REFERENCE.md](REFERENCE.md) lists every key, [LINTS.md](LINTS.md) every problem, and
`schema.json` makes editors complete and check. `northstar init` writes a first one.

## Inventory

Metrics as products of all kinds have them, each with a definition to copy from, a scenario whose
numbers were worked out by hand, and what its usual wording leaves open. Where both readings are in
use, both are defined, and the scenario shows that they differ.
`tests/inventory` holds every definition against the oracle over streams drawn by chance.
Written by `make inventory` from the comments beside the definitions: change those, not this page.
"""
COLUMNS = ("row", "what", "defined", "shown", "what was open, and how it is settled")


@dataclass(frozen=True)
class Claim:
    """A comment that says how a row is settled, and what it stands above."""

    rows: tuple[str, ...]
    file: Path
    name: str
    text: str

    @property
    def said(self) -> str:
        """The name and what is said of it."""
        return self.text if self.file.parent == BAD else f"`{self.name}`: {self.text}"


def rows() -> dict[str, str]:
    """Every row's title, by its id."""
    lines = (Path(__file__).parent / "rows.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines)


@cache
def claims() -> list[Claim]:
    """All claims of all definitions, in the order of files and lines."""
    files = [*sorted((ROOT / "definitions").glob("*/*.yaml")), *sorted(BAD.glob("*.yaml"))]
    return [claim for file in files for claim in claims_of(file)]


def claims_of(file: Path) -> Iterator[Claim]:
    """Read the claims of one file.

    Several claims may stand above one name.
    """
    pending: list[tuple[str, list[str]]] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if claim := CLAIM.match(line):
            pending.append((claim[1], [claim[2]]))
        elif pending and (comment := COMMENT.match(line)):
            pending[-1][1].append(comment[1])
        elif pending and (key := KEY.match(line)):
            for ids, text in pending:
                yield Claim(tuple(_spelt(ids)), file, key[1], " ".join(text))
            pending = []


def _spelt(ids: str) -> Iterator[str]:
    """Spell out `I5 to I8, C1`."""
    for part in ids.split(", "):
        first, _, last = part.partition(" to ")
        end = int((last or first)[1:])
        yield from (f"{first[0]}{number}" for number in range(int(first[1:]), end + 1))


@cache
def shown() -> dict[str, list[Path]]:
    """The files that show each row: scenarios that name it, and goldens of refusals."""
    found: dict[str, list[Path]] = {}
    for path in sorted(SCENARIOS.glob("*.yaml")):
        if named := SHOWS.search(path.read_text(encoding="utf-8")):
            for row in named[1].split(", "):
                found.setdefault(row, []).append(path)
    for claim in claims():
        if claim.file.parent == BAD:
            for row in claim.rows:
                found.setdefault(row, []).append(claim.file.with_suffix(".txt"))
    return found


def page() -> str:
    """Write the whole page."""
    every, scenarios = claims(), shown()
    lines = [HEAD, _cells(COLUMNS), _cells(["---"] * len(COLUMNS))]
    for row, title in rows().items():
        about = [claim for claim in every if row in claim.rows]
        defined = dict.fromkeys(_link(claim.file, claim.file.stem) for claim in about)
        settled = [claim.said for claim in about]
        seen = [_link(path, path.stem) for path in scenarios.get(row, [])]
        cells = [", ".join(defined), ", ".join(seen), "<br>".join(settled)]
        lines.append(_cells([row, title, *cells]))
    return "\n".join(lines) + "\n"


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _link(path: Path, text: str) -> str:
    return f"[{text}]({Path(os.path.relpath(path, PAGE.parent)).as_posix()})"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
