"""`run_billing`: one billing tick from the command line."""

from typing import Any

from django.core.management.base import CommandParser

from billing_project.kernel import clock, command, money
from invoicing.sweep import BillingResult, bill


class Command(command.Command):
    """Do one billing tick as of an instant."""

    help = "Issue every invoice whose bill date has come, as of an instant; a second run finds nothing more."

    def arguments(self, parser: CommandParser) -> None:
        """Add --at, --account and --dry-run."""
        command.add_at(parser)
        parser.add_argument("--account", metavar="N", help="only the account with this number")
        command.add_dry_run(parser)

    def work(self, **options: Any) -> command.Answer:
        """Bill; raises Refused for an account that does not exist."""
        result = bill(clock.now(), account_number=options["account"], dry_run=options["dry_run"])
        return command.Answer(result.document(), _lines(result))


def _lines(result: BillingResult) -> list[str]:
    verb = "would be issued" if result.dry_run else "issued"
    lines = [
        f"{row.account}: invoice {row.number} of {row.issued_on}, due {row.due_on}, {money.text(row.amount)}"
        for row in result.issued
    ]
    lines += [f"{number}: the bill date waits for a clerk, daily billing is off" for number in result.waiting]
    lines += [f"{number}: parked, see its page" for number in result.parked]
    lines += [f"{row['account']}: held by the airbag: {row['why']}" for row in result.held_bills]
    if result.airbag is not None:
        lines.append(f"The airbag holds bills until a person decides, see “Airbag”. {result.airbag['words']}")
    again = "This tick was run before. " if result.already_run else ""
    lines.append(
        f"{again}{len(result.issued)} invoices {verb}, {money.text(result.amount)} in all;"
        f" {result.dates_moved} bill dates moved on without one."
    )
    return lines
