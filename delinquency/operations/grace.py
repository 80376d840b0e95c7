"""More time for one account: given with a reason and a limit, and taken back if it was a mistake (S10, A7 to A9)."""

from datetime import date, datetime, timedelta

from django.db import transaction

from accounts.models import Account, User
from accounts.second_person import covers
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row

from ..extensions import allowance_of, days_given, newest_grant
from ..models import Event, GraceGrant, GraceRequest, Promise, Standing
from .reassess import reassess
from .standings import look_again

DAYS_AHEAD_MAX = 366
REASON_LENGTH = 300
UNDO_WITHIN = timedelta(minutes=10)


@transaction.atomic
def grant_grace(
    *,
    account: Account,
    until_on: date,
    reason: str,
    by: User | None = None,
    lift_now: bool = False,
    at: datetime | None = None,
    seen: int | None = None,
    approval: GraceRequest | None = None,
) -> GraceGrant:
    """Protect an account through the day before a date, and say who did it and why.

    With `lift_now` a running episode ends at once (A8). A promise to pay by day P is a grant until P + 1 (D7). With
    `seen` (the newest grant the person saw, 0 for none) nothing is overwritten unseen: raises StaleState if another
    came in between (U20). Raises Refused without a reason, for a date that is not ahead, for an account without a
    policy, and beyond the limit of whoever asks (A9), unless a second person has approved just that.
    """
    moment = at or clock.now()
    today = clock.local(moment, account.timezone).date()
    if not reason.strip():
        raise Refused("reason_missing", "Say why the account gets more time; the reason is kept.")
    if until_on <= today:
        raise Refused("grace_not_ahead", f"Grace Until {until_on} is not after today, {today}; choose a later date.")
    if (until_on - today).days > DAYS_AHEAD_MAX:
        raise Refused("grace_too_far", f"Grace Until {until_on} is more than a year ahead; choose an earlier date.")
    # Grants are counted after the lock, so that two people at once cannot both give the last one.
    lock_row(Account.objects.all(), account.pk)
    standing = Standing.objects.filter(account=account).only("grace_until").first()
    if standing is None:
        raise Refused("no_policy", f"Account {account.number} is under no policy; give it a billing default first.")
    if seen is not None:
        _nothing_new_since(account, seen, moment)
    allowance, days = allowance_of(account, by, today), days_given(until_on, today, standing.grace_until)
    if not allowance.covers(days) and not _is_approved(approval, account, by, until_on, lift_now):
        raise Refused("grace_limit", allowance.refusal(account.number, days))
    grant = GraceGrant.objects.create(
        account=account,
        until_on=until_on,
        reason=reason.strip()[:REASON_LENGTH],
        lift_now=lift_now,
        granted_at=moment,
        granted_by=by,
    )
    look_again([account.pk])
    reassess(account.pk, at=moment)
    return grant


@transaction.atomic
def undo_grant(grant: GraceGrant, by: User | None = None, *, at: datetime | None = None) -> GraceGrant:
    """Take a grant back that was a mistake, with its promise: within ten minutes, by whoever made it.

    Grants are append-only, and the last one counts; so this is another grant, of the date that was in force before.
    Where none was, that is the day before the mistake: a date that has passed protects nobody. Neither row counts
    towards the limit. Raises Refused where something depends on the grant already (see `why_not_undone`).
    """
    moment = at or clock.now()
    lock_row(Account.objects.all(), grant.account_id)
    why_not = why_not_undone(grant, by, moment)
    if why_not:
        raise Refused("grace_not_undone", why_not)
    before = GraceGrant.objects.filter(account=grant.account_id, pk__lt=grant.pk).order_by("-pk").first()
    day = clock.local(moment, grant.account.timezone).date()
    taken_back = GraceGrant.objects.create(
        account=grant.account,
        until_on=before.until_on if before else day - timedelta(days=1),
        reason=f"Taken back: {grant.reason}"[:REASON_LENGTH],
        granted_at=moment,
        granted_by=by,
        withdraws=grant,
    )
    promise = Promise.objects.filter(grant=grant, state=Promise.State.OPEN).first()
    if promise is not None:
        promise.state, promise.decided_on = Promise.State.WITHDRAWN, day
        promise.decided_why = "The grant it came with was taken back as a mistake."
        promise._change_reason = "taken back as a mistake"  # type: ignore[attr-defined]
        promise._history_user = by  # type: ignore[attr-defined]
        promise.save(update_fields=["state", "decided_on", "decided_why"])
    look_again([grant.account_id])
    reassess(grant.account_id, at=moment)
    return taken_back


def why_not_undone(grant: GraceGrant, by: User | None, moment: datetime) -> str:
    """Say why a grant cannot be taken back, and what to do instead; empty if it can.

    On the same local day only: what is decided as of midnight has seen the grant by then.
    """
    zone, instead = grant.account.timezone, "Give another date with “Grace until” instead; the last one counts."
    if grant.withdraws_id is not None or GraceGrant.objects.filter(withdraws=grant).exists():
        return "This grant was taken back already."
    if GraceGrant.objects.filter(account=grant.account_id, pk__gt=grant.pk).exists():
        return f"The account got another date since. {instead}"
    if grant.granted_by_id != (by.pk if by else None):
        return f"Only {grant.granted_by or 'whoever gave it'} can take it back. {instead}"
    same_day = clock.local(moment, zone).date() == clock.local(grant.granted_at, zone).date()
    if moment - grant.granted_at > UNDO_WITHIN or not same_day:
        return f"More than ten minutes, or a midnight, have passed. {instead}"
    if (
        grant.lift_now
        and Event.objects.filter(account=grant.account_id, rule="A8", recorded_at__gte=grant.granted_at).exists()
    ):
        return f"It ended a case and opened the line, which cannot be undone. {instead}"
    if Promise.objects.filter(grant=grant, state=Promise.State.KEPT).exists():
        return "The promise it came with has been kept."
    return ""


def _is_approved(
    approval: GraceRequest | None, account: Account, by: User | None, until_on: date, lift_now: bool
) -> bool:
    """Tell whether a second person has approved these days, no more, and they were not given yet."""
    return (
        approval is not None
        and covers(approval, account_id=account.pk, by=by)
        and (approval.until_on, approval.lift_now, approval.grant_id) == (until_on, lift_now, None)
    )


def _nothing_new_since(account: Account, seen: int, moment: datetime) -> None:
    newest = newest_grant(account)
    if newest is None or newest.pk == seen:
        return
    who = str(newest.granted_by) if newest.granted_by else "The program"
    did = "took a grant back" if newest.withdraws_id else "gave this account more time"
    raise StaleState(
        f"{who} {did} {ago(moment - newest.granted_at)}: Grace Until is {newest.until_on} now. "
        "Look at the dates again before you confirm."
    )


def ago(passed: timedelta) -> str:
    """Return in words how long ago something was."""
    seconds = max(int(passed.total_seconds()), 0)
    if seconds < 120:
        return f"{seconds} s ago"
    return f"{seconds // 60} min ago" if seconds < 7200 else f"{seconds // 3600} h ago"
