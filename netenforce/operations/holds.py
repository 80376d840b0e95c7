"""Place and lift holds, and bring what the lines should be in line with them.

A hold is one reason to restrict all lines of an account; the hardest active hold wins. While a payment window runs,
holds for non-payment do not count. From that follows what each line should be, and where it changed, one order to its
device: see :mod:`netenforce.operations.orders`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.bulk import copy_rows, update_rows
from billing_project.kernel.locks import lock_values

from ..models import Hold
from ..queries import active_holds, counting
from ..rules.desired import hardest, rank
from .orders import WHY_LENGTH, Target, retarget


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHold:
    """A restriction that somebody wants: why, how hard, and when at the earliest it may reach the line."""

    account_id: int
    cause: str
    cause_key: str
    level: str
    why: str
    at: datetime | None = None
    not_before: datetime | None = None
    until_at: datetime | None = None
    paying_ends: bool = False
    by_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftHold:
    """A restriction that ends, and why."""

    account_id: int
    cause_key: str
    why: str
    at: datetime | None = None
    by_id: int | None = None


def place_hold(
    *,
    account_id: int,
    cause: str,
    cause_key: str,
    level: str,
    why: str,
    at: datetime | None = None,
    not_before: datetime | None = None,
) -> Hold:
    """Place a hold and return it; twice is once, and another level for the same key changes the hold."""
    wish = PlaceHold(
        account_id=account_id,
        cause=cause,
        cause_key=cause_key,
        level=level,
        why=why,
        at=at,
        not_before=not_before,
    )
    change_holds(placed=[wish])
    return Hold.objects.get(account_id=account_id, cause_key=cause_key, lifted_at__isnull=True)


def lift_hold(*, account_id: int, cause_key: str, why: str, at: datetime | None = None) -> Hold | None:
    """Lift a hold and return it, or None if none is active. Lines are restored at any hour (D6, R-13)."""
    held = Hold.objects.filter(account_id=account_id, cause_key=cause_key, lifted_at__isnull=True).first()
    if held is None:
        return None
    change_holds(lifted=[LiftHold(account_id=account_id, cause_key=cause_key, why=why, at=at)])
    held.refresh_from_db()
    return held


@transaction.atomic
def change_holds(
    *, placed: Sequence[PlaceHold] = (), lifted: Sequence[LiftHold] = (), looked_at: Iterable[int] = ()
) -> None:
    """Place and lift many holds, lifts first; the number of queries does not grow with them.

    The lines of the accounts that are only ``looked_at`` are brought in line with their holds and lists as well.
    Raises ValueError if a level does not exist. The accounts' rows are locked, in key order.
    """
    if any(rank(wish.level) == 0 for wish in placed):
        raise ValueError("a hold cannot be placed at level open; lift it instead")
    account_ids = sorted({wish.account_id for wish in placed} | {wish.account_id for wish in lifted} | set(looked_at))
    if not account_ids:
        return
    lock_values(Account.objects.order_by(), account_ids, ("pk",))
    active = {(hold.account_id, hold.cause_key): hold for holds in active_holds(account_ids).values() for hold in holds}
    _lift(active, lifted)
    _place(active, placed)
    retarget(_targets(account_ids, active.values(), placed, lifted))


def _lift(active: dict[tuple[int, str], Hold], lifted: Sequence[LiftHold]) -> None:
    ended = []
    for wish in lifted:
        hold = active.pop((wish.account_id, wish.cause_key), None)
        if hold is not None:
            hold.lifted_at = max(wish.at or clock.now(), hold.placed_at)
            hold.lifted_why, hold.lifted_by_id = wish.why[:WHY_LENGTH], wish.by_id
            ended.append(hold)
    update_rows(ended, ["lifted_at", "lifted_why", "lifted_by"])


def _place(active: dict[tuple[int, str], Hold], placed: Sequence[PlaceHold]) -> None:
    fresh, changed = [], []
    for wish in placed:
        key = wish.account_id, wish.cause_key
        hold = active.get(key)
        if hold is None:
            hold = active[key] = Hold(
                account_id=wish.account_id,
                cause=wish.cause,
                cause_key=wish.cause_key,
                level=wish.level,
                why=wish.why[:WHY_LENGTH],
                placed_at=wish.at or clock.now(),
                until_at=wish.until_at,
                paying_ends=wish.paying_ends,
                placed_by_id=wish.by_id,
            )
            fresh.append(hold)
        elif (hold.level, hold.paying_ends) != (wish.level, wish.paying_ends) or wish.cause == Hold.Cause.STATUS:
            hold.level, hold.why, hold.paying_ends = wish.level, wish.why[:WHY_LENGTH], wish.paying_ends
            if hold.pk is not None:
                changed.append(hold)
    copy_rows(Hold, fresh)
    update_rows(changed, ["level", "why", "paying_ends"])


def _targets(
    account_ids: Iterable[int], active: Iterable[Hold], placed: Sequence[PlaceHold], lifted: Sequence[LiftHold]
) -> dict[int, Target]:
    """Return what each account's lines should be now: as hard as its hardest hold that counts."""
    held: dict[int, list[Hold]] = defaultdict(list)
    for hold in sorted(active, key=lambda hold: (hold.placed_at, hold.pk)):
        held[hold.account_id].append(hold)
    holds = counting(held)
    wishes: dict[int, list[PlaceHold]] = defaultdict(list)
    for placing in placed:
        wishes[placing.account_id].append(placing)
    endings = {lifting.account_id: lifting for lifting in lifted}
    targets = {}
    for account_id in account_ids:
        mine = holds.get(account_id, [])
        level = hardest(hold.level for hold in mine)
        wish = next((wish for wish in wishes[account_id] if wish.level == level), None)
        ending = endings.get(account_id)
        why = next((hold.why for hold in mine if hold.level == level), ending.why if ending else "")
        moment = wish.at if wish else ending.at if ending else None
        targets[account_id] = Target(
            level=level,
            why=why,
            at=moment or clock.now(),
            not_before=wish.not_before if wish else None,
            placed=wish is not None,
            causes=frozenset(hold.cause for hold in mine if hold.level == level),
        )
    return targets
