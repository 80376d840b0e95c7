"""Pure: what somebody should mend on a Linux inline device, in sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .lists import ListView
from .nftables_entries import Table, same_sets, sets_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a device said of itself beside its table; ``classes`` are the words of ``tc class show`` by interface."""

    table: str
    forwarding: Sequence[str] = ()
    ends_connections: bool = True
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    customers: str = ""
    upstream: str = ""


def notes(lists: Sequence[ListView], table: Table, facts: Facts) -> tuple[str, ...]:
    """Return a sentence for everything that keeps a list of this device from having its effect."""
    found: list[str] = []
    names = sorted({one.name for one in lists})
    if same := same_sets(names):
        found.append(f"The lists {same[0]} and {same[1]} would be the same sets; rename one of them.")
    for name in names:
        missing = [one for one in sets_of(name) if one not in table.sets]
        unread = [one for one in sets_of(name) if one in table.sets and one not in table.looked_at]
        if missing:
            found.append(
                f"List {name}: the table {facts.table} has no set {' and no set '.join(missing)}; load the ruleset of"
                " nftables_ruleset."
            )
        elif unread and _has_effect(name, lists):
            found.append(f"List {name}: no rule looks at {' and '.join(unread)}, so those lines are not restricted.")
    found += _unslowed(lists, facts)
    for version, on in zip((4, 6), facts.forwarding, strict=False):
        if on == "0":
            found.append(f"Forwarding of IPv{version} is off, so the device carries no such traffic.")
    if not facts.ends_connections:
        found.append(
            "conntrack cannot be used there, so connections opened in the walled garden outlive a release; install it"
            " (package conntrack) or give it CAP_NET_ADMIN."
        )
    return tuple(found)


def _has_effect(name: str, lists: Sequence[ListView]) -> bool:
    """Tell whether a list asks for anything: one that slows to no speed needs no rule."""
    return any(one.level != "throttle" or one.rate_down_kbit or one.rate_up_kbit for one in lists if one.name == name)


def _unslowed(lists: Sequence[ListView], facts: Facts) -> list[str]:
    """Return a sentence for each direction in which lines should be slowed, and no class of tc does it."""
    found = []
    for interface, rates, way in (
        (facts.customers, [one.name for one in lists if one.rate_down_kbit], "download"),
        (facts.upstream, [one.name for one in lists if one.rate_up_kbit], "upload"),
    ):
        if not rates:
            continue
        if not interface:
            side = "customers" if way == "download" else "upstream"
            found.append(f'"interfaces" names no {side} interface, so it cannot be seen whether the {way} is slowed.')
        elif "htb" not in facts.classes.get(interface, ()):
            found.append(
                f"Interface {interface} has no HTB classes, so the {way} of {', '.join(sorted(set(rates)))} is not"
                " slowed; load the ruleset of nftables_ruleset."
            )
    return found
