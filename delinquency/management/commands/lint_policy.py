"""`lint_policy`: what a policy file would do that nobody wanted, with dates."""

from datetime import date
from typing import Any

from django.core.management.base import CommandParser

from billing_project.kernel import clock, command
from delinquency.rules.calendar import ONE_DAY, months_later
from delinquency.rules.document import parse
from delinquency.rules.lint import MONTHS, MONTHS_MAX, Finding, Severity, lint

from ._files import naming, read_json


class Command(command.Command):
    """Look a policy file over (contract section 2)."""

    help = (
        "Say what a policy would do that nobody wants: each finding with a dated example and the way out. "
        "Exit 1 if one of them is an error. Reads and writes no database."
    )
    needs_database = False

    def arguments(self, parser: CommandParser) -> None:
        """Add the file, the first day, and the number of months."""
        parser.add_argument("policy", metavar="POLICY.json", help="a policy file")
        parser.add_argument(
            "--from", dest="from_on", type=command.iso_date, metavar="DATE", help="first day; default: this month's"
        )
        parser.add_argument(
            "--months", type=int, default=MONTHS, metavar="N", help=f"months of bills to look at; default: {MONTHS}"
        )

    def work(self, **options: Any) -> command.Answer:
        """Lint; raises Refused, with the file and the path, for a policy file with a mistake."""
        months = options["months"]
        if not 1 <= months <= MONTHS_MAX:
            raise command.BadArguments(f"--months {months} is not from 1 to {MONTHS_MAX}; give a number from there.")
        from_on = options["from_on"] or clock.today().replace(day=1)
        data = read_json(options["policy"])
        if isinstance(data, dict) and data.get("check_weekdays") == []:
            return _answer(str(data.get("name", "")), from_on, months, [_no_weekday()])
        with naming(options["policy"]):
            policy = parse(data)
        return _answer(policy.name, from_on, months, lint(policy, from_on, months))


def _no_weekday() -> Finding:
    """Return the one finding about a policy that is refused as a whole, because nothing would ever happen (A10)."""
    return Finding(
        "no-weekday", Severity.ERROR, "check_weekdays",
        "No weekday is checked: nobody would ever become delinquent, so the program refuses this policy.",
        "Name at least one day.",
    )  # fmt: skip


def _answer(name: str, from_on: date, months: int, findings: list[Finding]) -> command.Answer:
    to_on = months_later(from_on, months) - ONE_DAY
    lines = [line for found in findings for line in _lines(found)]
    errors = sum(found.severity is Severity.ERROR for found in findings)
    counts = ", ".join(
        f"{count} {severity}{'s' if count > 1 else ''}"
        for severity in Severity
        if (count := sum(found.severity is severity for found in findings))
    )
    lines.append(f"{name}, bills from {from_on} to {to_on}: {counts or 'nothing found'}.")
    document = {
        "policy": name,
        "from": from_on.isoformat(),
        "to": to_on.isoformat(),
        "findings": [found.document() for found in findings],
    }
    return command.Answer(document, lines, findings=errors > 0)


def _lines(found: Finding) -> list[str]:
    where = f" ({', '.join(found.months)})" if found.months else ""
    return [
        f"{found.severity}  {found.code}  {found.path}{where}",
        f"    {found.words}",
        f"    Way out: {found.mend}",
    ]
