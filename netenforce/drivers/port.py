"""What a driver can do with a device, and the three ways in which it may fail."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from netenforce.models import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a device understands: the levels, and by which fields of a line it knows it.

    ``identifiers`` are groups of fields of a line; the first group of which a line has something counts.
    """

    levels: frozenset[str]
    identifiers: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One address and what it should be; open means in no list at all."""

    address: str
    level: str
    list_name: str = ""
    rate_down_kbit: int | None = None
    rate_up_kbit: int | None = None


class Driver(Protocol):
    """The dialect of one kind of device. It holds no policy, and every call may be repeated safely.

    Each call raises Rejected (the device will never do it), Unavailable (it did not happen; try again)
    or OutcomeUnknown (it may have happened; the read-back tells).
    """

    @property
    def capabilities(self) -> Capabilities:
        """Tell what the device understands."""
        ...

    def read_all(self, device: Device) -> Mapping[str, str]:
        """Return every restricted address the device holds, with its level."""
        ...

    def read(self, device: Device, addresses: Iterable[str]) -> Mapping[str, str]:
        """Return the level of each of the addresses; one that the device does not hold is open."""
        ...

    def apply(self, device: Device, changes: Sequence[Change]) -> None:
        """Make the addresses what they should be; one that is so already is left alone."""
        ...
