"""Pure: what an address list does, in one sentence, and what is wrong with a set of lists (S16, S20, X10)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from billing_project.kernel.errors import Refused

from .desired import LEVELS, OPEN
from .lists import ListView, carried

# Kinds of device whose own rules say how fast a slowed line is; the others are told by the list.
OWN_SPEED = frozenset({"simulated", "routeros", "webhook"})
NO_LIST = "level-without-list"
DOES = {"throttle": "slows", "walled_garden": "leaves the payment page only to", "suspend": "suspends"}
DONE = {"throttle": "slowed", "walled_garden": "let through to the payment page only", "suspend": "suspended"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the keys in a list's criteria are called."""

    statuses: Mapping[int, str] = field(default_factory=dict)
    account_types: Mapping[int, str] = field(default_factory=dict)
    devices: Mapping[int, str] = field(default_factory=dict)
    causes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """A device, as far as lists are concerned; ``has_lines``: some line is on it."""

    key: int
    name: str
    driver: str
    options: Mapping[str, Any] = field(default_factory=dict)
    has_lines: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that somebody should mend, in words; about a list, or about a device at one level."""

    code: str
    words: str
    list_key: int | None = None
    device_key: int | None = None
    level: str = ""


def sentence(one: ListView, names: Names) -> str:
    """Return what a list does: slows lines of Residential accounts restricted for non-payment to 1024/512 kbit/s."""
    kinds = _either(names.account_types.get(key, "?") for key in one.account_type_ids)
    statuses = _either(names.statuses.get(key, "?") for key in one.status_ids)
    lines = "all lines of" if one.by_account else "lines of" if one.cause else "the restricted lines of"
    words = [DOES[one.level], lines]
    words.append(f"{kinds} accounts" if kinds else "accounts" if statuses else "all accounts")
    words += [f"with status {statuses}"] if statuses else []
    words += [f"restricted for {names.causes.get(one.cause, one.cause)}"] if one.cause else []
    return (
        " ".join(words)
        + _speed(one)
        + _where(one, names)
        + (", without any step of a policy" if one.by_account else "")
    )


def _speed(one: ListView) -> str:
    down, up = one.rate_down_kbit, one.rate_up_kbit
    if down is None and up is None:
        return " as the device's own rules say" if one.level == "throttle" else ""
    link = " to " if one.level == "throttle" else ", at "
    if down is not None and up is not None:
        return f"{link}{down}/{up} kbit/s"
    return (
        f"{link}{down} kbit/s down, not limited up" if down is not None else f"{link}{up} kbit/s up, not limited down"
    )


def _where(one: ListView, names: Names) -> str:
    if not one.device_ids:
        return ", on all devices"
    return f", on {_list(sorted(names.devices.get(key, '?') for key in one.device_ids), 'and')}"


def _either(names: Iterable[str]) -> str:
    return _list(sorted(names), "or")


def _list(names: Sequence[str], word: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}" if names else ""


def why_refused(one: ListView, devices: Iterable[DeviceView]) -> Refused | None:
    """Return why a list cannot be as it is; None if it can."""
    if one.by_account and not (one.status_ids or one.account_type_ids):
        return Refused(
            "list_takes_everybody",
            "A list that takes lines by account alone needs a status or a type: without, it would restrict everybody.",
        )
    if one.by_account and one.cause:
        return Refused(
            "list_by_account_or_cause",
            "A list that takes lines by account alone needs no other reason; leave the cause blank.",
        )
    if one.by_account and one.device_ids:
        return Refused(
            "list_by_account_everywhere",
            "A list that takes lines by account alone restricts the account, so on every device that its lines are on;"
            " leave the devices blank.",
        )
    if _lacks_rate(one) and (told := [device.name for device in _on(one, devices) if device.driver not in OWN_SPEED]):
        return Refused(
            "throttle_without_rate",
            f"A slowed line needs a speed: {_list(told, 'and')} would be told none. Enter the download speed, the"
            " upload speed, or both, in kbit/s.",
        )
    return None


def findings(lists: Sequence[ListView], devices: Sequence[DeviceView]) -> tuple[Finding, ...]:
    """Return what somebody should look at: lists nobody can tell apart, without a speed, or a level without a list."""
    return (*_unlike(lists), *_speedless(lists, devices), *missing_levels(lists, devices))


def missing_levels(lists: Sequence[ListView], devices: Iterable[DeviceView]) -> tuple[Finding, ...]:
    """Return the levels for which a device with lines carries no list for everybody."""
    found = []
    for device in devices:
        if not device.has_lines:
            continue
        own = carried(lists, device.key, device.options)
        for level in LEVELS:
            if level == OPEN or _named_there(device, level):
                continue
            mine = [one for one in own if one.level == level]
            if any(_for_everybody(one) for one in mine):
                continue
            some = f"only for some ({_list([one.name for one in mine], 'and')})" if mine else "none"
            found.append(
                Finding(
                    code=NO_LIST, device_key=device.key, level=level,
                    words=f"Device {device.name} has lines, and of the lists for lines that are {DONE[level]} it"
                    f" carries {some}: a line that should be so there is named no list. Add one with no criteria.",
                )
            )  # fmt: skip
    return tuple(found)


def _named_there(device: DeviceView, level: str) -> bool:
    """Tell whether the device's own options name its list for a level."""
    named = device.options.get("address_list", {})
    return bool(named) if isinstance(named, str) else isinstance(named, Mapping) and bool(named.get(level))


def _unlike(lists: Sequence[ListView]) -> Iterable[Finding]:
    first: dict[tuple[Any, ...], ListView] = {}
    for one in sorted(lists, key=lambda row: (row.position, row.name)):
        same = (one.level, one.cause, one.status_ids, one.account_type_ids, one.device_ids)
        known = first.setdefault(same, one)
        if known is not one:
            why = "its order is smaller" if known.position < one.position else "its name comes first"
            yield Finding(
                code="lists-alike", list_key=one.key,
                words=f"{known.name} and {one.name} are for the same lines. {known.name} is always taken, since {why},"
                f" and {one.name} never. Give them different criteria.",
            )  # fmt: skip


def _speedless(lists: Iterable[ListView], devices: Sequence[DeviceView]) -> Iterable[Finding]:
    for one in lists:
        if _lacks_rate(one):
            own = _list([device.name for device in _on(one, devices)], "and")
            yield Finding(
                code="throttle-without-rate", list_key=one.key,
                words=f"{one.name} names no speed, so lines in it are as slow as the rules of"
                f" {own or 'the device itself'} say: make sure that there are such rules.",
            )  # fmt: skip


def _lacks_rate(one: ListView) -> bool:
    return one.level == "throttle" and one.rate_down_kbit is None and one.rate_up_kbit is None


def _on(one: ListView, devices: Iterable[DeviceView]) -> list[DeviceView]:
    return [device for device in devices if not one.device_ids or device.key in one.device_ids]


def _for_everybody(one: ListView) -> bool:
    return not (one.cause or one.status_ids or one.account_type_ids)
