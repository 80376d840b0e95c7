"""Pure: what a device must be told so that it holds what it should, and what it holds wrongly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .desired import OPEN, hardest

# Groups of a line's fields; the first group of which the line has something is how the device knows it.
Identifiers = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How a device differs from what it should hold, by class; each maps an address to a level.

    ``missing``: should be restricted and is not, with the wanted level. ``extra``: is restricted and should
    not be, with the level seen. ``stale``: restricted otherwise than it should be, with the wanted level.
    """

    missing: dict[str, str]
    extra: dict[str, str]
    stale: dict[str, str]

    def commands(self) -> dict[str, str]:
        """Return the level that each drifted address must be set to, freeing ones first."""
        return {**dict.fromkeys(self.extra, OPEN), **self.stale, **self.missing}


def diff(desired: Mapping[str, str], observed: Mapping[str, str]) -> Drift:
    """Return the drift between two maps of address to level; what is not in a map is open."""
    missing, extra, stale = {}, {}, {}
    for address in sorted({*desired, *observed}):
        wanted, seen = desired.get(address, OPEN), observed.get(address, OPEN)
        if wanted == seen:
            continue
        if wanted == OPEN:
            extra[address] = seen
        elif seen == OPEN:
            missing[address] = wanted
        else:
            stale[address] = wanted
    return Drift(missing=missing, extra=extra, stale=stale)


def addresses(fields: Mapping[str, str], identifiers: Identifiers) -> tuple[str, ...]:
    """Return the addresses by which a device knows a line; none if it cannot know it."""
    for group in identifiers:
        found = tuple(fields[name] for name in group if fields.get(name))
        if found:
            return found
    return ()


def seen_level(line_addresses: Sequence[str], read: Mapping[str, str], wanted: str) -> str:
    """Return the level a device shows for a line: the wanted one only if all of its addresses have it."""
    levels = {read.get(address, OPEN) for address in line_addresses}
    # Half done is not done. Of two levels the other one is told, so that the difference shows.
    return hardest(levels - {wanted}) if levels != {wanted} else wanted
