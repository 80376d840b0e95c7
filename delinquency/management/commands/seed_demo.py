"""seed_demo: make the demo operator in an empty database, and print its log-ins."""

import argparse
from typing import Any

from django.core.management.base import CommandParser

from billing_project.kernel import command
from billing_project.kernel.errors import Refused
from delinquency.demo.seed import USUAL, Size, State, seed, state, summary, welcome


class Command(command.Command):
    """Make the demo, or say that it is there."""

    help = "Make a small operator with subscribers in every stage, by the real sweeps from a fixed seed."

    def arguments(self, parser: CommandParser) -> None:
        """Add the size of the town."""
        parser.add_argument("--if-empty", action="store_true", help="leave a database alone that is not empty")
        parser.add_argument("--accounts", type=_between(5, 5000), default=USUAL.accounts, metavar="N")
        parser.add_argument("--months", type=_between(1, 24), default=USUAL.months, metavar="N")
        parser.add_argument("--seed", type=int, default=USUAL.seed, metavar="N")

    def work(self, **options: Any) -> command.Answer:
        """Make the demo where nothing is, and answer with its log-ins."""
        found = state()
        if found is State.OTHER:
            words = "The database has accounts or staff of its own; no demo is made in it."
            if not options["if_empty"]:
                raise Refused("not_empty", f"{words} Use an empty database.")
            return command.Answer({"made": False, "lines": [words]}, [words])
        if found is State.DEMO and not options["if_empty"]:
            raise Refused("not_empty", "The demo is there already; use an empty database to make another.")
        made = found is State.EMPTY
        if made:
            seed(Size(options["accounts"], options["months"], options["seed"]))
        lines = [*(summary() if made else []), *welcome()]
        return command.Answer({"made": made, "lines": lines}, lines)


def _between(low: int, high: int) -> Any:
    def whole(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return whole
