"""Pure: the options of a device, checked when they are entered rather than when they are needed."""

from collections.abc import Callable, Mapping
from typing import Any

from billing_project.kernel.errors import Refused

from .nftables_options import parse_options as nftables
from .radius_options import parse_options as radius
from .routeros_options import parse_options as routeros
from .webhook_options import parse_options as webhook

# Each reads the options of one kind of device, and raises Refused("bad_options").
READERS: Mapping[str, Callable[[Any], object]] = {
    "routeros": routeros,
    "nftables": nftables,
    "radius": radius,
    "webhook": webhook,
}


def check_options(driver: str, options: Any) -> None:
    """Raise Refused("bad_options") with the key, what is wrong and how to mend it, unless a device may have these."""
    if not isinstance(options, dict):
        raise Refused("bad_options", 'options: this is no JSON object; write it like {"address_list": "Delinquent"}.')
    if reader := READERS.get(driver):
        reader(options)
