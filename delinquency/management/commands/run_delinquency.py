"""`run_delinquency`: one delinquency tick from the command line."""

from typing import Any

from django.core.management.base import CommandParser

from billing_project.kernel import clock, command
from delinquency.operations.airbag import shown_kind
from delinquency.sweep import SweepResult, sweep


class Command(command.Command):
    """Do one delinquency tick as of an instant."""

    help = "Look at every account at which something is due, as of an instant; a second run finds nothing more."

    def arguments(self, parser: CommandParser) -> None:
        """Add --at, --account and --dry-run."""
        command.add_at(parser)
        parser.add_argument("--account", metavar="N", help="only the account with this number")
        command.add_dry_run(parser)

    def work(self, **options: Any) -> command.Answer:
        """Sweep; raises Refused for an account that does not exist."""
        result = sweep(clock.now(), account_number=options["account"], dry_run=options["dry_run"])
        return command.Answer(result.document(), _lines(result))


def _lines(result: SweepResult) -> list[str]:
    verb = "would happen" if result.dry_run else "happened"
    lines = [f"{account.number}: {event.on} {event.kind}: {event.why}" for account, event in result.events]
    lines += [f"{number}: parked, see its page" for number in result.parked]
    lines += [
        f"{account.number}: held by the airbag: {event.on} {shown_kind(event)}: {event.why}"
        for account, event in result.held
    ]
    if result.airbag is not None:
        lines.append(f"The airbag holds harmful steps until a person decides, see “Airbag”. {result.airbag['words']}")
    lines.append(f"{result.events_count} things {verb} at {result.accounts_looked_at} accounts.")
    return lines
