"""`backtest`: a draft policy over the stored history."""

from typing import Any

from django.core.management.base import CommandParser

from accounts.models import Account
from billing_project.kernel import command
from delinquency.backtest import backtest
from delinquency.rules.document import parse

from ._files import naming, read_json


class Command(command.Command):
    """Replay stored invoices and payments under a draft policy."""

    help = "Say what a policy would have decided over the stored invoices and payments. Writes nothing, sends nothing."

    def arguments(self, parser: CommandParser) -> None:
        """Add the policy and the two dates."""
        parser.add_argument("--policy", required=True, metavar="POLICY.json", help="a policy file")
        parser.add_argument(
            "--from", dest="from_on", type=command.iso_date, required=True, metavar="DATE", help="first day"
        )
        parser.add_argument("--to", dest="to_on", type=command.iso_date, required=True, metavar="DATE", help="last day")

    def work(self, **options: Any) -> command.Answer:
        """Replay; raises Refused for a policy file with a mistake."""
        from_on, to_on = options["from_on"], options["to_on"]
        if to_on < from_on:
            raise command.BadArguments(f"--to {to_on} is before --from {from_on}; give the earlier date first.")
        data = read_json(options["policy"])
        with naming(options["policy"]):
            read = parse(data)
        with command.Progress(Account.objects.count(), "accounts") as progress:
            answer = backtest(read, from_on, to_on, progress=progress.advance)
        return command.Answer(answer, _lines(answer))


def _lines(answer: dict[str, Any]) -> list[str]:
    lines = [f"{name.replace('_', ' '):<28} {value}" for name, value in answer["summary"].items()]
    if answer["flagged"]:
        lines.append("flagged: " + ", ".join(answer["flagged"]))
    lines.append("These are decisions replayed over what happened, not a forecast of how customers would have behaved.")
    return lines
