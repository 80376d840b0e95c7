"""The airbag: is what a sweep is about to do so far from the usual that a person should look first (R-15)?

Three questions, each with its own measure: how many accounts are cut, how much is charged in late fees, and whether the
bills look like the last ones. Nothing here knows rows or clocks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from billing_project.kernel import money

from .actions import Event, Kind
from .facts import AccountState, Cut

# As few as this are never held, nor compared: in a small shop one more customer than usual says nothing.
FEW = 20
TIMES_LARGEST = 3
SHARE_OF_ACTIVE = 20  # one in twenty: 5 %
OFF_BY = Decimal("0.25")
LOOKS_BACK = timedelta(weeks=8)
# An account is billed once a month; two bills closer than this are one too many.
BILL_APART = timedelta(days=25)
ZERO = Decimal("0.00")
# What takes service or money away; everything else that a look decides is harmless.
CUTTING = (Kind.RESTRICTED, Kind.STATUS_SWITCH, Kind.HOLD_AGAIN)
HARMS = (*CUTTING, Kind.LATE_FEE, Kind.CHARGE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a plan is held: what it would do, what would have been allowed, and both in words."""

    planned: Decimal
    limit: Decimal
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A bill about to be issued, and the account's last regular one if there was one within eight weeks."""

    bill_on: date
    amount: Decimal
    last_on: date | None = None
    last_amount: Decimal = ZERO


def cut_limit(*, largest: int, active: int, forecast: int | None = None) -> int:
    """Return how many accounts may be cut on one day without anybody being asked.

    That is 20 or three times the largest day of the last eight weeks, whichever is more; and beyond the largest day
    (and 20) never more than 5 % of the active accounts. It is never less than 20, so a small shop is not held up over
    one cut, whatever share of its customers that is. A forecast can only lower it, to three times what was foreseen
    but not below the largest day: a bad policy is in its own forecast as well, and must not be excused by it.
    """
    usual = max(FEW, largest)
    limits = [max(FEW, TIMES_LARGEST * largest), max(usual, active // SHARE_OF_ACTIVE)]
    if forecast is not None:
        limits.append(max(usual, TIMES_LARGEST * forecast))
    return min(limits)


def judge_cuts(cuts: int, *, largest: int, active: int, forecast: int | None = None) -> Verdict | None:
    """Return why cutting so many accounts in one day is held; None if it is not.

    `cuts` counts accounts, each once: those cut today already and those about to be.
    """
    limit = cut_limit(largest=largest, active=active, forecast=forecast)
    if cuts <= limit:
        return None
    before = f"the largest day of the last eight weeks had {largest}" if largest else "nobody was cut for eight weeks"
    foreseen = "" if forecast is None else f", {forecast} were forecast"
    return Verdict(
        Decimal(cuts),
        Decimal(limit),
        f"{cuts} accounts would be cut today; {limit} is the most that goes without asking: {before}{foreseen},"
        f" and {active} accounts are active.",
    )


def judge_fees(amount: Decimal, *, count: int, largest: Decimal, forecast: Decimal | None = None) -> Verdict | None:
    """Return why charging so much in late fees on one day is held; None if it is not.

    Held is more than 25 % above what is expected: the largest day of the last eight weeks, or the forecast if that is
    more. With 20 fees or fewer, or nothing to expect by, nothing is compared.
    """
    expected = max(largest, forecast or ZERO)
    limit = expected * (1 + OFF_BY)
    if count <= FEW or expected <= 0 or amount <= limit:
        return None
    return Verdict(
        amount,
        money.quantize(limit),
        f"{count} late fees of {amount} in all would be charged today; {expected} is the most that was expected, and"
        f" {money.text(limit)} the most that goes without asking.",
    )


def judge_bills(bills: Iterable[Bill]) -> Verdict | None:
    """Return why bills are held: their sum is off by more than 25 %, or too many come too soon; None if they are fine.

    Compared are accounts that had a regular invoice in the last eight weeks, with those very invoices. Fewer than 20 of
    them are not compared: one customer who orders or cancels something would move the sum that far.
    """
    count, soon, planned, last = 0, 0, ZERO, ZERO
    for bill in bills:
        if bill.last_on is None:
            continue
        count += 1
        soon += bill.bill_on - bill.last_on < BILL_APART
        planned, last = planned + bill.amount, last + bill.last_amount
    return None if count < FEW else _too_soon(count, soon) or _off(count, planned, last)


def _too_soon(count: int, soon: int) -> Verdict | None:
    limit = int(count * OFF_BY)
    if soon <= limit:
        return None
    return Verdict(
        Decimal(soon),
        Decimal(limit),
        f"{soon} of {count} accounts would be billed again less than {BILL_APART.days} days after their last"
        f" bill; {limit} is the most that goes without asking.",
    )


def _off(count: int, planned: Decimal, last: Decimal) -> Verdict | None:
    low, high = last * (1 - OFF_BY), last * (1 + OFF_BY)
    if low <= planned <= high:
        return None
    far, limit = ("more", high) if planned > high else ("less", low)
    return Verdict(
        planned,
        money.quantize(limit),
        f"{count} bills of {planned} in all would be issued, where the same accounts' last bills came to {last}:"
        f" more than 25 % {far}. Between {money.text(low)} and {money.text(high)} goes without asking.",
    )


def harms_of(events: Iterable[Event], before: Iterable[Cut], state: AccountState) -> list[Event]:
    """Return the harmful ones among a look's events; cuts that were released in the same look are none."""
    new = {(cut.step_key, cut.anchor) for cut in state.cuts} - {(cut.step_key, cut.anchor) for cut in before}
    return [
        event
        for event in events
        if event.kind in HARMS
        and (event.kind not in CUTTING or (event.step is not None and (event.step.key, event.anchor) in new))
    ]
