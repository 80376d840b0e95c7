"""Promises come true or not: decided at every look at their account, at the latest when their day is over (D7)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from accounts.models import Account, User
from billing_project.kernel import clock
from invoicing.models import LedgerEntry

from ..models import Promise, Ticket, TicketComment
from ..rules.promises import Verdict, decide, over_at

ZERO = Decimal("0.00")
_MONEY = {LedgerEntry.Kind.PAYMENT, LedgerEntry.Kind.REVERSAL}
# No zone is further ahead of UTC, so no account's day ends earlier.
FURTHEST_AHEAD = timedelta(hours=14)


@dataclass(slots=True)
class _Sums:
    """What moved since a promise was made, by the end of its day."""

    settled: Decimal = ZERO
    received: Decimal = ZERO


def accounts_to_hear(at: datetime) -> set[int]:
    """Return the accounts whose promise is over by an instant and not decided yet; it costs what is due."""
    day = clock.local(at + FURTHEST_AHEAD, "UTC").date()
    rows = Promise.objects.filter(state=Promise.State.OPEN, pay_by_on__lt=day, account__parked_at__isnull=True)
    return {
        account_id
        for account_id, pay_by_on, zone in rows.values_list("account_id", "pay_by_on", "account__timezone")
        if clock.local(at, zone) >= over_at(pay_by_on)
    }


def settle_promises(accounts: Sequence[Account], moment: datetime) -> int:
    """Decide the open promises of accounts that the caller has locked; return how many were decided."""
    zones = {account.pk: account.timezone for account in accounts}
    promises = list(Promise.objects.filter(account__in=zones, state=Promise.State.OPEN))
    if not promises:
        return 0
    sums = _sums(promises, zones, moment)
    decided: list[tuple[Promise, Verdict]] = []
    for promise in promises:
        found = sums[promise.account_id]
        verdict = decide(
            pay_by_on=promise.pay_by_on, amount=promise.amount, owed=promise.owed, settled=found.settled,
            received=found.received, local_now=clock.local(moment, zones[promise.account_id]),
        )  # fmt: skip
        if verdict is not None:
            decided.append((promise, verdict))
    for promise, verdict in decided:
        _close(promise, verdict, clock.local(moment, zones[promise.account_id]))
    broken = [(promise, verdict) for promise, verdict in decided if not verdict.kept]
    if broken:
        words = "The promise of {} was not kept: {}"
        tell_tickets(
            [(promise, words.format(promise.made_on, verdict.why), None) for promise, verdict in broken], moment
        )
    return len(decided)


def _sums(promises: Iterable[Promise], zones: dict[int, str], moment: datetime) -> dict[int, _Sums]:
    by_account = {promise.account_id: promise for promise in promises}
    entries = LedgerEntry.objects.filter(
        account__in=by_account, pk__gt=min(promise.ledger_seen for promise in by_account.values())
    )
    found: dict[int, _Sums] = defaultdict(_Sums)
    for row in entries:
        promise = by_account[row.account_id]
        end = clock.instant(over_at(promise.pay_by_on), zones[row.account_id])
        if row.pk <= promise.ledger_seen or row.effective_at >= end or row.effective_at > moment:
            continue
        if row.kind in _MONEY:
            found[row.account_id].received -= row.amount
        if row.invoice_id in promise.invoices:
            found[row.account_id].settled -= row.amount
    return found


def _close(promise: Promise, verdict: Verdict, local_now: datetime) -> None:
    promise.state = Promise.State.KEPT if verdict.kept else Promise.State.BROKEN
    # Broken when the day after begins, kept on its last day at the latest, however late the look that finds out.
    promise.decided_on = min(local_now.date(), promise.pay_by_on if verdict.kept else over_at(promise.pay_by_on).date())
    promise.decided_why, promise.paid = verdict.why, verdict.paid
    promise._change_reason = verdict.why[:100]  # type: ignore[attr-defined]
    promise.save(update_fields=["state", "decided_on", "decided_why", "paid"])


def tell_tickets(said: Sequence[tuple[Promise, str, User | None]], moment: datetime) -> None:
    """Note on the open tickets of accounts what was promised, or what became of it."""
    ids = [promise.account_id for promise, _, _ in said]
    rows = Ticket.objects.filter(account__in=ids).exclude(state=Ticket.State.CLOSED).order_by("-pk")
    # The one about delinquency comes last, and wins.
    tickets = {ticket.account_id: ticket for ticket in sorted(rows, key=lambda ticket: ticket.is_delinquency)}
    for promise, text, by in said:
        if promise.account_id in tickets:
            TicketComment.objects.create(
                ticket=tickets[promise.account_id], author=by, text=text, at=moment,
                direction=TicketComment.Direction.EVENT,
            )  # fmt: skip
