"""What the import commands share: a file, a dry run, and one answer."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from billing_project.kernel import command
from delinquency.imports.report import Report


class ImportCommand(command.Command):
    """Import one CSV file; subclasses name the function that does it."""

    run: ClassVar[Callable[..., Report]]

    def arguments(self, parser: CommandParser) -> None:
        """Add the file and ``--dry-run``."""
        parser.add_argument("file", metavar="FILE.csv", help="UTF-8, with a header row; any column order")
        command.add_dry_run(parser)

    def work(self, **options: Any) -> command.Answer:
        """Import the file, or say what is wrong with it."""
        return type(self).run(options["file"], dry_run=options["dry_run"]).answer()
