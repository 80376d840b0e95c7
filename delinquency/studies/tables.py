"""The accounts that differ: as rows of a page, and as rows of a file."""

from collections.abc import Iterable, Iterator
from typing import Any

from ..models import Study, StudyFinding
from .differences import words

LINES_SHOWN = 4
NO_STEP = "nothing within these thirty days"


def lines(kind: str, finding: StudyFinding) -> list[str]:
    """Return what differs for an account, one sentence each."""
    if kind == Study.Kind.AHEAD:
        return [f"{step_words(one['draft'])} instead of {step_words(one['live'])}" for one in finding.differences]
    return [words(one) for one in finding.differences]


def shown(kind: str, finding: StudyFinding) -> dict[str, Any]:
    """Return an account that differs as the page shows it."""
    row: dict[str, Any] = {"account": finding.account, "finding": finding, "cut": cut_words(finding)}
    if kind == Study.Kind.AHEAD:
        one = finding.differences[0]
        return row | {"live": step_words(one["live"]), "draft": step_words(one["draft"])}
    found = lines(kind, finding)
    return row | {"lines": found[:LINES_SHOWN], "more": found[LINES_SHOWN:]}


def cut_words(finding: StudyFinding) -> str:
    """Return whether an account is newly cut or spared, and what became of it, in words."""
    if finding.spared:
        return "no longer cut"
    if not finding.newly_cut:
        return ""
    return {
        True: "newly cut, or harder; paid by itself within seven days",
        False: "newly cut, or harder; not paid within seven days",
        None: "newly cut, or harder; the seven days still run",
    }[finding.paid_by_itself]


def step_words(step: dict[str, Any] | None) -> str:
    """Return a next step in words: when, and what all happens then."""
    if step is None:
        return NO_STEP
    return f"{step['at'].replace('T', ' ')} {', '.join(step['what'])}"


def csv_rows(kind: str, findings: Iterable[StudyFinding]) -> Iterator[list[str]]:
    """Return the rows of a file: a line of names, then one line for each thing that differs."""
    if kind == Study.Kind.AHEAD:
        yield ["account", "name", "live_at", "live_step", "draft_at", "draft_step"]
        for finding in findings:
            one = finding.differences[0]
            yield [finding.account.number, finding.account.name, *_step_cells(one["live"]), *_step_cells(one["draft"])]
        return
    yield ["account", "name", "what", "invoice", "live_on", "draft_on", "live_amount", "draft_amount", "cut"]
    names = ("what", "number", "live_on", "draft_on", "live_amount", "draft_amount")
    for finding in findings:
        for one in finding.differences:
            cells = [one.get(name) or "" for name in names]
            yield [finding.account.number, finding.account.name, *cells, cut_words(finding)]


def _step_cells(step: dict[str, Any] | None) -> list[str]:
    return ["", ""] if step is None else [step["at"], ", ".join(step["what"])]
