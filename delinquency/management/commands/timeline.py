"""`timeline`: the events of a scenario file, without a database."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from billing_project.kernel import command
from billing_project.kernel.errors import Refused
from delinquency.rules.scenario import document, parse_scenario


class Command(command.Command):
    """Play scenario files (contract section 4)."""

    help = "Say what would happen to the invoices of a scenario file, day by day and why. Reads and writes no database."
    needs_database = False

    def arguments(self, parser: CommandParser) -> None:
        """Add the file."""
        parser.add_argument("scenario", metavar="SCENARIO.json", help="one scenario, or a list of them")

    def work(self, **options: Any) -> command.Answer:
        """Play it; raises Refused with the path of what is wrong."""
        data = read_json(options["scenario"])
        if isinstance(data, list):
            questions = [parse_scenario(item, f"[{index}]") for index, item in enumerate(data)]
        else:
            questions = [parse_scenario(data)]
        answers = [{"events": [document(event) for event in question.answer()]} for question in questions]
        lines = [line for answer in answers for line in _lines(answer["events"])]
        return command.Answer(answers if isinstance(data, list) else answers[0], lines)


def read_json(path: str) -> Any:
    """Return the content of a JSON file; raises BadArguments if it is not there and Refused if it is not JSON."""
    try:
        return json.loads(command.read_text(Path(path)))
    except json.JSONDecodeError as error:
        raise Refused(
            "bad_json", f"{path}: line {error.lineno}, column {error.colno}: not JSON: {error.msg}."
        ) from error
    except RecursionError as error:
        raise Refused("bad_json", f"{path}: is nested far too deeply for a policy or a scenario; mend it.") from error


def _lines(events: list[dict[str, Any]]) -> list[str]:
    return [f"{event['on']}  {event['kind']:<26}  {event['why']}" for event in events] or ["Nothing happens."]
