"""Try a device with addresses that are nobody's: is it read, changed and read back as the driver promises?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from netenforce.models import Device
from netenforce.queries import lists_on
from netenforce.rules.desired import LEVELS, OPEN

from .port import Change, Driver, Held, Probe

# Of the ranges and names that the standards keep for examples (RFC 5737, RFC 3849, RFC 2606): nobody's line.
TRIAL_ADDRESSES = {
    "ipv4": "192.0.2.254",
    "ipv6": "2001:db8:ffff:ffff::254",
    "radius_username": "trial@billing.invalid",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was tried: what it was, whether it went well, what was seen, and how long it took."""

    what: str
    good: bool
    seen: str
    seconds: float


def try_out(driver: Driver, device: Device, addresses: Sequence[str]) -> Iterator[Step]:
    """Try a device with addresses of nobody, step by step, and stop at the first step that fails.

    The addresses are freed at the end, also after a failure. The caller must have its turn on the device.
    """
    before: dict[str, Held] = {}
    yield (step := _try("reach it and log in", lambda: _told(driver.probe(device))))
    if not step.good:
        return
    yield (step := _try("read what it holds", lambda: _remember(driver, device, before)))
    if not step.good:
        return
    yield (step := _try("the trial addresses are free", lambda: _expect(driver, device, addresses, OPEN)))
    if not step.good:
        return
    try:
        yield from _moves(driver, device, addresses)
    finally:
        freed = [Change(address=address, level=OPEN) for address in addresses]
        left = _try("leave nothing behind", lambda: _leave(driver, device, freed, before))
    yield left


def _moves(driver: Driver, device: Device, addresses: Sequence[str]) -> Iterator[Step]:
    """Go through all levels the device knows: from each to a harder one, twice to the same, back, and open."""
    lists = {one.level: one for one in reversed(lists_on(device))}
    levels = [level for level in LEVELS if level in driver.capabilities.levels and level in lists]
    for level in [*levels, *levels[:1] * 2, OPEN, OPEN]:
        one = lists.get(level)
        changes = [
            Change(
                address=address, level=level, list_name=one.name if one else "",
                rate_down_kbit=one.rate_down_kbit if one else None, rate_up_kbit=one.rate_up_kbit if one else None,
            )
            for address in addresses
        ]  # fmt: skip
        yield (step := _try(f"make them {level}", partial(_make, driver, device, changes)))
        if not step.good:
            return


def _try(what: str, act: Callable[[], str]) -> Step:
    began = clock.monotonic()
    try:
        good, seen = True, act()
    except (Rejected, Unavailable, OutcomeUnknown, _Differs) as error:
        good, seen = False, str(error)
    return Step(what=what, good=good, seen=seen, seconds=round(clock.monotonic() - began, 3))


class _Differs(Exception):
    """What was read is not what it should be."""


def _told(probe: Probe) -> str:
    told = {"version": probe.version, "model": probe.model, "uptime seconds": probe.uptime_seconds}
    said = ", ".join(f"{name} {value}" for name, value in told.items() if value not in ("", None))
    return " ".join([said, *probe.notes])


def _remember(driver: Driver, device: Device, before: dict[str, Held]) -> str:
    before.update(driver.read_all(device).ours)
    return f"{len(before)} addresses are restricted by us"


def _expect(driver: Driver, device: Device, addresses: Sequence[str], level: str) -> str:
    held = {address: one.level for address, one in driver.read(device, addresses).items()}
    if held != dict.fromkeys(addresses, level):
        raise _Differs(f"it holds {held}, and should hold {level} for each")
    return f"{', '.join(addresses)}: {level}"


def _make(driver: Driver, device: Device, changes: Sequence[Change]) -> str:
    driver.apply(device, changes)
    addresses, level = [change.address for change in changes], changes[0].level
    seen = _expect(driver, device, addresses, level)
    listed = {address: one.level for address, one in driver.read_all(device).ours.items()}
    wanted = {} if level == OPEN else dict.fromkeys(addresses, level)
    if {address: listed[address] for address in addresses if address in listed} != wanted:
        raise _Differs(f"asked for all that it holds, it does not show {level} for {', '.join(addresses)}")
    return seen


def _leave(driver: Driver, device: Device, freed: Sequence[Change], before: Mapping[str, Held]) -> str:
    driver.apply(device, freed)
    if dict(driver.read_all(device).ours) != before:
        raise _Differs("it does not hold what it held before; look at it by hand")
    return "it holds what it held before"
