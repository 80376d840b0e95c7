"""More time for one account, and the way off the flag: what clerks decide by hand (S10, A7, A8, A28)."""

from datetime import date, datetime

from django.db import transaction

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row

from ..models import Event, GraceGrant, InvoiceStanding, Standing
from ..rules.words import sentence
from .reassess import reassess
from .standings import look_again

DAYS_AHEAD_MAX = 366


@transaction.atomic
def grant_grace(
    *,
    account: Account,
    until_on: date,
    reason: str,
    by: User | None = None,
    lift_now: bool = False,
    at: datetime | None = None,
) -> GraceGrant:
    """Protect an account through the day before a date, and say who did it and why.

    With `lift_now` a running episode ends at once (A8). A promise to pay by day P is a grant until P + 1 (D7). Raises
    Refused without a reason, for a date that is not ahead, and for an account without a policy.
    """
    moment = at or clock.now()
    today = clock.local(moment, account.timezone).date()
    if not reason.strip():
        raise Refused("reason_missing", "Say why the account gets more time; the reason is kept.")
    if until_on <= today:
        raise Refused("grace_not_ahead", f"Grace Until {until_on} is not after today, {today}; choose a later date.")
    if (until_on - today).days > DAYS_AHEAD_MAX:
        raise Refused("grace_too_far", f"Grace Until {until_on} is more than a year ahead; choose an earlier date.")
    lock_row(Account.objects.all(), account.pk)
    if not Standing.objects.filter(account=account).exists():
        raise Refused("no_policy", f"Account {account.number} is under no policy; give it a billing default first.")
    grant = GraceGrant.objects.create(
        account=account, until_on=until_on, reason=reason.strip(), lift_now=lift_now, granted_at=moment, granted_by=by
    )
    look_again([account.pk])
    reassess(account.pk, at=moment)
    return grant


@transaction.atomic
def unflag(account: Account, reason: str, by: User | None = None, *, at: datetime | None = None) -> Standing:
    """Take the seriously-late flag off by hand; what was late before no longer counts (A28). Raises Refused."""
    if not reason.strip():
        raise Refused("reason_missing", "Say why the flag is taken off; the reason is kept.")
    moment = at or clock.now()
    lock_row(Account.objects.all(), account.pk)
    standing = Standing.objects.get(account=account)
    if standing.flagged_on is None:
        raise Refused("not_flagged", f"Account {account.number} is not flagged.")
    reassess(account.pk, at=moment)
    standing.refresh_from_db()
    standing.flagged_on, standing.second_source_asked_on = None, None
    standing.unflagged_on = clock.local(moment, account.timezone).date()
    standing.unflagged_why = reason.strip()[:200]
    standing.events_count += 1
    standing._change_reason = reason.strip()[:100]  # type: ignore[attr-defined]
    standing._history_user = by  # type: ignore[attr-defined]
    standing.save()
    _record_unflagged(standing, account, reason.strip(), moment)
    return standing


def _record_unflagged(standing: Standing, account: Account, reason: str, moment: datetime) -> None:
    Event.objects.create(
        account=account,
        sequence=standing.events_count,
        on=standing.unflagged_on or moment.date(),
        local_at=clock.local(moment, account.timezone).isoformat(timespec="seconds"),
        recorded_at=moment,
        kind="unflagged",
        rule="A28",
        why=sentence("unflagged", {"reason": reason})[:400],
        facts={"reason": reason},
        policy_version_id=standing.policy_version_id,
    )


@transaction.atomic
def do_not_count(invoice_standing: InvoiceStanding, reason: str, by: User | None = None) -> InvoiceStanding:
    """Leave a late invoice out of the count towards the flag: our own error, a waived fee, a dispute (A27)."""
    if not reason.strip():
        raise Refused("reason_missing", "Say why this invoice does not count; the reason is kept.")
    lock_row(Account.objects.all(), invoice_standing.account_id)
    invoice_standing.not_counted_why = (f"{reason.strip()} ({by})" if by else reason.strip())[:200]
    invoice_standing.save(update_fields=["not_counted_why"])
    return invoice_standing
