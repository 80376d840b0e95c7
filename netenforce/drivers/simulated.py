"""A device that exists only as rows, so that the demo and the tests can look inside it.

Its memory is ``SimulatedEntry`` rows, written in a transaction of its own. Its options make it fail:

| option | what happens |
|---|---|
| ``{"down": true}`` | every call: Unavailable |
| ``{"lost_answer": true}`` | changes are made, but the answer is lost: OutcomeUnknown |
| ``{"ignores": true}`` | changes are accepted and not made; only the read-back tells |
| ``{"rejects": true}`` | changes are refused for good: Rejected |
| ``{"uptime_seconds": 60}`` | it says that it was started a minute ago |
"""

from collections.abc import Iterable, Mapping, Sequence

from django.db import transaction

from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from netenforce.models import Device, SimulatedEntry
from netenforce.rules.desired import LEVELS, OPEN

from .port import NOTHING, Capabilities, Change, Held, Inventory, Probe


class SimulatedDriver:
    """Speak to a simulated device; see the head of this module for its options."""

    capabilities = Capabilities(
        levels=frozenset(LEVELS), identifiers=(("ipv4", "ipv6"), ("radius_username",)), adopts=True, tells_uptime=True
    )

    def probe(self, device: Device) -> Probe:
        """Return what it was told to say of itself."""
        _reach(device)
        return Probe(version="1", model="simulated", uptime_seconds=device.options.get("uptime_seconds"))

    def read_all(self, device: Device) -> Inventory:
        """Return the device's whole memory."""
        _reach(device)
        ours: dict[str, Held] = {}
        foreign: dict[str, Held] = {}
        for entry in SimulatedEntry.objects.filter(device=device):
            (ours if entry.ours else foreign)[entry.address] = Held(level=entry.level, list_name=entry.list_name)
        return Inventory(ours=ours, foreign=foreign)

    def read(self, device: Device, addresses: Iterable[str]) -> Mapping[str, Held]:
        """Return what the device remembers of some addresses."""
        _reach(device)
        asked = list(addresses)
        held = {
            entry.address: Held(level=entry.level, list_name=entry.list_name)
            for entry in SimulatedEntry.objects.filter(device=device, address__in=asked)
        }
        return {address: held.get(address, NOTHING) for address in asked}

    def apply(self, device: Device, changes: Sequence[Change]) -> Mapping[str, str]:
        """Change the device's memory, all or nothing."""
        _reach(device)
        if device.options.get("rejects"):
            raise Rejected(f"{device.name} does not take this change.", "simulated")
        if not device.options.get("ignores"):
            with transaction.atomic():
                _remember(device, changes)
        if device.options.get("lost_answer"):
            raise OutcomeUnknown(f"{device.name} did not answer in time.")
        return {}

    def adopt(self, device: Device, addresses: Iterable[str]) -> None:
        """Take entries over that were made as if by somebody else."""
        _reach(device)
        SimulatedEntry.objects.filter(device=device, address__in=list(addresses)).update(ours=True)


def _reach(device: Device) -> None:
    if device.options.get("down"):
        raise Unavailable(f"{device.name} cannot be reached.")


def _remember(device: Device, changes: Sequence[Change]) -> None:
    freed = [change.address for change in changes if change.level == OPEN]
    held = SimulatedEntry.objects.filter(device=device, address__in=[change.address for change in changes])
    # What somebody else entered is left alone, and has its effect.
    foreign = set(held.filter(ours=False).values_list("address", flat=True))
    held.filter(address__in=freed, ours=True).delete()
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
            if change.level != OPEN and change.address not in foreign
        ],
        update_conflicts=True,
        unique_fields=["device", "address"],
        update_fields=["level", "list_name", "since_at"],
    )
