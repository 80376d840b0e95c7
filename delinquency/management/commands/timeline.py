"""`timeline`: the events of a scenario file, without a database."""

from typing import Any

from django.core.management.base import CommandParser

from billing_project.kernel import command
from delinquency.rules.scenario import document, parse_scenario

from ._files import naming, read_json


class Command(command.Command):
    """Play scenario files (contract section 4)."""

    help = "Say what would happen to the invoices of a scenario file, day by day and why. Reads and writes no database."
    needs_database = False

    def arguments(self, parser: CommandParser) -> None:
        """Add the file."""
        parser.add_argument("scenario", metavar="SCENARIO.json", help="one scenario, or a list of them")

    def work(self, **options: Any) -> command.Answer:
        """Play it; raises Refused with the file and the path of what is wrong."""
        data = read_json(options["scenario"])
        with naming(options["scenario"]):
            if isinstance(data, list):
                questions = [parse_scenario(item, f"[{index}]") for index, item in enumerate(data)]
            else:
                questions = [parse_scenario(data)]
        answers = [{"events": [document(event) for event in question.answer()]} for question in questions]
        lines = [line for answer in answers for line in _lines(answer["events"])]
        return command.Answer(answers if isinstance(data, list) else answers[0], lines)


def _lines(events: list[dict[str, Any]]) -> list[str]:
    return [f"{event['on']}  {event['kind']:<26}  {event['why']}" for event in events] or ["Nothing happens."]
