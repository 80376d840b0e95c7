"""What the linter found in a draft, as the version's page and its publish page show it."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from django import forms

from accounts.admin.base import BAD, NOTE, WARN, badge
from accounts.admin.field_help import DeskForm
from delinquency.models import PolicyVersion
from delinquency.operations import lint_version
from delinquency.rules.lint import Finding, Severity

TONES = {Severity.ERROR: BAD, Severity.WARNING: WARN, Severity.NOTE: NOTE}
MONTHS_SHOWN = 6


def panel(version: PolicyVersion) -> dict[str, Any]:
    """Return what the page of a draft shows: the findings, and one sentence about what follows from them."""
    findings = lint_version(version)
    errors = _count(findings, Severity.ERROR)
    if errors:
        verdict = "It cannot be published before the errors are mended."
    elif findings:
        verdict = "It can be published once these have been read."
    else:
        verdict = ""
    return {"findings": [_row(found) for found in findings], "lint_verdict": verdict}


def _row(found: Finding) -> dict[str, Any]:
    shown = ", ".join(found.months[:MONTHS_SHOWN])
    more = len(found.months) - MONTHS_SHOWN
    return {
        "finding": found,
        "severity": badge(found.severity, TONES[found.severity]),
        "months": f"{shown} and {more} more" if more > 0 else shown,
    }


def _count(findings: Sequence[Finding], severity: Severity) -> int:
    return sum(found.severity is severity for found in findings)


def facts(version: PolicyVersion) -> list[str]:
    """Return the findings as the publish page lists them."""
    return [
        f"{found.severity.capitalize()}, {found.path}: {found.words} {found.mend}" for found in lint_version(version)
    ]


def form_kwargs(version: PolicyVersion) -> dict[str, Any]:
    """Return what the publish form is made with."""
    return {"findings": lint_version(version)}


class PublishForm(DeskForm):
    """Ask for the warnings to have been read.

    The tick box is named after what is found now: a tick on a page opened before the draft changed does not count.
    """

    def __init__(self, data: Any = None, *, findings: Sequence[Finding]) -> None:
        """Add the tick box, if there are warnings."""
        super().__init__(data)
        warnings = _count(findings, Severity.WARNING)
        if warnings:
            mark = sha256("\n".join(f"{found.path} {found.words}" for found in findings).encode()).hexdigest()[:16]
            self.fields[f"read-{mark}"] = forms.BooleanField(
                label="I have read the warning" if warnings == 1 else f"I have read the {warnings} warnings",
                error_messages={"required": "Read what is listed above and tick the box, or go back to the draft."},
            )
