"""``nftables_ruleset``: make the file that a Linux inline device needs, from the lists it carries and its options."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from billing_project.kernel import command
from billing_project.kernel.errors import Refused
from netenforce.drivers.nftables_wire import PROGRAM
from netenforce.models import Device
from netenforce.queries import lists_on
from netenforce.rules.nftables_options import parse_options
from netenforce.rules.nftables_ruleset import ruleset


class Command(command.Command):
    """Answer with the file, or write it; nothing is sent to the device."""

    help = "Linux inline device: print the rules, sets and HTB classes to install there, with instructions."

    def arguments(self, parser: CommandParser) -> None:
        """Add the device's name and where to write."""
        parser.add_argument("device", metavar="NAME", help="as it stands under Devices")
        parser.add_argument("--out", metavar="FILE", help="write it there, executable, instead of printing it")

    def work(self, **options: Any) -> command.Answer:
        """Make the file."""
        device = Device.objects.filter(name=options["device"]).first()
        if device is None:
            raise Refused("unknown_device", f"There is no device named {options['device']!r}; look under Devices.")
        if device.driver != Device.Driver.NFTABLES:
            raise Refused(
                "not_nftables",
                f"{device.name} is a {device.get_driver_display()}; this file is for Linux inline devices.",
            )
        chosen = parse_options(device.options)
        lists = lists_on(device)
        text = ruleset(device.name, lists, chosen, program=PROGRAM)
        document = {"device": device.name, "lists": sorted({one.name for one in lists}), "file": options["out"]}
        if not options["out"]:
            return command.Answer({**document, "text": text}, [text])
        path = Path(options["out"])
        path.write_text(text)
        path.chmod(0o755)
        lines = [
            f"Written to {path}. Install it on {device.name} as its first lines say, then: try_device {device.name}"
        ]
        if not chosen.garden.dns and any(one.level == "walled_garden" for one in lists):
            lines.append(
                'No name server is let through ("garden": {"dns": [...]}): right only where the device itself answers.'
            )
        return command.Answer(document, lines)
