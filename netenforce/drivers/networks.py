"""What the drivers have in common that know lines by their addresses: which lists there are, and what is wanted."""

from collections.abc import Mapping, Sequence

from billing_project.kernel.errors import Rejected
from netenforce.models import Device
from netenforce.queries import lists_on
from netenforce.rules.desired import OPEN, rank
from netenforce.rules.option_readers import RESTRICTIONS
from netenforce.rules.routeros_entries import Network, Wanted, network_of, too_wide

from .port import Change


def levels_by_list(device: Device, own_names: Mapping[str, str]) -> dict[str, str]:
    """Return the level of each list on a device, given its own name for each level; of several levels the mildest."""
    pairs = list(own_names.items())
    if own_names.keys() != set(RESTRICTIONS):
        pairs += [(one.level, one.name) for one in lists_on(device)]
    levels: dict[str, str] = {}
    for level, name in pairs:
        levels[name] = min(level, levels.get(name, level), key=rank)
    return levels


def network_in(device: Device, change: Change) -> Network:
    """Return the network of a change; raises Rejected for what is none, or can never be listed."""
    network = network_of(change.address)
    if network is None:
        raise Rejected(f"{change.address!r} is no IP address or prefix, so {device.name} cannot know it.", "address")
    if too_wide(network) and change.level != OPEN:
        raise Rejected(
            f"{change.address} is wider than one customer's line, so it is never put into a list.", "too_wide"
        )
    return network


def networks_wanted(device: Device, own_names: Mapping[str, str], changes: Sequence[Change]) -> list[Wanted]:
    """Return what is wanted of each network, the last word counting; raises Rejected for what can never be listed."""
    wanted: dict[Network, Wanted] = {}
    for change in changes:
        network = network_in(device, change)
        name = "" if change.level == OPEN else own_names.get(change.level, change.list_name)
        if change.level != OPEN and not name:
            raise Rejected(
                f"There is no address list for {change.level!r} lines; add one under Address lists, or name it in the"
                f' options of {device.name} ("address_list").',
                "no_list",
            )
        wanted[network] = Wanted(network=network, asked=change.address, level=change.level, list_name=name)
    return list(wanted.values())
