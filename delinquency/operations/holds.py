"""Accounts on hold: put there for a time, and let go before it (a storm, an outage of ours)."""

from datetime import date, datetime, timedelta

from django.db import transaction

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row

from ..models import AccountHold, Event, GraceGrant, Standing
from .reassess import reassess
from .standings import look_again

HOLD_DAYS_MAX = 60
REASON_LENGTH = 200
Resume = AccountHold.Resume


@transaction.atomic
def hold_account(
    account: Account,
    *,
    until_on: date,
    reason: str,
    resume: str = Resume.GO_ON,
    anew_days: int = 0,
    free_now: bool = False,
    by: User | None = None,
    at: datetime | None = None,
) -> AccountHold:
    """Let nothing follow from what an account owes before a day: no cut, no fee, no notice, no entry.

    What was decided up to now stands. With `resume` "go_on" the steps that fall into the hold run at the first check
    after it, dated then; with "anew" the account gets `anew_days` more days of grace after it (A7), and a running case
    stands still for these as well. With `free_now` a running case ends at once and its lines are freed (A8). Raises
    Refused without a reason, for a day that is not ahead or more than 60 days ahead, for an account that is closed,
    under no policy, or on hold for as long already.
    """
    moment = at or clock.now()
    locked = lock_row(Account.objects.all(), account.pk)
    today = clock.local(moment, locked.timezone).date()
    if not reason.strip():
        raise Refused("reason_missing", "Say why the account is put on hold; the reason is kept.")
    check_until(until_on, today)
    if locked.closed_on is not None:
        raise Refused("closed", f"Account {locked.number} was closed on {locked.closed_on}.")
    reassess(locked.pk, at=moment)
    standing = Standing.objects.filter(account=locked).first()
    if standing is None:
        raise Refused("no_policy", f"Account {locked.number} is under no policy; give it a billing default first.")
    late = standing.delinquent_since is not None
    waits = resume == Resume.ANEW and late and not free_now
    held_until = until_on + timedelta(days=anew_days) if waits else until_on
    if standing.held_until is not None and standing.held_until >= held_until:
        raise Refused("held_longer", f"Account {locked.number} is on hold until {standing.held_until} already.")
    hold = AccountHold.objects.create(
        account=locked, until_on=held_until, resume=resume, anew_days=anew_days if resume == Resume.ANEW else 0,
        freed=free_now and late, reason=reason.strip()[:REASON_LENGTH], held_at=moment, held_by=by,
    )  # fmt: skip
    opens_on = None
    if resume == Resume.ANEW and not waits:
        opens_on = until_on + timedelta(days=anew_days)
    elif free_now and late:
        opens_on = until_on
    if opens_on is not None:
        hold.grant = GraceGrant.objects.create(
            account=locked, until_on=max(opens_on, standing.grace_until or opens_on), lift_now=hold.freed,
            reason=f"On hold: {hold.reason}", granted_at=moment, granted_by=by,
        )  # fmt: skip
        hold.save(update_fields=["grant"])
    _stand_still(standing, held_until, f"on hold: {hold.reason}", by)
    look_again([locked.pk])
    reassess(locked.pk, at=moment)
    return hold


@transaction.atomic
def end_hold(hold: AccountHold, *, why: str, by: User | None = None, at: datetime | None = None) -> AccountHold:
    """Let an account go on before its hold is over; steps that fell into it run at the next check.

    A grant that came with it ends as well, unless it ended a case: that cannot be undone. Raises Refused without a
    reason, or if the hold is over.
    """
    moment = at or clock.now()
    account = lock_row(Account.objects.all(), hold.account_id)
    locked = lock_row(AccountHold.objects.select_related("grant"), hold.pk)
    today = clock.local(moment, account.timezone).date()
    if not why.strip():
        raise Refused("reason_missing", "Say why the hold ends; the reason is kept.")
    if locked.ended_at is not None or locked.until_on <= today:
        raise Refused("hold_over", f"The hold of account {account.number} is over already.")
    if locked.freed and Event.objects.filter(account=account, rule="A8", recorded_at__gte=locked.held_at).exists():
        raise Refused(
            "hold_freed",
            f"The hold of account {account.number} ended a case and opened its line; that cannot be undone.",
        )
    reassess(account.pk, at=moment)
    locked.ended_at, locked.ended_by, locked.ended_why = max(moment, locked.held_at), by, why.strip()[:REASON_LENGTH]
    locked.save(update_fields=["ended_at", "ended_by", "ended_why"])
    if locked.grant is not None:
        _withdraw(locked, locked.grant, moment, today, by)
    other = AccountHold.objects.filter(account=account, ended_at__isnull=True, until_on__gt=today).order_by("-until_on")
    longest = other.values_list("until_on", flat=True).first()
    _stand_still(Standing.objects.get(account=account), longest, f"hold ended: {locked.ended_why}", by)
    look_again([account.pk])
    reassess(account.pk, at=moment)
    return locked


def check_until(until_on: date, today: date) -> None:
    """Pass if a hold may last until a day; raises Refused if that is not ahead, or too far."""
    if until_on <= today:
        raise Refused("hold_not_ahead", f"{until_on} is not after today, {today}; choose a later day.")
    if (until_on - today).days > HOLD_DAYS_MAX:
        raise Refused("hold_too_far", f"{until_on} is more than {HOLD_DAYS_MAX} days ahead; choose an earlier day.")


def _withdraw(hold: AccountHold, grant: GraceGrant, moment: datetime, today: date, by: User | None) -> None:
    """Put the date in force again that was so before the hold, unless the account got another since."""
    if GraceGrant.objects.filter(account=hold.account_id, pk__gt=grant.pk).exists():
        return
    before = GraceGrant.objects.filter(account=hold.account_id, pk__lt=grant.pk).order_by("-pk").first()
    GraceGrant.objects.create(
        account=hold.account, until_on=before.until_on if before else today - timedelta(days=1), withdraws=grant,
        reason=f"Taken back: {grant.reason}"[:300], granted_at=moment, granted_by=by,
    )  # fmt: skip


def _stand_still(standing: Standing, until_on: date | None, why: str, by: User | None) -> None:
    fresh = Standing.objects.get(pk=standing.pk)  # the look has moved it on
    fresh.held_until = until_on
    fresh._change_reason = why[:100]  # type: ignore[attr-defined]
    fresh._history_user = by  # type: ignore[attr-defined]
    fresh.save(update_fields=["held_until"])
