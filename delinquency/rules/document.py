"""The policy file of contract section 3: read with every mistake named by its path, and written again."""

import re
from datetime import time
from decimal import Decimal
from typing import Any

from billing_project.kernel import money

from .calendar import WEEKDAYS, Calendar, ExcludedDate, date_exists, weekday_numbers
from .fields import (
    Reader,
    a_flag,
    a_number,
    a_percentage,
    a_short_text,
    a_text,
    a_time,
    an_amount,
    list_of,
    one_of,
    refuse,
)
from .policy import CHARGE_TIME, CHECK_TIME, Do, Policy, Step

LEVELS = ("throttle", "walled_garden", "suspend")
CHANNELS = ("email", "sms", "voice")
DAYS_MAX = 366
# The newest format of policy files that is known here; a file may say which it is of.
FORMAT = 1
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,60}")
# Keys that only one action knows; on another they would be a misunderstanding.
_ONLY_FOR = {
    "channels": Do.NOTICE,
    "source": Do.CHARGE,
    "level": Do.RESTRICT,
    "flat": Do.LATE_FEE,
    "percent": Do.LATE_FEE,
    "cap": Do.LATE_FEE,
}


def an_exclusion(value: Any, path: str) -> ExcludedDate:
    """Read one excluded date; raises Refused for one that no calendar has (A10)."""
    reader = Reader(value, path, "excluded date")
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
    reader = Reader(value, path, "step")
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
        template=reader.read("template", a_short_text, ""),
        source=reader.read("source", one_of("primary", "secondary"), *([] if action is Do.CHARGE else [""])),
        level=reader.read("level", one_of(*LEVELS), *([] if action is Do.RESTRICT else [""])),
        flat=reader.read("flat", an_amount, money.ZERO),
        percent=reader.read("percent", a_percentage, Decimal(0)),
        cap=reader.read("cap", an_amount, None),
        minimum_amount=reader.read("minimum_amount", an_amount, money.ZERO),
        only_flagged=reader.read("only_flagged", a_flag, False),
        honours_exclusions=reader.read("honours_exclusions", a_flag, action is Do.RESTRICT),
        requires_notice=reader.read("requires_notice", a_short_text, ""),
    )
    reader.done()
    if action is Do.LATE_FEE:
        _check_fee(reader, step)
    return step


def _check_fee(reader: Reader, step: Step) -> None:
    """Refuse a late fee that can only ever be 0.00."""
    if not step.flat and not step.percent:
        raise refuse(reader.at("flat"), 'is missing or 0, and so is percent; write one of them, such as "10.00".')
    if step.cap is not None and step.cap == 0:
        raise refuse(reader.at("cap"), "of 0.00 lets no fee ever be charged; leave it out, or write the most there is.")


def a_format(value: Any, path: str) -> int:
    """Read the number of the file's format; raises Refused for one newer than this program knows."""
    number = a_number(1, 10**9)(value, path)
    if number > FORMAT:
        raise refuse(
            path,
            f"this file is of format {number}, but this program reads up to {FORMAT}; update the program, "
            "or export the policy from the newer one in the older format.",
        )
    return number


def parse(document: Any, path: str = "") -> Policy:
    """Read a policy file (contract section 3); raises Refused with the path of the first thing that is wrong.

    `path` is where the policy stands, if it is part of a larger document.
    """
    reader = Reader(document, path)
    # First of all: in a file of a newer format any other complaint would be beside the point.
    reader.read("format", a_format, FORMAT)
    weekdays = list_of(one_of(*WEEKDAYS), empty="is empty: nobody could ever become delinquent; name at least one day.")
    exclusions = reader.read("exclusions", list_of(an_exclusion), ())
    days = reader.read("check_weekdays", weekdays, WEEKDAYS)
    if "due_days" not in reader.data:
        raise refuse(reader.at("due_days"), "is required; write null where each invoice brings its own due date.")
    policy = Policy(
        name=reader.read("name", a_text),
        bill_day=reader.read("bill_day", a_number(1, 31), None),
        due_days=reader.read("due_days", a_number(0, DAYS_MAX), None),
        grace_days=reader.read("grace_days", a_number(0, DAYS_MAX), None),
        after_day_of_month=reader.read("after_day_of_month", a_number(1, 31), None),
        calendar=Calendar(weekday_numbers(days), exclusions),
        minimum_amount_due=reader.read("minimum_amount_due", an_amount, money.CENT),
        status_switch_days=reader.read("status_switch_days", a_number(0, 10 * DAYS_MAX), None),
        delinquency_status=reader.read("delinquency_status", a_short_text, "Delinquent"),
        removal_status=reader.read("removal_status", a_short_text, ""),
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
    _check_whole(reader, policy)
    return policy


def _a_window(value: Any, path: str) -> tuple[time, time]:
    times = list_of(a_time)(value, path)
    if len(times) != 2 or times[0] >= times[1]:
        raise refuse(path, 'must be two local times, the earlier first, such as ["09:00", "21:00"].')
    return times[0], times[1]


def _check_whole(reader: Reader, policy: Policy) -> None:
    """Refuse what is wrong only in company."""
    if (policy.grace_days is None) == (policy.after_day_of_month is None):
        words = "exactly one of grace_days and after_day_of_month must be set; the other is null."
        raise refuse(reader.at("grace_days"), words)
    places: dict[str, int] = {}
    for index, step in enumerate(policy.steps):
        if step.key in places:
            words = f"{step.key!r} is taken by steps[{places[step.key]}]; choose another."
            raise refuse(reader.at(f"steps[{index}].key"), words)
        places[step.key] = index
    for index, step in enumerate(policy.steps):
        path = reader.at(f"steps[{index}]")
        if step.action is Do.STATUS_SWITCH and policy.status_switch_days is not None:
            raise refuse(path, "a status_switch step and status_switch_days exclude each other; keep one.")
        if step.requires_notice:
            _check_required(policy, f"{path}.requires_notice", step, places)


def _check_required(policy: Policy, path: str, step: Step, places: dict[str, int]) -> None:
    if step.requires_notice == step.key:
        raise refuse(path, "names the step itself, which could then never run; name the notice that must come first.")
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
