"""``benchmark``: measure the program on a database made for it, and leave nothing behind (contract section 6)."""

import argparse
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from billing_project.kernel import command
from delinquency.benchmarks import gateway, restore, town


class Command(command.Command):
    """Answer with what was measured; exit 1 if it is beyond its bar."""

    help = (
        "Measure the program as it runs here, on a database of its own on the same server: no account, device, card or"
        " address of yours is touched, and nothing is left behind. restore: seconds from the gateway's report of a"
        " payment to the device's answer that the line is open, while a sweep is under way on the same device."
    )

    def arguments(self, parser: CommandParser) -> None:
        """Add what to measure, and with how many accounts."""
        parser.add_argument("what", choices=["restore"], help="what to measure")
        parser.add_argument(
            "--accounts", type=_count, default=2000, metavar="N", help="lines that the sweep slows (default 2000)"
        )

    def work(self, **options: Any) -> command.Answer:
        """Measure; raises Refused where that cannot be done."""
        count = options["accounts"]
        trial = import_module(settings.TRIAL)
        payments = restore.payments_of(count)
        with (
            trial.scratch_database() as database,
            gateway.running() as stand_in,
            command.Progress(payments, "Payments during the sweep") as progress,
        ):
            accounts = town.make_town(count + payments, database=database)
            with trial.running(database, stand_in.environment) as program:
                found = restore.measure(program, stand_in, accounts, payments=payments, progress=progress.advance)
        return command.Answer(found, _lines(found), findings=too_slow(found))


def too_slow(found: dict[str, Any]) -> bool:
    """Tell whether something was not restored, or later than its bar."""
    bar = found["bar"]
    if found["restored"] < found["payments"]:
        return True
    return bool(found["p95"] >= bar["p95"] or found["max"] >= bar["max"])


def _lines(found: dict[str, Any]) -> list[str]:
    bar = found["bar"]
    verdict = "too slow" if too_slow(found) else "within the bar"
    return [
        f"Restored {found['restored']} of {found['payments']} lines; from the report to the device's answer:",
        f"  half of them within {found['p50']} s",
        f"  95 % within {found['p95']} s (bar {bar['p95']} s)",
        f"  the last one within {found['max']} s (bar {bar['max']} s): {verdict}",
        f"The sweep had {found['commands']} lines to slow on the same device meanwhile,",
        f"and was under way when {found['payments_during_sweep']} of the payments came.",
    ]


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 100_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 100000")
    return int(text)
