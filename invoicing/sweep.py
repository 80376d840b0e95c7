"""The billing tick: whose bill date has come, in chunks, oldest date first (S13, S25, S29, D5, X11)."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction

from accounts.models import Account, Attention
from accounts.operations import AttentionRequest, park_account, raise_attentions
from billing_project.kernel import clock, money
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.garbage import left_for_later
from billing_project.kernel.locks import lock_free, lock_row
from billing_project.kernel.nudge import nudge

from .due import Due
from .models import BillingRun
from .operations.issue import IssuedInvoice, Outcome, issue_for, issue_instant
from .operations.preview import PlannedBill, preview
from .operations.terms import BILL_DATE_WAITS, waiting_key
from .signals import about_to_bill, billing_planned

logger = logging.getLogger(__name__)

TRIES = 3
# So many are priced at once where nothing is written yet, and nobody is kept waiting.
PLANNED = 2000
# So many bills are worth waking other workers for.
SHARED_FROM = 5000
# If this many accounts fail, and no other succeeds, none of them is to blame.
MANY = 10
# SQLSTATEs after which the same transaction may simply be done again: serialization failure, deadlock.
_AGAIN = {"40001", "40P01"}

_instant = lru_cache(maxsize=4096)(issue_instant)


@dataclass(slots=True)
class BillingResult:
    """What a tick did, or would do. The invoices are only listed if asked for: there may be a million."""

    tick_at: datetime
    dry_run: bool = False
    is_listed: bool = True
    already_run: bool = False
    accounts_looked_at: int = 0
    invoices_issued: int = 0
    amount: Decimal = Decimal("0.00")
    issued: list[IssuedInvoice] = field(default_factory=list)
    dates_moved: int = 0
    held: int = 0
    held_bills: list[dict[str, Any]] = field(default_factory=list)  # left for a later tick until a person decides
    airbag: dict[str, Any] | None = None
    waiting: list[str] = field(default_factory=list)  # numbers of accounts whose bill date waits for a clerk
    parked: list[str] = field(default_factory=list)
    guarded: bool = True
    is_stopped: bool = False

    @property
    def bills_done(self) -> int:
        """Return how many bill dates are done, with or without an invoice."""
        return self.invoices_issued + self.dates_moved

    def take(self, outcome: Outcome) -> None:
        """Add what was done for a chunk."""
        self.accounts_looked_at += len(outcome.moved_on)
        self.invoices_issued += len(outcome.issued)
        self.amount += sum((invoice.amount for invoice in outcome.issued), Decimal("0.00"))
        self.held += outcome.held
        self.dates_moved += len(outcome.moved_on) - len(outcome.issued)
        if self.is_listed:
            self.issued += outcome.issued

    def document(self) -> dict[str, Any]:
        """Return the answer for programs."""
        return {
            "tick_at": self.tick_at.isoformat(),
            "dry_run": self.dry_run,
            "already_run": self.already_run,
            "accounts_looked_at": self.accounts_looked_at,
            "invoices_issued": self.invoices_issued,
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


GoesOn = Callable[[BillingResult], bool]


def bill(
    at: datetime,
    *,
    account_number: str | None = None,
    dry_run: bool = False,
    zones: Collection[str] | None = None,
    recorded: bool = True,
    guarded: bool = True,
    is_listed: bool = True,
    goes_on: GoesOn | None = None,
) -> BillingResult:
    """Do one billing tick as of an instant: issue what is due, oldest bill date first.

    `zones` limits it to accounts of some zones; without `recorded` it leaves no row of its own. Doing it again finds
    nothing more to do, and several at once share the work. A `guarded` tick is compared with the usual before it acts,
    and its bills wait if it is far from that (R-15). A dry run does all of it and takes it back. Unless `is_listed` the
    answer only counts the invoices. `goes_on` is told after each chunk what is done by then, and may stop the rest by
    saying no. Raises Refused for an unknown account.
    """
    if account_number is not None and not Account.objects.filter(number=account_number).exists():
        raise Refused("unknown_account", f"There is no account {account_number!r}; give an account's number.")
    result = BillingResult(at.replace(second=0, microsecond=0), dry_run=dry_run, guarded=guarded, is_listed=is_listed)
    due = Due(at, account_number, zones)
    if dry_run:
        with transaction.atomic():
            _tick(due, result, goes_on)
            transaction.set_rollback(True)
    elif account_number is not None or not recorded:
        # Part of a tick is no tick: the row of this minute stays free for the whole one.
        _tick(due, result, goes_on)
    else:
        run, made = BillingRun.objects.get_or_create(tick_at=result.tick_at)
        result.already_run = not made and run.finished_at is not None
        _tick(due, result, goes_on, is_shared=True)
        _finish(run, result)
    return result


def share(at: datetime, tick_at: datetime) -> BillingResult:
    """Take part in a billing tick that another worker has begun, and has compared with the usual; add to its row."""
    result = BillingResult(tick_at, is_listed=False)
    _walk(Due(at), result, set(), None)
    _finish(BillingRun.objects.get(tick_at=tick_at), result)
    return result


def _tick(due: Due, result: BillingResult, goes_on: GoesOn | None, *, is_shared: bool = False) -> None:
    _raise_waiting(due, result)
    held = _hold_back(due, result) if result.guarded else set()
    if is_shared and not held:
        _call_for_help(due, result)
    _walk(due, result, held, goes_on)


def _call_for_help(due: Due, result: BillingResult) -> None:
    """Wake other workers for a large tick, if there are any; those that come late find less to do, or nothing."""
    if settings.SWEEP_WORKERS > 1 and due.count() >= SHARED_FROM:
        for _ in range(settings.SWEEP_WORKERS - 1):
            nudge("invoicing.share_tick", due.at.isoformat(), result.tick_at.isoformat())


def _walk(due: Due, result: BillingResult, held: Collection[tuple[int, date]], goes_on: GoesOn | None) -> None:
    # The first walk passes over accounts that somebody else has at the moment; the second waits for them.
    for busy_too in (False, True):
        for (bill_on, zone), account_ids in due.chunks():
            wanted = [key for key in account_ids if (key, bill_on) not in held]
            if wanted:
                _bill_chunk(wanted, bill_on, zone, result, busy_too=busy_too)
                if goes_on is not None and not goes_on(result):
                    result.is_stopped = True
                    return


def _hold_back(due: Due, result: BillingResult) -> Collection[tuple[int, date]]:
    """Announce the whole tick before any of it is done, and return the bills that must wait."""

    def plan() -> Iterator[list[PlannedBill]]:
        for (bill_on, _zone), account_ids in due.chunks(PLANNED):
            yield preview(account_ids, bill_on)

    answers: list[tuple[Any, Any]] = billing_planned.send(sender=None, at=due.at, plan=plan)
    held: set[tuple[int, date]] = set()
    for answer in (answer for _, answer in answers if answer):
        held |= answer["hold"]
        result.held_bills += answer["held"]
        result.airbag = answer["airbag"]
    return held


def _raise_waiting(due: Due, result: BillingResult) -> None:
    """Show the clerks the bill dates that wait for them."""
    waiting = list(due.waiting())
    result.accounts_looked_at += len(waiting)
    result.waiting = [number for _, number, _ in waiting]
    keys = [waiting_key(account_id, bill_on) for account_id, _, bill_on in waiting]
    # Also one that a clerk has resolved without moving the date is not raised again.
    known = set(Attention.objects.filter(code=BILL_DATE_WAITS, key__among=keys).values_list("key", flat=True))
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


def _bill_chunk(ids: Sequence[int], bill_on: date, zone: str, result: BillingResult, *, busy_too: bool) -> None:
    try:
        result.take(_bill_together(ids, bill_on, zone, result.guarded, busy_too=busy_too))
    except Exception as error:  # noqa: BLE001 - whatever it was, only the account that caused it may suffer
        logger.warning("billing %d accounts for %s is done one by one: %s", len(ids), bill_on, error)
        for outcome in _bill_one_by_one(ids, bill_on, zone, result):
            result.take(outcome)


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


def _bill_together(ids: Sequence[int], bill_on: date, zone: str, guarded: bool, *, busy_too: bool = True) -> Outcome:
    """Announce, then bill whom the answers leave; both in one transaction: neither is without the other."""
    with left_for_later(), transaction.atomic():
        if not busy_too:
            ids = lock_free(Account.objects.filter(billing_parameters__next_bill_on=bill_on), ids)
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


@transaction.atomic
def _finish(run: BillingRun, result: BillingResult) -> None:
    """Add what was done to the row of the tick; several workers may have taken part in it."""
    row = lock_row(BillingRun.objects.all(), run.pk)
    row.finished_at = clock.now()
    row.accounts_looked_at += result.accounts_looked_at
    row.invoices_issued += result.invoices_issued
    row.amount_issued += result.amount
    row.dates_moved += result.dates_moved
    row.parked += len(result.parked)
    row.log = _log(row, result)
    row.save()


def _log(run: BillingRun, result: BillingResult) -> str:
    lines = [run.log] if run.log else []
    if result.already_run:
        lines.append(f"Run again: {result.invoices_issued} more invoices.")
    lines += [f"Parked: {number}." for number in result.parked]
    lines += [f"Waits for a clerk: {number}." for number in result.waiting]
    if result.held_bills:
        lines.append(f"The airbag held {len(result.held_bills)} bills.")
    return "\n".join(lines)
