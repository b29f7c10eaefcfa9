"""The problems of one definition, gathered while it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.spec import locate
from pipeline.spec.described import SECTIONS, field_of
from pipeline.spec.problem import Problem, Refusal, Severity

if TYPE_CHECKING:
    from pipeline.spec.load import DataPath, Document
    from pipeline.spec.locate import Location


class Broken(Exception):
    """Something rests on a part of the definition that has a problem of its own: nothing to add."""


class Catching:
    """A block that may be refused; see `Findings.catching`."""

    def __init__(self, findings: Findings, at: DataPath, key: bool) -> None:  # noqa: FBT001
        self._findings = findings
        self._at = at
        self._key = key

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        """Report a refusal, keep quiet about what is broken, let anything else pass."""
        if isinstance(error, Refusal):
            report = self._findings.refuse_key if self._key else self._findings.refuse
            report(self._at, error)
        elif isinstance(error, Broken):
            self._findings.mark_broken(self._at)
        else:
            return False
        return True


class Findings:
    """Collects problems, and knows which parts of the definition already have one."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []  # errors
        self.warnings: list[tuple[DataPath, Problem]] = []  # with what each is about
        self._of_copies: list[Problem] = []  # what is said of variants
        self._broken: set[DataPath] = set()  # with everything around what is broken

    @property
    def has_errors(self) -> bool:
        """Whether anything keeps the definition from running."""
        return bool(self.problems or self._of_copies)

    def mark_broken(self, at: DataPath) -> None:
        """Remember that a part has a problem, so that nobody builds on it."""
        self._broken.update(at[:length] for length in range(len(at) + 1))

    def copy_broken(self, of: DataPath, to: DataPath) -> None:
        """Let a copy of a part have the problems of the part itself."""
        self._broken |= {(*to, *at[len(of) :]) for at in self._broken if at[: len(of)] == of}

    def is_broken(self, *at: str | int) -> bool:
        """Whether a part, or anything within it, has a problem."""
        return at in self._broken

    def refuse(self, at: DataPath, refusal: Refusal) -> None:
        """Add an error within the value at a data path."""
        where = locate.of_value(self.document, at, refusal.start, refusal.end)
        self._add(at, where, refusal)
        self.mark_broken(at)

    def refuse_key(self, at: DataPath, refusal: Refusal) -> None:
        """Add an error at the key of a data path."""
        self._add(at, locate.of_key(self.document, at), refusal)
        self.mark_broken(at)

    def refuse_text(self, refusal: Refusal) -> None:
        """Add an error whose offsets are into the file."""
        end = refusal.start + 1 if refusal.end is None else refusal.end
        where = locate.of_text(self.document, refusal.start, end)
        self._add((), where, refusal)

    def refuse_line(self, at: DataPath, file: str, where: Location, refusal: Refusal) -> None:
        """Add an error in a line of a file that the value at a data path names."""
        self.problems.append(self._problem(at, where, Severity.ERROR, refusal, file))
        self.mark_broken(at)

    def warn(self, at: DataPath, refusal: Refusal) -> None:
        """Add a warning at the key of a data path; nothing about what only a variant has."""
        if at[:2] not in self.document.copies:
            where = locate.of_key(self.document, at)
            self.warnings.append((at, self._problem(at, where, Severity.WARNING, refusal)))

    def catching(self, at: DataPath, *, key: bool = False) -> Catching:
        """Turn a refusal into an error at a value or its key, and go on after the block."""
        return Catching(self, at, key)

    def in_order(self) -> tuple[Problem, ...]:
        """All problems, from the top of the file to its end, then those of files that it names.

        What is wrong with a metric is wrong with its variants: it is said once.
        """
        found = {_place(problem): problem for problem in reversed(self._of_copies)}
        said = {_place(problem) for problem in self.problems}
        more = [problem for place, problem in found.items() if place not in said]
        found_all = [*self.problems, *more, *(problem for _, problem in self.warnings)]
        own = self.document.file
        return tuple(sorted(found_all, key=lambda one: (one.file != own, one.line, one.column)))

    def _add(self, at: DataPath, where: Location, refusal: Refusal) -> None:
        is_copy = at[:2] in self.document.copies
        problem = self._problem(at, where, Severity.ERROR, refusal)
        (self._of_copies if is_copy else self.problems).append(problem)

    def _problem(
        self,
        at: DataPath,
        where: Location,
        severity: Severity,
        refusal: Refusal,
        file: str | None = None,
    ) -> Problem:
        note = self.document.copies.get(at[:2])
        return Problem(
            refusal.name,
            severity,
            file or self.document.file,
            where.line,
            where.column,
            where.length,
            refusal.message if note is None else f"{refusal.message} ({note})",
            refusal.advice,
            _description(at),
            where.excerpt,
        )


def _place(problem: Problem) -> tuple[str, int, int]:
    return problem.name, problem.line, problem.column


def _description(at: DataPath) -> str:
    """The field's own description, after its key; empty outside of any field."""
    found = field_of(at)
    if found is None or (found[0] in SECTIONS and at[-1] != found[0]):
        return ""  # a section's description is of no help with something within
    return f"`{found[0]}`: {found[1].description}"
