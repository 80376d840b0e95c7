"""A device that exists only as rows, so that the demo and the tests can look inside it.

Its memory is ``SimulatedEntry`` rows, written in a transaction of its own. Its options make it fail:

| option | what happens |
|---|---|
| ``{"down": true}`` | every call: Unavailable |
| ``{"lost_answer": true}`` | changes are made, but the answer is lost: OutcomeUnknown |
| ``{"ignores": true}`` | changes are accepted and not made; only the read-back tells |
| ``{"rejects": true}`` | changes are refused for good: Rejected |
"""

from collections.abc import Iterable, Mapping, Sequence

from django.db import transaction

from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from netenforce.models import Device, SimulatedEntry
from netenforce.rules.desired import LEVELS, OPEN

from .port import Capabilities, Change


class SimulatedDriver:
    """Speak to a simulated device; see the head of this module for its options."""

    capabilities = Capabilities(levels=frozenset(LEVELS), identifiers=(("ipv4", "ipv6"), ("radius_username",)))

    def read_all(self, device: Device) -> Mapping[str, str]:
        """Return the device's whole memory."""
        _reach(device)
        return dict(SimulatedEntry.objects.filter(device=device).values_list("address", "level"))

    def read(self, device: Device, addresses: Iterable[str]) -> Mapping[str, str]:
        """Return what the device remembers of some addresses."""
        _reach(device)
        asked = list(addresses)
        held = dict(SimulatedEntry.objects.filter(device=device, address__in=asked).values_list("address", "level"))
        return {address: held.get(address, OPEN) for address in asked}

    def apply(self, device: Device, changes: Sequence[Change]) -> None:
        """Change the device's memory, all or nothing."""
        _reach(device)
        if device.options.get("rejects"):
            raise Rejected(f"{device.name} does not take this change.", "simulated")
        if not device.options.get("ignores"):
            with transaction.atomic():
                _remember(device, changes)
        if device.options.get("lost_answer"):
            raise OutcomeUnknown(f"{device.name} did not answer in time.")


def _reach(device: Device) -> None:
    if device.options.get("down"):
        raise Unavailable(f"{device.name} cannot be reached.")


def _remember(device: Device, changes: Sequence[Change]) -> None:
    freed = [change.address for change in changes if change.level == OPEN]
    SimulatedEntry.objects.filter(device=device, address__in=freed).delete()
    SimulatedEntry.objects.bulk_create(
        [
            SimulatedEntry(
                device=device,
                address=change.address,
                level=change.level,
                list_name=change.list_name,
                since_at=clock.now(),
            )
            for change in changes
            if change.level != OPEN
        ],
        update_conflicts=True,
        unique_fields=["device", "address"],
        update_fields=["level", "list_name", "since_at"],
    )
