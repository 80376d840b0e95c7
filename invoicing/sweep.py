"""The billing tick: whose bill date has come, in chunks, oldest date first (S13, S25, S29, D5, X11)."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.db import OperationalError, transaction
from django.db.models import F

from accounts.models import Account, Attention
from accounts.operations import AttentionRequest, park_account, raise_attentions
from billing_project.kernel import clock, money
from billing_project.kernel.errors import Refused, StaleState

from .models import BillingParameters, BillingRun
from .operations.issue import IssuedInvoice, Outcome, issue_for, issue_instant
from .operations.preview import preview
from .operations.terms import BILL_DATE_WAITS, waiting_key
from .signals import about_to_bill, billing_planned

logger = logging.getLogger(__name__)

CHUNK = 500
TRIES = 3
# If this many accounts fail, and no other succeeds, none of them is to blame.
MANY = 10
# The bill date and the zone: each such group has one instant at which it is billed.
Group = tuple[date, str]
# SQLSTATEs after which the same transaction may simply be done again: serialization failure, deadlock.
_AGAIN = {"40001", "40P01"}

_instant = lru_cache(maxsize=4096)(issue_instant)


@dataclass(slots=True)
class BillingResult:
    """What a tick did, or would do."""

    tick_at: datetime
    dry_run: bool = False
    already_run: bool = False
    accounts_looked_at: int = 0
    issued: list[IssuedInvoice] = field(default_factory=list)
    dates_moved: int = 0
    held: int = 0
    held_bills: list[dict[str, Any]] = field(default_factory=list)  # left for a later tick until a person decides
    airbag: dict[str, Any] | None = None
    waiting: list[str] = field(default_factory=list)  # numbers of accounts whose bill date waits for a clerk
    parked: list[str] = field(default_factory=list)
    guarded: bool = True

    @property
    def amount(self) -> Decimal:
        """Return the total of the invoices issued."""
        return sum((invoice.amount for invoice in self.issued), Decimal("0.00"))

    def document(self) -> dict[str, Any]:
        """Return the answer for programs."""
        return {
            "tick_at": self.tick_at.isoformat(),
            "dry_run": self.dry_run,
            "already_run": self.already_run,
            "accounts_looked_at": self.accounts_looked_at,
            "invoices_issued": len(self.issued),
            "amount_issued": money.text(self.amount),
            "dates_moved": self.dates_moved,
            "held_while_delinquent": self.held,
            "airbag": self.airbag,
            "held": self.held_bills,
            "waiting": self.waiting,
            "parked": self.parked,
            "issued": [
                {
                    "account": row.account,
                    "number": row.number,
                    "issued_on": row.issued_on.isoformat(),
                    "due_on": row.due_on.isoformat(),
                    "amount": money.text(row.amount),
                }
                for row in self.issued
            ],
        }


def bill(
    at: datetime,
    *,
    account_number: str | None = None,
    dry_run: bool = False,
    zones: Collection[str] | None = None,
    recorded: bool = True,
    guarded: bool = True,
) -> BillingResult:
    """Do one billing tick as of an instant: issue what is due, oldest bill date first.

    `zones` limits it to accounts of some zones; without `recorded` it leaves no row of its own. Doing it again finds
    nothing more to do. A `guarded` tick is compared with the usual before it acts, and its bills wait if it is far from
    that (R-15). A dry run does all of it and takes it back. Raises Refused for an unknown account.
    """
    if account_number is not None and not Account.objects.filter(number=account_number).exists():
        raise Refused("unknown_account", f"There is no account {account_number!r}; give an account's number.")
    result = BillingResult(at.replace(second=0, microsecond=0), dry_run=dry_run, guarded=guarded)
    if dry_run:
        with transaction.atomic():
            _tick(_due_groups(at, account_number, zones, result), at, result)
            transaction.set_rollback(True)
    elif account_number is not None or not recorded:
        # Part of a tick is no tick: the row of this minute stays free for the whole one.
        _tick(_due_groups(at, account_number, zones, result), at, result)
    else:
        run, made = BillingRun.objects.get_or_create(tick_at=result.tick_at)
        result.already_run = not made and run.finished_at is not None
        _tick(_due_groups(at, None, zones, result), at, result)
        _finish(run, result)
    return result


def _hold_back(groups: dict[Group, list[int]], at: datetime, result: BillingResult) -> None:
    """Announce the whole tick before any of it is done, and take out the bills that must wait."""
    answers: list[tuple[Any, Any]] = billing_planned.send(
        sender=None,
        account_ids=sorted(key for ids in groups.values() for key in ids),
        at=at,
        plan=lambda: preview(groups),
    )
    for answer in (answer for _, answer in answers if answer):
        for (bill_on, zone), ids in list(groups.items()):
            groups[bill_on, zone] = [key for key in ids if (key, bill_on) not in answer["hold"]]
        result.held_bills += answer["held"]
        result.airbag = answer["airbag"]


def _tick(groups: dict[Group, list[int]], at: datetime, result: BillingResult) -> None:
    if result.guarded and groups:
        _hold_back(groups, at, result)
    while groups:
        # The oldest date first, so that an account which missed several is billed for each in order.
        bill_on, zone = min(groups)
        ids = sorted(groups.pop((bill_on, zone)))
        for start in range(0, len(ids), CHUNK):
            outcome = _bill_chunk(ids[start : start + CHUNK], bill_on, zone, result)
            for account_id, next_on in outcome.moved_on.items():
                if _instant(next_on, zone) <= at:
                    groups[next_on, zone].append(account_id)


def _due_groups(
    at: datetime, account_number: str | None, zones: Collection[str] | None, result: BillingResult
) -> dict[Group, list[int]]:
    """Return the accounts to bill by bill date and zone; show the clerks those whose date waits for them."""
    # A day of margin covers every zone; the index on the next bill date makes the cost grow with what is due.
    rows = BillingParameters.objects.filter(
        next_bill_on__lte=at.date() + timedelta(days=1),
        account__parked_at__isnull=True,
        account__closed_on__isnull=True,
        account__status__activates_billing=True,
    )
    if account_number is not None:
        rows = rows.filter(account__number=account_number)
    if zones is not None:
        rows = rows.filter(account__timezone__in=zones)
    groups: dict[Group, list[int]] = defaultdict(list)
    waiting: list[tuple[int, str, date]] = []
    fields = ("account_id", "account__number", "account__timezone", "next_bill_on", "daily_billing")
    for account_id, number, zone, next_bill_on, daily in rows.order_by("account_id").values_list(*fields):
        if next_bill_on is None or _instant(next_bill_on, zone) > at:
            continue
        result.accounts_looked_at += 1
        if daily:
            groups[next_bill_on, zone].append(account_id)
        else:
            waiting.append((account_id, number, next_bill_on))
    _raise_waiting(waiting, result)
    return groups


def _raise_waiting(waiting: Sequence[tuple[int, str, date]], result: BillingResult) -> None:
    result.waiting = [number for _, number, _ in waiting]
    keys = [waiting_key(account_id, bill_on) for account_id, _, bill_on in waiting]
    # Also one that a clerk has resolved without moving the date is not raised again.
    known = set(Attention.objects.filter(code=BILL_DATE_WAITS, key__in=keys).values_list("key", flat=True))
    raise_attentions(
        AttentionRequest(
            code=BILL_DATE_WAITS,
            key=key,
            account_id=account_id,
            words=f"Account {number}: the bill date {bill_on} has come, and daily billing is off."
            " Bill it by hand or move its next bill date.",
        )
        for key, (account_id, number, bill_on) in zip(keys, waiting, strict=True)
        if key not in known
    )


def _bill_chunk(ids: Sequence[int], bill_on: date, zone: str, result: BillingResult) -> Outcome:
    try:
        outcomes = [_bill_together(ids, bill_on, zone, result.guarded)]
    except Exception as error:  # noqa: BLE001 - whatever it was, only the account that caused it may suffer
        logger.warning("billing %d accounts for %s is done one by one: %s", len(ids), bill_on, error)
        outcomes = _bill_one_by_one(ids, bill_on, zone, result)
    whole = Outcome()
    for outcome in outcomes:
        whole.moved_on |= outcome.moved_on
        result.issued += outcome.issued
        result.held += outcome.held
        result.dates_moved += len(outcome.moved_on) - len(outcome.issued)
    return whole


def _bill_one_by_one(ids: Sequence[int], bill_on: date, zone: str, result: BillingResult) -> list[Outcome]:
    """Bill each account in a transaction of its own and park those that cannot be billed.

    When all of many fail it is the program or the database that is broken, and no account: the tick ends.
    """
    outcomes: list[Outcome] = []
    failures: dict[int, Exception] = {}
    for account_id in ids:
        try:
            outcomes.append(_bill_alone(account_id, bill_on, zone, result.guarded))
        except OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - the one place that parks
            failures[account_id] = error
    if len(failures) == len(ids) >= MANY:
        raise failures[ids[-1]]
    for account_id, failure in failures.items():
        why = f"it could not be billed for {bill_on}: {type(failure).__name__}: {failure}"
        logger.error("account %d is parked: %s", account_id, why, exc_info=failure)
        park_account(account_id, why[:500])
        result.parked.append(Account.objects.values_list("number", flat=True).get(pk=account_id))
    return outcomes


def _bill_together(ids: Sequence[int], bill_on: date, zone: str, guarded: bool) -> Outcome:
    """Announce, then bill whom the answers leave; both in one transaction: neither is without the other."""
    with transaction.atomic():
        said = about_to_bill.send(
            sender=None, account_ids=list(ids), bill_on=bill_on, at=_instant(bill_on, zone), guarded=guarded
        )
        answers = [answer for _, answer in said]
        waiting = _named_in(answers, "wait")
        return issue_for([key for key in ids if key not in waiting], bill_on, zone, hold=_named_in(answers, "hold"))


def _bill_alone(account_id: int, bill_on: date, zone: str, guarded: bool) -> Outcome:
    for tries_left in reversed(range(TRIES)):
        try:
            return _bill_together([account_id], bill_on, zone, guarded)
        except StaleState as busy:
            logger.warning("account %d is left for the next tick: %s", account_id, busy)
            break
        except OperationalError as error:
            # A deadlock is nobody's fault and is tried again; a database that is down ends the tick.
            if getattr(error.__cause__, "sqlstate", None) not in _AGAIN or not tries_left:
                raise
    return Outcome()


def _named_in(answers: Iterable[Any], what: str) -> Collection[int]:
    return {key for answer in answers if isinstance(answer, dict) for key in answer.get(what, ())}


def _finish(run: BillingRun, result: BillingResult) -> None:
    BillingRun.objects.filter(pk=run.pk).update(
        finished_at=clock.now(),
        accounts_looked_at=F("accounts_looked_at") + result.accounts_looked_at,
        invoices_issued=F("invoices_issued") + len(result.issued),
        amount_issued=F("amount_issued") + result.amount,
        dates_moved=F("dates_moved") + result.dates_moved,
        parked=F("parked") + len(result.parked),
        log=_log(run, result),
    )


def _log(run: BillingRun, result: BillingResult) -> str:
    lines = [run.log] if run.log else []
    if result.already_run:
        lines.append(f"Run again: {len(result.issued)} more invoices.")
    lines += [f"Parked: {number}." for number in result.parked]
    lines += [f"Waits for a clerk: {number}." for number in result.waiting]
    if result.held_bills:
        lines.append(f"The airbag held {len(result.held_bills)} bills.")
    return "\n".join(lines)
