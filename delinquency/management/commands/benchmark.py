"""``benchmark``: measure the program on a database made for it, and leave nothing behind (contract section 6)."""

import argparse
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from billing_project.kernel import command
from delinquency.benchmarks import billing, gateway, lateness, restore, rounds, town

SWEEPS: dict[str, rounds.Sweep] = {"billing": billing, "delinquency": lateness}


class Command(command.Command):
    """Answer with what was measured; exit 1 if it is beyond its bar."""

    help = (
        "Measure the program as it runs here, on databases of its own on the same server: no account, device, card or"
        " address of yours is touched, and nothing is left behind. billing, delinquency: the bills of a day, or all who"
        " become late on one, beside the least time in which the database can write the same rows. restore: seconds"
        " from the gateway's report of a payment to the device's answer that the line is open, while a sweep is under"
        " way on the same device."
    )

    def arguments(self, parser: CommandParser) -> None:
        """Add what to measure, with how many accounts, and how."""
        parser.add_argument("what", choices=[*SWEEPS, "restore"], help="what to measure")
        parser.add_argument(
            "--accounts", type=_count, metavar="N",
            help="accounts there are (default 100000); restore: lines that the sweep slows (default 2000)",
        )  # fmt: skip
        parser.add_argument("--due", type=_count, metavar="N", help="sweeps: of them are due (default: all)")
        parser.add_argument("--rounds", type=_count, default=5, metavar="N", help="sweeps: rounds (default 5)")
        parser.add_argument("--workers", type=_count, default=1, metavar="N", help="sweeps: processes (default 1)")

    def work(self, **options: Any) -> command.Answer:
        """Measure; raises Refused where that cannot be done."""
        if options["what"] == "restore":
            return _restore(options["accounts"] or 2000)
        return _sweep(SWEEPS[options["what"]], options)


def _sweep(sweep: rounds.Sweep, options: dict[str, Any]) -> command.Answer:
    accounts, count = options["accounts"] or 100_000, options["rounds"]
    due = min(options["due"] or accounts, accounts)
    with command.Progress(rounds.rounds_of(accounts, due, count), "Rounds") as progress:
        found = rounds.measure(
            sweep, accounts, due=due, rounds=count, workers=options["workers"], advance=progress.advance
        )
    return command.Answer(found, _lines_of_sweep(found))


def _lines_of_sweep(found: dict[str, Any]) -> list[str]:
    return [
        f"{found['due']} of {found['accounts']} accounts were due; medians of {found['rounds']} rounds:",
        f"  {found['seconds']} s, {found['queries']} statements, {found['messages']} messages, {found['peak_mb']} MB",
        f"  {found['ratio']} times the least for the same rows, one statement per table: {found['floor_seconds']} s",
        f"  {found['idle_seconds']} s where nothing is due any more",
        *(
            f"  {words.format(found[name])}"
            for name, words in (
                ("growth", "{} times the time of the same with a hundredth of the accounts"),
                ("times_faster_than_saves", "{} times as fast as saving one object after the other"),
            )
            if name in found
        ),
    ]


def _restore(count: int) -> command.Answer:
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
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 10_000_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 10000000")
    return int(text)
