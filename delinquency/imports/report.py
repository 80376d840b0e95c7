"""What an import did or would do, and the frame in which each import runs: all or nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from billing_project.kernel.command import Answer
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import try_advisory_lock

from .reader import Problem, Sheet

LINES_SHOWN = 1000


@dataclass(slots=True)
class Report:
    """The answer of an import command."""

    what: str
    file: str
    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    dry_run: bool = False
    problems: list[Problem] = field(default_factory=list)

    def answer(self) -> Answer:
        """Return it as the command's answer; each bad cell is one line of trouble."""
        if self.problems:
            return Answer(self.document(), findings=True, trouble=self._trouble())
        return Answer(self.document(), [self._summary()])

    def document(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "file": self.file,
            "rows": self.rows,
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "dry_run": self.dry_run,
            "errors": [
                {
                    "line": problem.line,
                    "column": problem.column,
                    "value": problem.value,
                    "message": problem.message,
                }
                for problem in self.problems
            ],
        }

    def _trouble(self) -> Iterator[str]:
        for problem in self.problems[:LINES_SHOWN]:
            yield problem.words(self.file)
        bad = len({problem.line for problem in self.problems})
        more = len(self.problems) - LINES_SHOWN
        shown = f" The first {LINES_SHOWN} are listed, {more} more are not; --json lists them all." if more > 0 else ""
        yield (
            f"{self.file}: nothing was imported: {_counted(len(self.problems), 'mistake')} in {bad} of"
            f" {_counted(self.rows, 'row')}. Mend them and import the file again.{shown}"
        )

    def _summary(self) -> str:
        counts = f"{self.created} created, {self.updated} updated, {self.unchanged} unchanged"
        rows = _counted(self.rows, self.what)
        if not self.created and not self.updated:
            words = "nothing would change" if self.dry_run else "nothing changed"
            return f"{self.file}: {words}: {rows} known already ({counts})."
        if self.dry_run:
            return f"{self.file}: {rows} would be imported ({counts}); nothing was written."
        return f"{self.file}: {rows} imported ({counts})."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def run_import(sheet: Sheet, what: str, work: Callable[[Sheet, Report], None], *, dry_run: bool) -> Report:
    """Run an import in one transaction; nothing is kept of it if a row is bad, or for a dry run."""
    report = Report(what=what, file=sheet.file, rows=sheet.rows_count, dry_run=dry_run)
    with _all_or_nothing() as undo:
        work(sheet, report)
        if sheet.problems or dry_run:
            undo()
    if sheet.problems:
        report.created = report.updated = report.unchanged = 0
        report.problems = sorted(sheet.problems, key=lambda problem: problem.line)
    return report


@contextmanager
def _all_or_nothing() -> Iterator[Callable[[], None]]:
    """Give a transaction that one import has to itself, and a way to undo it."""
    with transaction.atomic():
        if not try_advisory_lock("import"):
            raise Refused("import_running", "Another import is running; wait until it has ended and try again.")
        yield lambda: transaction.set_rollback(True)
