"""Pure: the options and the secret of a device, checked when they are entered rather than when they are needed."""

from collections.abc import Callable, Mapping
from typing import Any

from billing_project.kernel.errors import Refused

from .nftables_options import parse_options as nftables
from .radius_options import parse_options as radius
from .radius_options import parse_secrets
from .routeros_options import parse_options as routeros
from .webhook_options import check_secret as check_webhook_secret
from .webhook_options import parse_options as webhook

# Each reads the options of one kind of device, and raises Refused("bad_options").
READERS: Mapping[str, Callable[[Any], object]] = {
    "routeros": routeros,
    "nftables": nftables,
    "radius": radius,
    "webhook": webhook,
}


SECRET_READERS: Mapping[str, Callable[[str], object]] = {"radius": parse_secrets, "webhook": check_webhook_secret}


def check_secret(driver: str, secret: str) -> None:
    """Raise Refused("bad_secret") with how to mend it, without repeating it, unless a device may have this secret."""
    if reader := SECRET_READERS.get(driver):
        reader(secret)


def check_options(driver: str, options: Any) -> None:
    """Raise Refused("bad_options") with the key, what is wrong and how to mend it, unless a device may have these."""
    if not isinstance(options, dict):
        raise Refused("bad_options", 'options: this is no JSON object; write it like {"address_list": "Delinquent"}.')
    if reader := READERS.get(driver):
        reader(options)
