"""The flag for being seriously late: taken off by hand, and what counts towards it (E6, A27, A28)."""

from datetime import date, datetime

from django.db import transaction

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row

from ..models import Event, InvoiceStanding, Standing
from ..policy_file import policy_of
from ..rules.calendar import months_later
from ..rules.flags import flag_day
from .reassess import reassess
from .standings import look_again

WHY_LENGTH = 200


@transaction.atomic
def unflag(account: Account, reason: str, by: User | None = None, *, at: datetime | None = None) -> Standing:
    """Take the seriously-late flag off by hand; what was late before no longer counts (A28). Raises Refused."""
    if not reason.strip():
        raise Refused("reason_missing", "Say why the flag is taken off; the reason is kept.")
    moment = at or clock.now()
    lock_row(Account.objects.all(), account.pk)
    standing = Standing.objects.filter(account=account).first()
    if standing is None or standing.flagged_on is None:
        raise Refused("not_flagged", f"Account {account.number} is not flagged.")
    reassess(account.pk, at=moment)
    standing.refresh_from_db()
    standing.flagged_on, standing.second_source_asked_on = None, None
    standing.unflagged_on = clock.local(moment, account.timezone).date()
    standing.unflagged_why = reason.strip()[:WHY_LENGTH]
    _save(standing, "unflagged", f"A clerk took the flag off: {reason.strip()}", "A28", by, moment)
    return standing


@transaction.atomic
def do_not_count(
    invoice_standing: InvoiceStanding, reason: str, by: User | None = None, *, at: datetime | None = None
) -> InvoiceStanding:
    """Leave an invoice out of the count towards the flag: our own error, a waived fee, a dispute (A27).

    If the account was not late too often without it, a flag that was raised is taken off at once; the other late
    invoices go on counting. Raises Refused without a reason, and for one that is left out already.
    """
    if not reason.strip():
        raise Refused("reason_missing", "Say why this invoice does not count; the reason is kept.")
    moment = at or clock.now()
    row = _locked(invoice_standing, moment)
    if row.not_counted_why:
        raise Refused("not_counted_already", f"{row.invoice.number} does not count already: {row.not_counted_why}")
    row.not_counted_why = (f"{reason.strip()} ({by})" if by else reason.strip())[:WHY_LENGTH]
    _save_count(row, f"does not count: {reason.strip()}", by)
    standing = Standing.objects.select_related("account", "policy_version").get(account=row.account_id)
    if standing.flagged_on is not None and _flag_day(standing) is None:
        standing.flagged_on, standing.second_source_asked_on = None, None
        why = f"Without {row.invoice.number} it was not seriously late too often: {reason.strip()}"
        _save(standing, "unflagged", why, "A27", by, moment)
    _look(row.account_id, moment)
    return row


@transaction.atomic
def count_again(
    invoice_standing: InvoiceStanding, reason: str, by: User | None = None, *, at: datetime | None = None
) -> InvoiceStanding:
    """Let an invoice that was left out count towards the flag after all; the flag comes back if that makes it.

    It comes back as of the day on which it would have been raised, without a second source having been asked for.
    Raises Refused without a reason, and for an invoice that counts.
    """
    if not reason.strip():
        raise Refused("reason_missing", "Say why this invoice counts after all; the reason is kept.")
    moment = at or clock.now()
    row = _locked(invoice_standing, moment)
    if not row.not_counted_why:
        raise Refused("counted_already", f"{row.invoice.number} counts already.")
    row.not_counted_why = ""
    _save_count(row, f"counts again: {reason.strip()}", by)
    standing = Standing.objects.select_related("account", "policy_version").get(account=row.account_id)
    day = _flag_day(standing)
    today = clock.local(moment, standing.account.timezone).date()
    if standing.flagged_on is None and day is not None and months_later(_last_counted(standing), 12) > today:
        standing.flagged_on = day
        why = f"{row.invoice.number} counts after all: {reason.strip()} Flagged as of {day}."
        _save(standing, "flagged", why, "A27", by, moment, invoice_id=row.invoice_id)
    _look(row.account_id, moment)
    return row


def _locked(invoice_standing: InvoiceStanding, moment: datetime) -> InvoiceStanding:
    """Return the row as it is once everything up to now is decided, its account locked."""
    lock_row(Account.objects.all(), invoice_standing.account_id)
    reassess(invoice_standing.account_id, at=moment)
    return InvoiceStanding.objects.select_related("invoice").get(pk=invoice_standing.pk)


def _look(account_id: int, moment: datetime) -> None:
    """Work out anew when the flag drops, and what it allows."""
    look_again([account_id])
    reassess(account_id, at=moment)


def _counted(standing: Standing) -> list[InvoiceStanding]:
    return list(
        InvoiceStanding.objects.filter(
            account=standing.account_id, seriously_late_on__isnull=False, not_counted_why=""
        ).order_by("seriously_late_on", "pk")
    )


def _last_counted(standing: Standing) -> date:
    return max(row.seriously_late_on for row in _counted(standing) if row.seriously_late_on)


def _flag_day(standing: Standing) -> date | None:
    days = [row.seriously_late_on for row in _counted(standing) if row.seriously_late_on]
    return flag_day(days, standing.unflagged_on, policy_of(standing.policy_version))


def _save_count(row: InvoiceStanding, reason: str, by: User | None) -> None:
    row._change_reason = reason[:100]  # type: ignore[attr-defined]
    row._history_user = by  # type: ignore[attr-defined]
    row.save(update_fields=["not_counted_why"])


def _save(
    standing: Standing,
    kind: str,
    why: str,
    rule: str,
    by: User | None,
    moment: datetime,
    *,
    invoice_id: int | None = None,
) -> None:
    """Save a flag that a person changed, with its history row and its event."""
    local = clock.local(moment, standing.account.timezone)
    standing.events_count += 1
    standing._change_reason = why[:100]  # type: ignore[attr-defined]
    standing._history_user = by  # type: ignore[attr-defined]
    standing.save()
    Event.objects.create(
        account=standing.account,
        sequence=standing.events_count,
        on=local.date(),
        local_at=local.isoformat(timespec="seconds"),
        recorded_at=moment,
        kind=kind,
        invoice_id=invoice_id,
        rule=rule,
        why=why[:400],
        facts={"by_hand": why[:400]},
        policy_version_id=standing.policy_version_id,
    )
