"""Devices, address lists, holds and the queued changes."""

from .address_list import AddressList
from .device import Device, LinePlacement, SimulatedEntry
from .enforcement_task import EnforcementAttempt, EnforcementTask
from .hold import Hold, LineState
from .reading import DeviceReading, RadiusAnswer, ReleaseLimit
from .release_request import ReleaseRequest
from .window import PaymentWindow

__all__ = [
    "AddressList",
    "Device",
    "DeviceReading",
    "EnforcementAttempt",
    "EnforcementTask",
    "Hold",
    "LinePlacement",
    "LineState",
    "PaymentWindow",
    "RadiusAnswer",
    "ReleaseLimit",
    "ReleaseRequest",
    "SimulatedEntry",
]
