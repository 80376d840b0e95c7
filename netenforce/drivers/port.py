"""What a driver can do with a device, and the three ways in which it may fail."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from netenforce.models import Device
from netenforce.rules.desired import NOTHING, Held

__all__ = ["NOTHING", "Bindable", "Capabilities", "Change", "Driver", "Held", "Inventory", "Probe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a device understands: the levels, and by which fields of a line it knows it.

    ``identifiers`` are groups of fields of a line; the first group of which a line has something counts. ``adopts``:
    entries that somebody else made can be taken over. ``tells_uptime``: a restart is seen by it.
    """

    levels: frozenset[str]
    identifiers: Sequence[Sequence[str]]
    adopts: bool = False
    tells_uptime: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One address and what it should be; open means in no list at all.

    The rates are kbit/s; None is not limited. A device whose own rules carry the speed does not look at them.
    """

    address: str
    level: str
    list_name: str = ""
    rate_down_kbit: int | None = None
    rate_up_kbit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All that stands in our lists on a device: what we put there, and what others did, by address."""

    ours: Mapping[str, Held]
    foreign: Mapping[str, Held] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a device says of itself.

    ``uptime_seconds`` is None where it tells none. ``notes`` are sentences on what somebody should mend there, such as
    a list that no rule of the device looks at.
    """

    version: str = ""
    model: str = ""
    uptime_seconds: int | None = None
    notes: Sequence[str] = ()


class Driver(Protocol):
    """The dialect of one kind of device. It holds no policy, and every call may be repeated safely.

    Each call raises Rejected (the device will never do it), Unavailable (it did not happen; try again)
    or OutcomeUnknown (it may have happened; the read-back tells).
    """

    @property
    def capabilities(self) -> Capabilities:
        """Tell what the device understands."""
        ...

    def probe(self, device: Device) -> Probe:
        """Reach the device, log in, and return what it says of itself; nothing is changed."""
        ...

    def read_all(self, device: Device) -> Inventory:
        """Return every restricted address the device holds in our lists."""
        ...

    def read(self, device: Device, addresses: Iterable[str]) -> Mapping[str, Held]:
        """Return what each of the addresses is now, whoever made it so; one that the device does not hold is open."""
        ...

    def apply(self, device: Device, changes: Sequence[Change]) -> Mapping[str, str]:
        """Make the addresses what they should be; one that is so already is left alone.

        Return what is worth knowing, by address: such as that it takes effect at the next log-in. Mostly nothing.
        """
        ...

    def adopt(self, device: Device, addresses: Iterable[str]) -> None:
        """Take over the entries of these addresses that others made, so that they are ours from now on."""
        ...


@runtime_checkable
class Bindable(Protocol):
    """A driver whose capabilities depend on the options of the device."""

    def bound_to(self, device: Device) -> Driver:
        """Return the driver with the capabilities that it has on this device."""
        ...
