"""Pure: what a device must be told so that it holds what it should, and what it holds wrongly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from accounts.rules.prefixes import why_no_line

from .desired import NOTHING, OPEN, Held, rank

# The fields of a line that are addresses, and of which kind.
VERSIONS = {"ipv4": 4, "ipv6": 6}

# Groups of a line's fields; the first group of which the line has something is how the device knows it.
Identifiers = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How a device differs from what it should hold, by class; each maps an address to what it should be.

    ``missing``: should be restricted and is not. ``stale``: restricted otherwise than it should be. ``extra``: is
    restricted and should not be, with what was seen. ``foreign``: stands in our lists by somebody else's hand, with
    what was seen; it is shown and left alone.
    """

    missing: dict[str, Held]
    extra: dict[str, Held]
    stale: dict[str, Held]
    foreign: dict[str, Held] = field(default_factory=dict)

    def commands(self) -> dict[str, Held]:
        """Return what each drifted address must be, freeing ones first."""
        return {**dict.fromkeys(self.extra, NOTHING), **self.stale, **self.missing}


def diff(desired: Mapping[str, Held], observed: Mapping[str, Held]) -> Drift:
    """Return the drift between two maps of address to what it is; what is not in a map is open."""
    missing, extra, stale = {}, {}, {}
    for address in sorted({*desired, *observed}):
        wanted, seen_now = desired.get(address, NOTHING), observed.get(address, NOTHING)
        if seen_now.agrees(wanted):
            continue
        if wanted.level == OPEN:
            extra[address] = seen_now
        elif seen_now.level == OPEN:
            missing[address] = wanted
        else:
            stale[address] = wanted
    return Drift(missing=missing, extra=extra, stale=stale)


def addresses(fields: Mapping[str, str], identifiers: Identifiers) -> tuple[str, ...]:
    """Return the addresses by which a device knows a line, as the line writes them; none if it cannot know it.

    What cannot be one customer's (a whole network, a multicast group) is never told to a device, whoever entered it.
    """
    for group in identifiers:
        found = tuple(fields[name] for name in group if fields.get(name) and not _no_line(name, fields[name]))
        if found:
            return found
    return ()


def _no_line(name: str, text: str) -> bool:
    return name in VERSIONS and bool(why_no_line(text, VERSIONS[name]))


def seen(line_addresses: Sequence[str], read: Mapping[str, Held], wanted: Held) -> Held:
    """Return what a device shows for a line: what is wanted only if all of its addresses have it."""
    found = [read.get(address, NOTHING) for address in line_addresses]
    # Half done is not done. Of two the other one is told, so that the difference shows.
    different = [held for held in found if not held.agrees(wanted)]
    return max(different or found, key=lambda held: rank(held.level), default=NOTHING)
