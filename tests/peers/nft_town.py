"""The billing program's side of a rig: the three lists that ship, a device, and its generated ruleset, loaded."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management import call_command

from netenforce.drivers.nftables import NftablesDriver
from netenforce.drivers.port import Change
from netenforce.models import Device
from netenforce.operations.lines import SHIPPED_LISTS, ensure_basics

from .nft_rig import OPTIONS, Rig

LISTS = {level: name for name, level, _, _ in SHIPPED_LISTS}
RATES = {level: (down, up) for _, level, down, up in SHIPPED_LISTS}


def installed(rig: Rig, folder: Path, **options: Any) -> Device:
    """Make the device of a rig, and load on it what ``nftables_ruleset`` makes for it."""
    ensure_basics()
    device = Device.objects.create(
        name="edge", driver="nftables", options={**OPTIONS, "namespace": rig.device, **options}
    )
    call_command("nftables_ruleset", "edge", out=str(folder / "billing-line"), stdout=io.StringIO())
    rig.load(folder / "billing-line")
    return device


def make(device: Device, wanted: Mapping[str, str]) -> Mapping[str, str]:
    """Make each address what it should be."""
    changes = [
        Change(address=address, level=level, list_name=LISTS.get(level, "")) for address, level in wanted.items()
    ]
    return NftablesDriver().apply(device, changes)
