"""Which driver speaks to which kind of device: dotted paths in ``settings.NETWORK_DRIVERS``."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from billing_project.kernel.errors import Refused
from netenforce.models import Device

from .port import Bindable, Driver

BUILT_IN = {
    "simulated": "netenforce.drivers.simulated.SimulatedDriver",
    "routeros": "netenforce.drivers.routeros.RouterOSDriver",
    "nftables": "netenforce.drivers.nftables.NftablesDriver",
    "webhook": "netenforce.drivers.webhook.WebhookDriver",
    "radius": "netenforce.drivers.radius.RadiusDriver",
}


def available() -> Mapping[str, str]:
    """Return the dotted path of each kind of device that this version can speak to."""
    return cast(Mapping[str, str], getattr(settings, "NETWORK_DRIVERS", BUILT_IN))


def driver_for(device: Device) -> Driver:
    """Return the driver of a device; raises Refused("driver_not_available") if there is none for it."""
    path = available().get(device.driver)
    if path is None:
        raise Refused(
            "driver_not_available",
            f"Device {device.name}: this version has no driver for {device.get_driver_display()};"
            f" it has {', '.join(available())}. Choose one of these, or disable the device.",
        )
    driver = _made(path)
    # Where the options of a device decide by what it knows a line, the driver makes itself fit.
    return driver.bound_to(device) if isinstance(driver, Bindable) else driver


@lru_cache(maxsize=16)
def _made(path: str) -> Driver:
    return cast(Driver, import_string(path)())


def check_drivers(**_: Any) -> Iterable[CheckMessage]:
    """Report every driver that cannot be loaded, at start rather than at night."""
    for name, path in available().items():
        try:
            adapter = _made(path)
        except (AttributeError, ImportError, TypeError) as error:
            yield Error(f"NETWORK_DRIVERS[{name!r}] names no usable driver: {error}", id="netenforce.E001")
            continue
        lacking = [
            verb
            for verb in ("capabilities", "probe", "read_all", "read", "apply", "adopt")
            if not hasattr(adapter, verb)
        ]
        if lacking:
            yield Error(f"NETWORK_DRIVERS[{name!r}]: {path} has no {', '.join(lacking)}.", id="netenforce.E002")
