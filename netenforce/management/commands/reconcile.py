"""``reconcile``: compare the devices with what they should hold, and repair them."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from billing_project.kernel import command
from netenforce.reconcile import DeviceReport, reconcile


class Command(command.Command):
    """Answer with the drift by class for each device; findings are what is still not right."""

    help = "Network: desired against observed, the drift by class, repaired unless dry."

    def arguments(self, parser: CommandParser) -> None:
        """Add the device's name and ``--dry-run``."""
        parser.add_argument("--device", metavar="NAME", help="only this device; default: all that are enabled")
        command.add_dry_run(parser)

    def work(self, **options: Any) -> command.Answer:
        """Reconcile and report."""
        dry_run: bool = options["dry_run"]
        reports = reconcile(options["device"], dry_run=dry_run)
        document = {
            "dry_run": dry_run,
            "devices": [asdict(report) | {"drifted": report.drifted} for report in reports],
            "drifted": sum(report.drifted for report in reports),
            "repaired": sum(report.repaired for report in reports),
            "foreign": sum(len(report.foreign) for report in reports),
            "left": sum(report.left for report in reports),
        }
        return command.Answer(
            document,
            [line for report in reports for line in _lines(report)] or ["There is no enabled device."],
            findings=any(report.failure or report.repaired < report.drifted for report in reports),
            trouble=[f"Device {report.device}: {report.failure}" for report in reports if report.failure],
        )


def _lines(report: DeviceReport) -> Iterator[str]:
    classes = {"missing": report.missing, "extra": report.extra, "stale": report.stale, "foreign": report.foreign}
    found = ", ".join(f"{len(held)} {name}" for name, held in classes.items() if held or name != "foreign")
    left = f", {report.left} left for the next comparison" if report.left else ""
    yield f"{report.device}: {found}, {report.pending} under way; {report.repaired} repaired{left}"
    for name, held in classes.items():
        for address, level in held.items():
            yield f"  {name} {address} {level}"
