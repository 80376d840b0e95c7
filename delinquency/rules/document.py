"""The policy file of contract section 3: read with every mistake named by its path, and written again."""

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any

from billing_project.kernel import money
from billing_project.kernel.errors import Refused

from .calendar import WEEKDAYS, Calendar, ExcludedDate, date_exists, weekday_numbers
from .policy import CHARGE_TIME, CHECK_TIME, Do, Policy, Step

LEVELS = ("throttle", "walled_garden", "suspend")
CHANNELS = ("email", "sms", "voice")
DAYS_MAX = 366
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_MISSING: Any = object()
# Keys that only one action knows; on another they would be a misunderstanding.
_ONLY_FOR = {
    "channels": Do.NOTICE,
    "source": Do.CHARGE,
    "level": Do.RESTRICT,
    "flat": Do.LATE_FEE,
    "percent": Do.LATE_FEE,
    "cap": Do.LATE_FEE,
}


def refuse(path: str, words: str) -> Refused:
    """Return the refusal of a value, naming its path."""
    return Refused("bad_policy", f"{path or 'the policy'}: {words}")


class Reader:
    """Reads one JSON object field by field and refuses what nobody asked for."""

    def __init__(self, data: Any, path: str) -> None:
        """Take the object; raises Refused if it is none."""
        if not isinstance(data, Mapping):
            raise refuse(path, f"must be an object, not {_named(data)}.")
        self.data, self.path, self.seen = data, path, set[str]()

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
                raise refuse(self.at(str(key)), "is not a key that a policy has; remove it or mend its spelling.")


def _named(value: Any) -> str:
    return {
        bool: "true or false",
        str: "a text",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }.get(type(value), "null")


def a_text(value: Any, path: str) -> str:
    """Read a text of 1 to 80 characters."""
    if not isinstance(value, str) or not value.strip() or len(value) > 80:
        raise refuse(path, f"must be a text of 1 to 80 characters, not {value!r:.60}.")
    return value.strip()


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
    if not read.is_finite() or not 0 <= read <= 100:
        raise refuse(path, f'must be a percentage from 0 to 100 such as "1.5", not {value!r:.60}.')
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


def an_exclusion(value: Any, path: str) -> ExcludedDate:
    """Read one excluded date; raises Refused for one that no calendar has (A10)."""
    reader = Reader(value, path)
    excluded = ExcludedDate(
        name=reader.read("name", a_text),
        month=reader.read("month", a_number(1, 12)),
        day=reader.read("day", a_number(1, 31)),
        year=reader.read("year", a_number(1990, 2200), None),
    )
    reader.done()
    if not date_exists(excluded.month, excluded.day, excluded.year):
        year = f" {excluded.year}" if excluded.year else ""
        raise refuse(path, f"there is no day {excluded.day} in month {excluded.month}{year}; mend the date.")
    return excluded


def a_step(value: Any, path: str) -> Step:
    """Read one step; raises Refused with the path of what is wrong."""
    reader = Reader(value, path)
    action = Do(reader.read("action", one_of(*Do)))
    for key, owner in _ONLY_FOR.items():
        if reader.data.get(key) is not None and action is not owner:
            raise refuse(reader.at(key), f"belongs to {owner} steps only, not to {action}.")
    key = reader.read("key", a_text)
    if not _KEY.fullmatch(key):
        raise refuse(reader.at("key"), f"may hold letters, digits, _ . and - only, not {key!r}.")
    day = reader.read("after_day_of_month", a_number(1, 31), None)
    if day is not None:
        for other in ("anchor", "offset_days"):
            if reader.read(other, lambda found, _: found, None) is not None:
                raise refuse(reader.at(other), "cannot stand beside after_day_of_month; keep one of them.")
    anchor = "" if day is not None else reader.read("anchor", one_of("issued", "due", "delinquent"))
    offset = 0 if day is not None else reader.read("offset_days", a_number(-DAYS_MAX, DAYS_MAX), 0)
    if offset < 0 and anchor != "due":
        raise refuse(reader.at("offset_days"), f"can be negative before due only, not before {anchor}.")
    step = Step(
        key=key,
        action=action,
        anchor=anchor,
        offset_days=offset,
        after_day_of_month=day,
        at=reader.read("at", a_time, CHARGE_TIME if action is Do.CHARGE else CHECK_TIME),
        channels=reader.read("channels", list_of(one_of(*CHANNELS), empty="needs a channel: email, sms or voice."), ())
        if action is not Do.NOTICE
        else reader.read("channels", list_of(one_of(*CHANNELS), empty="needs a channel: email, sms or voice.")),
        template=reader.read("template", a_text, ""),
        source=reader.read("source", one_of("primary", "secondary"), *([] if action is Do.CHARGE else [""])),
        level=reader.read("level", one_of(*LEVELS), *([] if action is Do.RESTRICT else [""])),
        flat=reader.read("flat", an_amount, money.ZERO),
        percent=reader.read("percent", a_percentage, Decimal(0)),
        cap=reader.read("cap", an_amount, None),
        minimum_amount=reader.read("minimum_amount", an_amount, money.ZERO),
        only_flagged=reader.read("only_flagged", a_flag, False),
        honours_exclusions=reader.read("honours_exclusions", a_flag, action is Do.RESTRICT),
        requires_notice=reader.read("requires_notice", a_text, ""),
    )
    reader.done()
    return step


def parse(document: Any) -> Policy:
    """Read a policy file (contract section 3); raises Refused with the path of the first thing that is wrong."""
    reader = Reader(document, "")
    weekdays = list_of(one_of(*WEEKDAYS), empty="is empty: nobody could ever become delinquent; name at least one day.")
    exclusions = reader.read("exclusions", list_of(an_exclusion), ())
    days = reader.read("check_weekdays", weekdays, WEEKDAYS)
    if "due_days" not in reader.data:
        raise refuse("due_days", "is required; write null where each invoice brings its own due date.")
    policy = Policy(
        name=reader.read("name", a_text),
        bill_day=reader.read("bill_day", a_number(1, 31), None),
        due_days=reader.read("due_days", a_number(0, DAYS_MAX), None),
        grace_days=reader.read("grace_days", a_number(0, DAYS_MAX), None),
        after_day_of_month=reader.read("after_day_of_month", a_number(1, 31), None),
        calendar=Calendar(weekday_numbers(days), exclusions),
        minimum_amount_due=reader.read("minimum_amount_due", an_amount, money.CENT),
        status_switch_days=reader.read("status_switch_days", a_number(0, 10 * DAYS_MAX), None),
        delinquency_status=reader.read("delinquency_status", a_text, "Delinquent"),
        removal_status=reader.read("removal_status", a_text, ""),
        grace_until_defers_fees=reader.read("grace_until_defers_fees", a_flag, True),
        on_reversal=reader.read("on_reversal", one_of("restart", "resume"), "restart"),
        seriously_late_after_days=reader.read("seriously_late_after_days", a_number(0, DAYS_MAX), 14),
        seriously_late_limit=reader.read("seriously_late_limit", a_number(0, 1000), 2),
        seriously_late_window=reader.read(
            "seriously_late_window", one_of("calendar_year", "rolling_12_months"), "calendar_year"
        ),
        reconnection_fee=reader.read("reconnection_fee", an_amount, money.ZERO),
        nsf_fee=reader.read("nsf_fee", an_amount, money.ZERO),
        full_balance_clears=reader.read("full_balance_clears", a_flag, False),
        hold_invoices_while_delinquent=reader.read("hold_invoices_while_delinquent", a_flag, False),
        window=reader.read("window", _a_window, (CHECK_TIME, time(21, 0))),
        steps=reader.read("steps", list_of(a_step, unique=False)),
    )
    reader.done()
    _check_whole(policy)
    return policy


def _a_window(value: Any, path: str) -> tuple[time, time]:
    times = list_of(a_time)(value, path)
    if len(times) != 2 or times[0] >= times[1]:
        raise refuse(path, 'must be two local times, the earlier first, such as ["09:00", "21:00"].')
    return times[0], times[1]


def _check_whole(policy: Policy) -> None:
    """Refuse what is wrong only in company."""
    if (policy.grace_days is None) == (policy.after_day_of_month is None):
        raise refuse("grace_days", "exactly one of grace_days and after_day_of_month must be set; the other is null.")
    places: dict[str, int] = {}
    for index, step in enumerate(policy.steps):
        if step.key in places:
            raise refuse(f"steps[{index}].key", f"{step.key!r} is taken by steps[{places[step.key]}]; choose another.")
        places[step.key] = index
    for index, step in enumerate(policy.steps):
        if step.action is Do.STATUS_SWITCH and policy.status_switch_days is not None:
            raise refuse(f"steps[{index}]", "a status_switch step and status_switch_days exclude each other; keep one.")
        if step.requires_notice:
            _check_required(policy, index, step, places)


def _check_required(policy: Policy, index: int, step: Step, places: dict[str, int]) -> None:
    path = f"steps[{index}].requires_notice"
    if step.requires_notice not in places:
        raise refuse(path, f"there is no step {step.requires_notice!r}; name the key of a notice or ticket step.")
    if policy.steps[places[step.requires_notice]].action not in (Do.NOTICE, Do.TICKET):
        raise refuse(path, f"step {step.requires_notice!r} is neither a notice nor a ticket.")


def dump(policy: Policy) -> dict[str, Any]:
    """Write a policy as its file: what `parse` reads back to the same policy."""
    return {
        "name": policy.name,
        "bill_day": policy.bill_day,
        "due_days": policy.due_days,
        "grace_days": policy.grace_days,
        "after_day_of_month": policy.after_day_of_month,
        "check_weekdays": [WEEKDAYS[number] for number in sorted(policy.calendar.check_weekdays)],
        "exclusions": [
            {"name": e.name, "month": e.month, "day": e.day, "year": e.year} for e in policy.calendar.exclusions
        ],
        "minimum_amount_due": money.text(policy.minimum_amount_due),
        "status_switch_days": policy.status_switch_days,
        "delinquency_status": policy.delinquency_status or None,
        "removal_status": policy.removal_status or None,
        "grace_until_defers_fees": policy.grace_until_defers_fees,
        "on_reversal": policy.on_reversal,
        "seriously_late_after_days": policy.seriously_late_after_days,
        "seriously_late_limit": policy.seriously_late_limit,
        "seriously_late_window": policy.seriously_late_window,
        "reconnection_fee": money.text(policy.reconnection_fee),
        "nsf_fee": money.text(policy.nsf_fee),
        "full_balance_clears": policy.full_balance_clears,
        "hold_invoices_while_delinquent": policy.hold_invoices_while_delinquent,
        "window": [f"{policy.window[0]:%H:%M}", f"{policy.window[1]:%H:%M}"],
        "steps": [_dump_step(step) for step in policy.steps],
    }


def _dump_step(step: Step) -> dict[str, Any]:
    document: dict[str, Any] = {"key": step.key, "action": str(step.action)}
    if step.after_day_of_month is not None:
        document["after_day_of_month"] = step.after_day_of_month
    else:
        document |= {"anchor": step.anchor, "offset_days": step.offset_days}
    if step.at != (CHARGE_TIME if step.action is Do.CHARGE else CHECK_TIME):
        document["at"] = f"{step.at:%H:%M}"
    if step.channels:
        document["channels"] = list(step.channels)
    for key in ("template", "source", "level", "requires_notice"):
        if getattr(step, key):
            document[key] = getattr(step, key)
    if step.action is Do.LATE_FEE:
        document |= {"flat": money.text(step.flat), "percent": f"{step.percent.normalize():f}"}
        if step.cap is not None:
            document["cap"] = money.text(step.cap)
    if step.minimum_amount:
        document["minimum_amount"] = money.text(step.minimum_amount)
    if step.only_flagged:
        document["only_flagged"] = True
    if step.honours_exclusions != (step.action is Do.RESTRICT):
        document["honours_exclusions"] = step.honours_exclusions
    return document


def a_date(value: Any, path: str) -> date:
    """Read an ISO date."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else _no_date(value)
    except ValueError as error:
        raise refuse(path, f"must be a date such as 2026-01-31, not {value!r:.60}.") from error


def _no_date(value: Any) -> date:
    raise ValueError(value)
