"""``try_device``: try one device with addresses that are nobody's, before the first line is placed on it."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from accounts.models import ServiceLine
from accounts.models.service_line import lines_overlapping
from billing_project.kernel import command
from billing_project.kernel.errors import Refused
from netenforce.drivers.registry import driver_for
from netenforce.drivers.trial import TRIAL_ADDRESSES, Step, try_out
from netenforce.drivers.turn import turn_on
from netenforce.models import Device
from netenforce.rules.radius_groups import username_fault
from netenforce.rules.routeros_entries import network_of


class Command(command.Command):
    """Answer with each step, what was seen and how long it took; a finding is a step that failed."""

    help = "Try one device: restrict, read back and free test addresses that are nobody's; print each step."

    def arguments(self, parser: CommandParser) -> None:
        """Add the device's name and the addresses to try with."""
        parser.add_argument("device", metavar="NAME", help="as it stands under Devices; it may be switched off")
        parser.add_argument(
            "--address", action="append", metavar="ADDRESS",
            help=f"try with this address or RADIUS user name and no other; may be given twice (default: {_usual()})",
        )  # fmt: skip

    def work(self, **options: Any) -> command.Answer:
        """Try the device while nobody else speaks to it."""
        device = Device.objects.filter(name=options["device"]).first()
        if device is None:
            raise Refused("unknown_device", f"There is no device named {options['device']!r}; look under Devices.")
        driver = driver_for(device)
        known_by = next(iter(driver.capabilities.identifiers), ())
        addresses = options["address"] or [text for field, text in TRIAL_ADDRESSES.items() if field in known_by]
        if not addresses:
            raise Refused("no_address", f"{device.name} knows lines by nothing that it could be tried with.")
        _refuse_lines(addresses, names="radius_username" in known_by)
        with turn_on(device.pk) as got:
            if not got:
                raise Refused("busy", f"Another worker is speaking to {device.name}; try again in a minute.")
            steps = list(try_out(driver, device, addresses))
        failed = [step for step in steps if not step.good]
        return command.Answer(
            {"device": device.name, "good": not failed, "steps": [asdict(step) for step in steps]},
            _lines(device, steps),
            findings=bool(failed),
            trouble=[f"Device {device.name}: {step.what}: {step.seen}" for step in failed],
        )


def _usual() -> str:
    *most, last = TRIAL_ADDRESSES.values()
    return f"{' and '.join(most)}; for RADIUS {last}"


def _refuse_lines(addresses: list[str], *, names: bool) -> None:
    """Raise Refused for what is no address or name, or is somebody's line: a trial must disturb nobody."""
    for address in addresses:
        if names:
            if fault := username_fault(address):
                raise command.BadArguments(fault)
            if line := ServiceLine.objects.filter(radius_username=address).select_related("account").first():
                raise Refused("taken", f"{address} is a line of account {line.account.number}; take another name.")
            continue
        if network_of(address) is None:
            raise command.BadArguments(f"{address!r} is no IP address; write one of nobody's, or leave --address out.")
        if taken := lines_overlapping([address]):
            raise Refused("taken", f"{address} is a line of account {taken[0].account.number}; take another address.")


def _lines(device: Device, steps: list[Step]) -> Iterator[str]:
    for step in steps:
        yield f"{'good  ' if step.good else 'FAILED'} {step.seconds:7.3f} s  {step.what}: {step.seen}"
    if all(step.good for step in steps):
        yield f"{device.name} does all that is asked of it."
