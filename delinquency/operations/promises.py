"""Promises to pay: made, and withdrawn by hand; kept or broken is decided by the looks (D7)."""

from datetime import date, datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Max

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row
from invoicing.models import Invoice, LedgerEntry
from invoicing.queries import open_invoices

from ..models import GraceRequest, Promise, Standing
from ..policy_file import policy_of
from ..reading import due_on
from ..rules.promises import grace_until
from .grace import grant_grace
from .kept import tell_tickets

ZERO = Decimal("0.00")


@transaction.atomic
def promise_to_pay(
    *,
    account: Account,
    pay_by_on: date,
    by: User | None = None,
    amount: Decimal | None = None,
    channel: str = Promise.Channel.PHONE,
    note: str = "",
    lift_now: bool = False,
    at: datetime | None = None,
    seen: int | None = None,
    approval: GraceRequest | None = None,
) -> Promise:
    """Note a customer's word to pay by the end of a day, and protect the account until the day after (D7).

    It is kept when all that is past due now, or the amount named, is paid by then. It counts as an extension (A9).
    Raises Refused for a day that has passed, an amount that is not owed, and while another promise is open; and
    whatever `grant_grace` refuses.
    """
    moment = at or clock.now()
    today = clock.local(moment, account.timezone).date()
    if pay_by_on < today:
        raise Refused("promise_not_ahead", f"{pay_by_on} has passed; a promise is for today, {today}, or later.")
    lock_row(Account.objects.all(), account.pk)
    running = Promise.objects.filter(account=account, state=Promise.State.OPEN).first()
    if running is not None:
        raise Refused(
            "promise_open",
            f"Account {account.number} promised {running.promised:,.2f} by {running.pay_by_on} already;"
            " withdraw that promise first.",
        )
    owing = promised_invoices(account, today, pay_by_on)
    owed = sum((invoice.remaining for invoice in owing), ZERO)
    if not owed:
        raise Refused(
            "nothing_owed", f"Account {account.number} owes nothing that is due by {pay_by_on}; nothing to promise."
        )
    if amount is not None and not ZERO < amount <= owed:
        raise Refused(
            "promise_amount",
            f"{amount:,.2f} cannot be promised: {owed:,.2f} is owed. Name less, or leave it blank for all of it.",
        )
    words = f"Promised to pay {owed if amount is None else amount:,.2f} by {pay_by_on}"
    until = promise_until(account, pay_by_on)
    grant = grant_grace(
        account=account, until_on=until, reason=f"{words}: {note.strip()}" if note.strip() else words, by=by,
        lift_now=lift_now, at=moment, seen=seen, approval=approval,
    )  # fmt: skip
    promise = Promise(
        account=account, pay_by_on=pay_by_on, amount=amount, owed=owed, invoices=[invoice.pk for invoice in owing],
        ledger_seen=LedgerEntry.objects.filter(account=account).aggregate(newest=Max("pk"))["newest"] or 0,
        made_at=moment, made_on=today, made_by=by, channel=channel, note=note.strip()[:200], grant=grant,
    )  # fmt: skip
    promise._change_reason = "promised"  # type: ignore[attr-defined]
    promise._history_user = by  # type: ignore[attr-defined]
    promise.save(force_insert=True)
    tell_tickets([(promise, f"{words} ({promise.get_channel_display()}).", by)], moment)
    return promise


@transaction.atomic
def withdraw_promise(promise: Promise, reason: str, by: User | None = None, *, at: datetime | None = None) -> Promise:
    """Close an open promise that is not to be counted; the grace it brought stays. Raises Refused without a reason."""
    if not reason.strip():
        raise Refused("reason_missing", "Say why the promise is withdrawn; the reason is kept.")
    moment = at or clock.now()
    account = lock_row(Account.objects.all(), promise.account_id)
    locked = lock_row(Promise.objects.all(), promise.pk)
    if locked.state != Promise.State.OPEN:
        raise StaleState(f"This promise is {locked.get_state_display()} already: {locked.decided_why}")
    locked.state, locked.decided_why = Promise.State.WITHDRAWN, reason.strip()[:300]
    locked.decided_on = clock.local(moment, account.timezone).date()
    locked._change_reason = reason.strip()[:100]  # type: ignore[attr-defined]
    locked._history_user = by  # type: ignore[attr-defined]
    locked.save(update_fields=["state", "decided_on", "decided_why"])
    return locked


def promised_invoices(account: Account, today: date, pay_by_on: date) -> list[Invoice]:
    """Return what a promise made today is about: what is past due; if nothing is, what is due by its day."""
    standing = Standing.objects.filter(account=account).select_related("policy_version").first()
    if standing is None:
        raise Refused("no_policy", f"Account {account.number} is under no policy; give it a billing default first.")
    policy = policy_of(standing.policy_version)
    payable = [(due_on(row, policy), row) for row in open_invoices([account.pk]) if not row.frozen]
    late = [row for due, row in payable if due < today]
    return late or [row for due, row in payable if due <= pay_by_on]


def promise_until(account: Account, pay_by_on: date) -> date:
    """Return the Grace Until that a promise brings; one that runs longer stays (D7)."""
    standing = Standing.objects.filter(account=account).first()
    return grace_until(pay_by_on, standing.grace_until if standing else None)
