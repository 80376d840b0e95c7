"""`run_days`: every tick between two dates."""

from typing import Any

from django.core.management.base import CommandParser

from billing_project.kernel import command
from delinquency.history import History, run_days


class Command(command.Command):
    """Do every billing tick and daily check between two dates, in order."""

    help = "Do every hourly billing tick and daily check between two dates. Past days send nothing outside."

    def arguments(self, parser: CommandParser) -> None:
        """Add the two dates."""
        parser.add_argument(
            "--from", dest="from_on", type=command.iso_date, required=True, metavar="DATE", help="first day"
        )
        parser.add_argument("--to", dest="to_on", type=command.iso_date, required=True, metavar="DATE", help="last day")

    def work(self, **options: Any) -> command.Answer:
        """Do the days, with a progress bar."""
        from_on, to_on = options["from_on"], options["to_on"]
        if to_on < from_on:
            raise command.BadArguments(f"--to {to_on} is before --from {from_on}; give the earlier date first.")
        with command.Progress((to_on - from_on).days + 1, "days") as progress:
            history = run_days(from_on, to_on, each_day=lambda day: progress.advance(note=day.isoformat()))
        return command.Answer({"from": from_on, "to": to_on} | history.document(), _lines(history))


def _lines(history: History) -> list[str]:
    lines = [f"{history.invoices_issued} invoices issued, {history.document()['amount_issued']} in all."]
    lines += [f"{count:>8}  {kind}" for kind, count in sorted(history.counts.items())]
    lines += [f"{number}: parked, see its page" for number in sorted(set(history.parked))]
    return lines
