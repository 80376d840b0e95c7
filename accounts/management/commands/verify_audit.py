"""verify_audit: compute the chain of the audit record again, and say whether it is whole."""

import argparse
import re
from dataclasses import asdict
from datetime import date
from typing import Any

from django.core.management.base import CommandParser

from accounts.audit.verifying import FINDINGS_MAX, verify
from billing_project.kernel import command


class Command(command.Command):
    """Check the audit record."""

    help = "Check that the audit record is whole; exit 1 and one line for each row that is not as it was sealed."

    def arguments(self, parser: CommandParser) -> None:
        """Add the days, and a head that was kept elsewhere."""
        parser.add_argument("--from", dest="from_on", type=command.iso_date, metavar="DATE", help="first day (UTC)")
        parser.add_argument("--to", dest="to_on", type=command.iso_date, metavar="DATE", help="last day (UTC)")
        parser.add_argument(
            "--head",
            type=_head,
            metavar="[NUMBER:]HASH",
            help="a head kept elsewhere, such as from an old report mail, which the chain must still have",
        )

    def work(self, **options: Any) -> command.Answer:
        """Check, and answer with what is broken."""
        from_on: date | None = options["from_on"]
        to_on: date | None = options["to_on"]
        if from_on and to_on and from_on > to_on:
            raise command.BadArguments(f"--from {from_on} is after --to {to_on}; swap them.")
        verdict = verify(from_on=from_on, to_on=to_on, expect=options["head"])
        document = {
            "whole": verdict.whole, "checked": verdict.checked, "findings_total": verdict.total,
            "head": verdict.head, "head_number": verdict.head_number,
            "findings": [asdict(finding) for finding in verdict.findings],
        }  # fmt: skip
        said = f"The audit record is whole: {verdict.checked:,} entries, head {verdict.head_number}:{verdict.head}."
        trouble = [finding.words for finding in verdict.findings]
        if verdict.total > FINDINGS_MAX:
            trouble.append(f"… and {verdict.total - FINDINGS_MAX:,} more.")
        return command.Answer(document, [said] if verdict.whole else [], findings=not verdict.whole, trouble=trouble)


def _head(text: str) -> tuple[int | None, str]:
    found = re.fullmatch(r"(?:([1-9]\d{0,17}):)?([0-9a-f]{64})", text.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{text[:90]!r} is no head; write it like 1234:<64 hexadecimal digits>")
    return int(found[1]) if found[1] else None, found[2]
