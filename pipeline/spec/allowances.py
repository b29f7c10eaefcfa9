"""Warnings that are borne until a day, for a reason; and those that bear nothing any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.spec.codes import CODES
from pipeline.spec.fields import date_of
from pipeline.spec.problem import Refusal, Severity, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from pipeline.spec.findings import Findings
    from pipeline.spec.life import AllowanceSource
    from pipeline.spec.load import DataPath
    from pipeline.spec.schema import Definition


def check_allowances(definition: Definition, findings: Findings) -> None:
    """Refuse allowances of what is no warning."""
    warnings = [
        name
        for name, severity in CODES.items()
        if severity is Severity.WARNING and not name.startswith("allowance-")
    ]
    for at, allowance in _allowances(definition):
        name = allowance.lint
        if name in warnings:
            continue
        message = f"there is no warning `{name}`"
        advice = suggestion(name, warnings, "warnings")
        if name.startswith("allowance-"):
            message = f"`{name}` is about allowances, and cannot be borne itself"
        elif name in CODES:
            message = f"`{name}` is an error, and a definition with an error cannot run"
            advice = "Mend it, and remove this."
        findings.refuse((*at, "lint"), Refusal("unknown-lint", message, advice))


def apply_allowances(definition: Definition, findings: Findings, today: date | None) -> None:
    """Take out the warnings that are borne; report allowances that have ended or bear nothing.

    None has ended where `today` is None.
    """
    borne = set()
    for at, allowance in _allowances(definition):
        found = [
            (place, problem)
            for place, problem in findings.warnings
            if problem.name == allowance.lint and place[: len(at) - 2] == at[:-2]
        ]
        if today is not None and date_of(allowance.until) < today:
            _warn_expired(at, allowance, findings)
        elif found:
            borne.update(found)
        else:
            _warn_unused(at, allowance, findings)
    findings.warnings = [one for one in findings.warnings if one not in borne]


def _allowances(definition: Definition) -> Iterator[tuple[DataPath, AllowanceSource]]:
    """Every allowance and where it stands: at the top, or on the metric it is for."""
    for number, one in enumerate(definition.allow):
        yield ("allow", number), one
    for name, metric in definition.metrics.items():
        for number, one in enumerate(metric.allow):
            yield ("metrics", name, "allow", number), one


def _warn_expired(at: DataPath, allowance: AllowanceSource, findings: Findings) -> None:
    refusal = Refusal(
        "allowance-expired",
        f"`{allowance.lint}` was borne until {allowance.until}",
        "Mend what it warns of, or set a later day and say why.",
    )
    findings.warn((*at, "until"), refusal)


def _warn_unused(at: DataPath, allowance: AllowanceSource, findings: Findings) -> None:
    where = f"about `{at[1]}`" if at[0] == "metrics" else "here"
    refusal = Refusal(
        "allowance-unused",
        f"there is no warning `{allowance.lint}` {where} to bear",
        "Remove it, so that nobody thinks there is one.",
    )
    findings.warn((*at, "lint"), refusal)
