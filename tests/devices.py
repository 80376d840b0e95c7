"""Short words for what a driver tells."""

from collections.abc import Iterable, Mapping

from netenforce.drivers.port import Driver, Held
from netenforce.models import Device


def levels(held: Mapping[str, Held]) -> dict[str, str]:
    """Return the level of each address."""
    return {address: one.level for address, one in held.items()}


def all_of(driver: Driver, device: Device) -> dict[str, str]:
    """Return the level of each address that a device holds by our hand."""
    return levels(driver.read_all(device).ours)


def some_of(driver: Driver, device: Device, addresses: Iterable[str]) -> dict[str, str]:
    """Return the level of some addresses on a device."""
    return levels(driver.read(device, addresses))
