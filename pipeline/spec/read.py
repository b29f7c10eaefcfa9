"""Files of definitions -> plans and problems."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pipeline.spec.compile import compile_definition
from pipeline.spec.findings import Findings
from pipeline.spec.lint import lint
from pipeline.spec.load import BYTES_MAX, NOWHERE, Document, load
from pipeline.spec.problem import Problem, Refusal, Severity
from pipeline.spec.schema_problems import read_schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

    from pipeline.core.plan import Plan

SUFFIXES: Final = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one file.

    `plan` is None where a problem is an error. `written` has the text of every scalar, by its
    place: `metrics.weekly_users.value`.
    """

    file: str
    plan: Plan | None
    problems: tuple[Problem, ...]
    written: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def has_errors(self) -> bool:
        """Whether anything keeps the definition from running."""
        return any(problem.severity is Severity.ERROR for problem in self.problems)


def read_text(
    text: str, name: str, today: date | None = None, folder: Path | None = None
) -> Result:
    """Read a definition from text; `name` stands for the file in its problems.

    Nothing is overdue where `today` is None. Files that it names are in `folder`, or beside it.
    """
    return _read(text, name, {}, today, folder)


def read_definition(path: Path, today: date | None = None) -> Result:
    """Read the definition in a file; nothing is overdue where `today` is None.

    Raises:
        OSError: where the file cannot be read.
    """
    return _read_file(path, {}, today)


def definition_files(path: Path) -> tuple[Path, ...]:
    """The file at a path, or every `*.yaml` and `*.yml` below a folder, in order of names."""
    if path.is_file():
        return (path,)
    found = (one for one in path.rglob("*") if one.suffix in SUFFIXES and one.is_file())
    return tuple(sorted(found))


def read_definitions(*paths: Path, today: date | None = None) -> tuple[Result, ...]:
    """Read the definitions at some paths, in this order, each file once.

    A product that two files define is an error in the second.

    Raises:
        OSError: where a path or a file cannot be read.
    """
    files: dict[Path, Path] = {}
    for path in paths:
        for one in definition_files(path):
            files.setdefault(one.resolve(), one)
    taken: dict[str, str] = {}
    return tuple(_read_file(one, taken, today) for one in files.values())


def _read_file(path: Path, taken: dict[str, str], today: date | None) -> Result:
    with path.open("rb") as file:
        content = file.read(BYTES_MAX + 1)
    try:
        return _read(content.decode("utf-8"), str(path), taken, today)
    except UnicodeDecodeError as error:
        readable = content[: error.start].decode("utf-8")
        refusal = Refusal(
            "yaml-encoding",
            f"the file is not UTF-8: byte {content[error.start]:#04x} is no character",
            "Save it as UTF-8.",
            start=len(readable),
        )
        return _unreadable(readable, str(path), refusal)


def _read(
    text: str,
    name: str,
    taken: dict[str, str],
    today: date | None,
    folder: Path | None = None,
) -> Result:
    text = text.removeprefix("\ufeff")
    try:
        document = load(text, name, folder)
    except Refusal as refusal:
        return _unreadable(text, name, refusal)
    findings = Findings(document)
    _report_loading(findings)
    definition = read_schema(findings)
    if definition is None:
        return Result(name, None, findings.in_order(), _written(document))
    _check_product(findings, definition.product, taken)
    plan = compile_definition(definition, findings)
    if plan is not None:
        lint(plan, definition, findings, today)
    return Result(name, plan, findings.in_order(), _written(document))


def _check_product(findings: Findings, product: str, taken: dict[str, str]) -> None:
    """Refuse a product that another file defines; `taken` has those so far, and their files."""
    if product in taken and not findings.is_broken("product"):
        message = f"`{product}` is defined by {taken[product]} already"
        advice = "Take another name; one file says everything about one product."
        findings.refuse(("product",), Refusal("product-twice", message, advice))
    taken.setdefault(product, findings.document.file)


def _unreadable(text: str, name: str, refusal: Refusal) -> Result:
    findings = Findings(Document(name, text))
    findings.refuse_text(refusal)
    return Result(name, None, findings.in_order())


def _report_loading(findings: Findings) -> None:
    for at, refusal in findings.document.refusals:
        findings.refuse_text(refusal)
        findings.mark_broken(at)


def _written(document: Document) -> Mapping[str, str]:
    scalars = ((at, mark.scalar) for at, mark in document.values.items())
    return MappingProxyType(
        {
            ".".join(map(str, at)): scalar
            for at, scalar in scalars
            if scalar is not None and at[:1] != NOWHERE
        }
    )
