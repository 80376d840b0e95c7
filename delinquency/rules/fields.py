"""Fields of the files people send: each read by its kind, each mistake named by its path."""

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any

from billing_project.kernel import money
from billing_project.kernel.errors import Refused

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_MISSING: Any = object()


def refuse(path: str, words: str, *, whole: str = "the policy") -> Refused:
    """Return the refusal of a value, naming its path; `whole` is what an empty path stands for."""
    return Refused("bad_policy", f"{path or whole}: {words}")


class Reader:
    """Reads one JSON object field by field and refuses what nobody asked for."""

    def __init__(self, data: Any, path: str, what: str = "policy") -> None:
        """Take the object, which is one of `what`; raises Refused if it is none."""
        if not isinstance(data, Mapping):
            raise refuse(path, f"must be an object, not {_named(data)}.", whole=f"the {what}")
        self.data, self.path, self.what, self.seen = data, path, what, set[str]()

    def at(self, key: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{key}" if self.path else key

    def read(self, key: str, kind: Callable[[Any, str], Any], default: Any = _MISSING) -> Any:
        """Return a field read by `kind`; a null or absent field is its default, if there is one."""
        self.seen.add(key)
        value = self.data.get(key)
        if value is None:
            if default is _MISSING:
                raise refuse(self.at(key), "is required.")
            return default
        return kind(value, self.at(key))

    def done(self) -> None:
        """Refuse keys that were not read."""
        for key in self.data:
            if key not in self.seen:
                words = f"is not a key that {_a(self.what)} has; remove it or mend its spelling."
                raise refuse(self.at(f"{key!s:.60}"), words)


def _a(what: str) -> str:
    return f"an {what}" if what[0] in "aeio" else f"a {what}"


def _named(value: Any) -> str:
    return {
        bool: "true or false",
        str: "a text",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }.get(type(value), "null")


def text_of(length: int) -> Callable[[Any, str], str]:
    """Return a reader of texts of 1 to so many characters."""

    def read(value: Any, path: str) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > length or "\x00" in value:
            raise refuse(path, f"must be a text of 1 to {length} characters, not {value!r:.60}.")
        return value.strip()

    return read


a_text = text_of(80)
# What the tables keep of names of statuses, templates and steps.
a_short_text = text_of(60)


def a_flag(value: Any, path: str) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise refuse(path, f"must be true or false, not {value!r:.60}.")
    return value


def a_number(low: int, high: int) -> Callable[[Any, str], int]:
    """Return a reader of whole numbers within bounds."""

    def read(value: Any, path: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise refuse(path, f"must be a whole number from {low} to {high}, not {value!r:.60}.")
        return value

    return read


def one_of(*choices: str) -> Callable[[Any, str], str]:
    """Return a reader of one word out of a few."""

    def read(value: Any, path: str) -> str:
        if value not in choices:
            raise refuse(path, f"must be one of {', '.join(choices)}, not {value!r:.60}.")
        return str(value)

    return read


def an_amount(value: Any, path: str) -> Decimal:
    """Read an amount of 0 or more with at most two decimals."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise refuse(path, f'must be an amount such as "10.00", not {_named(value)}.')
    try:
        return money.parse(str(value), what=path)
    except Refused as refusal:
        raise refuse(path, f'must be an amount of 0 or more such as "10.00", not {value!r:.60}.') from refusal


def a_percentage(value: Any, path: str) -> Decimal:
    """Read a percentage from 0 to 100."""
    try:
        read = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        read = Decimal("NaN")
    if not read.is_finite() or not 0 <= read <= 100 or read != round(read, 4):
        words = 'must be a percentage from 0 to 100 such as "1.5", of at most 4 decimals'
        raise refuse(path, f"{words}, not {value!r:.60}.")
    return read


def a_time(value: Any, path: str) -> time:
    """Read a local time HH:MM."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise refuse(path, f'must be a local time such as "09:00", not {value!r:.60}.')
    return time(int(match[1]), int(match[2]))


def list_of(
    kind: Callable[[Any, str], Any], *, empty: str = "", unique: bool = True
) -> Callable[[Any, str], tuple[Any, ...]]:
    """Return a reader of lists; `empty` says why a list must not be empty."""

    def read(value: Any, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise refuse(path, f"must be a list, not {_named(value)}.")
        items = tuple(kind(item, f"{path}[{index}]") for index, item in enumerate(value))
        if empty and not items:
            raise refuse(path, empty)
        if unique and len(set(items)) < len(items):
            raise refuse(path, "names the same thing twice.")
        return items

    return read


def a_date(value: Any, path: str) -> date:
    """Read an ISO date."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else _no_date(value)
    except ValueError as error:
        raise refuse(path, f"must be a date such as 2026-01-31, not {value!r:.60}.") from error


def _no_date(value: Any) -> date:
    raise ValueError(value)
