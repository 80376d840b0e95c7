"""Pure: which address list a restricted line belongs into on a device (S16, S19, S20, X10)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ListView:
    """An address list: what it does, and whose lines go into it. Empty criteria are met by everybody.

    Rates are kbit/s, None is not limited. ``by_account``: it restricts whoever meets it, without any hold.
    """

    name: str
    level: str
    position: int = 100
    rate_down_kbit: int | None = None
    rate_up_kbit: int | None = None
    cause: str = ""
    status_ids: frozenset[int] = frozenset()
    account_type_ids: frozenset[int] = frozenset()
    device_ids: frozenset[int] = frozenset()
    by_account: bool = False
    key: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the criteria look at: the account's status and type, and the causes of the holds at its level."""

    status_id: int
    account_type_id: int
    causes: frozenset[str] = frozenset()


def carried(lists: Iterable[ListView], device_id: int, options: Mapping[str, Any]) -> tuple[ListView, ...]:
    """Return the lists that a device carries, named as its option ``address_list`` says, first ones first."""
    named = options.get("address_list", {}) if isinstance(options, Mapping) else {}
    own = sorted(
        (one for one in lists if not one.device_ids or device_id in one.device_ids),
        key=lambda one: (one.position, one.name),
    )
    if isinstance(named, str):
        return tuple(replace(one, name=named) for one in own)
    if not isinstance(named, Mapping):
        return tuple(own)
    return tuple(replace(one, name=str(named.get(one.level, one.name))) for one in own)


def choose(level: str, account: Standing, lists: Iterable[ListView]) -> ListView | None:
    """Return the first of a device's lists that is for such a line; None if the device carries none."""
    return next((one for one in lists if one.level == level and meets(account, one)), None)


def meets(account: Standing, one: ListView) -> bool:
    """Tell whether an account meets the criteria of a list."""
    return (
        (not one.status_ids or account.status_id in one.status_ids)
        and (not one.account_type_ids or account.account_type_id in one.account_type_ids)
        and (not one.cause or one.cause in account.causes)
    )


def takes(account: Standing, one: ListView) -> bool:
    """Tell whether a list restricts an account by its status or type alone; one without either takes nobody."""
    return one.by_account and bool(one.status_ids or one.account_type_ids) and meets(account, one)
