"""Follow the address lists: whom they restrict by account alone, and which list each line belongs into (S21, X10).

A list that takes lines by account alone is kept as a hold on each account that it takes, with the cause STATUS and the
key ``list:<number of the list>``. So it stands beside the holds for other causes, says why, and is lifted by itself
when the account's status or type, or the list, changes.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.models import Account, Attention
from accounts.operations import AttentionRequest, raise_attentions, resolve_attentions
from billing_project.kernel.bulk import update_rows
from billing_project.kernel.errors import StaleState
from billing_project.kernel.locks import lock_rows

from .. import signals
from ..models import Device, EnforcementTask, Hold, LineState
from ..queries import OPEN_STATES, all_lists, counting_holds, list_findings
from ..rules.desired import OPEN
from ..rules.list_words import NO_LIST, OWN_SPEED
from ..rules.lists import ListView, Standing, carried, choose, takes
from .holds import LiftHold, PlaceHold, change_holds
from .lines import requeue

logger = logging.getLogger(__name__)

CHUNK = 500
PREFIX = "list:"


def lists_wanted(device: Device) -> dict[int, str]:
    """Return the list that each restricted line belongs into on a device, by the line; blank if it carries none.

    The number of queries does not grow with the lines.
    """
    states = list(LineState.objects.filter(device=device).exclude(desired_level=OPEN).select_related("line__account"))
    lists = carried(all_lists(), device.pk, device.options)
    holds = counting_holds({state.line.account_id for state in states})
    found = {}
    for state in states:
        account = state.line.account
        causes = _causes(holds.get(account.pk, ()), state.desired_level)
        chosen = choose(state.desired_level, _standing(account, causes), lists)
        found[state.line_id] = chosen.name if chosen else ""
    return found


def follow_lists(device: Device) -> int:
    """Write which list each restricted line of a device belongs into now, and return how many have moved.

    Nothing is sent: the next comparison finds the difference and repairs it.
    """
    wanted = lists_wanted(device)
    moved = [
        state
        for state in LineState.objects.filter(device=device, line_id__in=wanted)
        if state.desired_list != wanted[state.line_id]
    ]
    for state in moved:
        state.desired_list = wanted[state.line_id]
    update_rows(moved, ["desired_list"])
    return len(moved)


# --- Accounts ---


@transaction.atomic
def follow_accounts(
    account_ids: Iterable[int], *, at: datetime | None = None, over_money: Collection[int] | None = None
) -> int:
    """Restrict and free accounts as their status and type say now, and move their lines to the lists they belong into.

    Returns how many holds were placed, changed or lifted; the number of queries does not grow with the accounts.
    ``over_money`` names the accounts whose status was switched for money owed; None: the rooms above are asked.
    """
    ids = sorted(set(account_ids))
    lists = all_lists()
    concerned = any(_looks_at_accounts(one) for one in lists) or bool(_held(ids))
    return _follow(ids, lists, at, over_money) if ids and concerned else 0


@transaction.atomic
def follow_new_lines(account_ids: Iterable[int]) -> int:
    """Bring lines that were just written in bulk in line with the holds on their accounts, and with the lists.

    Returns how many holds were placed, changed or lifted.
    """
    lists = all_lists()
    held = Hold.objects.filter(lifted_at__isnull=True).values("account_id")
    rows = Account.objects.filter(taken_by(lists) | Q(pk__in=held), pk__in=list(account_ids))
    ids = sorted(rows.values_list("pk", flat=True))
    return _follow(ids, lists, None, None) if ids else 0


def _follow(ids: list[int], lists: Sequence[ListView], at: datetime | None, over_money: Collection[int] | None) -> int:
    accounts = lock_rows(Account.objects.select_related("status", "account_type").order_by(), ids)
    held = _held(ids)
    for_money = frozenset(over_money) if over_money is not None else _over_money(ids)
    placed: list[PlaceHold] = []
    lifted: list[LiftHold] = []
    for account in accounts:
        mine = held.get(account.pk, {})
        wanted = _wanted(account, lists)
        for key, one in wanted.items():
            paying_ends, why = bool(one.status_ids) and account.pk in for_money, _why(account, one)
            known = mine.get(key)
            if known is None or (known.level, known.paying_ends, known.why) != (one.level, paying_ends, why):
                placed.append(
                    PlaceHold(
                        account_id=account.pk, cause=Hold.Cause.STATUS, cause_key=key, level=one.level, at=at,
                        why=why, paying_ends=paying_ends,
                    )
                )  # fmt: skip
        lifted += [
            LiftHold(account_id=account.pk, cause_key=key, why=_why_not(account), at=at)
            for key in sorted(mine.keys() - wanted.keys())
        ]
    change_holds(placed=placed, lifted=lifted, looked_at=[account.pk for account in accounts])
    return len(placed) + len(lifted)


def follow_everybody(tick: Callable[[int], None] | None = None) -> int:
    """Bring all accounts that a list newly takes, leaves or moves in line, in chunks; return how many there were.

    One chunk that is in somebody's hands waits for the next pass. ``tick`` hears of each chunk that is done.
    """
    note_missing_lists()
    astray = accounts_astray()
    for start in range(0, len(astray), CHUNK):
        chunk = astray[start : start + CHUNK]
        try:
            with transaction.atomic():
                _follow(chunk, all_lists(), None, None)
        except StaleState as busy:
            logger.info("address lists: %d accounts are followed at the next pass: %s", len(chunk), busy)
        if tick is not None:
            tick(len(chunk))
    return len(astray)


@transaction.atomic
def tell_speed(key: int) -> int:
    """Order the lines of a list once more on devices that are told its speed; return how many lines there are.

    It is no cut: such a line stays in its list, and lines with an order under way are left to that.
    """
    one = next((row for row in all_lists() if row.key == key), None)
    told = Device.objects.exclude(driver__in=OWN_SPEED).filter(enabled=True)
    ordered = 0
    for device in told if one is not None else ():
        assert one is not None
        name = next((row.name for row in carried([one], device.pk, device.options)), "")
        inside = LineState.objects.filter(
            device=device, desired_level=one.level, desired_list=name, observed_level=one.level
        )
        lock_rows(Account.objects.order_by(), inside.values_list("line__account_id", flat=True))
        busy = EnforcementTask.objects.filter(device=device, state__in=OPEN_STATES).values("line_id")
        ordered += len(requeue(inside.exclude(line_id__in=busy), why=f"The speed of list {one.name} was changed."))
    return ordered


def note_missing_lists() -> int:
    """Put before the clerks each device on which lines are restricted at a level it carries no list for.

    What has been mended since is taken off again. Returns how many there are.
    """
    used = set(LineState.objects.exclude(desired_level=OPEN).values_list("device_id", "desired_level").distinct())
    missing = {
        f"device:{one.device_key}:{one.level}": one
        for one in list_findings()
        if one.code == NO_LIST and (one.device_key, one.level) in used
    }
    mended = Attention.objects.filter(code=NO_LIST, resolved_at__isnull=True).exclude(key__in=missing)
    resolve_attentions(NO_LIST, list(mended.values_list("key", flat=True)), "there is a list for it now")
    raise_attentions(AttentionRequest(code=NO_LIST, key=key, words=one.words) for key, one in missing.items())
    return len(missing)


def accounts_astray() -> list[int]:
    """Return the accounts whose holds by lists, or whose lines' lists, are not what the lists say now.

    The number of queries does not grow with the accounts.
    """
    lists = all_lists()
    held = _held(None)
    rows = Account.objects.filter(taken_by(lists) | Q(pk__in=held)).only("status_id", "account_type_id")
    astray = set()
    for account in rows:
        mine, wanted = held.get(account.pk, {}), _wanted(account, lists)
        if {key: hold.level for key, hold in mine.items()} != {key: one.level for key, one in wanted.items()}:
            astray.add(account.pk)
    devices = Device.objects.filter(line_states__desired_level__in=[one.level for one in lists]).distinct()
    return sorted(astray | set(_lines_astray(devices)))


def _lines_astray(devices: Iterable[Device]) -> Iterator[int]:
    for device in devices:
        wanted = lists_wanted(device)
        states = LineState.objects.filter(device=device, line_id__in=wanted, line__placements__device=device)
        for line_id, account_id, name in states.values_list("line_id", "line__account_id", "desired_list"):
            if wanted[line_id] != name:
                yield account_id


def taken_by(lists: Iterable[ListView]) -> Q:
    """Return the condition on accounts that some list takes by their status or type alone."""
    condition = Q(pk__in=[])
    for one in lists:
        if one.by_account and (one.status_ids or one.account_type_ids):
            mine = Q(status__in=one.status_ids) if one.status_ids else Q()
            condition |= mine & (Q(account_type__in=one.account_type_ids) if one.account_type_ids else Q())
    return condition


def _looks_at_accounts(one: ListView) -> bool:
    return bool(one.by_account or one.status_ids or one.account_type_ids)


def _held(account_ids: Iterable[int] | None) -> dict[int, dict[str, Hold]]:
    """Return the active holds by lists, by account and key; of all accounts if none are named."""
    rows = Hold.objects.filter(cause=Hold.Cause.STATUS, cause_key__startswith=PREFIX, lifted_at__isnull=True)
    if account_ids is not None:
        rows = rows.filter(account_id__in=account_ids)
    found: dict[int, dict[str, Hold]] = {}
    for hold in rows:
        found.setdefault(hold.account_id, {})[hold.cause_key] = hold
    return found


def _over_money(account_ids: list[int]) -> frozenset[int]:
    """Ask the rooms above which of the accounts got their status for money owed, so that paying gives it back."""
    found: set[int] = set()
    answers: Any = signals.status_for_money_wanted.send(sender=Account, account_ids=account_ids)
    for _, answer in answers:
        found.update(answer or ())
    return frozenset(found)


def _standing(account: Account, causes: frozenset[str] = frozenset()) -> Standing:
    return Standing(status_id=account.status_id, account_type_id=account.account_type_id, causes=causes)


def _wanted(account: Account, lists: Iterable[ListView]) -> dict[str, ListView]:
    return {f"{PREFIX}{one.key}": one for one in lists if takes(_standing(account), one)}


def _why(account: Account, one: ListView) -> str:
    facts = [f"status {account.status}"] if one.status_ids else []
    facts += [f"type {account.account_type}"] if one.account_type_ids else []
    return f"Account {', '.join(facts)}: list {one.name}"


def _why_not(account: Account) -> str:
    return f"No list takes accounts with status {account.status} and type {account.account_type} for that any more."


def _causes(holds: Iterable[Hold], level: str) -> frozenset[str]:
    return frozenset(hold.cause for hold in holds if hold.level == level)
