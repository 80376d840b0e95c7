"""More time above somebody's limit: asked for, and carried out when a second person approves it (A9, SEC-21)."""

from datetime import date, datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet

from accounts import second_person
from accounts.models import Account, User
from accounts.second_person import State
from billing_project.kernel import clock, texts
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row

from ..models import GraceGrant, GraceRequest, Promise
from .grace import REASON_LENGTH, grant_grace
from .promises import promise_to_pay, promise_until

RIGHT_TO_ASK, RIGHT_TO_DECIDE = "delinquency.grant_grace", "delinquency.approve_grace"
LIMIT = "grace_limit"


@transaction.atomic
def give_or_ask(
    *,
    account: Account,
    until_on: date,
    reason: str,
    by: User,
    lift_now: bool = False,
    seen: int | None = None,
) -> GraceGrant | GraceRequest:
    """Give more time within the limit of who gives it; above it ask a second person, and change nothing yet."""
    try:
        return grant_grace(account=account, until_on=until_on, reason=reason, by=by, lift_now=lift_now, seen=seen)
    except Refused as refusal:
        if refusal.code != LIMIT:
            raise
    return _ask(GraceRequest(account=account, until_on=until_on, lift_now=lift_now, reason=reason, asked_by=by))


@transaction.atomic
def promise_or_ask(
    *,
    account: Account,
    pay_by_on: date,
    by: User,
    amount: Decimal | None,
    channel: str,
    note: str,
    lift_now: bool,
    seen: int | None = None,
) -> Promise | GraceRequest:
    """Note a promise within the limit of who notes it; above it ask a second person, and change nothing yet."""
    try:
        return promise_to_pay(
            account=account, pay_by_on=pay_by_on, by=by, amount=amount, channel=channel, note=note,
            lift_now=lift_now, seen=seen,
        )  # fmt: skip
    except Refused as refusal:
        if refusal.code != LIMIT:
            raise
    return _ask(
        GraceRequest(
            account=account, until_on=promise_until(account, pay_by_on), lift_now=lift_now, pay_by_on=pay_by_on,
            amount=amount, channel=channel, reason=note.strip() or f"Promise to pay by {pay_by_on}", asked_by=by,
        )
    )  # fmt: skip


@transaction.atomic
def approve(request: GraceRequest, *, by: User, note: str = "", at: datetime | None = None) -> GraceRequest:
    """Approve what another person asked for, and give it in the same transaction; it counts as given by them.

    Raises Refused for one's own request, without the right to decide, and where the time cannot be given any more:
    the request then still waits, and can be refused. Raises StaleState for one that is decided.
    """
    locked = _lock(request)
    second_person.check_decides(locked, by=by, right=RIGHT_TO_DECIDE)
    second_person.mark(locked, State.APPROVED, by=by, note=note)
    locked.grant = _carry_out(locked, locked.asked_by, locked, at)
    locked.save()
    return locked


@transaction.atomic
def refuse(request: GraceRequest, *, by: User, note: str) -> GraceRequest:
    """Refuse what another person asked for, saying why; raises as approve does."""
    return second_person.refuse(_lock(request), by=by, right=RIGHT_TO_DECIDE, note=note)


@transaction.atomic
def withdraw(request: GraceRequest, *, by: User) -> GraceRequest:
    """Take one's own request back; raises Refused for another's, StaleState for one that is decided."""
    return second_person.withdraw(_lock(request), by=by)


def waiting_for(user: User) -> QuerySet[GraceRequest]:
    """Return the requests of others that wait and that somebody may decide."""
    if not user.has_perm(RIGHT_TO_DECIDE):
        return GraceRequest.objects.none()
    return GraceRequest.objects.filter(state=State.WAITING).exclude(asked_by=user)


def _ask(wanted: GraceRequest) -> GraceRequest:
    if not wanted.asked_by.has_perm(RIGHT_TO_ASK):
        raise Refused("no_right", "You may not give more time; an administrator gives that right.")
    texts.refuse_cards("reason", wanted.reason)
    lock_row(Account.objects.all(), wanted.account_id)
    waiting = GraceRequest.objects.filter(account=wanted.account_id, state=State.WAITING)
    second_person.refuse_a_second(waiting.select_related("asked_by").first())
    mark = transaction.savepoint()
    try:  # what could not be given is not asked for: tried as the program itself, and undone
        _carry_out(wanted, None, None, None)
    finally:
        transaction.savepoint_rollback(mark)
    wanted.reason, wanted.asked_at = wanted.reason.strip()[:REASON_LENGTH], clock.now()
    wanted.save(force_insert=True)
    return wanted


def _lock(request: GraceRequest) -> GraceRequest:
    lock_row(Account.objects.all(), request.account_id)
    return lock_row(GraceRequest.objects.select_related("asked_by", "account"), request.pk)


def _carry_out(
    request: GraceRequest, by: User | None, approval: GraceRequest | None, at: datetime | None
) -> GraceGrant:
    account = Account.objects.select_related("company").get(pk=request.account_id)
    if request.pay_by_on is None:
        return grant_grace(
            account=account, until_on=request.until_on, reason=request.reason, by=by, lift_now=request.lift_now,
            approval=approval, at=at,
        )  # fmt: skip
    return promise_to_pay(
        account=account, pay_by_on=request.pay_by_on, by=by, amount=request.amount, channel=request.channel,
        note=request.reason[:200], lift_now=request.lift_now, approval=approval, at=at,
    ).grant  # fmt: skip
