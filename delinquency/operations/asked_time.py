"""More time above somebody's limit: asked for, and carried out when a second person approves it (A9, SEC-21)."""

from datetime import date
from decimal import Decimal

from django.db import transaction

from accounts import second_person
from accounts.models import Account, User
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


def _ask(wanted: GraceRequest) -> GraceRequest:
    if not wanted.asked_by.has_perm(RIGHT_TO_ASK):
        raise Refused("no_right", "You may not give more time; an administrator gives that right.")
    texts.refuse_cards("reason", wanted.reason)
    lock_row(Account.objects.all(), wanted.account_id)
    second_person.refuse_a_second(GraceRequest.objects.filter(account=wanted.account_id))
    mark = transaction.savepoint()
    try:  # what could not be given is not asked for: tried as the program itself, and undone
        _carry_out(wanted, None, None)
    finally:
        transaction.savepoint_rollback(mark)
    wanted.reason, wanted.asked_at = wanted.reason.strip()[:REASON_LENGTH], clock.now()
    wanted.save(force_insert=True)
    return wanted


def _carry_out(request: GraceRequest, by: User | None, approval: GraceRequest | None) -> GraceGrant:
    account = Account.objects.select_related("company").get(pk=request.account_id)
    if request.pay_by_on is None:
        return grant_grace(
            account=account, until_on=request.until_on, reason=request.reason, by=by, lift_now=request.lift_now,
            approval=approval,
        )  # fmt: skip
    return promise_to_pay(
        account=account, pay_by_on=request.pay_by_on, by=by, amount=request.amount, channel=request.channel,
        note=request.reason[:200], lift_now=request.lift_now, approval=approval,
    ).grant  # fmt: skip


def _give(request: GraceRequest) -> None:
    request.grant = _carry_out(request, request.asked_by, request)


_decisions = second_person.Decisions(GraceRequest, right=RIGHT_TO_DECIDE, carry_out=_give, related=())
approve, refuse, withdraw = _decisions.approve, _decisions.refuse, _decisions.withdraw
waiting_for = _decisions.waiting_for
